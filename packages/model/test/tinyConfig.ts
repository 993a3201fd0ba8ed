import type { LlamaConfig } from '../src/checkpoint/Config.ts'

/** Everything that a model of the family has, small enough for a test; token 0 ends a text, token 1 begins one. */
export const tinyConfig: LlamaConfig = {
  vocabularySize: 40,
  hiddenSize: 16,
  feedForwardSize: 24,
  layers: 2,
  heads: 2,
  keyValueHeads: 1,
  headSize: 8,
  contextMax: 32,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  isHeadTied: true,
  bosId: 1,
  eosId: 0,
  padId: 0,
}
