import { BaseError, Wasm } from '@openledger/primitives'

/** Constants of the optimiser. */
export type AdamWOptions = {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  /** Share of a matrix taken away each step, times the learning rate. Vectors (norms) are not decayed. */
  readonly weightDecay: number
  /** Largest norm of the whole gradient; longer ones are shortened. 0 means no limit. */
  readonly gradientNormMax: number
}

export const adamWDefaults: AdamWOptions = {
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  weightDecay: 0.01,
  gradientNormMax: 1,
}

/** One trained tensor with its first and second moments, all of one length, in memory that other threads may read. */
export type Moments = {
  readonly values: Float32Array
  readonly mean: Float32Array
  readonly square: Float32Array
}

export type AdamW = {
  /** In the order of the tensors given. */
  readonly moments: readonly Moments[]
  /**
   * Moves every tensor one step against its gradient.
   * @param norm - Of the whole gradient, see `normOf`.
   * @param count - Number of this step, from 1.
   */
  readonly step: (
    gradients: readonly Float32Array[],
    norm: number,
    count: number,
    learningRate: number,
  ) => void
}

/** Elements of a gradient that are copied to the kernel's memory at a time: they stay in a core's cache. */
const CHUNK = 8_192
const CONSTANTS = [
  'shrink',
  'beta1',
  'rest1',
  'beta2',
  'rest2',
  'rate',
  'meanScale',
  'squareScale',
  'epsilon',
  'keep',
] as const

/**
 * Prepares the optimiser over copies of tensors, whose moments are zero.
 *
 * Sums are in double precision and rounded once to what is kept, so that a step gives the same bits on every machine.
 *
 * @throws {TooManyWeightsError} beyond 357 million: moments and weights lie in one memory of 4 GB.
 * @see Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.
 */
export function createAdamW(
  tensors: readonly { readonly values: Float32Array; readonly isDecayed: boolean }[],
  options: AdamWOptions,
): AdamW {
  const gradientAt = alignUp(8 * CONSTANTS.length)
  let next = gradientAt + 4 * CHUNK
  const places = tensors.map(({ values }) => {
    const sizeBytes = alignUp(4 * values.length)
    const place = { values: next, mean: next + sizeBytes, square: next + 2 * sizeBytes }
    next += 3 * sizeBytes
    return place
  })
  if (next > Wasm.MEMORY_BYTES_MAX) throw new TooManyWeightsError(next)
  const { buffer, call } = Wasm.instantiateShared({ update }, next)
  const constants = new Float64Array(buffer, 0, CONSTANTS.length)
  const chunk = new Float32Array(buffer, gradientAt, CHUNK)
  const moments = tensors.map(({ values }, i): Moments => {
    const view = (at: number) => new Float32Array(buffer, at, values.length)
    const own = {
      values: view(places[i]!.values),
      mean: view(places[i]!.mean),
      square: view(places[i]!.square),
    }
    own.values.set(values)
    return own
  })
  const { beta1, beta2, epsilon, gradientNormMax, weightDecay } = options
  return {
    moments,
    step(gradients, norm, count, learningRate) {
      const known: Record<(typeof CONSTANTS)[number], number> = {
        shrink: gradientNormMax > 0 && norm > gradientNormMax ? gradientNormMax / norm : 1,
        beta1,
        rest1: 1 - beta1,
        beta2,
        rest2: 1 - beta2,
        rate: learningRate,
        meanScale: 1 / (1 - beta1 ** count),
        squareScale: 1 / (1 - beta2 ** count),
        epsilon,
        keep: 1,
      }
      for (const [i, gradient] of gradients.entries()) {
        const keep = tensors[i]!.isDecayed ? 1 - learningRate * weightDecay : 1
        constants.set(CONSTANTS.map((name) => (name === 'keep' ? keep : known[name])))
        const { values, mean, square } = places[i]!
        for (let from = 0; from < gradient.length; from += CHUNK) {
          const part = gradient.subarray(from, from + CHUNK)
          chunk.set(part)
          const at = 4 * from
          call.update(values + at, mean + at, square + at, gradientAt, values + at + alignUp(4 * part.length))
        }
      }
    },
  }
}

