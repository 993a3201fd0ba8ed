import type { Tokens } from './SuffixArray.ts'

/** A corpus whose suffixes are sorted, as far as a search needs it. */
export type SortedCorpus = {
  readonly tokens: Tokens
  /** Start positions of all suffixes in sorted order. */
  readonly order: Int32Array
  /** Where the suffixes that start with each id begin in `order`, and past the last id where they end. */
  readonly bucketStarts: Int32Array
  /** `[ceil(order.length / SAMPLE_STRIDE)]` the second token of every so manieth suffix in sorted order. */
  readonly secondTokens: Tokens
}

/** Neighbouring places of the sorted order, the last left out. */
export type Ranks = { readonly from: number; readonly to: number }

/**
 * Of so many suffixes one is sampled: few enough that the samples of a hundred million stay in a processor's cache, where a step of
 * a search costs a hundredth of one that goes to the corpus.
 */
export const SAMPLE_STRIDE = 64

/** The suffixes that start with one token. */
export const ranksOfToken = ({ bucketStarts }: SortedCorpus, token: number): Ranks => ({
  from: bucketStarts[token]!,
  to: bucketStarts[token + 1]!,
})

/** The suffixes that start with two tokens, of which the first is none that ends a record. */
export function ranksOfPair(corpus: SortedCorpus, first: number, second: number): Ranks {
  const bucket = ranksOfToken(corpus, first)
  const from = firstOfPair(corpus, bucket, second)
  return { from, to: firstOfPair(corpus, { from, to: bucket.to }, second + 1) }
}

/** The first suffix, of those that start with one token, whose second token is at least so large. */
function firstOfPair(
  { tokens, order, secondTokens }: SortedCorpus,
  { from, to }: Ranks,
  second: number,
): number {
  let low = Math.ceil(from / SAMPLE_STRIDE)
  let high = Math.ceil(to / SAMPLE_STRIDE)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (secondTokens[middle]! < second) low = middle + 1
    else high = middle
  }
  high = Math.min(to, low * SAMPLE_STRIDE)
  low = Math.max(from, (low - 1) * SAMPLE_STRIDE + 1)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (tokens[order[middle]! + 1]! < second) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * The suffixes that start with `query[start, end)`, two tokens or more.
 * @param pair - Those that start with its first two.
 */
export function ranksOfRun(
  corpus: SortedCorpus,
  query: Uint32Array,
  start: number,
  end: number,
  pair: Ranks,
): Ranks {
  const from = boundOfRun(corpus, query, start, end, pair, 'first')
  return { from, to: boundOfRun(corpus, query, start, end, { from, to: pair.to }, 'past') }
}

function boundOfRun(
  { tokens, order }: SortedCorpus,
  query: Uint32Array,
  start: number,
  end: number,
  { from, to }: Ranks,
  side: 'first' | 'past',
): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    const position = order[middle]!
    let k = 2
    while (start + k < end && tokens[position + k] === query[start + k]) k++
    const isBefore = start + k === end ? side === 'past' : tokens[position + k]! < query[start + k]!
    if (isBefore) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Length of the longest prefix of `query[start..]` that stands in the corpus, where its first two tokens do.
 * @param pair - The suffixes that start with these two.
 */
export function longestRun(
  { tokens, order }: SortedCorpus,
  query: Uint32Array,
  start: number,
  { from, to }: Ranks,
): number {
  let low = from
  let high = to
  // the lengths known to match at both ends: everything between them matches at least the smaller
  let lowMatch = 2
  let highMatch = 2
  while (low < high) {
    const middle = (low + high) >>> 1
    const position = order[middle]!
    let match = Math.min(lowMatch, highMatch)
    // the separator ends every record and no query holds it, so the corpus is never overrun
    while (start + match < query.length && tokens[position + match] === query[start + match]) match++
    if (start + match === query.length) return match
    if (tokens[position + match]! < query[start + match]!) {
      low = middle + 1
      lowMatch = match
    } else {
      high = middle
      highMatch = match
    }
  }
  return Math.max(lowMatch, highMatch)
}
