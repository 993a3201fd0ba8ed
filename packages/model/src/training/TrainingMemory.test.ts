import { expect, test } from 'vitest'
import { type LlamaConfig, trainingBytes } from '../index.ts'

// the 5 M model of `npm run bench -- training`
const config: LlamaConfig = {
  vocabularySize: 4096,
  hiddenSize: 256,
  feedForwardSize: 688,
  layers: 4,
  heads: 8,
  keyValueHeads: 4,
  headSize: 32,
  contextMax: 512,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  isHeadTied: false,
  bosId: 1,
  eosId: 2,
  padId: 0,
}

test('the estimate is within a fifth of what processes took', () => {
  // peak resident memory on 2 cores, 8 sequences of 128 tokens, rank 8
  for (const [workers, measured] of [
    [0, 287e6],
    [2, 466e6],
  ] as const) {
    const estimated = trainingBytes(config, { rank: 8, workers })
    expect(Math.abs(estimated / measured - 1)).toBeLessThan(0.2)
  }
})

test('more of anything takes more', () => {
  const least = trainingBytes(config, { rank: 4, workers: 1 })
  expect(trainingBytes(config, { rank: 64, workers: 1 })).toBeGreaterThan(least)
  expect(trainingBytes(config, { rank: 4, workers: 2 })).toBeGreaterThan(least)
  expect(trainingBytes(config, { rank: 4, workers: 1, tokensPerRun: 1_024 })).toBeGreaterThan(least)
  expect(trainingBytes({ ...config, layers: 8 }, { rank: 4, workers: 1 })).toBeGreaterThan(least)
})

test('a base in 4 bits takes less by what its linear layers shrink', () => {
  const large = { ...config, layers: 12, hiddenSize: 768, feedForwardSize: 2_048 }
  const of = (isQuantised: boolean) => trainingBytes(large, { rank: 8, workers: 2, isQuantised })
  const { hiddenSize, feedForwardSize, heads, keyValueHeads, headSize, layers } = large
  const attention = 2 * hiddenSize * headSize * (heads + keyValueHeads)
  const linears = layers * (attention + 3 * hiddenSize * feedForwardSize)
  // of 32 bits of a weight 4 are left, and the 32nd part of a scale of 32
  expect(of(false) - of(true)).toBe((linears * (32 - 4 - 1)) / 8)
})