/** The length of a gradient as one vector; not finite where an element is not. */
export function normOf(gradients: readonly Float32Array[]): number {
  let squares = 0
  for (const gradient of gradients) {
    // four sums, so that none waits for the one before
    let [a, b, c, d] = [0, 0, 0, 0]
    const whole = gradient.length - (gradient.length % 4)
    for (let i = 0; i < whole; i += 4) {
      a += gradient[i]! * gradient[i]!
      b += gradient[i + 1]! * gradient[i + 1]!
      c += gradient[i + 2]! * gradient[i + 2]!
      d += gradient[i + 3]! * gradient[i + 3]!
    }
    for (let i = whole; i < gradient.length; i++) a += gradient[i]! * gradient[i]!
    squares += a + b + (c + d)
  }
  return Math.sqrt(squares)
}

const alignUp = (sizeBytes: number): number => Math.ceil(sizeBytes / 16) * 16

/** Updates what lies between `values` and `end`, four elements at a time, in two halves of double precision. */
const update: Wasm.Kernel = {
  parameterCount: 5,
  emit(e) {
    const [values, mean, square, gradient, end] = [0, 1, 2, 3, 4] as const
    const known = Object.fromEntries(
      CONSTANTS.map((name, i) => {
        const local = e.local('v128')
        e.constant(8 * i)
        e.load('splat64')
        e.set(local)
        return [name, local]
      }),
    ) as Record<(typeof CONSTANTS)[number], number>
    const [g, m, v] = [e.local('v128'), e.local('v128'), e.local('v128')]
    const halves = ['low', 'high'] as const
    const made = halves.map(() => ({
      values: e.local('v128'),
      mean: e.local('v128'),
      square: e.local('v128'),
    }))

    /** Pushes two of the four elements at an address. */
    const half = (address: number, which: (typeof halves)[number]) => {
      e.get(address)
      e.load('vector')
      if (which === 'high') {
        e.get(address)
        e.load('vector')
        e.shuffle(UPPER)
      }
      e.simd('f64FromLowF32')
    }
    const times = (name: keyof typeof known) => {
      e.get(known[name])
      e.simd('f64Multiply')
    }
    e.repeat(values, end, 16, () => {
      for (const [i, which] of halves.entries()) {
        half(gradient, which)
        times('shrink')
        e.set(g)
        half(mean, which)
        times('beta1')
        e.get(g)
        times('rest1')
        e.simd('f64Add')
        e.set(m)
        half(square, which)
        times('beta2')
        e.get(g)
        times('rest2')
        e.get(g)
        e.simd('f64Multiply')
        e.simd('f64Add')
        e.set(v)
        half(values, which)
        times('keep')
        e.get(m)
        times('rate')
        times('meanScale')
        e.get(v)
        times('squareScale')
        e.simd('f64SquareRoot')
        e.get(known.epsilon)
        e.simd('f64Add')
        e.simd('f64Divide')
        e.simd('f64Subtract')
        e.simd('lowF32FromF64')
        e.set(made[i]!.values)
        e.get(m)
        e.simd('lowF32FromF64')
        e.set(made[i]!.mean)
        e.get(v)
        e.simd('lowF32FromF64')
        e.set(made[i]!.square)
      }
      for (const [address, name] of [
        [values, 'values'],
        [mean, 'mean'],
        [square, 'square'],
      ] as const) {
        e.get(address)
        e.get(made[0]![name])
        e.get(made[1]![name])
        e.shuffle(JOINED)
        e.store()
      }
      for (const address of [mean, square, gradient]) {
        e.get(address)
        e.constant(16)
        e.i32('add')
        e.set(address)
      }
    })
  },
}

/** The upper half of a vector, twice, and the lower halves of two. */
const UPPER = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]
const JOINED = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]

export class TooManyWeightsError extends BaseError {
  constructor(sizeBytes: number) {
    super({
      code: 'trainer.too_many_weights',
      message: `Expected trained weights that take ${Wasm.MEMORY_BYTES_MAX} bytes with their moments, got ${sizeBytes}. Train an adapter instead of all weights.`,
      context: { sizeBytes },
    })
  }
}
