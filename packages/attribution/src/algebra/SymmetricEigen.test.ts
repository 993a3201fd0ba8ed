import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decompose, EigenDivergedError } from './SymmetricEigen.ts'

/** Rebuilds the matrix from its parts and measures what the parts promise. */
function check(matrix: Float64Array, size: number): void {
  const { values, vectors } = decompose(matrix, size)
  const scale = Math.max(1e-300, ...matrix.map(Math.abs))
  for (let i = 0; i < size; i++) {
    if (i > 0) expect(values[i]!).toBeLessThanOrEqual(values[i - 1]!)
    for (let j = 0; j < size; j++) {
      let rebuilt = 0
      let product = 0
      for (let k = 0; k < size; k++) {
        rebuilt += values[k]! * vectors[k * size + i]! * vectors[k * size + j]!
        product += vectors[i * size + k]! * vectors[j * size + k]!
      }
      expect(Math.abs(rebuilt - matrix[i * size + j]!)).toBeLessThan(1e-12 * size * scale)
      expect(Math.abs(product - (i === j ? 1 : 0))).toBeLessThan(1e-12 * size)
    }
  }
}

describe('the eigenvalues of a symmetric matrix', () => {
  test('rebuild any matrix from orthonormal vectors', () => {
    const entry = fc.double({ min: -1e3, max: 1e3, noNaN: true })
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 12 })
          .chain((size) =>
            fc.tuple(fc.constant(size), fc.array(entry, { minLength: size * size, maxLength: size * size })),
          ),
        ([size, entries]) => {
          const matrix = new Float64Array(size * size)
          for (let i = 0; i < size; i++) {
            for (let j = 0; j <= i; j++) matrix[i * size + j] = matrix[j * size + i] = entries[i * size + j]!
          }
          check(matrix, size)
        },
      ),
      { numRuns: 100 },
    )
  })

  test('of a path are known in closed form', () => {
    const size = 40
    const matrix = new Float64Array(size * size)
    for (let i = 0; i < size; i++) {
      matrix[i * size + i] = 2
      if (i > 0) matrix[i * size + i - 1] = matrix[(i - 1) * size + i] = -1
    }
    const expected = Array.from(
      { length: size },
      (_, k) => 2 - 2 * Math.cos((Math.PI * (size - k)) / (size + 1)),
    )
    const { values } = decompose(matrix, size)
    for (let k = 0; k < size; k++) expect(Math.abs(values[k]! - expected[k]!)).toBeLessThan(1e-13)
    check(matrix, size)
  })

  test('settle for a Gram matrix of low rank and for the zero matrix', () => {
    const size = 30
    const matrix = new Float64Array(size * size)
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) matrix[i * size + j] = (i % 3) * (j % 3)
    check(matrix, size)
    check(new Float64Array(25), 5)
    expect(() => decompose(new Float64Array(25).fill(Number.NaN), 5)).toThrowError(EigenDivergedError)
  })
})
