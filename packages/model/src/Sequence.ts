import { BaseError } from '@openledger/primitives'
import { createGraph, type Graph, Op, type Tensor } from '@openledger/tensor'
import type { LlamaConfig, LoraTarget } from './checkpoint/Config.ts'
import * as Llama from './Llama.ts'
import type { Tokenizer } from './tokenizer/Tokenizer.ts'

/** Token sequences with the tokens that count: `lossMask[t]` weighs the prediction of token `t`; entry 0 is not used. */
export type Sequence = {
  readonly ids: Int32Array
  readonly lossMask: Float32Array
  /**
   * `[T, C]`: for each token the mean row of the output head under a teacher's probabilities, less the row of the token itself;
   * entry 0 is not used. With it the loss is the cross-entropy against all that the teacher found likely, not the token alone.
   */
  readonly softLabels?: Float32Array
}

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

/** Sequences laid end to end in rows of one length, blind to each other. */
export type Packed = Collated & {
  /** `[B, T]`: the place of each token in its own sequence. */
  readonly positions: BigInt64Array
  /** `[B, T]`: a number for each sequence of a row, from 1; 0 is padding. */
  readonly segments: Float32Array
  /** `[B*T]`: which of the sequences each label belongs to; -1 is padding. */
  readonly owners: Int32Array
  /** `[B*T, C]`: the soft labels of each label, 0 where a sequence has none; undefined where none has. */
  readonly softLabels?: Float32Array
}

/** Lengths of single sequences are rounded up to a multiple of this, so that few graphs serve all. */
const lengthStep = 32
/** Rows of packed sequences are at least this long. */
const rowTokensMin = 64

const roundUp = (tokens: number, tokensMax: number): number =>
  Math.min(tokensMax, Math.ceil(tokens / lengthStep) * lengthStep)

function inputsOf(config: LlamaConfig, { ids, lossMask }: Sequence): number {
  if (ids.length < 2 || ids.length > config.contextMax + 1 || lossMask.length !== ids.length) {
    throw new SequenceLengthError(ids.length, lossMask.length, config.contextMax + 1)
  }
  return ids.length - 1
}

function empty(config: LlamaConfig, rows: number, tokens: number): Collated {
  const ids = new Int32Array(rows * tokens).fill(config.padId)
  return { rows, tokens, ids, labels: new BigInt64Array(ids.length), mask: new Float32Array(ids.length) }
}

function place(config: LlamaConfig, { ids, labels, mask }: Collated, at: number, sequence: Sequence): void {
  for (let t = 0; t + 1 < sequence.ids.length; t++) {
    ids[at + t] = checkToken(config, sequence.ids[t]!)
    labels[at + t] = BigInt(checkToken(config, sequence.ids[t + 1]!))
    mask[at + t] = sequence.lossMask[t + 1]!
  }
}

/**
 * Pads sequences to one length, a row each, and splits inputs from labels.
 * @throws {SequenceLengthError} when one has fewer than 2 tokens, or more than the context and one label.
 */
export function collate(config: LlamaConfig, sequences: readonly Sequence[]): Collated {
  const longest = Math.max(...sequences.map((sequence) => inputsOf(config, sequence)))
  const batch = empty(config, sequences.length, roundUp(longest, config.contextMax))
  sequences.forEach((sequence, row) => {
    place(config, batch, row * batch.tokens, sequence)
  })
  return batch
}

/**
 * Lays sequences end to end into rows and cuts the rows into runs of a graph, of few different shapes.
 *
 * Little is padding, and a run needs the memory of `tokensPerRun` tokens however many sequences there are. The same
 * sequences give the same runs.
 *
 * @param rowsMax - Most rows of a run.
 * @throws {SequenceLengthError}
 */
export function pack(
  config: LlamaConfig,
  sequences: readonly Sequence[],
  { tokensPerRun, rowsMax }: { readonly tokensPerRun: number; readonly rowsMax: number },
): Packed[] {
  const lengths = sequences.map((sequence) => inputsOf(config, sequence))
  const tokens = Math.min(config.contextMax, Math.max(rowTokensMin, powerOfTwo(Math.max(...lengths))))
  // the longest first, each into the first row with room for it
  const order = lengths.map((_, i) => i).sort((i, j) => lengths[j]! - lengths[i]! || i - j)
  const rows: { used: number; sequences: number[] }[] = []
  for (const i of order) {
    let row = rows.find(({ used }) => used + lengths[i]! <= tokens)
    if (!row) {
      row = { used: 0, sequences: [] }
      rows.push(row)
    }
    row.sequences.push(i)
    row.used += lengths[i]!
  }
  const rowsPerRun = Math.max(1, Math.min(rowsMax, Math.floor(tokensPerRun / tokens)))
  const runs: Packed[] = []
  for (let from = 0; from < rows.length; from += rowsPerRun) {
    const own = rows.slice(from, from + rowsPerRun)
    const batch = empty(config, Math.min(rowsPerRun, powerOfTwo(own.length)), tokens)
    const positions = new BigInt64Array(batch.ids.length)
    const segments = new Float32Array(batch.ids.length)
    const owners = new Int32Array(batch.ids.length).fill(-1)
    const { hiddenSize } = config
    const isSoft = own.some(({ sequences: members }) => members.some((i) => sequences[i]!.softLabels))
    const soft = isSoft ? { softLabels: new Float32Array(batch.ids.length * hiddenSize) } : {}
    own.forEach(({ sequences: members }, row) => {
      let at = row * tokens
      members.forEach((i, member) => {
        place(config, batch, at, sequences[i]!)
        soft.softLabels?.set(sequences[i]!.softLabels?.subarray(hiddenSize) ?? [], at * hiddenSize)
        segments.fill(member + 1, at, at + lengths[i]!)
        owners.fill(i, at, at + lengths[i]!)
        for (let t = 0; t < lengths[i]!; t++) positions[at + t] = BigInt(t)
        at += lengths[i]!
      })
    })
    runs.push({ ...batch, positions, segments, owners, ...soft })
  }
  return runs
}

