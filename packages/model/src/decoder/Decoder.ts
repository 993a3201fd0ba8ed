import { BaseError } from '@openledger/primitives'
import { createSession, type Feed, type SessionOptions } from '@openledger/tensor'
import type { Adapter } from '../checkpoint/Adapter.ts'
import type { Checkpoint } from '../checkpoint/Checkpoint.ts'
import { createDecoderCache, type PrefixSnapshot } from './DecoderCache.ts'
import { buildDecoderGraph, type DecoderPrecision } from './DecoderGraph.ts'
import { createDecoderSlots } from './DecoderSlots.ts'

export type DecoderOptions = SessionOptions & {
  /** Sequences that decode together. */
  readonly rows: number
  /** Tokens a row holds at most; at most the model's own context. */
  readonly context: number
  /** Largest adapter rank; 0 leaves adapters out of the graph. */
  readonly rankMax: number
  /** Tokens of a row read in one run at most; longer prompts are read in pieces. */
  readonly runTokensMax?: number
  /** Default `f32`. */
  readonly precision?: DecoderPrecision
}

/** New tokens of one row. */
export type RowTokens = {
  readonly row: number
  readonly ids: ArrayLike<number>
  /** First of `ids` whose logits are wanted; default the last. */
  readonly logitsFrom?: number
  /** Whether the likeliest tokens are enough: with a large vocabulary, copying logits takes a part of a step. */
  readonly isLikeliestEnough?: boolean
}

/** What a run gives for the wanted tokens of one row. */
export type RowOutput = {
  /** `[wanted, vocabulary]`; empty where the likeliest are enough. */
  readonly logits: Float32Array
  /** `[wanted]`: the tokens of the largest logits, the lower id on a tie. */
  readonly likeliest: Int32Array
  /** `[wanted]`: natural log-probabilities of `likeliest`. */
  readonly logprobs: Float32Array
  /** `[wanted, hidden]`: the last hidden states, after the final norm, that the logits were made of. */
  readonly hidden: Float32Array
}

/**
 * Extends many sequences at once, each under its own adapter.
 *
 * Calls must not overlap: the next one starts when the promise of the one before has settled.
 */
export type Decoder = {
  readonly rows: number
  readonly context: number
  readonly vocabularySize: number
  readonly hiddenSize: number
  readonly precision: DecoderPrecision
  /**
   * Gives an empty row its adapter; undefined means the base model alone.
   * @throws {AdapterShapeError} {AdapterRankError} {RowError}
   */
  readonly setAdapter: (row: number, adapter: Adapter | undefined) => void
  /**
   * Reads tokens into rows and returns logits `[wanted, vocabulary]` for each entry.
   *
   * Empty rows are read together where their lengths are near; rows that hold tokens already cost as much as all rows
   * from the lowest to the highest of them.
   * @throws {RowError} when a row would hold more than the context, or is named twice.
   */
  readonly extend: (entries: readonly RowTokens[]) => Promise<Float32Array[]>
  /** Reads as `extend` does and returns the hidden states as well. */
  readonly extendWithHidden: (entries: readonly RowTokens[]) => Promise<RowOutput[]>
  /** Reads a prompt into an empty row and returns the logits `[vocabulary]` after it. */
  readonly prefill: (row: number, ids: ArrayLike<number>) => Promise<Float32Array>
  /** Reads one token into each row that has one and returns its logits `[vocabulary]`, by row. */
  readonly step: (tokens: readonly (number | undefined)[]) => Promise<(Float32Array | undefined)[]>
  /** Forgets what a row holds beyond its first `tokens`. */
  readonly truncate: (row: number, tokens: number) => void
  /** Copies the keys and values of a row's first `tokens`, for rows of the same adapter to begin with. */
  readonly snapshot: (row: number, tokens: number) => PrefixSnapshot
  /** Puts the first `tokens` of a snapshot into an empty row, as if they had been read. */
  readonly restore: (row: number, snapshot: PrefixSnapshot, tokens: number) => void
  /** Forgets a row's tokens and lets its adapter go. */
  readonly free: (row: number) => void
  /** Tokens that a row holds. */
  readonly length: (row: number) => number
  readonly release: () => Promise<void>
}

