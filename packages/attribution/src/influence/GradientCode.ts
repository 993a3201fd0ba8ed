import { decompose } from '../algebra/SymmetricEigen.ts'
import * as ScanKernels from './ScanKernels.ts'
import * as Whitening from './Whitening.ts'

/** Code lengths to choose from: powers of two, as the rotation needs them. */
export const DIMENSIONS = [128, 256, 512, 1024] as const
/** The shortest code that keeps this part of the whitened energy is taken. */
export const ENERGY_MIN = 0.95
/** Rows that the principal directions are learned from: directions cost the cube of their number. */
export const LANDMARKS_MAX = 1024

const CODE_MAX = 127
const STEP_MAX = 32_767
/** Row scales are whole multiples of 2^-22: unit rows need at most 2^22 / 127 of them, which fits 16 bits. */
const SCALE_UNIT = 2 ** -22
/** Directions with less than this part of the largest one's energy are rounding noise. */
const RANK_TOLERANCE = 1e-9
/** Rows whose whitened norm is below this part of the median's are taken as having no gradient. */
const NORM_TOLERANCE = 1e-12

/**
 * Learns the map from gradients to codes, and codes the rows.
 *
 * Rows are whitened and scaled to unit norm; their principal directions over all blocks come from the Gram matrix of
 * at most `LANDMARKS_MAX` of them; a fixed rotation then spreads energy evenly, so that 8 bits lose little anywhere.
 */
export async function learn(source: {
  readonly blocks: readonly Whitening.GradientBlock[]
  readonly rows: readonly Float32Array[]
  readonly fisher: readonly Float32Array[]
  /** Rows that the directions are learned from; left out, all. */
  readonly originals?: readonly number[]
  /** A power of two, 64 or more; left out, the shortest that keeps enough energy. */
  readonly dimension?: number
}): Promise<{
  readonly dimension: number
  readonly energyPpm: number
  readonly scales: Uint16Array
  readonly kernels: ScanKernels.ScanKernels
}> {
  const { blocks, fisher } = source
  const { order, landmarkCount } = chooseLandmarks(source.rows.length, source.originals)
  const rows = order.map((i) => source.rows[i]!)
  const { gram, normsSquared, factors } = await Whitening.relate({ blocks, rows, fisher, landmarkCount })
  const inverseNorms = invertNorms(normsSquared)
  for (let i = 0; i < rows.length; i++) {
    for (let j = 0; j < landmarkCount; j++)
      gram[i * landmarkCount + j]! *= inverseNorms[i]! * inverseNorms[j]!
  }
  const { directions, dimension, energyPpm } = principal(gram, landmarkCount, source.dimension)
  rotate(directions, dimension, landmarkCount)
  const gradientWidth = paddedWidth(blocks)
  const kernels = ScanKernels.create({
    rowCount: rows.length,
    width: dimension,
    directions: dimension,
    gradientWidth,
  })
  const scales = new Uint16Array(rows.length)
  const projected = new Float64Array(dimension)
  for (const [i, row] of order.entries()) {
    for (let k = 0, at = 0; k < dimension; k++) {
      let sum = 0
      for (let j = i * landmarkCount; j < (i + 1) * landmarkCount; j++, at++)
        sum += directions[at]! * gram[j]!
      projected[k] = sum
    }
    const { code, scale } = toRow(projected)
    kernels.codes.set(code, row * dimension)
    scales[row] = scale
  }
  for (let k = 0, at = 0; k < dimension; k++) {
    for (let j = 0; j < landmarkCount; j++, at++) directions[at]! *= inverseNorms[j]!
  }
  const starts = paddedStarts(blocks)
  const known = { blocks, rows, fisher, landmarkCount, factors }
  await Whitening.pullBack(known, directions, (block, part) => {
    const { size } = blocks[block]!
    for (let k = 0; k < dimension; k++) {
      const values = part.subarray(k * size, (k + 1) * size)
      const to = k * gradientWidth + starts[block]!
      quantizeGroups(values, CODE_MAX, kernels.transform, kernels.transformScales, to)
    }
  })
  return { dimension, energyPpm, scales, kernels }
}

/**
 * Rounds a row of at most unit norm to integers in [-127, 127] with one scale; the scale is rounded first, so that code
 * and scale belong together exactly.
 */
function toRow(vector: Float64Array): { code: Int8Array; scale: number } {
  const scale = Math.ceil(largest(vector) / CODE_MAX / SCALE_UNIT)
  const step = scale * SCALE_UNIT
  return { code: Int8Array.from(vector, (value) => (scale === 0 ? 0 : Math.round(value / step))), scale }
}

/** Rounds a vector of any length to its direction in integers in [-127, 127]. */
export function toDirection(vector: Float64Array): Int8Array {
  const max = largest(vector)
  return Int8Array.from(vector, (value) => (max === 0 ? 0 : Math.round((value / max) * CODE_MAX)))
}

const largest = (vector: Float64Array): number =>
  vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0)

