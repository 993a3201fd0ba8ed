import { BaseError } from '@openledger/primitives'
import { createGraph, type Graph, Op, type Tensor } from '@openledger/tensor'
import type { LlamaConfig, LoraTarget } from './Config.ts'
import * as Llama from './Llama.ts'
import type { Tokenizer } from './Tokenizer.ts'

/** Token sequences with the tokens that count: `lossMask[t]` weighs the prediction of token `t`; entry 0 is not used. */
export type Sequence = { readonly ids: Int32Array; readonly lossMask: Float32Array }

/** Sequences brought to one length, as a graph is fed. */
export type Collated = {
  readonly rows: number
  /** T: inputs per row, one less than the longest sequence, rounded up. */
  readonly tokens: number
  /** `[B, T]`. */
  readonly ids: Int32Array
  /** `[B*T]`: the token after each input. */
  readonly labels: BigInt64Array
  /** `[B*T]`: the mask of each label. */
  readonly mask: Float32Array
}

/** Lengths are rounded up to a multiple of this, so that few graphs serve all batches. */
const lengthStep = 32

/** Rounds a count of inputs up to a length that graphs are built for. */
export const bucket = (tokens: number, tokensMax: number): number =>
  Math.min(tokensMax, Math.ceil(tokens / lengthStep) * lengthStep)

/**
 * Pads sequences to one length and splits inputs from labels.
 * @throws {SequenceLengthError} when one has fewer than 2 tokens, or more than the context and one label.
 */
export function collate(config: LlamaConfig, sequences: readonly Sequence[]): Collated {
  let longest = 0
  for (const { ids, lossMask } of sequences) {
    if (ids.length < 2 || ids.length > config.contextMax + 1 || lossMask.length !== ids.length) {
      throw new SequenceLengthError(ids.length, lossMask.length, config.contextMax + 1)
    }
    longest = Math.max(longest, ids.length - 1)
  }
  const rows = sequences.length
  const tokens = bucket(longest, config.contextMax)
  const ids = new Int32Array(rows * tokens).fill(config.padId)
  const labels = new BigInt64Array(rows * tokens)
  const mask = new Float32Array(rows * tokens)
  sequences.forEach((sequence, row) => {
    for (let t = 0; t + 1 < sequence.ids.length; t++) {
      const at = row * tokens + t
      ids[at] = checkToken(config, sequence.ids[t]!)
      labels[at] = BigInt(checkToken(config, sequence.ids[t + 1]!))
      mask[at] = sequence.lossMask[t + 1]!
    }
  })
  return { rows, tokens, ids, labels, mask }
}

function checkToken(config: LlamaConfig, id: number): number {
  if (id < 0 || id >= config.vocabularySize) throw new TokenRangeError(id, config.vocabularySize)
  return id
}

/** Marks and limits for making sequences from text. */
export type TextOptions = {
  /** Most tokens in a sequence, marks included. */
  readonly tokensMax: number
  /** Tokens that a long text's next sequence repeats as uncounted context. Default an eighth of `tokensMax`. */
  readonly overlapTokens?: number
}

/**
 * Makes sequences from a text to continue: begin mark, tokens, end mark; long texts become several that overlap, and each
 * token is counted once.
 */
export function fromText(tokenizer: Tokenizer, text: string, options: TextOptions): Sequence[] {
  const ids = [tokenizer.bosId, ...tokenizer.encode(text), tokenizer.eosId]
  return cut(ids, 1, options)
}

/** Makes sequences from a prompt and the answer to it; only the answer and the end mark are counted. */
export function fromCompletion(
  tokenizer: Tokenizer,
  example: { readonly prompt: string; readonly completion: string },
  options: TextOptions,
): Sequence[] {
  const prompt = [tokenizer.bosId, ...tokenizer.encode(example.prompt)]
  const ids = [...prompt, ...tokenizer.encode(example.completion), tokenizer.eosId]
  return cut(ids, prompt.length, options)
}

function cut(ids: readonly number[], countedFrom: number, options: TextOptions): Sequence[] {
  const { tokensMax, overlapTokens = Math.floor(tokensMax / 8) } = options
  const sequences: Sequence[] = []
  let counted = countedFrom
  for (let start = 0; counted < ids.length; ) {
    const end = Math.min(ids.length, start + tokensMax)
    const lossMask = new Float32Array(end - start)
    lossMask.fill(1, Math.min(end, counted) - start)
    if (end > counted) sequences.push({ ids: Int32Array.from(ids.slice(start, end)), lossMask })
    counted = Math.max(counted, end)
    start = end - overlapTokens
  }
  return sequences
}

/** A graph over whole sequences, before any loss. */
export type SequenceGraph = {
  readonly graph: Graph
  /** `[B*T, C]`, after the final norm. */
  readonly hidden: Tensor
  readonly weights: Llama.WeightLookup
}

/**
 * Builds the forward pass over `[rows, tokens]` ids (input `ids`, int32).
 * @param weights - Makes the lookup: constants for a frozen base, inputs for training.
 * @param pairs - LoRA matrices of a linear layer, made in the same graph.
 */
export function buildSequenceGraph(
  config: LlamaConfig,
  size: { readonly rows: number; readonly tokens: number },
  makeWeights: (graph: Graph) => Llama.WeightLookup,
  makePairs: (graph: Graph) => (layer: number, target: LoraTarget) => Llama.LoraPair | undefined,
): SequenceGraph {
  const { rows, tokens } = size
  const graph = createGraph()
  const weights = makeWeights(graph)
  const ids = graph.input('ids', 'int32', [rows, tokens])
  const positions = graph.constant(
    BigInt64Array.from({ length: rows * tokens }, (_, i) => BigInt(i % tokens)),
    [rows, tokens],
    'positions',
  )
  const mask = Float32Array.from({ length: tokens * tokens }, (_, i) =>
    i % tokens > Math.floor(i / tokens) ? hidden : 0,
  )
  const last = Llama.transform(
    config,
    {
      weights,
      project: Llama.withLora(Llama.baseProject(weights), makePairs(graph)),
      attend: Llama.causalAttention(config, graph.constant(mask, [tokens, tokens], 'causalMask')),
      positions,
      rotary: Llama.rotaryTables(graph, config, tokens),
    },
    Llama.embed(weights, ids),
  )
  return { graph, hidden: Op.flattenRows(last), weights }
}

/** Score of a token that may not be seen: far below any real one, and finite, so that no row becomes NaN. */
const hidden = -1e9

export class SequenceLengthError extends BaseError {
  constructor(length: number, maskLength: number, lengthMax: number) {
    super({
      code: 'model.sequence_length',
      message: `Expected 2 to ${lengthMax} tokens and as many mask entries, got ${length} and ${maskLength}. Split or drop the sequence.`,
      context: { length, maskLength, lengthMax },
    })
  }
}

export class TokenRangeError extends BaseError {
  constructor(id: number, vocabularySize: number) {
    super({
      code: 'model.token_range',
      message: `Expected token ids below ${vocabularySize}, got ${id}. Encode with the tokenizer of this checkpoint.`,
      context: { id, vocabularySize },
    })
  }
}
