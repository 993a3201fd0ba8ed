import { createRandom } from '@openledger/model'
import { BaseError } from '@openledger/primitives'
import { isAllowed, type TokenMask } from '../grammar/GrammarMatcher.ts'

/** How the next token is chosen. Names and meanings are those of the OpenAI and vLLM interfaces. */
export type SamplingOptions = {
  /** 0 takes the likeliest token, the lower id on a tie. */
  readonly temperature: number
  /** Smallest set of tokens whose probability reaches this; 1 keeps all. */
  readonly topP: number
  /** At most this many tokens; 0 keeps all. */
  readonly topK: number
  /** Tokens less likely than this share of the likeliest are not drawn; 0 keeps all. */
  readonly minP: number
  /** Tokens of the answer before which the token that ends it is not chosen; 0 lets it end at once. */
  readonly minTokens: number
  /** Above 1 makes tokens of prompt and answer less likely. */
  readonly repetitionPenalty: number
  /** Subtracted once for each time the answer holds the token. */
  readonly frequencyPenalty: number
  /** Subtracted once if the answer holds the token. */
  readonly presencePenalty: number
  /** Added to the scores of tokens before anything else, from -100 to 100. */
  readonly logitBias: readonly (readonly [tokenId: number, bias: number])[]
  /** Its low 32 bits decide what is drawn. */
  readonly seed: number
}

export const GREEDY: SamplingOptions = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  minTokens: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: [],
  seed: 0,
}

/** One chosen token. */
export type Choice = {
  readonly tokenId: number
  /** Natural log-probability under the model itself: before temperature, penalties and cuts. */
  readonly logprob: number
  /** The likeliest tokens under the model itself, best first. */
  readonly top: readonly { readonly tokenId: number; readonly logprob: number }[]
}

/** What the model thinks of every token at one place. */
export type Scores = {
  /** `[vocabulary]`, left unchanged; empty where the sampler needs none. */
  readonly logits: Float32Array
  /** The token of the largest logit, the lower id on a tie. */
  readonly likeliest: number
  /** Natural log-probability of `likeliest`. */
  readonly logprob: number
}

export type Sampler = {
  /** Whether it chooses by the logits; without a mask, the likeliest token may be all that it looks at. */
  readonly needsLogits: boolean
  /**
   * Chooses a token and remembers it for the penalties.
   * @param mask - Tokens that may be chosen; at least one. Undefined allows all. With a mask, logits are needed.
   */
  readonly next: (scores: Scores, mask?: TokenMask) => Choice
}

const BINS = 512
const BIASED_TOKENS_MAX = 300

/**
 * Creates the sampler of one request.
 * @param promptIds - Tokens that the repetition penalty counts as said.
 * @param topLogprobs - How many alternatives to report with each choice.
 * @param endId - The token that ends an answer.
 * @throws {SamplingOptionError}
 */
export function createSampler(
  options: SamplingOptions,
  promptIds: readonly number[],
  topLogprobs: number,
  endId: number,
): Sampler {
  assertOptions(options, topLogprobs)
  const random = createRandom(options.seed).next
  const saidInPrompt = new Set(options.repetitionPenalty === 1 ? [] : promptIds)
  const countInAnswer = new Map<number, number>()
  let tokens = 0
  const { temperature, minTokens, repetitionPenalty, frequencyPenalty, presencePenalty, logitBias } = options
  const isPlain =
    repetitionPenalty === 1 && frequencyPenalty === 0 && presencePenalty === 0 && logitBias.length === 0
  const needsLogits = temperature > 0 || topLogprobs > 0 || minTokens > 0 || !isPlain

  function penalised(logits: Float32Array): Float32Array {
    const mayEnd = tokens >= minTokens
    if (isPlain && mayEnd) return logits
    const adjusted = logits.slice()
    for (const [id, bias] of logitBias) if (id < adjusted.length) adjusted[id]! += bias
    const repeat = (id: number): void => {
      const logit = adjusted[id]!
      adjusted[id] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty
    }
    for (const id of saidInPrompt) repeat(id)
    for (const [id, count] of countInAnswer) {
      if (!saidInPrompt.has(id)) repeat(id)
      adjusted[id]! -= count * frequencyPenalty + presencePenalty
    }
    if (!mayEnd) adjusted[endId] = Number.NEGATIVE_INFINITY
    return adjusted
  }

  return {
    needsLogits,
    next({ logits, likeliest, logprob }, mask) {
      if (!needsLogits && mask === undefined) return { tokenId: likeliest, logprob, top: [] }
      const adjusted = mask === undefined ? penalised(logits) : masked(penalised(logits), logits, mask)
      const tokenId = temperature === 0 ? argmax(adjusted) : draw(adjusted, options, random)
      countInAnswer.set(tokenId, (countInAnswer.get(tokenId) ?? 0) + 1)
      tokens++
      const logTotal = logits[likeliest]! - logprob
      const top = best(logits, topLogprobs).map((id) => ({ tokenId: id, logprob: logits[id]! - logTotal }))
      return { tokenId, logprob: logits[tokenId]! - logTotal, top }
    },
  }
}

/** Takes away what the mask does not allow. @param original - Left unchanged. */
function masked(values: Float32Array, original: Float32Array, mask: TokenMask): Float32Array {
  const left = values === original ? values.slice() : values
  for (let id = 0; id < left.length; id++) if (!isAllowed(mask, id)) left[id] = Number.NEGATIVE_INFINITY
  return left
}

