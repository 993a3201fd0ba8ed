import { expect, test } from 'vitest'
import * as Baselines from './Baselines.ts'

const rows = [
  [1, 2, 0, 1],
  [0, 1, 3, 0],
  [2, 0, 1, 1],
].map((row) => Float32Array.from(row))
const query = { gradient: Float32Array.of(1, 1, 1, 2), tokens: [5, 6, 7, 8] }

test('GradDot and GradCos are products of raw gradients', () => {
  expect([...Baselines.createGradDot(rows)(query)]).toEqual([5, 4, 5])
  const cosines = Baselines.createGradCos(rows)(query)
  expect(cosines[1]).toBeCloseTo(4 / Math.sqrt(10), 12)
})

test('DataInf is the mean of the inverses of single outer products', () => {
  const blocks = [
    { name: 'a', size: 2 },
    { name: 'b', size: 2 },
  ]
  const expected = [0, 0, 0]
  for (const from of [0, 2]) {
    const part = (row: Float32Array): [number, number] => [row[from]!, row[from + 1]!]
    const squares = rows.map((row) => part(row)[0] ** 2 + part(row)[1] ** 2)
    const damping = (0.1 * squares.reduce((a, b) => a + b)) / (3 * 2)
    for (const outer of rows) {
      // the explicit inverse of g gᵀ + λ I in two dimensions
      const [x, y] = part(outer)
      const [p, q, r] = [x * x + damping, x * y, y * y + damping]
      const determinant = p * r - q * q
      const [u, v] = part(query.gradient)
      const solved = [(r * u - q * v) / determinant, (p * v - q * u) / determinant]
      for (const [i, row] of rows.entries()) {
        expected[i]! += (part(row)[0] * solved[0]! + part(row)[1] * solved[1]!) / rows.length
      }
    }
  }
  const scores = Baselines.createDataInf(blocks, rows)(query)
  for (const [i, score] of scores.entries()) expect(score).toBeCloseTo(expected[i]!, 9)
})

test('BM25 prefers the document that shares rare runs', () => {
  const documents = [
    [1, 5, 6, 7, 8, 1],
    [5, 6, 7, 1, 1, 1],
    [9, 9, 9, 9, 9, 9],
  ]
  const scores = Baselines.createBm25(documents)(query)
  expect(scores[0]!).toBeGreaterThan(scores[1]!)
  expect(scores[1]!).toBeGreaterThan(0)
  expect(scores[2]).toBe(0)
})

test('random scores repeat with their seed', () => {
  expect(Baselines.createRandom(5, 1)(query)).toEqual(Baselines.createRandom(5, 1)(query))
  expect(Baselines.createRandom(5, 1)(query)).not.toEqual(Baselines.createRandom(5, 2)(query))
})
