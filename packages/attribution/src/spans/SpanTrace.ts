import { BaseError } from '@openledger/primitives'
import * as SpanIndex from './SpanIndex.ts'
import { longestRun, type Ranks, ranksOfPair, ranksOfRun, ranksOfToken } from './SuffixSearch.ts'

/** A record that contains a span. */
export type SpanMatch = {
  /** Its number in the index: records are numbered in the order of their registration. */
  readonly document: number
  readonly recordId: string
  readonly contributionId: string
  /** Where the span first stands in the record, in tokens. */
  readonly offset: number
  readonly count: number
}

/** Neighbouring tokens of a span that are owed to the same records. */
export type SpanRun = {
  readonly start: number
  readonly end: number
  /**
   * The records that say this: one that copied these tokens stands aside for the one that it copied from. In the order
   * of registration.
   */
  readonly recordIds: readonly string[]
}

/** A run of the answer's tokens that stands in the corpus, too long to stand there by chance. */
export type Span = {
  /** First token, in the answer. */
  readonly start: number
  /** One past the last token, in the answer. */
  readonly end: number
  readonly occurrenceCount: number
  /** Place of the first of them in the index's sorted order; the others follow. */
  readonly firstRank: number
  /** `-log` of the run's probability under the corpus's own bigrams, in millionths of a nat. */
  readonly surprisalMicroNats: number
  /** Boilerplate stands in so many contributions that nobody is paid for it; its matches are not listed. */
  readonly kind: 'matched' | 'boilerplate'
  /** In the order of registration. */
  readonly matches: readonly SpanMatch[]
  /** The span cut where what it is owed to changes. */
  readonly runs: readonly SpanRun[]
}

export type SpanTrace = {
  readonly tokenCount: number
  /** Maximal significant spans, by start; no span lies inside another. */
  readonly spans: readonly Span[]
  /** `[tokenCount]` the span that each token is paid through: the longest that covers it; -1 for none. */
  readonly spanOfToken: Int32Array
  /** `[tokenCount]` `-log` of each token's frequency in the corpus, in millionths of a nat. */
  readonly unigramMicroNats: Float64Array
}

export type TraceOptions = Partial<SpanIndex.Boilerplate> & {
  /** A span counts when fewer than this many such runs are expected in a corpus of this size by chance. */
  readonly expectedMax?: number
  /** A span that stands more often than this is boilerplate. */
  readonly occurrencesMax?: number
}

/** Longer answers are to be traced in parts. */
export const ANSWER_TOKENS_MAX = 2 ** 16

export const DEFAULTS: Required<TraceOptions> = {
  expectedMax: 0.01,
  occurrencesMax: 10_000,
  ...SpanIndex.BOILERPLATE,
}

/**
 * Finds the runs of an answer that repeat the corpus and are too improbable to be common language.
 *
 * A run is significant when `N · Π p(x_t | x_{t-1}) < expectedMax`, with N tokens in the corpus and p its bigrams with
 * every count without copies and discounted by one (so that words which only one record uses do not predict each other), backed off to
 * unigrams. All sums are of whole millionths of a nat, so every machine finds the same spans.
 *
 * @param answer - Ids in `[0, vocabularySize)`.
 * @throws {SpanIndex.TokenRangeError} for an id outside the vocabulary, the separator included.
 * @throws {AnswerTooLongError}
 * @see Liu et al. 2025, OLMoTrace, for maximal spans; Karlin and Altschul 1990 for expected counts.
 */
