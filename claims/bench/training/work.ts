import type { LlamaConfig } from '@openledger/model'

/** What both sides compute: one model, one batch, one kind of training. */
export type Work = {
  readonly model: ModelName
  readonly mode: Mode
  readonly rows: number
  readonly tokens: number
  readonly steps: number
  /** Threads of ours that each compute parts of a batch; without them operations are shared by all threads. */
  readonly workers?: number
}

export type Mode = 'lora' | 'qlora' | 'full' | 'perExample'
export type ModelName = '5M' | '110M'

/** What one side found, in a process of its own. */
export type Measured = {
  /** Median over the steps after the first two. */
  readonly tokensPerSecond: number
  /** Processor time over the same steps: tells more than the clock where other programs share the machine. */
  readonly cpuMicrosPerToken: number
  /** Most resident memory of the process over its life. */
  readonly peakBytes: number
  /** Before each step; both sides start from the same weights and see the same batch. */
  readonly losses: readonly number[]
}

export const RANK = 8
export const ALPHA = 16
export const LEARNING_RATE = 1e-3

const common = {
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  bosId: 1,
  eosId: 2,
  padId: 0,
  contextMax: 512,
}

export const MODELS: Record<ModelName, LlamaConfig> = {
  '5M': {
    ...common,
    vocabularySize: 4096,
    hiddenSize: 256,
    feedForwardSize: 688,
    layers: 4,
    heads: 8,
    keyValueHeads: 4,
    headSize: 32,
    isHeadTied: false,
  },
  '110M': {
    ...common,
    vocabularySize: 32_000,
    hiddenSize: 768,
    feedForwardSize: 2048,
    layers: 12,
    heads: 12,
    keyValueHeads: 4,
    headSize: 64,
    isHeadTied: false,
  },
}

/** The token at a place of the batch: text-like in that it can be learned, and the same on both sides. */
export const tokenAt = (row: number, position: number, vocabularySize: number): number =>
  (row * 7_919 + position * 104_729 + ((position * position) % 97)) % vocabularySize

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}