/** Gives the index of the largest value, the lowest on a tie. */
export function argmax(values: Float32Array): number {
  let at = 0
  for (let i = 1; i < values.length; i++) if (values[i]! > values[at]!) at = i
  return at
}

/** Gives the indices of the `count` largest values, largest first, the lower index on a tie. */
export function best(values: Float32Array, count: number): number[] {
  const kept: number[] = []
  if (count === 0) return kept
  for (let i = 0; i < values.length; i++) {
    if (kept.length === count && values[i]! <= values[kept.at(-1)!]!) continue
    let at = kept.length
    while (at > 0 && values[kept[at - 1]!]! < values[i]!) at--
    kept.splice(at, 0, i)
    if (kept.length > count) kept.pop()
  }
  return kept
}

/** Computes `log(sum(exp(values)))` without overflow. */
export function logSumExp(values: Float32Array): number {
  const max = values[argmax(values)]!
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += Math.exp(values[i]! - max)
  return max + Math.log(sum)
}

/** Draws a token after temperature, min-p, top-k and top-p. */
function draw(logits: Float32Array, options: SamplingOptions, random: () => number): number {
  const max = logits[argmax(logits)]!
  const weights = new Float64Array(logits.length)
  let total = 0
  for (let i = 0; i < logits.length; i++) {
    const weight = Math.exp((logits[i]! - max) / options.temperature)
    // the likeliest weighs 1
    if (weight < options.minP) continue
    weights[i] = weight
    total += weight
  }
  const isCut = options.topP < 1 || (options.topK > 0 && options.topK < logits.length)
  const ids = isCut ? nucleus(weights, total, options) : undefined
  const kept = ids === undefined ? total : ids.reduce((sum, id) => sum + weights[id]!, 0)
  let left = random() * kept
  const count = ids?.length ?? weights.length
  let last = 0
  for (let i = 0; i < count; i++) {
    const id = ids?.[i] ?? i
    if (weights[id] === 0) continue
    left -= weights[id]!
    last = id
    if (left < 0) break
  }
  return last
}

/**
 * Gives the tokens inside top-k and top-p, likeliest first.
 *
 * Tokens are put into bins by log weight first, so that only those near the cut are sorted: a full sort of a large
 * vocabulary costs more than the model's own step.
 */
function nucleus(weights: Float64Array, total: number, { topP, topK }: SamplingOptions): number[] {
  const bins: number[][] = []
  for (let i = 0; i < weights.length; i++) {
    // 16 bins a nat; what is 32 nats below the best shares the last bin
    const bin = Math.min(BINS - 1, Math.floor(-16 * Math.log(weights[i]!)))
    const ids = bins[bin]
    if (ids === undefined) bins[bin] = [i]
    else ids.push(i)
  }
  const countMax = topK > 0 ? topK : weights.length
  const kept: number[] = []
  let mass = 0
  for (const ids of bins) {
    if (ids === undefined) continue
    ids.sort((a, b) => weights[b]! - weights[a]! || a - b)
    for (const id of ids) {
      kept.push(id)
      mass += weights[id]!
      if (kept.length >= countMax || mass >= topP * total) return kept
    }
  }
  return kept
}

function assertOptions(options: SamplingOptions, topLogprobs: number): void {
  const { logitBias } = options
  const isBias = ([id, bias]: readonly [number, number]): boolean =>
    Number.isInteger(id) && id >= 0 && Math.abs(bias) <= 100
  const rules: readonly [keyof SamplingOptions | 'topLogprobs', number, boolean, string][] = [
    [
      'logitBias',
      logitBias.length,
      logitBias.length <= BIASED_TOKENS_MAX && logitBias.every(isBias),
      `at most ${BIASED_TOKENS_MAX} token ids with numbers from -100 to 100`,
    ],
    ['temperature', options.temperature, options.temperature >= 0 && options.temperature <= 2, 'from 0 to 2'],
    ['topP', options.topP, options.topP > 0 && options.topP <= 1, 'above 0, at most 1'],
    ['minP', options.minP, options.minP >= 0 && options.minP <= 1, 'from 0 to 1'],
    [
      'minTokens',
      options.minTokens,
      Number.isSafeInteger(options.minTokens) && options.minTokens >= 0,
      'a whole number from 0',
    ],
    ['topK', options.topK, Number.isInteger(options.topK) && options.topK >= 0, 'a whole number, 0 for all'],
    [
      'repetitionPenalty',
      options.repetitionPenalty,
      options.repetitionPenalty > 0 && options.repetitionPenalty <= 2,
      'above 0, at most 2',
    ],
    ['frequencyPenalty', options.frequencyPenalty, Math.abs(options.frequencyPenalty) <= 2, 'from -2 to 2'],
    ['presencePenalty', options.presencePenalty, Math.abs(options.presencePenalty) <= 2, 'from -2 to 2'],
    ['seed', options.seed, Number.isSafeInteger(options.seed), 'a safe integer'],
    [
      'topLogprobs',
      topLogprobs,
      Number.isInteger(topLogprobs) && topLogprobs >= 0 && topLogprobs <= 20,
      'a whole number from 0 to 20',
    ],
  ]
  for (const [name, value, isMet, expected] of rules) {
    if (!isMet) throw new SamplingOptionError(name, value, expected)
  }
}

export class SamplingOptionError extends BaseError {
  constructor(name: string, value: unknown, expected: string) {
    super({
      code: 'openlora.sampling_option',
      message: `Expected ${name} to be ${expected}, got ${String(value)}.`,
      context: { name, value: String(value), expected },
    })
  }
}
