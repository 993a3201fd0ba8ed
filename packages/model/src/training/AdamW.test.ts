import { describe, expect, test } from 'vitest'
import { createRandom } from '../Random.ts'
import { type AdamWOptions, adamWDefaults, createAdamW, normOf } from './AdamW.ts'

const random = createRandom(7)
const normals = (length: number, scale = 1) => Float32Array.from({ length }, () => scale * random.normal())

/** Algorithm 2 of the paper, element by element in double precision, rounded to what is kept. */
function createPlain(
  tensors: readonly { values: Float32Array; isDecayed: boolean }[],
  options: AdamWOptions,
) {
  const { beta1, beta2, epsilon, weightDecay, gradientNormMax } = options
  const moments = tensors.map(({ values }) => ({
    values: values.slice(),
    mean: new Float32Array(values.length),
    square: new Float32Array(values.length),
  }))
  const step = (gradients: readonly Float32Array[], norm: number, count: number, rate: number) => {
    const shrink = gradientNormMax > 0 && norm > gradientNormMax ? gradientNormMax / norm : 1
    for (const [i, { values, mean, square }] of moments.entries()) {
      const keep = tensors[i]!.isDecayed ? 1 - rate * weightDecay : 1
      for (let k = 0; k < values.length; k++) {
        const g = gradients[i]![k]! * shrink
        const m = beta1 * mean[k]! + (1 - beta1) * g
        const v = beta2 * square[k]! + (1 - beta2) * g * g
        const upward = rate * m * (1 / (1 - beta1 ** count))
        values[k] = keep * values[k]! - upward / (Math.sqrt(v * (1 / (1 - beta2 ** count))) + epsilon)
        mean[k] = m
        square[k] = v
      }
    }
  }
  return { moments, step }
}

describe('AdamW', () => {
  test.each([0, 0.5])(
    'takes the steps of the paper to the last bit, gradients cut at %d',
    (gradientNormMax) => {
      // lengths around the four elements of a vector and the chunk of a gradient
      const tensors = [1, 3, 4, 8_191, 8_192, 8_197, 20_000].map((length, i) => ({
        values: normals(length),
        isDecayed: i % 2 === 0,
      }))
      const options = { ...adamWDefaults, gradientNormMax }
      const [ours, plain] = [createAdamW(tensors, options), createPlain(tensors, options)]
      for (let count = 1; count <= 4; count++) {
        const gradients = tensors.map(({ values }) => normals(values.length, 10 ** -count))
        const norm = normOf(gradients)
        for (const { step } of [ours, plain]) step(gradients, norm, count, 1e-2)
      }
      expect(ours.moments).toEqual(plain.moments)
    },
  )

  test('the norm is that of all gradients as one vector, and shows what is not finite', () => {
    const gradients = [normals(5), normals(1_003)]
    const all = gradients.flatMap((gradient) => [...gradient])
    expect(normOf(gradients)).toBeCloseTo(Math.hypot(...all), 10)
    gradients[1]![1_002] = Number.NaN
    expect(normOf(gradients)).toBeNaN()
    gradients[1]![1_002] = Number.NEGATIVE_INFINITY
    expect(normOf(gradients)).toBe(Number.POSITIVE_INFINITY)
  })

  test('more than one memory holds is refused before anything is made', () => {
    const values = { length: 400_000_000 } as Float32Array
    expect(() => createAdamW([{ values, isDecayed: true }], adamWDefaults)).toThrow('Train an adapter')
  })
})
