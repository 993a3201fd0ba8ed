import { BaseError, Bytes, type CanonicalJson, type Hex, Merkle } from '@openledger/primitives'
import * as IndexFile from '../IndexFile.ts'
import * as GradientCode from './GradientCode.ts'
import * as ScanKernels from './ScanKernels.ts'
import { DAMPING, type GradientBlock } from './Whitening.ts'

/** The records of one adapter's training set, each as a short integer code of its whitened gradient. */
export type InfluenceIndex = {
  readonly blocks: readonly GradientBlock[]
  readonly recordIds: readonly string[]
  /** Length of a code. */
  readonly dimension: number
  /** Part of the rows' whitened energy that the codes keep, in parts per million. */
  readonly energyPpm: number
  /** `[records, dimension]` */
  readonly codes: Int8Array
  /** `[records]` the value of one code step, in units of 2^-22; 0 for a record without gradient. */
  readonly scales: Uint16Array
  /** Merkle root over the records' rows, see `rowLeaf`. */
  readonly rowsRoot: Hex
  /** Commits to all of the index, the map from gradients to codes included. */
  readonly root: Hex
  readonly kernels: ScanKernels.ScanKernels
}

const KIND = 'INFL'
const VERSION = 1

/**
 * Builds the index of an adapter from gradients of its LoRA parameters.
 *
 * Each LoRA matrix is whitened by its exact damped Gauss-Newton block, rows are scaled to unit norm, and the principal
 * directions of all blocks together are kept and coded in 8 bits. Takes about
 * `records · (landmarks + fisher) · parameters` products of time, in float32 by ONNX Runtime: equal inputs give equal bytes on
 * one kind of processor. What is asked of the index is whole numbers on every machine.
 *
 * @param blocks - The LoRA matrices, in the order in which gradients concatenate them.
 * @param rows - One gradient of the token-mean loss for each record, `[parameters]`.
 * @param fisher - Gradients of the same loss with labels sampled from the model; a few hundred suffice.
 * @param recordIds - Names of the rows, in the order of registration.
 * @param originals - Numbers of the rows that the codes' directions are learned from, such as those that are no duplicates, so
 *   that a copy changes no other row's code; left out, all.
 * @param dimension - Length of the codes, a power of two of 64 or more; left out, as short as keeps the energy.
 * @throws {GradientShapeError} @throws {GradientValueError}
 * @see Grosse et al. 2023 for the damped Gauss-Newton form; EOGP (Heo et al. 2026) for whitened principal directions.
 */
export async function build({
  blocks,
  rows,
  fisher,
  recordIds,
  originals,
  dimension: wanted,
}: {
  readonly blocks: readonly GradientBlock[]
  readonly rows: readonly Float32Array[]
  readonly fisher: readonly Float32Array[]
  readonly recordIds: readonly string[]
  readonly originals?: readonly number[]
  readonly dimension?: number
}): Promise<InfluenceIndex> {
  const parameterCount = blocks.reduce((sum, { size }) => sum + size, 0)
  if (
    rows.length !== recordIds.length ||
    rows.length === 0 ||
    fisher.length === 0 ||
    originals?.length === 0
  ) {
    throw new GradientShapeError({
      expected: 'one row for each of one or more records, and one or more Fisher rows and originals',
      got: `${rows.length} rows, ${recordIds.length} records, ${fisher.length} Fisher rows, ${originals?.length ?? 'all'} originals`,
    })
  }
  for (const [i, row] of rows.entries()) assertGradient(row, parameterCount, `record ${recordIds[i]}`)
  for (const [i, row] of fisher.entries()) assertGradient(row, parameterCount, `Fisher row ${i}`)
  const { dimension, energyPpm, kernels, scales } = await GradientCode.learn({
    blocks,
    rows,
    fisher,
    ...(originals === undefined ? {} : { originals }),
    ...(wanted === undefined ? {} : { dimension: wanted }),
  })
  return commit({ blocks, recordIds, dimension, energyPpm, scales, kernels })
}

