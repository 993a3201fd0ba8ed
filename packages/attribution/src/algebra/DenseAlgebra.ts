import * as DenseKernels from './DenseKernels.ts'
import { MEMORY_BYTES_MAX } from './Wasm.ts'

/** A row-major matrix in kernel memory; `stride` elements from row to row. */
export type Matrix<Data> = {
  readonly at: number
  readonly data: Data
  readonly rows: number
  readonly stride: number
}

/** Kernel memory that is given out in order and taken back all at once. */
export type Arena = {
  readonly kernels: DenseKernels.DenseKernels
  /** Rows and columns are rounded up for the kernels; everything is zero. */
  readonly matrix32: (rows: number, columns: number) => Matrix<Float32Array>
  readonly matrix64: (rows: number, columns: number) => Matrix<Float64Array>
  readonly clear: () => void
}

/** Columns that a triangular factor is worked through at a time. */
export const BLOCK = 32
/** Rows of a symmetric product that are computed at a time. */
const PANEL = 128

/** Rounds up to what the kernels take. */
export const roundUp = (count: number, multiple: number): number => Math.ceil(count / multiple) * multiple

/** Bytes that a matrix takes in an arena. */
export const matrixBytes = (rows: number, columns: number, elementBytes: 4 | 8): number =>
  roundUp(rows, BLOCK) * roundUp(columns, BLOCK) * elementBytes

/** Starts an arena of a fixed size. */
export function createArena(sizeBytes: number): Arena {
  if (sizeBytes > MEMORY_BYTES_MAX) {
    throw new RangeError(`Expected at most ${MEMORY_BYTES_MAX} bytes of kernel memory, got ${sizeBytes}.`)
  }
  const kernels = DenseKernels.create(sizeBytes)
  let next = 0
  const take = (rows: number, columns: number, elementBytes: 4 | 8) => {
    const at = next
    next += matrixBytes(rows, columns, elementBytes)
    if (next > kernels.buffer.byteLength)
      throw new RangeError(`Expected at most ${sizeBytes} bytes in the arena.`)
    return { at, rows: roundUp(rows, BLOCK), stride: roundUp(columns, BLOCK) }
  }
  return {
    kernels,
    matrix32(rows, columns) {
      const matrix = take(rows, columns, 4)
      const data = new Float32Array(kernels.buffer, matrix.at, matrix.rows * matrix.stride).fill(0)
      return { ...matrix, data }
    },
    matrix64(rows, columns) {
      const matrix = take(rows, columns, 8)
      const data = new Float64Array(kernels.buffer, matrix.at, matrix.rows * matrix.stride).fill(0)
      return { ...matrix, data }
    },
    clear() {
      next = 0
    },
  }
}

/** `c += a bᵀ` for f32 inputs. */
export function addProduct32(
  { kernels }: Arena,
  a: Matrix<Float32Array>,
  b: Matrix<Float32Array>,
  c: Matrix<Float64Array>,
): void {
  kernels.addProducts32({
    a: a.at,
    aStride: a.stride,
    aRows: a.rows,
    b: b.at,
    bStride: b.stride,
    bRows: b.rows,
    c: c.at,
    cStride: c.stride,
    width: a.stride,
  })
}

/**
 * `c += a a[0, columns)ᵀ`, computing the symmetric part once.
 * @param columns - Multiple of `BLOCK`.
 */
export function addGram32(
  { kernels }: Arena,
  a: Matrix<Float32Array>,
  columns: number,
  c: Matrix<Float64Array>,
): void {
  gram(kernels.addProducts32, a, columns, c)
}

/** `c -= a a[0, columns)ᵀ` for f64, computing the symmetric part once. */
export function subtractGram64(
  { kernels }: Arena,
  a: Matrix<Float64Array>,
  columns: number,
  c: Matrix<Float64Array>,
): void {
  gram(kernels.subtractProducts64, a, columns, c)
}

function gram(
  products: (operands: DenseKernels.Products) => void,
  a: Matrix<Float32Array | Float64Array>,
  columns: number,
  c: Matrix<Float64Array>,
): void {
  forPanels(a.rows, columns, (from, rowCount, columnCount) =>
    products({
      a: a.at + a.data.BYTES_PER_ELEMENT * from * a.stride,
      aStride: a.stride,
      aRows: rowCount,
      b: a.at,
      bStride: a.stride,
      bRows: columnCount,
      c: c.at + 8 * from * c.stride,
      cStride: c.stride,
      width: a.stride,
    }),
  )
  mirror(c, columns)
}

