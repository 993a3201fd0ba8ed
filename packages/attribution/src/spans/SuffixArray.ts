import { BaseError } from '@openledger/primitives'

/** Token ids of a text; ids lie below the alphabet's size. */
export type Tokens = Uint16Array | Uint32Array | Int32Array

/** Positions are signed 32-bit, and the construction marks entries with the sign. */
export const LENGTH_MAX = 2 ** 31 - 2

/**
 * Sorts all suffixes of a token sequence, in time linear in its length.
 *
 * A suffix that is a prefix of another comes first. Works inside the result: beside it, only two tables of the
 * alphabet's size are held.
 *
 * @param tokens - Ids in `[0, alphabetSize)`.
 * @returns `[tokens.length]` start positions in the order of the suffixes.
 * @throws {TextTooLongError} when positions would not fit 32 bits.
 * @see Nong, Zhang, Chan 2011, "Two Efficient Algorithms for Linear Time Suffix Array Construction" (SA-IS).
 * @example
 * build(Uint16Array.of(2, 1, 3, 1, 3, 1), 4) // [5, 3, 1, 0, 4, 2]
 */
export function build(tokens: Tokens, alphabetSize: number): Int32Array {
  if (tokens.length > LENGTH_MAX) throw new TextTooLongError(tokens.length)
  const order = new Int32Array(tokens.length)
  sort(tokens, order, alphabetSize)
  return order
}

function sort(text: Tokens, order: Int32Array, alphabetSize: number): void {
  const n = text.length
  if (n === 0) return
  if (n === 1) {
    order[0] = 0
    return
  }
  const counts = new Int32Array(alphabetSize)
  for (let i = 0; i < n; i++) counts[text[i]!]!++
  const heads = new Int32Array(alphabetSize)

  const lmsCount = placeLmsUnsorted(text, order, counts, heads)
  if (lmsCount > 1) {
    sortLmsSubstrings(text, order, counts, heads)
    const nameCount = nameLmsSubstrings(text, order, lmsCount)
    // the reduced text lives at the end of the result, its suffix array at the start: they cannot overlap, as
    // no two LMS positions are adjacent
    const reduced = order.subarray(n - lmsCount)
    const reducedOrder = order.subarray(0, lmsCount)
    if (nameCount < lmsCount) sort(reduced, reducedOrder, nameCount)
    else for (let i = 0; i < lmsCount; i++) reducedOrder[reduced[i]!] = i
    listLms(text, reduced)
    for (let i = 0; i < lmsCount; i++) reducedOrder[i] = reduced[reducedOrder[i]!]!
    placeLmsSorted(text, order, counts, heads, lmsCount)
  }
  induce(text, order, counts, heads)
}

/** Puts each LMS position anywhere in its token's bucket; gives their number. */
function placeLmsUnsorted(text: Tokens, order: Int32Array, counts: Int32Array, heads: Int32Array): number {
  order.fill(0)
  toBucketEnds(counts, heads)
  let lmsCount = 0
  let isNextSmall = false
  for (let i = text.length - 2, next = text[i + 1]!; i >= 0; i--) {
    const token = text[i]!
    const isSmall: boolean = token < next || (token === next && isNextSmall)
    if (isNextSmall && !isSmall) {
      order[--heads[next]!] = i + 1
      lmsCount++
    }
    isNextSmall = isSmall
    next = token
  }
  return lmsCount
}

/** Writes the LMS positions in the order of the text. */
function listLms(text: Tokens, into: Int32Array): void {
  let at = into.length
  let isNextSmall = false
  for (let i = text.length - 2, next = text[i + 1]!; i >= 0; i--) {
    const token = text[i]!
    const isSmall: boolean = token < next || (token === next && isNextSmall)
    if (isNextSmall && !isSmall) into[--at] = i + 1
    isNextSmall = isSmall
    next = token
  }
}

/** Spreads the sorted LMS positions, found at the start of `order`, to the ends of their buckets. */
function placeLmsSorted(
  text: Tokens,
  order: Int32Array,
  counts: Int32Array,
  heads: Int32Array,
  lmsCount: number,
): void {
  order.fill(0, lmsCount)
  toBucketEnds(counts, heads)
  for (let i = lmsCount - 1; i >= 0; i--) {
    const position = order[i]!
    order[i] = 0
    order[--heads[text[position]!]!] = position
  }
}

/**
 * Sorts the LMS substrings from LMS positions that are placed in their buckets, and leaves them as complements, the only
 * negative entries, in their order; zeros stand between them.
 *
 * A position is written with what is known of the token before it, next to which it is read anyway: positive where its
 * predecessor is to be placed in the same pass. So the text is visited once for each position and not twice.
 */
