import { describe, expect, test } from 'vitest'
import * as DenseKernels from './DenseKernels.ts'

const stream = (seed: number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
}

describe('products of rows', () => {
  const [aRows, bRows, width, stride, cStride] = [6, 8, 260, 264, 10]

  test('of f32 are added, close to sums in f64', () => {
    const { buffer, addProducts32 } = DenseKernels.create(200_000)
    const random = stream(1)
    const a = new Float32Array(buffer, 0, aRows * stride).map(random)
    const b = new Float32Array(buffer, 16_384, bRows * stride).map(random)
    new Float32Array(buffer, 0, a.length).set(a)
    new Float32Array(buffer, 16_384, b.length).set(b)
    const c = new Float64Array(buffer, 65_536, aRows * cStride).fill(5)
    addProducts32({
      a: 0,
      aStride: stride,
      aRows,
      b: 16_384,
      bStride: stride,
      bRows,
      c: 65_536,
      cStride,
      width,
    })
    for (let i = 0; i < aRows; i++) {
      for (let j = 0; j < cStride; j++) {
        let sum = 5
        if (j < bRows) for (let k = 0; k < width; k++) sum += a[i * stride + k]! * b[j * stride + k]!
        expect(Math.abs(c[i * cStride + j]! - sum)).toBeLessThan(1e-5)
      }
    }
  })

  test('of f64 are subtracted, to the last few bits', () => {
    const { buffer, subtractProducts64 } = DenseKernels.create(200_000)
    const random = stream(2)
    const a = new Float64Array(buffer, 0, aRows * stride)
    const b = new Float64Array(buffer, 32_768, bRows * stride)
    for (const array of [a, b]) for (let i = 0; i < array.length; i++) array[i] = random()
    const c = new Float64Array(buffer, 131_072, aRows * cStride).fill(5)
    subtractProducts64({
      a: 0,
      aStride: stride,
      aRows,
      b: 32_768,
      bStride: stride,
      bRows,
      c: 131_072,
      cStride,
      width,
    })
    for (let i = 0; i < aRows; i++) {
      for (let j = 0; j < cStride; j++) {
        let sum = 5
        if (j < bRows) for (let k = 0; k < width; k++) sum -= a[i * stride + k]! * b[j * stride + k]!
        expect(Math.abs(c[i * cStride + j]! - sum)).toBeLessThan(1e-12)
      }
    }
  })
})