/** Bounds the attention scores of a run, which grow with the square of its tokens. */
const RUN_TOKENS_MAX = 512
/** A prompt joins the run of a longer one when that one is at most this many times as long. */
const PADDING_MAX = 1.5
/** Far below any score, yet finite: adding it to a finite score never gives NaN. */
const MASKED = -1e30

/**
 * Creates a decoder: one graph for prompts and single tokens, row slots for adapters, and a key-value cache.
 *
 * A row's logits do not depend on its neighbours but for the rounding of products of another height (measured below
 * 1e-4 on logits), since rows only share the base model's weights.
 */
export async function createDecoder(checkpoint: Checkpoint, options: DecoderOptions): Promise<Decoder> {
  const { rows, context, rankMax, ...rest } = options
  const { runTokensMax = RUN_TOKENS_MAX, precision = 'f32', ...sessionOptions } = rest
  const model = buildDecoderGraph(checkpoint, rankMax > 0, precision)
  const session = await createSession(model.outputs, sessionOptions)
  const namesWithoutLogits = Object.keys(model.outputs).filter((name) => name !== 'logits')
  const { layers, heads, headWidth, vocabularySize, hiddenSize, groups } = model
  const cache = createDecoderCache({ layers, rows, heads, headWidth, context })
  const slots = createDecoderSlots(groups, rows, rankMax)
  const lengths: number[] = new Array(rows).fill(0)
  const causalMasks = new Map<number, Float32Array>()

  function assertEntries(entries: readonly RowTokens[]): void {
    const seen = new Set<number>()
    for (const { row, ids } of entries) {
      if (!(row >= 0 && row < rows) || seen.has(row)) {
        throw new RowError(row, `a row below ${rows}, named once`, `row ${row}`)
      }
      seen.add(row)
      if (ids.length === 0 || lengths[row]! + ids.length > context) {
        const got = `${ids.length} more after ${lengths[row]}`
        throw new RowError(row, `1 or more tokens, at most ${context} in all`, got)
      }
    }
  }

  const causalMask = (width: number): Float32Array => {
    const known = causalMasks.get(width)
    if (known !== undefined) return known
    const mask = new Float32Array(width * width)
    for (let i = 0; i < width; i++) mask.fill(MASKED, i * width + i + 1, (i + 1) * width)
    causalMasks.set(width, mask)
    return mask
  }

  /** @param order - Rows of the batch, neighbours where any of them holds tokens already. */
  function feedsFor(entries: readonly RowTokens[], order: readonly number[], width: number) {
    const count = order.length
    const first = order[0]!
    const place = new Map(order.map((row, i) => [row, i]))
    const ids = new BigInt64Array(count * width)
    const positions = new BigInt64Array(count * width)
    const hasPast = entries.some(({ row }) => lengths[row]! > 0)
    const past = hasPast ? cache.capacity() : 1
    const pastMask = new Float32Array(count * past).fill(MASKED)
    const wanted: bigint[] = []
    for (const { row, ids: own, logitsFrom = own.length - 1 } of entries) {
      const at = place.get(row)! * width
      const length = lengths[row]!
      for (let i = 0; i < own.length; i++) {
        ids[at + i] = BigInt(own[i]!)
        positions[at + i] = BigInt(length + i)
      }
      pastMask.fill(0, place.get(row)! * past, place.get(row)! * past + length)
      for (let i = logitsFrom; i < own.length; i++) wanted.push(BigInt(at + i))
    }
    // the runtime's reductions give nothing another shape; one product of the head is next to none
    if (wanted.length === 0) wanted.push(0n)
    const feeds: Record<string, Feed> = {
      ids: { data: ids, shape: [count, width] },
      positions: { data: positions, shape: [count, width] },
      pastMask: { data: pastMask, shape: [count, 1, 1, 1, past] },
      causalMask: { data: causalMask(width), shape: [1, 1, width, 1, width] },
      wanted: { data: BigInt64Array.from(wanted), shape: [wanted.length] },
    }
    const none = hasPast ? undefined : new Float32Array(count * heads * headWidth)
    for (let layer = 0; layer < layers; layer++) {
      feeds[`pastKeys.${layer}`] =
        none === undefined
          ? cache.keys(layer, first, count)
          : { data: none, shape: [count, heads, 1, headWidth, 1] }
      feeds[`pastValues.${layer}`] =
        none === undefined
          ? cache.values(layer, first, count)
          : { data: none, shape: [count, heads, 1, 1, headWidth] }
    }
    if (rankMax > 0) slots.feed(order, feeds)
    return feeds
  }

  async function extendOnce(entries: readonly RowTokens[]): Promise<RowOutput[]> {
    const named = entries.map(({ row }) => row)
    const first = Math.min(...named)
    const order = entries.every(({ row }) => lengths[row] === 0)
      ? named
      : Array.from({ length: Math.max(...named) - first + 1 }, (_, i) => first + i)
    const width = Math.max(...entries.map(({ ids }) => ids.length))
    // room first: making it moves the cache that the feeds point into
    cache.reserve(Math.max(...lengths, ...entries.map(({ row, ids }) => lengths[row]! + ids.length)))
    const areLikeliestEnough = entries.every(({ isLikeliestEnough }) => isLikeliestEnough)
    const fetched = await session.run(
      feedsFor(entries, order, width),
      areLikeliestEnough ? namesWithoutLogits : undefined,
    )
    for (const { row, ids } of entries) {
      for (let layer = 0; layer < layers; layer++) {
        cache.write({
          layer,
          row,
          at: lengths[row]!,
          count: ids.length,
          keys: fetched[`keys.${layer}`]!.data as Float32Array,
          values: fetched[`values.${layer}`]!.data as Float32Array,
          index: order.indexOf(row),
          width,
        })
      }
      lengths[row]! += ids.length
    }
    const logits = (fetched['logits']?.data ?? new Float32Array()) as Float32Array
    const likeliest = fetched['likeliest']!.data as Int32Array
    const logprobs = fetched['logprobs']!.data as Float32Array
    const hidden = fetched['hidden']!.data as Float32Array
    let at = 0
    return entries.map(({ ids, logitsFrom = ids.length - 1, isLikeliestEnough = false }) => {
      const from = at
      at += ids.length - logitsFrom
      return {
        logits: logits.subarray(
          from * vocabularySize,
          isLikeliestEnough ? from * vocabularySize : at * vocabularySize,
        ),
        likeliest: likeliest.subarray(from, at),
        logprobs: logprobs.subarray(from, at),
        hidden: hidden.subarray(from * hiddenSize, at * hiddenSize),
      }
    })
  }

  async function extendWithHidden(entries: readonly RowTokens[]): Promise<RowOutput[]> {
    assertEntries(entries)
    if (entries.length === 0) return []
    const runs = runsOf(entries)
    if (runs.length === 1 && entries.every(({ ids }) => ids.length <= runTokensMax))
      return extendOnce(entries)
    const results: RowOutput[] = new Array(entries.length)
    for (const run of runs) {
      const outputs = await extendInPieces(run.map((index) => entries[index]!))
      for (const [i, index] of run.entries()) results[index] = outputs[i]!
    }
    return results
  }

  const extend = async (entries: readonly RowTokens[]): Promise<Float32Array[]> =>
    (await extendWithHidden(entries)).map(({ logits }) => logits)

  /**
   * Parts entries into runs, as indices: rows with tokens in one, empty rows by length, because a run costs its longest
   * row for each of its rows.
   */
  function runsOf(entries: readonly RowTokens[]): number[][] {
    const runs: number[][] = []
    const begun = entries.flatMap(({ row }, index) => (lengths[row]! > 0 ? [index] : []))
    if (begun.length > 0) runs.push(begun)
    const empty = entries
      .flatMap(({ row }, index) => (lengths[row] === 0 ? [index] : []))
      .sort((a, b) => entries[b]!.ids.length - entries[a]!.ids.length)
    let run: number[] = []
    for (const index of empty) {
      const widest = run.length === 0 ? 0 : entries[run[0]!]!.ids.length
      const { length } = entries[index]!.ids
      const fits =
        length * PADDING_MAX >= widest && widest * (run.length + 1) <= Math.max(runTokensMax, widest)
      if (run.length > 0 && fits) run.push(index)
      else {
        run = [index]
        runs.push(run)
      }
    }
    return runs
  }

  async function extendInPieces(entries: readonly RowTokens[]): Promise<RowOutput[]> {
    if (entries.every(({ ids }) => ids.length <= runTokensMax)) return extendOnce(entries)
    const parts: RowOutput[][] = entries.map(() => [])
    const longest = Math.max(...entries.map(({ ids }) => ids.length))
    for (let start = 0; start < longest; start += runTokensMax) {
      const taken = entries.flatMap((entry, index) => {
        const { ids, logitsFrom = ids.length - 1 } = entry
        const piece = Array.prototype.slice.call(ids, start, start + runTokensMax) as number[]
        const from = Math.min(Math.max(logitsFrom - start, 0), piece.length)
        return piece.length === 0 ? [] : [{ ...entry, index, ids: piece, logitsFrom: from }]
      })
      const outputs = await extendOnce(taken)
      for (const [i, { index }] of taken.entries()) parts[index]!.push(outputs[i]!)
    }
    return parts.map((outputs) => ({
      logits: join(outputs.map(({ logits }) => logits)),
      likeliest: Int32Array.from(outputs.flatMap(({ likeliest }) => [...likeliest])),
      logprobs: join(outputs.map(({ logprobs }) => logprobs)),
      hidden: join(outputs.map(({ hidden }) => hidden)),
    }))
  }

  return {
    rows,
    context,
    vocabularySize,
    hiddenSize,
    precision,
    setAdapter(row, adapter) {
      if (lengths[row] !== 0) throw new RowError(row, 'an empty row', `${lengths[row]} tokens in it`)
      slots.set(row, adapter)
    },
    extend,
    extendWithHidden,
    prefill: async (row, ids) => {
      if (lengths[row] !== 0) throw new RowError(row, 'an empty row', `${lengths[row]} tokens in it`)
      const [logits] = await extend([{ row, ids }])
      return logits!
    },
    step: async (tokens) => {
      const entries = tokens.flatMap((id, row) => (id === undefined ? [] : [{ row, ids: [id] }]))
      const logits = await extend(entries)
      const byRow: (Float32Array | undefined)[] = new Array(tokens.length).fill(undefined)
      for (const [i, { row }] of entries.entries()) byRow[row] = logits[i]!
      return byRow
    },
    truncate(row, tokens) {
      if (!(tokens >= 0 && tokens <= lengths[row]!)) {
        throw new RowError(row, `at most the ${lengths[row]} tokens in it`, `${tokens}`)
      }
      lengths[row] = tokens
    },
    snapshot(row, tokens) {
      if (!(tokens > 0 && tokens <= lengths[row]!)) {
        throw new RowError(row, `1 to ${lengths[row]} tokens to copy`, `${tokens}`)
      }
      return cache.copy(row, tokens)
    },
    restore(row, snapshot, tokens) {
      if (lengths[row] !== 0 || !(tokens > 0 && tokens <= snapshot.tokens)) {
        throw new RowError(row, 'an empty row and tokens of the snapshot', `${lengths[row]} and ${tokens}`)
      }
      cache.reserve(Math.max(...lengths, tokens))
      cache.paste(row, snapshot, tokens)
      lengths[row] = tokens
    },
    free(row) {
      if (lengths[row]! > 0) cache.clear(row)
      lengths[row] = 0
      slots.free(row)
    },
    length: (row) => lengths[row] ?? 0,
    release: () => session.release(),
  }
}

function join(parts: readonly Float32Array[]): Float32Array {
  const joined = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

export class RowError extends BaseError {
  constructor(row: number, expected: string, got: string) {
    super({
      code: 'model.row',
      message: `Expected ${expected} for row ${row} of the decoder, got ${got}.`,
      context: { row, expected, got },
    })
  }
}