export function trace(
  index: SpanIndex.SpanIndex,
  answer: ArrayLike<number>,
  options: TraceOptions = {},
): SpanTrace {
  const limits = { ...DEFAULTS, ...options }
  if (answer.length > ANSWER_TOKENS_MAX) throw new AnswerTooLongError(answer.length)
  SpanIndex.assertTokens(answer, index.vocabularySize, 'the answer')
  const tokens = Uint32Array.from(answer)
  const query: Query = { tokens, pairs: Array(tokens.length) }
  const unigramMicroNats = Float64Array.from(tokens, (token) => unigram(index, token))
  const spans: Span[] = []
  const thresholdMicroNats = threshold(index.tokenCount, limits)
  let endMax = 0
  for (let start = 0; start < tokens.length; start++) {
    const length = longestAt(index, query, start)
    const end = start + length
    if (length === 0 || end <= endMax) continue
    endMax = end
    const surprisalMicroNats = surprisal(index, query, start, end, unigramMicroNats)
    if (surprisalMicroNats > thresholdMicroNats) {
      spans.push(spanAt(index, query, { start, end, surprisalMicroNats }, limits))
    }
  }
  return { tokenCount: tokens.length, spans, spanOfToken: assign(tokens.length, spans), unigramMicroNats }
}

/** An answer with where its pairs of neighbouring tokens stand in the corpus, looked up once each. */
type Query = { readonly tokens: Uint32Array; readonly pairs: (Ranks | undefined)[] }

/** The suffixes that start with the answer's tokens at `t` and `t + 1`. */
const pairAt = (index: SpanIndex.SpanIndex, { tokens, pairs }: Query, t: number): Ranks =>
  (pairs[t] ??= ranksOfPair(index, tokens[t]!, tokens[t + 1]!))

/** Length of the longest run from `start` on that stands in the corpus. */
function longestAt(index: SpanIndex.SpanIndex, query: Query, start: number): number {
  const { from, to } = ranksOfToken(index, query.tokens[start]!)
  if (from === to) return 0
  if (start + 1 === query.tokens.length) return 1
  const pair = pairAt(index, query, start)
  return pair.from === pair.to ? 1 : longestRun(index, query.tokens, start, pair)
}

/** The suffixes that start with the run. */
const ranksAt = (index: SpanIndex.SpanIndex, query: Query, start: number, end: number): Ranks =>
  end - start === 1
    ? ranksOfToken(index, query.tokens[start]!)
    : ranksOfRun(index, query.tokens, start, end, pairAt(index, query, start))

function surprisal(
  index: SpanIndex.SpanIndex,
  query: Query,
  start: number,
  end: number,
  unigramMicroNats: Float64Array,
): number {
  let sum = end > start ? unigramMicroNats[start]! : 0
  for (let t = start + 1; t < end; t++) sum += bigram(index, query, t)
  return sum
}

function bigram(index: SpanIndex.SpanIndex, query: Query, t: number): number {
  const { from, to } = pairAt(index, query, t - 1)
  const pairCount = index.originalsBefore[to]! - index.originalsBefore[from]!
  return follower(index, query.tokens[t - 1]!, query.tokens[t]!, pairCount)
}

/**
 * `-log p(token | before)` in millionths of a nat, every count discounted by one and backed off.
 * @param pairCount - How often the pair stands in the corpus, copies left out.
 */
export function follower(
  index: SpanIndex.SpanIndex,
  before: number,
  token: number,
  pairCount: number,
): number {
  const beforeCount = Math.max(1, originalsOf(index, before))
  const backoff = (index.followerCounts[before]! / beforeCount) * frequency(index, token)
  return microNats(Math.max(0, pairCount - 1) / beforeCount + backoff)
}

/** `-log` of a token's frequency in the corpus, in millionths of a nat. */
export const unigram = (index: SpanIndex.SpanIndex, token: number): number =>
  microNats(frequency(index, token))

/** The surprisal above which a run counts, in millionths of a nat. */
export const threshold = (
  tokenCount: number,
  { expectedMax }: Pick<Required<TraceOptions>, 'expectedMax'>,
): number => microNats(expectedMax / Math.max(1, tokenCount))

/** A token's frequency in the corpus, with one added to every count. */
function frequency(index: SpanIndex.SpanIndex, token: number): number {
  return (originalsOf(index, token) + 1) / (index.tokenCount + index.vocabularySize)
}

/** How often a token stands in the corpus, copies left out. */
const originalsOf = ({ bucketStarts, originalsBefore }: SpanIndex.SpanIndex, token: number): number =>
  originalsBefore[bucketStarts[token + 1]!]! - originalsBefore[bucketStarts[token]!]!

