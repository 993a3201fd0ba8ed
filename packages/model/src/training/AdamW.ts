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

/** One trained tensor with its first and second moments, all of one length. */
export type Moments = {
  readonly values: Float32Array
  readonly mean: Float32Array
  readonly square: Float32Array
  readonly isDecayed: boolean
}

/**
 * Moves every tensor one step against its gradient.
 * @param count - Number of this step, from 1.
 * @returns The norm of the whole gradient before it was shortened.
 * @see Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.
 */
export function updateAdamW(
  tensors: readonly Moments[],
  gradients: readonly Float32Array[],
  count: number,
  learningRate: number,
  options: AdamWOptions,
): number {
  let squares = 0
  for (const gradient of gradients) {
    let part = 0
    for (let i = 0; i < gradient.length; i++) part += gradient[i]! * gradient[i]!
    squares += part
  }
  const norm = Math.sqrt(squares)
  const { beta1, beta2, epsilon, gradientNormMax } = options
  const shrink = gradientNormMax > 0 && norm > gradientNormMax ? gradientNormMax / norm : 1
  const meanScale = 1 / (1 - beta1 ** count)
  const squareScale = 1 / (1 - beta2 ** count)
  tensors.forEach(({ values, mean, square, isDecayed }, index) => {
    const gradient = gradients[index]!
    const keep = isDecayed ? 1 - learningRate * options.weightDecay : 1
    for (let i = 0; i < values.length; i++) {
      const g = gradient[i]! * shrink
      const m = beta1 * mean[i]! + (1 - beta1) * g
      const v = beta2 * square[i]! + (1 - beta2) * g * g
      mean[i] = m
      square[i] = v
      values[i] = keep * values[i]! - (learningRate * m * meanScale) / (Math.sqrt(v * squareScale) + epsilon)
    }
  })
  return norm
}