function sortLmsSubstrings(text: Tokens, order: Int32Array, counts: Int32Array, heads: Int32Array): void {
  const n = text.length
  toBucketStarts(counts, heads)
  order[heads[text[n - 1]!]!++] = asLarge(text, n - 1)
  for (let i = 0; i < n; i++) {
    const successor = order[i]!
    if (successor > 0) {
      const position = successor - 1
      order[i] = 0
      order[heads[text[position]!]!++] = asLarge(text, position)
    } else if (successor < 0) order[i] = ~successor
  }
  toBucketEnds(counts, heads)
  for (let i = n - 1; i >= 0; i--) {
    const successor = order[i]!
    if (successor <= 0) continue
    const position = successor - 1
    order[i] = 0
    order[--heads[text[position]!]!] = asSmall(text, position)
  }
}

/**
 * Sorts everything from the sorted LMS positions: larger-than-next suffixes left to right, then the others right to left. In
 * between, complements are entries whose predecessors are of the other kind.
 */
function induce(text: Tokens, order: Int32Array, counts: Int32Array, heads: Int32Array): void {
  const n = text.length
  toBucketStarts(counts, heads)
  order[heads[text[n - 1]!]!++] = asLarge(text, n - 1)
  for (let i = 0; i < n; i++) {
    const successor = order[i]!
    if (successor === 0) continue
    order[i] = ~successor
    if (successor < 0) continue
    const position = successor - 1
    order[heads[text[position]!]!++] = asLarge(text, position)
  }
  toBucketEnds(counts, heads)
  for (let i = n - 1; i >= 0; i--) {
    const successor = order[i]!
    if (successor > 0) {
      const position = successor - 1
      order[--heads[text[position]!]!] = asSmall(text, position)
    } else if (successor < 0) order[i] = ~successor
  }
}

/** A larger-than-next position as it is written: its complement where the position before it is smaller than it. */
const asLarge = (text: Tokens, position: number): number =>
  position > 0 && text[position - 1]! < text[position]! ? ~position : position

/** A smaller-than-next position as it is written: its complement where the position before it is larger, so that it is LMS. */
const asSmall = (text: Tokens, position: number): number =>
  position > 0 && text[position - 1]! > text[position]! ? ~position : position

/**
 * Gives each LMS substring the rank of its content and leaves the ranks, in the order of the text, at the end of
 * `order`; gives the number of ranks.
 */
function nameLmsSubstrings(text: Tokens, order: Int32Array, lmsCount: number): number {
  const n = text.length
  let sorted = 0
  for (let i = 0; i < n; i++) {
    const mark = order[i]!
    if (mark < 0) order[sorted++] = ~mark
  }
  order.fill(-1, lmsCount)
  // lengths, inclusive of the next LMS token, stand at half the position: LMS positions are at least two apart
  let isNextSmall = false
  let nextLms = n
  for (let i = n - 2, next = text[i + 1]!; i >= 0; i--) {
    const token = text[i]!
    const isSmall: boolean = token < next || (token === next && isNextSmall)
    if (isNextSmall && !isSmall) {
      order[lmsCount + ((i + 1) >> 1)] = nextLms - i
      nextLms = i + 1
    }
    isNextSmall = isSmall
    next = token
  }
  let name = -1
  let previous = -1
  let previousLength = -1
  for (let i = 0; i < lmsCount; i++) {
    const position = order[i]!
    const length = order[lmsCount + (position >> 1)]!
    let isSame = length === previousLength && position + length <= n && previous + length <= n
    for (let k = 0; isSame && k < length; k++) isSame = text[position + k] === text[previous + k]
    if (!isSame) {
      name++
      previous = position
      previousLength = length
    }
    order[lmsCount + (position >> 1)] = name
  }
  for (let i = n - 1, at = n - 1; i >= lmsCount; i--) {
    const rank = order[i]!
    if (rank >= 0) order[at--] = rank
  }
  return name + 1
}

function toBucketStarts(counts: Int32Array, heads: Int32Array): void {
  for (let token = 0, sum = 0; token < counts.length; token++) {
    heads[token] = sum
    sum += counts[token]!
  }
}

function toBucketEnds(counts: Int32Array, heads: Int32Array): void {
  for (let token = 0, sum = 0; token < counts.length; token++) {
    sum += counts[token]!
    heads[token] = sum
  }
}

export class TextTooLongError extends BaseError {
  constructor(tokenCount: number) {
    super({
      code: 'suffixArray.text_too_long',
      message: `Expected at most ${LENGTH_MAX} tokens in one index, got ${tokenCount}; split the corpus into shards.`,
      context: { tokenCount, tokenCountMax: LENGTH_MAX },
    })
  }
}