const microNats = (probability: number): number => Math.round(-Math.log(probability) * 1e6)

function spanAt(
  index: SpanIndex.SpanIndex,
  query: Query,
  { start, end, surprisalMicroNats }: { start: number; end: number; surprisalMicroNats: number },
  limits: Required<TraceOptions>,
): Span {
  const { from, to } = ranksAt(index, query, start, end)
  const span = { start, end, occurrenceCount: to - from, firstRank: from, surprisalMicroNats }
  const boilerplate = { ...span, kind: 'boilerplate' as const, matches: [], runs: [] }
  if (to - from > limits.occurrencesMax) return boilerplate
  const contributionsMax = SpanIndex.contributionsMax(index, limits)
  const owners = new Set<number>()
  const matches = new Map<number, { offset: number; count: number }>()
  // by token of the span, the records that say it first
  const owed = Array.from({ length: end - start }, () => new Set<number>())
  for (let i = from; i < to; i++) {
    const position = index.order[i]!
    const document = SpanIndex.documentAt(index, position)
    const origin = index.origins[position]!
    owners.add(index.owners[origin === -1 ? document : SpanIndex.documentAt(index, origin)]!)
    if (owners.size > contributionsMax) return boilerplate
    const offset = position - index.documentStarts[document]!
    const match = matches.get(document)
    if (match === undefined) matches.set(document, { offset, count: 1 })
    else {
      match.offset = Math.min(match.offset, offset)
      match.count++
    }
    for (const [k, documents] of owed.entries()) {
      const first = index.origins[position + k]!
      documents.add(first === -1 ? document : SpanIndex.documentAt(index, first))
    }
  }
  return {
    ...span,
    kind: 'matched',
    matches: [...matches]
      .sort(([a], [b]) => a - b)
      .map(([document, { offset, count }]) => {
        const { recordId, contributionId } = index.documents[document]!
        return { document, recordId, contributionId, offset, count }
      }),
    runs: toRuns(owed, start, (document) => index.documents[document]!.recordId),
  }
}

/**
 * Cuts a span where what it is owed to changes.
 * @param owed - By token of the span, numbers of the records that say it first.
 */
export function toRuns(
  owed: readonly ReadonlySet<number>[],
  start: number,
  recordIdOf: (document: number) => string,
): SpanRun[] {
  const runs: { start: number; end: number; documents: readonly number[] }[] = []
  for (const [k, set] of owed.entries()) {
    const documents = [...set].sort((a, b) => a - b)
    const last = runs.at(-1)
    if (last !== undefined && String(last.documents) === String(documents)) last.end++
    else runs.push({ start: start + k, end: start + k + 1, documents })
  }
  return runs.map(({ documents, ...run }) => ({
    ...run,
    recordIds: documents.map(recordIdOf),
  }))
}

/** Gives each token to the longest span over it; equal lengths to the less probable, then to the earlier. */
export function assign(
  tokenCount: number,
  spans: readonly Pick<Span, 'start' | 'end' | 'surprisalMicroNats'>[],
): Int32Array {
  const spanOfToken = new Int32Array(tokenCount).fill(-1)
  const byLength = spans
    .map((span, i) => ({ i, ...span }))
    .sort(
      (a, b) =>
        b.end - b.start - (a.end - a.start) ||
        b.surprisalMicroNats - a.surprisalMicroNats ||
        a.start - b.start,
    )
  for (const { i, start, end } of byLength) {
    for (let t = start; t < end; t++) if (spanOfToken[t] === -1) spanOfToken[t] = i
  }
  return spanOfToken
}

export class AnswerTooLongError extends BaseError {
  constructor(tokenCount: number) {
    super({
      code: 'spans.answer_too_long',
      message: `Expected an answer of at most ${ANSWER_TOKENS_MAX} tokens, got ${tokenCount}; trace it in parts.`,
      context: { tokenCount, tokenCountMax: ANSWER_TOKENS_MAX },
    })
  }
}
