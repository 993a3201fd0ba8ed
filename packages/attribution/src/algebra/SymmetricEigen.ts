import { BaseError } from '@openledger/primitives'

/** Eigenvalues, largest first, with one unit eigenvector in each row of `vectors`. */
export type SymmetricEigen = {
  /** `[size]` */
  readonly values: Float64Array
  /** `[size, size]` row-major; row k belongs to `values[k]`. */
  readonly vectors: Float64Array
}

/** A sweep settles about half an eigenvalue; more than this per eigenvalue means the input held no numbers. */
const SWEEPS_PER_VALUE_MAX = 60
/** Beside a largest entry of 1, what is below this changes no digit, and its square is still a normal number. */
const NEGLIGIBLE = 2 ** -450

/**
 * Decomposes a symmetric matrix: Householder tridiagonal form, then implicit QR sweeps with Wilkinson's shift.
 *
 * Uses only sums, products, quotients and square roots, in one order: every machine gives the same bits.
 *
 * @param matrix - `[size, size]`, symmetric; left unchanged.
 * @throws {EigenDivergedError} for a matrix with NaN or infinities.
 * @see Golub and Van Loan, "Matrix Computations", 8.3.
 */
export function decompose(matrix: Float64Array, size: number): SymmetricEigen {
  // entries near 1: neither squares of tiny entries vanish nor those of huge ones overflow
  const scale = matrix.reduce((max, entry) => Math.max(max, Math.abs(entry)), 0)
  if (!Number.isFinite(scale)) throw new EigenDivergedError(size)
  const work = matrix.map((entry) => (scale === 0 ? 0 : entry / scale))
  const betas = new Float64Array(size)
  const diagonal = new Float64Array(size)
  const offDiagonal = new Float64Array(size)
  tridiagonalize(work, size, betas, diagonal, offDiagonal)
  const basis = accumulate(work, size, betas)
  sweep(diagonal, offDiagonal, basis, size)
  const order = Array.from(diagonal, (_, i) => i).sort((i, j) => diagonal[j]! - diagonal[i]! || i - j)
  const vectors = new Float64Array(size * size)
  for (const [k, i] of order.entries()) vectors.set(basis.subarray(i * size, (i + 1) * size), k * size)
  return { values: Float64Array.from(order, (i) => diagonal[i]! * scale), vectors }
}

/** Leaves the k-th reflector in row k, right of the diagonal. */
function tridiagonalize(
  a: Float64Array,
  size: number,
  betas: Float64Array,
  diagonal: Float64Array,
  offDiagonal: Float64Array,
): void {
  const p = new Float64Array(size)
  for (let k = 0; k < size; k++) {
    diagonal[k] = a[k * size + k]!
    if (k === size - 1) break
    const row = k * size
    let normSquared = 0
    for (let j = k + 1; j < size; j++) normSquared += a[row + j]! * a[row + j]!
    const head = a[row + k + 1]!
    const norm = Math.sqrt(normSquared)
    offDiagonal[k] = head > 0 ? -norm : norm
    if (k === size - 2 || norm < NEGLIGIBLE) {
      offDiagonal[k] = k === size - 2 ? head : 0
      continue
    }
    a[row + k + 1] = head - offDiagonal[k]!
    const beta = 1 / (normSquared - head * offDiagonal[k]!)
    betas[k] = beta
    let pv = 0
    for (let i = k + 1; i < size; i++) {
      let sum = 0
      for (let j = k + 1, at = i * size; j < size; j++) sum += a[at + j]! * a[row + j]!
      p[i] = beta * sum
      pv += p[i]! * a[row + i]!
    }
    const half = 0.5 * beta * pv
    for (let i = k + 1; i < size; i++) p[i]! -= half * a[row + i]!
    for (let i = k + 1; i < size; i++) {
      const vi = a[row + i]!
      const pi = p[i]!
      for (let j = k + 1, at = i * size; j < size; j++) a[at + j]! -= vi * p[j]! + pi * a[row + j]!
    }
  }
}

/** Multiplies the reflectors out; row j is the j-th vector of the tridiagonal basis. */
function accumulate(a: Float64Array, size: number, betas: Float64Array): Float64Array {
  const basis = new Float64Array(size * size)
  for (let j = 0; j < size; j++) basis[j * size + j] = 1
  for (let k = size - 3; k >= 0; k--) {
    const beta = betas[k]!
    if (beta === 0) continue
    const row = k * size
    for (let j = k + 1; j < size; j++) {
      const at = j * size
      let sum = 0
      for (let i = k + 1; i < size; i++) sum += basis[at + i]! * a[row + i]!
      sum *= beta
      for (let i = k + 1; i < size; i++) basis[at + i]! -= sum * a[row + i]!
    }
  }
  return basis
}

function sweep(d: Float64Array, e: Float64Array, basis: Float64Array, size: number): void {
  let high = size - 1
  for (let sweeps = 0; high > 0; sweeps++) {
    if (sweeps > SWEEPS_PER_VALUE_MAX * size) throw new EigenDivergedError(size)
    let low = high
    while (low > 0 && !isSettled(e[low - 1]!, d[low - 1]!, d[low]!)) low--
    if (low === high) {
      e[--high] = 0
      continue
    }
    const gap = (d[high - 1]! - d[high]!) / 2
    const last = e[high - 1]!
    const root = Math.sqrt(gap * gap + last * last)
    let x = d[low]! - (d[high]! - (last * last) / (gap + (gap < 0 ? -root : root)))
    let z = e[low]!
    for (let k = low; k < high; k++) {
      const r = Math.sqrt(x * x + z * z)
      const c = r === 0 ? 1 : x / r
      const s = r === 0 ? 0 : z / r
      if (k > low) e[k - 1] = r
      const a = d[k]!
      const b = e[k]!
      const g = d[k + 1]!
      d[k] = c * c * a + 2 * c * s * b + s * s * g
      d[k + 1] = s * s * a - 2 * c * s * b + c * c * g
      e[k] = c * s * (g - a) + (c * c - s * s) * b
      if (k + 1 < high) {
        x = e[k]!
        z = s * e[k + 1]!
        e[k + 1] = c * e[k + 1]!
      }
      rotate(basis, k * size, size, c, s)
    }
  }
}

const isSettled = (off: number, above: number, below: number): boolean =>
  Math.abs(off) <= Math.max(NEGLIGIBLE, Number.EPSILON * (Math.abs(above) + Math.abs(below)))

function rotate(basis: Float64Array, at: number, size: number, c: number, s: number): void {
  for (let i = at, j = at + size; i < at + size; i++, j++) {
    const p = basis[i]!
    const q = basis[j]!
    basis[i] = c * p + s * q
    basis[j] = c * q - s * p
  }
}

export class EigenDivergedError extends BaseError {
  constructor(size: number) {
    super({
      code: 'attribution.eigen_diverged',
      message: `Expected a symmetric matrix of finite numbers, but the eigenvalues of one of ${size} rows do not settle; check its source for NaN.`,
      context: { size },
    })
  }
}
