import { describe, expect, test } from 'vitest'
import * as DenseAlgebra from './DenseAlgebra.ts'

const stream = (seed: number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
}

test('a factor solves forward and backward what a positive definite matrix maps', () => {
  const size = 96
  const arena = DenseAlgebra.createArena(2_000_000)
  const random = stream(3)
  const rows = arena.matrix32(size, 300)
  for (let i = 0; i < rows.data.length; i++) rows.data[i] = Math.fround(random())
  const gram = arena.matrix64(size, size)
  DenseAlgebra.addGram32(arena, rows, size, gram)
  for (let i = 0; i < size; i++) gram.data[i * gram.stride + i]! += 1
  const original = gram.data.slice()
  const wanted = arena.matrix64(5, size)
  const solved = arena.matrix64(5, size)
  for (let r = 0; r < 5; r++) {
    for (let j = 0; j < size; j++) wanted.data[r * wanted.stride + j] = random()
    for (let i = 0; i < size; i++) {
      let sum = 0
      for (let j = 0; j < size; j++)
        sum += original[i * gram.stride + j]! * wanted.data[r * wanted.stride + j]!
      solved.data[r * solved.stride + i] = sum
    }
  }
  DenseAlgebra.factor(arena, gram)
  const upper = arena.matrix64(size, size)
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) upper.data[j * upper.stride + i] = gram.data[i * gram.stride + j]!
  }
  DenseAlgebra.solveForward(arena, gram, solved)
  DenseAlgebra.solveBackward(arena, upper, solved)
  for (let i = 0; i < 5 * solved.stride; i++) {
    expect(Math.abs(solved.data[i]! - wanted.data[i]!)).toBeLessThan(1e-10)
  }
})

describe('a Gram matrix', () => {
  test('computed in panels is the plain product, whole and in its first columns', () => {
    const arena = DenseAlgebra.createArena(2_000_000)
    const random = stream(4)
    const rows = arena.matrix32(300, 40)
    for (let i = 0; i < 300; i++) for (let j = 0; j < 40; j++) rows.data[i * rows.stride + j] = random()
    const columns = 160
    const gram = arena.matrix64(300, columns)
    DenseAlgebra.addGram32(arena, rows, columns, gram)
    const negative = arena.matrix64(300, columns)
    const wide = arena.matrix64(300, 40)
    wide.data.set(rows.data)
    DenseAlgebra.subtractGram64(arena, wide, columns, negative)
    for (let i = 0; i < 300; i++) {
      for (let j = 0; j < columns; j++) {
        let sum = 0
        for (let k = 0; k < 40; k++) sum += rows.data[i * rows.stride + k]! * rows.data[j * rows.stride + k]!
        expect(Math.abs(gram.data[i * gram.stride + j]! - sum)).toBeLessThan(1e-5)
        expect(Math.abs(negative.data[i * negative.stride + j]! + sum)).toBeLessThan(1e-12)
      }
    }
  })

  test('does not fit an arena that is too small', () => {
    expect(() => DenseAlgebra.createArena(2 ** 32)).toThrowError(RangeError)
    expect(() => DenseAlgebra.createArena(1).matrix64(100, 100)).toThrowError(RangeError)
  })
})
