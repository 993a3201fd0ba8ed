import * as DenseAlgebra from '../algebra/DenseAlgebra.ts'

/** One LoRA matrix: its gradients are whitened together. */
export type GradientBlock = { readonly name: string; readonly size: number }

/** Damping of a block, as a multiple of the mean eigenvalue of its curvature. */
export const DAMPING = 0.3

/** The damped curvature of one block in its dual form: `L Lᵀ = F Fᵀ + μ I` over the Fisher rows F. */
type Factor = {
  readonly mu: number
  /** Lower triangle, row after row. */
  readonly lower: Float64Array
}

/** Whitened inner products of the rows, and what is needed to map directions back to gradients. */
export type Whitened = {
  /** `[rows, landmarks]` `gᵢᵀ (Fᵀ F + μ I)⁻¹ gⱼ` summed over blocks. */
  readonly gram: Float64Array
  /** `[rows]` */
  readonly normsSquared: Float64Array
  readonly factors: readonly (Factor | undefined)[]
}

type Source = {
  readonly blocks: readonly GradientBlock[]
  /** Gradients, blocks concatenated; the first `landmarkCount` are the landmarks. */
  readonly rows: readonly Float32Array[]
  readonly fisher: readonly Float32Array[]
  readonly landmarkCount: number
  /** Default `DAMPING`. */
  readonly damping?: number
}

/**
 * Computes whitened inner products exactly, without ever forming a block's curvature matrix.
 *
 * With fewer Fisher rows than parameters, `(Fᵀ F + μ I)⁻¹ = (I - Fᵀ (F Fᵀ + μ I)⁻¹ F) / μ`, so only products of rows
 * with rows are needed: `gᵀ H⁻¹ g' = (g·g' - z·z') / μ` with `L z = F g`. A block on which no Fisher row depends
 * carries no curvature and is left out.
 */
export function relate({ blocks, rows, fisher, landmarkCount, damping = DAMPING }: Source): Whitened {
  const gram = new Float64Array(rows.length * landmarkCount)
  const normsSquared = new Float64Array(rows.length)
  const columns = DenseAlgebra.roundUp(landmarkCount, DenseAlgebra.BLOCK)
  const widest = Math.max(...blocks.map(({ size }) => size))
  const { matrixBytes } = DenseAlgebra
  const arena = DenseAlgebra.createArena(
    matrixBytes(fisher.length, widest, 4) +
      matrixBytes(rows.length, widest, 4) +
      matrixBytes(fisher.length, fisher.length, 8) +
      matrixBytes(rows.length, fisher.length, 8) +
      matrixBytes(rows.length, columns, 8),
  )
  let offset = 0
  const factors = blocks.map(({ size }) => {
    arena.clear()
    const f = gather(arena, fisher, offset, size)
    const g = gather(arena, rows, offset, size)
    offset += size
    const lower = arena.matrix64(fisher.length, fisher.length)
    DenseAlgebra.addGram32(arena, f, f.rows, lower)
    const mu = damp(lower, fisher.length, size, damping)
    if (mu === 0) return undefined
    DenseAlgebra.factor(arena, lower)
    const z = arena.matrix64(rows.length, fisher.length)
    DenseAlgebra.addProduct32(arena, g, f, z)
    DenseAlgebra.solveForward(arena, lower, z)
    const products = arena.matrix64(rows.length, columns)
    DenseAlgebra.addGram32(arena, g, columns, products)
    DenseAlgebra.subtractGram64(arena, z, columns, products)
    for (let i = 0; i < rows.length; i++) {
      for (let j = 0; j < landmarkCount; j++) {
        gram[i * landmarkCount + j]! += products.data[i * products.stride + j]! / mu
      }
      if (i >= landmarkCount) normsSquared[i]! += (normSquared(g, i) - normSquared(z, i)) / mu
    }
    return { mu, lower: pack(lower) }
  })
  for (let i = 0; i < landmarkCount; i++) normsSquared[i] = gram[i * landmarkCount + i]!
  return { gram, normsSquared, factors }
}

/**
 * Maps combinations of whitened landmarks back to directions in the space of raw gradients: row k of the result is
 * `Σⱼ coefficients[k, j] H⁻¹ gⱼ`, so that its product with a raw gradient is a whitened inner product.
 *
 * @param coefficients - `[directions, landmarks]`.
 * @param visit - Gets each block's part, `[directions, stride]`, valid during the call; zero where nothing is known.
 */