/**
 * Scores every record for one answer: larger means that training on the record made the answer more likely.
 *
 * @param gradient - `[parameters]` gradient of the answer's token-mean loss, as the rows were taken.
 * @returns `[records]` whole numbers, exact on every machine; only their proportions within one answer mean something.
 */
export function score(index: InfluenceIndex, gradient: Float32Array): Float64Array {
  return scan(index, queryCode(index, gradient))
}

/** Codes an answer's gradient: `[dimension]` integers in [-127, 127]. */
export function queryCode(index: InfluenceIndex, gradient: Float32Array): Int8Array {
  const parameterCount = index.blocks.reduce((sum, { size }) => sum + size, 0)
  assertGradient(gradient, parameterCount, 'the answer')
  const { steps, groupScales } = GradientCode.toSteps(index.blocks, gradient)
  return GradientCode.toDirection(index.kernels.project(steps, groupScales))
}

/** Scores every record against a coded answer, in integers alone. */
export function scan(index: InfluenceIndex, query: Int8Array): Float64Array {
  const products = index.kernels.scan(query)
  return Float64Array.from(products, (product, i) => product * index.scales[i]!)
}

/**
 * Finds, for each record, the earlier one that moved the model most alike.
 *
 * @returns One for each record, in order; -1 and 0 for the first. Similarity is the cosine of the two codes in parts
 * per million, at least 0.
 */
export function nearestEarlier(
  index: InfluenceIndex,
): { readonly row: number; readonly similarityPpm: number }[] {
  const { codes, dimension, recordIds, kernels } = index
  const codeOf = (row: number): Int8Array => codes.subarray(row * dimension, (row + 1) * dimension)
  const lengths = recordIds.map((_, row) =>
    Math.sqrt(codeOf(row).reduce((sum, value) => sum + value * value, 0)),
  )
  return recordIds.map((_, row) => {
    const products = kernels.scan(codeOf(row))
    let nearest = { row: -1, similarityPpm: 0 }
    for (let earlier = 0; earlier < row; earlier++) {
      const size = lengths[row]! * lengths[earlier]!
      const similarityPpm = size === 0 ? 0 : Math.floor((products[earlier]! * 1e6) / size)
      if (similarityPpm > nearest.similarityPpm) nearest = { row: earlier, similarityPpm }
    }
    return nearest
  })
}

/** The bytes under a record's leaf of the rows' tree: id, scale (little-endian) and code. */
export function rowLeaf(
  index: Pick<InfluenceIndex, 'recordIds' | 'scales' | 'dimension' | 'codes'>,
  row: number,
) {
  const { recordIds, scales, codes, dimension } = index
  const code = codes.subarray(row * dimension, (row + 1) * dimension)
  const scale = scales[row]!
  return Bytes.concat(
    Bytes.fromUtf8(recordIds[row]!),
    Uint8Array.of(0, scale & 0xff, scale >> 8),
    IndexFile.bytesOf(code),
  )
}

/** Opens a record's row: its bytes and the siblings that lead to `rowsRoot`. */
export function proveRow(index: InfluenceIndex, row: number): { bytes: Uint8Array; proof: Uint8Array[] } {
  return { bytes: rowLeaf(index, row), proof: Merkle.prove(rowsTree(index), row) }
}

/** Serialises the index with its root. */
export function encode(index: InfluenceIndex): Uint8Array {
  return IndexFile.encode(
    { kind: KIND, version: VERSION, header: headerOf(index), sections: sectionsOf(index) },
    index.root,
  )
}

/**
 * Reads an index back and checks its root.
 * @throws {IndexFile.IndexBytesError}
 */
