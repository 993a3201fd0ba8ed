/**
 * Inverts the lower Cholesky factor of a positive definite matrix: gives `L⁻¹`, where `L Lᵀ = matrix`.
 *
 * @param matrix - `[size, size]`, symmetric; its lower triangle becomes `L`.
 * @returns `[size, size]`, lower triangular.
 * @see Golub and Van Loan, "Matrix Computations", 4.2 and 3.1.
 */
export function invertFactor(matrix: Float64Array, size: number): Float64Array {
  const inverse = new Float64Array(size * size)
  for (let i = 0; i < size; i++) {
    const row = i * size
    for (let j = 0; j < i; j++) {
      const other = j * size
      matrix[row + j] = (matrix[row + j]! - dot(matrix, row, other, j)) / matrix[other + j]!
    }
    const pivot = Math.sqrt(matrix[row + i]! - dot(matrix, row, row, i))
    matrix[row + i] = pivot
    inverse[row + i] = 1 / pivot
    let j = 0
    // four rows in one pass, each as if it were as long as the last of them: right of the diagonal stand zeros
    for (; j + 4 <= i; j += 4) {
      const [at, from] = [j * size, row + j]
      const a = matrix[from]! / pivot
      const b = matrix[from + 1]! / pivot
      const c = matrix[from + 2]! / pivot
      const d = matrix[from + 3]! / pivot
      for (let k = 0; k < j + 4; k++) {
        inverse[row + k]! -=
          a * inverse[at + k]! +
          b * inverse[at + size + k]! +
          c * inverse[at + 2 * size + k]! +
          d * inverse[at + 3 * size + k]!
      }
    }
    for (; j < i; j++) {
      const factor = matrix[row + j]! / pivot
      for (let k = 0, at = j * size; k <= j; k++, at++) inverse[row + k]! -= factor * inverse[at]!
    }
  }
  return inverse
}

/** Four sums at once: one would wait for itself at every step, which takes three times as long. */
function dot(values: Float64Array, a: number, b: number, length: number): number {
  let [first, second, third, fourth] = [0, 0, 0, 0]
  let k = 0
  for (; k + 4 <= length; k += 4) {
    first += values[a + k]! * values[b + k]!
    second += values[a + k + 1]! * values[b + k + 1]!
    third += values[a + k + 2]! * values[b + k + 2]!
    fourth += values[a + k + 3]! * values[b + k + 3]!
  }
  for (; k < length; k++) first += values[a + k]! * values[b + k]!
  return first + second + third + fourth
}