/** Rounds a gradient to 16-bit steps in the padded layout, with one scale for each group of neighbours. */
export function toSteps(
  blocks: readonly Whitening.GradientBlock[],
  gradient: Float32Array,
): { steps: Int16Array; groupScales: Float32Array } {
  const width = paddedWidth(blocks)
  const steps = new Int16Array(width)
  const groupScales = new Float32Array(width / ScanKernels.GROUP)
  const starts = paddedStarts(blocks)
  let offset = 0
  for (const [block, { size }] of blocks.entries()) {
    quantizeGroups(gradient.subarray(offset, offset + size), STEP_MAX, steps, groupScales, starts[block]!)
    offset += size
  }
  return { steps, groupScales }
}

/** Width of a gradient with every block padded to whole groups. */
export const paddedWidth = (blocks: readonly Whitening.GradientBlock[]): number =>
  paddedStarts(blocks)[blocks.length]!

function paddedStarts(blocks: readonly Whitening.GradientBlock[]): number[] {
  const starts = [0]
  for (const { size } of blocks) {
    starts.push(starts.at(-1)! + Math.ceil(size / ScanKernels.GROUP) * ScanKernels.GROUP)
  }
  return starts
}

function quantizeGroups(
  values: Float32Array,
  stepMax: number,
  steps: Int8Array | Int16Array,
  groupScales: Float32Array,
  start: number,
): void {
  for (let at = 0; at < values.length; at += ScanKernels.GROUP) {
    const end = Math.min(values.length, at + ScanKernels.GROUP)
    let max = 0
    for (let i = at; i < end; i++) max = Math.max(max, Math.abs(values[i]!))
    const scale = Math.fround(max / stepMax)
    groupScales[(start + at) / ScanKernels.GROUP] = scale
    if (scale === 0) continue
    for (let i = at; i < end; i++) {
      steps[start + i] = Math.max(-stepMax, Math.min(stepMax, Math.round(values[i]! / scale)))
    }
  }
}

/** Puts landmarks first, evenly spaced among the originals. */
function chooseLandmarks(
  rowCount: number,
  originals?: readonly number[],
): { order: number[]; landmarkCount: number } {
  const every = Array.from({ length: rowCount }, (_, i) => i)
  const candidates = originals ?? every
  const landmarkCount = Math.min(candidates.length, LANDMARKS_MAX)
  const landmarks = Array.from(
    { length: landmarkCount },
    (_, i) => candidates[Math.floor((i * candidates.length) / landmarkCount)]!,
  )
  const chosen = new Set(landmarks)
  const others = every.filter((i) => !chosen.has(i))
  return { order: [...landmarks, ...others], landmarkCount }
}

function invertNorms(normsSquared: Float64Array): Float64Array {
  const median = normsSquared.slice().sort()[normsSquared.length >> 1]!
  return normsSquared.map((value) =>
    value > median * NORM_TOLERANCE && value > 0 ? 1 / Math.sqrt(value) : 0,
  )
}

/** Gives `[dimension, landmarks]` combinations of unit landmarks that are orthonormal, most energy first, and zeros where there is none. */
function principal(
  gram: Float64Array,
  landmarkCount: number,
  wanted: number | undefined,
): { directions: Float64Array; dimension: number; energyPpm: number } {
  const { values, vectors } = decompose(gram.slice(0, landmarkCount * landmarkCount), landmarkCount)
  const positive = values.map((value) => Math.max(0, value))
  const total = positive.reduce((sum, value) => sum + value, 0)
  const kept = (dimension: number): number =>
    total === 0 ? 1 : positive.slice(0, dimension).reduce((sum, value) => sum + value, 0) / total
  const dimension =
    wanted ?? DIMENSIONS.find((candidate) => kept(candidate) >= ENERGY_MIN) ?? DIMENSIONS.at(-1)!
  const rank = positive.slice(0, dimension).filter((value) => value > RANK_TOLERANCE * positive[0]!).length
  const directions = new Float64Array(dimension * landmarkCount)
  directions.set(vectors.subarray(0, rank * landmarkCount))
  for (let k = 0, at = 0; k < rank; k++) {
    const scale = 1 / Math.sqrt(positive[k]!)
    for (let j = 0; j < landmarkCount; j++, at++) directions[at]! *= scale
  }
  return { directions, dimension, energyPpm: Math.round(kept(dimension) * 1e6) }
}

/** Applies a fixed orthogonal matrix to the rows: random signs, then the Walsh-Hadamard transform. */
function rotate(matrix: Float64Array, rowCount: number, columns: number): void {
  let state = 0x9e3779b9
  const scale = 1 / Math.sqrt(rowCount)
  for (let k = 0; k < rowCount; k++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const factor = state >>> 31 === 0 ? scale : -scale
    for (let j = k * columns; j < (k + 1) * columns; j++) matrix[j]! *= factor
  }
  for (let half = 1; half < rowCount; half *= 2) {
    for (let k = 0; k < rowCount; k++) {
      if ((k & half) !== 0) continue
      for (let j = 0, p = k * columns, q = (k + half) * columns; j < columns; j++, p++, q++) {
        const above = matrix[p]!
        const below = matrix[q]!
        matrix[p] = above + below
        matrix[q] = above - below
      }
    }
  }
}
