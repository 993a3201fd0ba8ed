import { expect, test } from 'vitest'
import * as DenseKernels from './DenseKernels.ts'
import * as ScanKernels from './ScanKernels.ts'

const milliseconds = (run: () => unknown, rounds = 3): number => {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < rounds; i++) {
    const started = performance.now()
    run()
    best = Math.min(best, performance.now() - started)
  }
  return best
}

test('records are scanned faster as 8-bit codes than as floats', () => {
  const [rowCount, width] = [200_000, 512]
  const kernels = ScanKernels.create({ rowCount, width, directions: 2, gradientWidth: 64 })
  for (let i = 0; i < kernels.codes.length; i++) kernels.codes[i] = (i * 31) % 127
  const query = Int8Array.from({ length: width }, (_, i) => (i * 7) % 127)
  const scanMs = milliseconds(() => kernels.scan(query), 5)
  const floats = Float32Array.from(kernels.codes)
  const floatQuery = Float32Array.from(query)
  const scores = new Float64Array(rowCount)
  const floatMs = milliseconds(() => {
    for (let row = 0, at = 0; row < rowCount; row++) {
      let sum = 0
      for (let k = 0; k < width; k++, at++) sum += floats[at]! * floatQuery[k]!
      scores[row] = sum
    }
  })
  console.log(
    `scan of ${rowCount} records of ${width} bytes: ${scanMs.toFixed(1)} ms, ${((5 * scanMs) / (rowCount / 200_000)).toFixed(0)} ms for a million; float loop ${floatMs.toFixed(1)} ms, ratio ${(floatMs / scanMs).toFixed(1)}`,
  )
  expect(floatMs / scanMs).toBeGreaterThan(3)
})

test('a gradient is mapped to its code faster than by a float product', () => {
  const [directions, gradientWidth] = [256, 128 * 1024]
  const kernels = ScanKernels.create({ rowCount: 4, width: 32, directions, gradientWidth })
  kernels.transform.fill(3)
  kernels.transformScales.fill(0.5)
  const steps = new Int16Array(gradientWidth).fill(1_000)
  const groupScales = new Float32Array(gradientWidth / ScanKernels.GROUP).fill(0.001)
  const codeMs = milliseconds(() => kernels.project(steps, groupScales))
  const matrix = new Float32Array(directions * gradientWidth).fill(1.5)
  const gradient = new Float32Array(gradientWidth).fill(1)
  const floatMs = milliseconds(() => {
    let total = 0
    for (let k = 0, at = 0; k < directions; k++) {
      let sum = 0
      for (let i = 0; i < gradientWidth; i++, at++) sum += matrix[at]! * gradient[i]!
      total += sum
    }
    return total
  })
  console.log(
    `map of ${gradientWidth} parameters to ${directions}: ${codeMs.toFixed(1)} ms; float product ${floatMs.toFixed(1)} ms, ratio ${(floatMs / codeMs).toFixed(1)}`,
  )
  expect(floatMs / codeMs).toBeGreaterThan(2)
})

test('products of rows are faster in vectors than in a plain loop', () => {
  const [rows, width] = [256, 2048]
  const { buffer, addProducts32 } = DenseKernels.create(4 * rows * width + 8 * rows * rows)
  const data = new Float32Array(buffer, 0, rows * width).fill(0.5)
  const c = 4 * rows * width
  const kernelMs = milliseconds(() =>
    addProducts32({
      ...{ a: 0, aStride: width, aRows: rows, b: 0, bStride: width, bRows: rows },
      ...{ c, cStride: rows, width },
    }),
  )
  const out = new Float64Array(rows * rows)
  const plainMs = milliseconds(() => {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < rows; j++) {
        let sum = 0
        for (let k = 0; k < width; k++) sum += data[i * width + k]! * data[j * width + k]!
        out[i * rows + j] = sum
      }
    }
  })
  const perSecond = (ms: number): string => `${((rows * rows * width) / ms / 1e6).toFixed(1)} G products/s`
  console.log(
    `Gram matrix: ${perSecond(kernelMs)}; plain loop ${perSecond(plainMs)}, ratio ${(plainMs / kernelMs).toFixed(1)}`,
  )
  expect(plainMs / kernelMs).toBeGreaterThan(3)
})
