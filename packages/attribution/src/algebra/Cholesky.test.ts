import { expect, test } from 'vitest'
import { invertFactor } from './Cholesky.ts'

test('an inverted factor takes its matrix to the identity, from both sides', () => {
  let state = 3
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
  for (const size of [1, 2, 5, 70]) {
    const rows = Array.from({ length: size }, () => Array.from({ length: size + 3 }, random))
    const matrix = Float64Array.from({ length: size * size }, (_, at) => {
      const [i, j] = [Math.floor(at / size), at % size]
      return rows[i]!.reduce((sum, x, k) => sum + x * rows[j]![k]!, i === j ? 0.1 : 0)
    })
    const inverse = invertFactor(matrix.slice(), size)
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        let found = 0
        for (let k = 0; k < size; k++)
          for (let l = 0; l < size; l++)
            found += inverse[i * size + k]! * matrix[k * size + l]! * inverse[j * size + l]!
        expect(Math.abs(found - (i === j ? 1 : 0))).toBeLessThan(1e-9)
        if (j > i) expect(inverse[i * size + j]).toBe(0)
      }
    }
  }
})