export function pullBack(
  { blocks, rows, fisher, landmarkCount, factors }: Source & Pick<Whitened, 'factors'>,
  coefficients: Float64Array,
  visit: (block: number, part: Float64Array, stride: number) => void,
): void {
  const directions = coefficients.length / landmarkCount
  const widest = Math.max(...blocks.map(({ size }) => size))
  const { matrixBytes } = DenseAlgebra
  const arena = DenseAlgebra.createArena(
    matrixBytes(directions, landmarkCount, 4) +
      matrixBytes(widest, landmarkCount, 4) +
      2 * matrixBytes(directions, widest, 8) +
      matrixBytes(directions, widest, 4) +
      2 * matrixBytes(fisher.length, widest, 4) +
      matrixBytes(directions, fisher.length, 8) +
      matrixBytes(directions, fisher.length, 4) +
      2 * matrixBytes(fisher.length, fisher.length, 8),
  )
  const landmarks = rows.slice(0, landmarkCount)
  let offset = 0
  for (const [block, { size }] of blocks.entries()) {
    arena.clear()
    const from = offset
    offset += size
    const combined = arena.matrix64(directions, size)
    const factor = factors[block]
    if (factor === undefined) {
      visit(block, combined.data, combined.stride)
      continue
    }
    const weights = arena.matrix32(directions, landmarkCount)
    for (let k = 0; k < directions; k++) {
      for (let j = 0; j < landmarkCount; j++) {
        weights.data[k * weights.stride + j] = coefficients[k * landmarkCount + j]!
      }
    }
    DenseAlgebra.addProduct32(arena, weights, gatherTransposed(arena, landmarks, from, size), combined)
    const combined32 = arena.matrix32(directions, size)
    combined32.data.set(combined.data)
    const dual = arena.matrix64(directions, fisher.length)
    DenseAlgebra.addProduct32(arena, combined32, gather(arena, fisher, from, size), dual)
    const { lower, upper } = unpack(arena, factor.lower, fisher.length)
    DenseAlgebra.solveForward(arena, lower, dual)
    DenseAlgebra.solveBackward(arena, upper, dual)
    const dual32 = arena.matrix32(directions, fisher.length)
    dual32.data.set(dual.data)
    const correction = arena.matrix64(directions, size)
    DenseAlgebra.addProduct32(arena, dual32, gatherTransposed(arena, fisher, from, size), correction)
    for (let i = 0; i < combined.data.length; i++) {
      combined.data[i] = (combined.data[i]! - correction.data[i]!) / factor.mu
    }
    visit(block, combined.data, combined.stride)
  }
}

/** Adds `μ = damping · tr(F Fᵀ) / size` to the diagonal and makes the padding the identity. Gives μ. */
function damp(
  { data, rows, stride }: DenseAlgebra.Matrix<Float64Array>,
  count: number,
  size: number,
  damping: number,
): number {
  let trace = 0
  for (let i = 0; i < count; i++) trace += data[i * stride + i]!
  const mu = (damping * trace) / size
  for (let i = 0; i < rows; i++) data[i * stride + i]! += i < count ? mu : 1
  return mu
}

function gather(
  arena: DenseAlgebra.Arena,
  gradients: readonly Float32Array[],
  offset: number,
  size: number,
): DenseAlgebra.Matrix<Float32Array> {
  const matrix = arena.matrix32(gradients.length, size)
  for (const [i, row] of gradients.entries()) {
    matrix.data.set(row.subarray(offset, offset + size), i * matrix.stride)
  }
  return matrix
}

function gatherTransposed(
  arena: DenseAlgebra.Arena,
  gradients: readonly Float32Array[],
  offset: number,
  size: number,
): DenseAlgebra.Matrix<Float32Array> {
  const matrix = arena.matrix32(size, gradients.length)
  for (const [i, row] of gradients.entries()) {
    for (let j = 0, to = i; j < size; j++, to += matrix.stride) matrix.data[to] = row[offset + j]!
  }
  return matrix
}

function normSquared(
  { data, stride }: DenseAlgebra.Matrix<Float32Array | Float64Array>,
  row: number,
): number {
  let sum = 0
  for (let k = row * stride; k < (row + 1) * stride; k++) sum += data[k]! * data[k]!
  return sum
}

function pack({ data, rows, stride }: DenseAlgebra.Matrix<Float64Array>): Float64Array {
  const packed = new Float64Array((rows * (rows + 1)) / 2)
  for (let i = 0, at = 0; i < rows; at += ++i) packed.set(data.subarray(i * stride, i * stride + i + 1), at)
  return packed
}

function unpack(
  arena: DenseAlgebra.Arena,
  packed: Float64Array,
  size: number,
): { lower: DenseAlgebra.Matrix<Float64Array>; upper: DenseAlgebra.Matrix<Float64Array> } {
  const lower = arena.matrix64(size, size)
  const upper = arena.matrix64(size, size)
  for (let i = 0, at = 0; i < lower.rows; at += ++i) {
    for (let j = 0; j <= i; j++) {
      lower.data[i * lower.stride + j] = packed[at + j]!
      upper.data[j * upper.stride + i] = packed[at + j]!
    }
  }
  return { lower, upper }
}
