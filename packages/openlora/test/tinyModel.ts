import { createRandom } from '@openledger/model'
import { type LlamaConfig, weightShapes } from '@openledger/model/checkpoint/Config'

/** Two layers of width 32: everything a decoder has, small enough for a test. Token 0 ends an answer, token 1 begins a text. */
export const tinyConfig: LlamaConfig = {
  vocabularySize: 64,
  hiddenSize: 32,
  feedForwardSize: 48,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headSize: 8,
  contextMax: 96,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  isHeadTied: true,
  bosId: 1,
  eosId: 0,
  padId: 0,
}

/** Values between -spread and spread, the same for the same seed. */
export const noise = (seed: number, count: number, spread: number): Float32Array => {
  const random = createRandom(seed).next
  return Float32Array.from({ length: count }, () => (2 * random() - 1) * spread)
}

/** Weights by name: norms of one, the rest noise. */
export const noiseWeights = (config: LlamaConfig): Map<string, Float32Array> =>
  new Map(
    [...weightShapes(config)].map(([name, shape], i) => {
      const count = shape.reduce((product, length) => product * length, 1)
      return [name, shape.length === 1 ? new Float32Array(count).fill(1) : noise(i, count, 0.5)] as const
    }),
  )