export function decode(bytes: Uint8Array): InfluenceIndex {
  const file = IndexFile.decode(bytes, KIND, VERSION)
  const { blocks, recordIds, dimension, energyPpm, rowsRoot } = file.header as unknown as Header
  const [codes, scaleBytes, transform, transformScales] = file.sections
  const gradientWidth = GradientCode.paddedWidth(blocks)
  const sizes = { rowCount: recordIds.length, width: dimension, directions: dimension, gradientWidth }
  const kernels = ScanKernels.create(sizes)
  const targets = [
    kernels.codes,
    new Uint16Array(recordIds.length),
    kernels.transform,
    kernels.transformScales,
  ]
  if (targets.some((target, i) => target.byteLength !== file.sections[i]?.byteLength)) {
    throw new IndexFile.IndexBytesError('its sections disagree about its size')
  }
  const scales = new Uint16Array(scaleBytes!.buffer)
  kernels.codes.set(new Int8Array(codes!.buffer))
  kernels.transform.set(new Int8Array(transform!.buffer))
  kernels.transformScales.set(new Float32Array(transformScales!.buffer))
  const index = commit({ blocks, recordIds, dimension, energyPpm, scales, kernels }, file.root)
  if (index.rowsRoot !== rowsRoot) throw new IndexFile.IndexBytesError('its rows do not hash to their root')
  return index
}

/**
 * Checks that bytes are a whole index and gives its root, without making it ready to be asked.
 * @throws {IndexFile.IndexBytesError}
 */
export const rootIn = (bytes: Uint8Array): Hex => IndexFile.decode(bytes, KIND, VERSION).root

type Header = Pick<InfluenceIndex, 'blocks' | 'recordIds' | 'dimension' | 'energyPpm' | 'rowsRoot'>

function commit(
  parts: Pick<InfluenceIndex, 'blocks' | 'recordIds' | 'dimension' | 'energyPpm' | 'scales' | 'kernels'>,
  knownRoot?: Hex,
): InfluenceIndex {
  const withCodes = { ...parts, codes: parts.kernels.codes }
  const committed = { ...withCodes, rowsRoot: Bytes.toHex(rowsTree(withCodes).root) }
  const root = knownRoot ?? IndexFile.root(headerOf(committed), sectionsOf(committed))
  return { ...committed, root }
}

const rowsTree = (index: Parameters<typeof rowLeaf>[0]): Merkle.Tree =>
  Merkle.build(index.recordIds.map((_, row) => Merkle.hashLeaf(rowLeaf(index, row))))

const headerOf = ({ blocks, recordIds, dimension, energyPpm, rowsRoot }: Header): CanonicalJson.Json => ({
  blocks: blocks.map(({ name, size }) => ({ name, size })),
  recordIds,
  dimension,
  energyPpm,
  rowsRoot,
  damping: DAMPING,
})

const sectionsOf = ({ codes, scales, kernels }: Pick<InfluenceIndex, 'codes' | 'scales' | 'kernels'>) =>
  [codes, scales, kernels.transform, kernels.transformScales].map(IndexFile.bytesOf)

function assertGradient(gradient: Float32Array, parameterCount: number, where: string): void {
  if (gradient.length !== parameterCount) {
    throw new GradientShapeError({
      expected: `${parameterCount} parameters in ${where}`,
      got: `${gradient.length}`,
    })
  }
  let sum = 0
  for (let i = 0; i < gradient.length; i++) sum += Math.abs(gradient[i]!)
  if (!Number.isFinite(sum)) throw new GradientValueError(where)
}

export class GradientShapeError extends BaseError {
  constructor(context: { expected: string; got: string }) {
    super({
      code: 'influence.gradient_shape',
      message: `Expected ${context.expected}, got ${context.got}; take gradients with the blocks of this adapter.`,
      context,
    })
  }
}

export class GradientValueError extends BaseError {
  constructor(where: string) {
    super({
      code: 'influence.gradient_value',
      message: `Expected finite numbers in the gradient of ${where}, got NaN or an infinity; check the loss it was taken of.`,
      context: { where },
    })
  }
}
