import { expect, test } from 'vitest'
import * as ScanKernels from './ScanKernels.ts'

const stream = (seed: number) => {
  let state = seed
  return (bound: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state % (2 * bound + 1)) - bound
  }
}

test('a scan multiplies every row with the query exactly, extremes included', () => {
  const [rowCount, width] = [7, 96]
  const kernels = ScanKernels.create({ rowCount, width, directions: 2, gradientWidth: 64 })
  const random = stream(1)
  kernels.codes.set(Int8Array.from({ length: rowCount * width }, (_, i) => (i < width ? -127 : random(127))))
  const query = Int8Array.from({ length: width }, (_, i) => (i % 3 === 0 ? 127 : random(127)))
  const expected = Array.from({ length: rowCount }, (_, row) =>
    query.reduce((sum, value, k) => sum + value * kernels.codes[row * width + k]!, 0),
  )
  expect([...kernels.scan(query)]).toEqual(expected)
  expect([...kernels.scan(query)]).toEqual(expected)
})

test('a projection adds up groups of integer products, each at its scale', () => {
  const [directions, gradientWidth] = [6, 192]
  const kernels = ScanKernels.create({ rowCount: 1, width: 32, directions, gradientWidth })
  const random = stream(2)
  kernels.transform.set(
    Int8Array.from({ length: directions * gradientWidth }, (_, i) => (i < 64 ? 127 : random(127))),
  )
  kernels.transformScales.set(Float32Array.from({ length: directions * 3 }, () => 1 + random(100) / 200))
  const steps = Int16Array.from({ length: gradientWidth }, (_, i) => (i < 64 ? 32_767 : random(32_767)))
  const groupScales = Float32Array.of(0.001, 0.002, 0.0005)
  const projected = kernels.project(steps, groupScales)
  for (let k = 0; k < directions; k++) {
    let sum = 0
    let size = 0
    for (let i = 0; i < gradientWidth; i++) {
      const scale = kernels.transformScales[k * 3 + Math.floor(i / 64)]! * groupScales[Math.floor(i / 64)]!
      sum += kernels.transform[k * gradientWidth + i]! * steps[i]! * scale
      size += Math.abs(kernels.transform[k * gradientWidth + i]! * steps[i]! * scale)
    }
    expect(Math.abs(projected[k]! - sum) / size).toBeLessThan(1e-6)
  }
})