/** Replaces a positive definite matrix by its lower Cholesky factor (the upper triangle keeps what was there). */
export function factor({ kernels }: Arena, a: Matrix<Float64Array>): void {
  const { data, rows, stride } = a
  for (let k = 0; k < rows; k += BLOCK) {
    const panel = a.at + 8 * k * stride
    kernels.subtractProducts64({
      a: panel,
      aStride: stride,
      aRows: rows - k,
      b: panel,
      bStride: stride,
      bRows: BLOCK,
      c: panel + 8 * k,
      cStride: stride,
      width: k,
    })
    for (let i = k; i < rows; i++) {
      const row = i * stride
      for (let j = k; j < Math.min(i, k + BLOCK); j++) {
        let sum = data[row + j]!
        for (let t = k, other = j * stride; t < j; t++) sum -= data[row + t]! * data[other + t]!
        data[row + j] = sum / data[j * stride + j]!
      }
      if (i >= k + BLOCK) continue
      let pivot = data[row + i]!
      for (let t = k; t < i; t++) pivot -= data[row + t]! * data[row + t]!
      data[row + i] = Math.sqrt(pivot)
    }
  }
}

/** Solves `x Lᵀ = b` for every row b of `rhs`, in place: the row form of `L x = b`. */
export function solveForward(
  { kernels }: Arena,
  lower: Matrix<Float64Array>,
  rhs: Matrix<Float64Array>,
): void {
  const { data, stride } = lower
  for (let k = 0; k < lower.rows; k += BLOCK) {
    kernels.subtractProducts64({
      a: rhs.at,
      aStride: rhs.stride,
      aRows: rhs.rows,
      b: lower.at + 8 * k * stride,
      bStride: stride,
      bRows: BLOCK,
      c: rhs.at + 8 * k,
      cStride: rhs.stride,
      width: k,
    })
    for (let r = 0, row = 0; r < rhs.rows; r++, row += rhs.stride) {
      for (let j = k; j < k + BLOCK; j++) {
        let sum = rhs.data[row + j]!
        for (let t = k; t < j; t++) sum -= rhs.data[row + t]! * data[j * stride + t]!
        rhs.data[row + j] = sum / data[j * stride + j]!
      }
    }
  }
}

/**
 * Solves `x L = b` for every row b of `rhs`, in place: the row form of `Lᵀ x = b`.
 * @param upper - The transpose of L.
 */
export function solveBackward(
  { kernels }: Arena,
  upper: Matrix<Float64Array>,
  rhs: Matrix<Float64Array>,
): void {
  const { data, stride } = upper
  for (let k = upper.rows - BLOCK; k >= 0; k -= BLOCK) {
    const after = k + BLOCK
    kernels.subtractProducts64({
      a: rhs.at + 8 * after,
      aStride: rhs.stride,
      aRows: rhs.rows,
      b: upper.at + 8 * (k * stride + after),
      bStride: stride,
      bRows: BLOCK,
      c: rhs.at + 8 * k,
      cStride: rhs.stride,
      width: upper.rows - after,
    })
    for (let r = 0, row = 0; r < rhs.rows; r++, row += rhs.stride) {
      for (let j = after - 1; j >= k; j--) {
        let sum = rhs.data[row + j]!
        for (let t = j + 1; t < after; t++) sum -= rhs.data[row + t]! * data[j * stride + t]!
        rhs.data[row + j] = sum / data[j * stride + j]!
      }
    }
  }
}

function forPanels(
  rows: number,
  columns: number,
  visit: (from: number, rowCount: number, columnCount: number) => void,
): void {
  for (let from = 0; from < rows; from += PANEL) {
    const rowCount = Math.min(PANEL, rows - from)
    visit(from, rowCount, Math.min(columns, from + rowCount))
  }
}

function mirror({ data, stride }: Matrix<Float64Array>, size: number): void {
  for (let i = 0; i < size; i++)
    for (let j = i + 1; j < size; j++) data[i * stride + j] = data[j * stride + i]!
}