const powerOfTwo = (count: number): number => 2 ** Math.ceil(Math.log2(count))

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
  /**
   * Ranges `[start, end)` of characters of the text, or of the completion, whose tokens are read but not counted. They are in
   * order and do not overlap.
   */
  readonly uncounted?: readonly (readonly [start: number, end: number])[]
}

/**
 * Makes sequences from a text to continue: begin mark, tokens, end mark; long texts become several that overlap, and each
 * token is counted once.
 */
export function fromText(tokenizer: Tokenizer, text: string, options: TextOptions): Sequence[] {
  return counted(tokenizer, [tokenizer.bosId], text, options)
}

/** Makes sequences from a prompt and the answer to it; only the answer and the end mark are counted. */
export function fromCompletion(
  tokenizer: Tokenizer,
  example: { readonly prompt: string; readonly completion: string },
  options: TextOptions,
): Sequence[] {
  const prompt = [tokenizer.bosId, ...tokenizer.encode(example.prompt)]
  return counted(tokenizer, prompt, example.completion, options)
}

/** Whether each token of a text touches one of some ranges of its characters, which are in order and do not overlap. */
export function tokensWithin(
  tokenizer: Pick<Tokenizer, 'offsets'>,
  ids: readonly number[],
  ranges: readonly (readonly [start: number, end: number])[],
): boolean[] {
  if (ranges.length === 0) return new Array<boolean>(ids.length).fill(false)
  let next = 0
  return tokenizer.offsets(ids).map(({ start, end }) => {
    while (next < ranges.length && ranges[next]![1] <= start) next++
    return next < ranges.length && ranges[next]![0] < end
  })
}

/** Cuts a beginning, a text that counts and the end mark into sequences; one in which nothing would count is left out. */
function counted(
  tokenizer: Tokenizer,
  beginning: readonly number[],
  text: string,
  { tokensMax, overlapTokens = Math.floor(tokensMax / 8), uncounted = [] }: TextOptions,
): Sequence[] {
  const own = tokenizer.encode(text)
  const ids = [...beginning, ...own, tokenizer.eosId]
  const isUncounted = tokensWithin(tokenizer, own, uncounted)
  const weights = Float32Array.from(ids, (_, i) =>
    i < beginning.length || isUncounted[i - beginning.length] === true ? 0 : 1,
  )
  const sequences: Sequence[] = []
  for (let start = 0, done = beginning.length; done < ids.length; ) {
    const end = Math.min(ids.length, start + tokensMax)
    const lossMask = new Float32Array(end - start)
    if (end > done) lossMask.set(weights.subarray(done, end), done - start)
    if (lossMask.some((weight) => weight > 0))
      sequences.push({ ids: Int32Array.from(ids.slice(start, end)), lossMask })
    done = Math.max(done, end)
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
 * @param size - With `isPacked`, rows hold several sequences: inputs `positions` (int64) and `segments` (float32), both
 *   `[rows, tokens]`, tell where each begins.
 * @param makeWeights - Makes the lookup: constants or inputs.
 * @param makePairs - LoRA matrices of a linear layer, made in the same graph.
 * @param makeForm - Linear layers whose weights are kept in another form.
 */
export function buildSequenceGraph(
  config: LlamaConfig,
  size: { readonly rows: number; readonly tokens: number; readonly isPacked?: boolean },
  makeWeights: (graph: Graph) => Llama.WeightLookup,
  makePairs: (graph: Graph) => (layer: number, target: LoraTarget) => Llama.LoraPair | undefined,
  makeForm?: (graph: Graph) => Llama.LinearForm,
): SequenceGraph {
  const { rows, tokens, isPacked = false } = size
  const graph = createGraph()
  const weights = makeWeights(graph)
  const ids = graph.input('ids', 'int32', [rows, tokens])
  const window = config.slidingWindow ?? tokens
  const causal = graph.constant(
    Float32Array.from({ length: tokens * tokens }, (_, i) => {
      const back = Math.floor(i / tokens) - (i % tokens)
      return back < 0 || back >= window ? hidden : 0
    }),
    [tokens, tokens],
    'causalMask',
  )
  const positions = isPacked
    ? graph.input('positions', 'int64', [rows, tokens])
    : graph.constant(
        BigInt64Array.from({ length: rows * tokens }, (_, i) => BigInt(i % tokens)),
        [rows, tokens],
        'positions',
      )
  const last = Llama.transform(
    config,
    {
      weights,
      project: Llama.withLora(Llama.baseProject(weights, config, makeForm?.(graph)), makePairs(graph)),
      attend: Llama.causalAttention(config, isPacked ? blockMask(graph, causal, rows, tokens) : causal),
      positions,
      rotary: Llama.rotaryTables(graph, config, tokens),
    },
    Llama.embed(weights, ids),
  )
  return { graph, hidden: Op.flattenRows(last), weights }
}

/** Hides the other sequences of a row: `[B, T, T]`, from input `segments`. */
function blockMask(graph: Graph, causal: Tensor, rows: number, tokens: number): Tensor {
  const segments = graph.input('segments', 'float32', [rows, tokens])
  const apart = Op.subtract(Op.reshape(segments, [rows, tokens, 1]), Op.reshape(segments, [rows, 1, tokens]))
  const isOther = Op.cast(Op.less(graph.scalar(0.25), Op.multiply(apart, apart)), 'float32')
  return Op.add(Op.multiply(isOther, hidden), causal)
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
