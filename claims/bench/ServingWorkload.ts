import { createRandom, type LlamaConfig, type Random } from '@openledger/model'

/** One request of the workload. */
export type WorkRequest = {
  readonly caller: string
  readonly promptIds: readonly number[]
  readonly outputTokens: number
  /** Number of a registered adapter; undefined for the base alone. */
  readonly adapter: number | undefined
  /** When it arrives, in milliseconds from the start; 0 for all where the workload saturates. */
  readonly arrivalMs: number
}

export type WorkloadOptions = {
  readonly seed: number
  readonly requests: number
  readonly vocabularySize: number
  /** 0 for the base alone. */
  readonly registered: number
  /** Exponent of the power law: the k-th adapter is asked for as `k^-alpha`. */
  readonly alpha: number
  /** Requests a second; 0 lets all arrive at once. */
  readonly rate: number
  /** Coefficient of variation of the time between arrivals; 1 is a Poisson process. */
  readonly variation: number
  readonly promptTokens: readonly [least: number, most: number]
  readonly outputTokens: readonly [least: number, most: number]
}

const CALLERS = 8

/**
 * Draws a workload: power-law popularity, Gamma arrivals, uniform lengths.
 * @see Sheng et al. 2024, "S-LoRA", section 7.1.
 */
export function drawWorkload(options: WorkloadOptions): WorkRequest[] {
  const { seed, requests, vocabularySize, registered, alpha, rate, variation } = options
  // streams of their own, so that the number of registered adapters changes nothing else
  const [texts, popularity, times] = [createRandom(seed), createRandom(seed + 1), createRandom(seed + 2)]
  const cumulative: number[] = []
  let total = 0
  for (let k = 1; k <= registered; k++) {
    total += k ** -alpha
    cumulative.push(total)
  }
  const between = ([least, most]: readonly [number, number]): number => least + texts.below(most - least + 1)
  let arrivalMs = 0
  return Array.from({ length: requests }, (_, i) => {
    const drawn = popularity.next() * total
    if (rate > 0) arrivalMs += (1_000 / rate) * gamma(times, 1 / variation ** 2) * variation ** 2
    const adapter = cumulative.findIndex((mass) => mass > drawn)
    return {
      caller: `caller${i % CALLERS}`,
      promptIds: Array.from(
        { length: between(options.promptTokens) },
        () => 3 + texts.below(vocabularySize - 3),
      ),
      outputTokens: between(options.outputTokens),
      adapter: adapter < 0 ? undefined : adapter,
      arrivalMs,
    }
  })
}

/** Draws from Gamma(shape, 1). @see Marsaglia and Tsang 2000. */
function gamma(random: Random, shape: number): number {
  if (shape < 1) return gamma(random, shape + 1) * random.next() ** (1 / shape)
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = random.normal()
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(1 - random.next()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
  }
}

/** 5.0 million parameters. */
export const SMALL: LlamaConfig = {
  vocabularySize: 4_096,
  hiddenSize: 256,
  feedForwardSize: 704,
  layers: 4,
  heads: 8,
  keyValueHeads: 4,
  headSize: 32,
  contextMax: 512,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  isHeadTied: true,
  bosId: 1,
  eosId: 2,
  padId: 0,
}

/** 110 million parameters (100 in products, the rest in the embedding). */
export const LARGE: LlamaConfig = {
  vocabularySize: 32_000,
  hiddenSize: 768,
  feedForwardSize: 2_048,
  layers: 12,
  heads: 12,
  keyValueHeads: 4,
  headSize: 64,
  contextMax: 1_024,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  isHeadTied: true,
  bosId: 1,
  eosId: 2,
  padId: 0,
}
