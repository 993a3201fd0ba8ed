import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import * as IndexFile from '../IndexFile.ts'
import * as RangeTree from './RangeTree.ts'
import * as Commitment from './SpanCommitment.ts'
import { BOILERPLATE, contributionsMax, documentAt } from './SpanIndex.ts'
import { assign, DEFAULTS, type Span, type SpanTrace, threshold, toRuns } from './SpanTrace.ts'

/** A span of an answer, without its words: where it stands in the answer and in the sorted order of the index. */
export type FoundSpan =
  | {
      readonly kind: 'matched'
      readonly start: number
      readonly end: number
      readonly firstRank: number
      readonly occurrenceCount: number
    }
  /** Pays nobody, and nothing of it is shown. */
  | {
      readonly kind: 'boilerplate'
      readonly start: number
      readonly end: number
      readonly surprisalMicroNats: number
    }

/** Neighbouring leaves of one of the trees, packed, and what leads from them to its root. */
export type OpenedRange = { readonly leaves: Hex; readonly siblings: Hex }

/** The parts of an index that spans are paid by, with proofs; nothing in it is a word. */
export type SpanOpening = {
  /** Leaf of the index's header and the roots of its sections but the last, 32 bytes each. */
  readonly parts: Hex
  /** The last section: `SpanCommitment.encode`. */
  readonly commitment: Hex
  /** For each matched span. */
  readonly spans: readonly {
    /** From the span's first place in the order to the one after its last. */
    readonly order: OpenedRange
    /** For each occurrence, in the order of the places: its positions of the text. */
    readonly text: readonly OpenedRange[]
  }[]
  /** Every record that is named by a position, and whoever is paid for it. */
  readonly documents: readonly {
    readonly number: number
    /** `SpanCommitment.encodeDocument`. */
    readonly leaf: string
    readonly siblings: Hex
  }[]
}

/** What an opening proves. */
export type OpenedSpans = {
  /** Of the tokens outside spans it knows nothing: they weigh nothing here. */
  readonly trace: SpanTrace
  /** By number; payees are among them. */
  readonly documents: ReadonlyMap<number, Commitment.DocumentLeaf>
}

/** The most positions of the text that one opening shows. */
export const POSITIONS_MAX = 16_384

/** What of a trace stands in the evidence: enough to show the rest from the index. */
export const foundIn = (trace: SpanTrace): FoundSpan[] =>
  trace.spans.map((span) =>
    span.kind === 'matched'
      ? {
          kind: span.kind,
          start: span.start,
          end: span.end,
          firstRank: span.firstRank,
          occurrenceCount: span.occurrenceCount,
        }
      : {
          kind: span.kind,
          start: span.start,
          end: span.end,
          surprisalMicroNats: span.surprisalMicroNats,
        },
  )

/**
 * Shows what spans are paid by.
 *
 * For each matched span: its places in the sorted order with how much each has in common with the one before it, so that
 * exactly these repeat the span; at each the positions of its tokens, without the tokens; and the records they belong to. Of
 * neighbours in the text or in the order nothing is shown but how many tokens the place after the last has in common with it.
 *
 * @throws {SpanOpeningError} when places are not in the index, or more than `POSITIONS_MAX` positions had to be shown.
 */
export function openSpans(opener: Commitment.Opener, found: readonly FoundSpan[]): SpanOpening {
  const { index } = opener
  if (index.commitment === undefined) throw new SpanOpeningError('an index with a commitment', 'one without')
  const matched = found.filter((span) => span.kind === 'matched')
  const shown = matched.reduce(
    (sum, { start, end, occurrenceCount }) => sum + (end - start) * occurrenceCount,
    0,
  )
  if (shown > POSITIONS_MAX) throw new SpanOpeningError(`at most ${POSITIONS_MAX} positions`, `${shown}`)
  const numbers = new Set<number>()
  const spans = matched.map(({ start, end, firstRank, occurrenceCount }) => {
    const pastRank = firstRank + occurrenceCount
    if (!(firstRank >= 0 && occurrenceCount > 0 && pastRank <= index.order.length)) {
      throw new SpanOpeningError(
        `places below ${index.order.length}`,
        `${firstRank} and ${occurrenceCount} more`,
      )
    }
    const ranks = rangeOf(firstRank, Math.min(pastRank + 1, index.order.length))
    const text = rangeOf(firstRank, pastRank).map((rank) => {
      const position = index.order[rank]!
      const past = position + end - start
      const inside = index.documentStarts[documentAt(index, position) + 1]! - 1
      if (past > inside)
        throw new SpanOpeningError(`a run of one record at ${position}`, `${end - start} tokens`)
      const leaves = rangeOf(position, past).map(opener.textAt)
      for (const leaf of leaves) {
        const { document, origin } = Commitment.decodeText(leaf)
        if (document === Commitment.NO_DOCUMENT)
          throw new SpanOpeningError(`a run of one record at ${position}`, 'tokens that are left out')
        numbers.add(document).add(origin)
      }
      return opened(leaves, opener.text.prove(position, past))
    })
    const order = opened(ranks.map(opener.orderAt), opener.order.prove(ranks[0]!, ranks.at(-1)! + 1))
    return { order, text }
  })
  for (const number of [...numbers]) numbers.add(opener.documentAt(number).payee)
  return {
    parts: Bytes.toHex(opener.parts()),
    commitment: Bytes.toHex(index.commitment),
    spans,
    documents: [...numbers]
      .sort((a, b) => a - b)
      .map((number) => ({
        number,
        leaf: Bytes.toUtf8(Commitment.encodeDocument(opener.documentAt(number))),
        siblings: Bytes.toHex(Bytes.concat(...opener.documents.prove(number, number + 1))),
      })),
  }
}

/**
 * Checks what an opening shows against the root of the index, and draws from it alone what the spans are paid by.
 *
 * @param root - The index's, as the chain has it.
 * @param found - As the evidence has them.
 * @throws {SpanOpeningError} at the first thing that does not hold.
 */
export function verifySpans(
  opening: SpanOpening,
  {
    root,
    found,
    tokenCount,
  }: { readonly root: Hex; readonly found: readonly FoundSpan[]; readonly tokenCount: number },
): OpenedSpans {
  const commitment = commitmentOf(opening, root)
  const documents = documentsOf(opening, commitment)
  assertPlaces(found, tokenCount)
  const unigramMicroNats = new Float64Array(tokenCount).fill(-Infinity)
  let next = 0
  const spans = found.map((span): Span => {
    if (span.kind === 'boilerplate') {
      return { ...span, occurrenceCount: 0, firstRank: 0, matches: [], runs: [] }
    }
    const range = opening.spans[next]
    const where = `span ${next++}`
    if (range === undefined) throw new SpanOpeningError(`an opening of ${where}`, 'none')
    const occurrences = occurrencesOf(range, span, commitment, where)
    for (const [k, { unigramMicroNats: nats }] of occurrences[0]!.entries())
      unigramMicroNats[span.start + k] = nats
    return { ...span, ...paidBy(occurrences, span, documents, commitment, where), matches: [] }
  })
  if (next !== opening.spans.length) {
    throw new SpanOpeningError(`openings of ${next} spans`, `${opening.spans.length}`)
  }
  return { trace: { tokenCount, spans, spanOfToken: assign(tokenCount, spans), unigramMicroNats }, documents }
}

/** Checks that a span stands at exactly these places and nowhere else, and gives the positions of each. */
function occurrencesOf(
  range: SpanOpening['spans'][number],
  { start, end, firstRank, occurrenceCount }: Extract<FoundSpan, { kind: 'matched' }>,
  { length, orderRoot, textRoot }: Commitment.Commitment,
  where: string,
): Commitment.TextLeaf[][] {
  const size = end - start
  const places = leavesOf(range.order, Commitment.ORDER_LEAF_BYTES, `${where}, order`)
  const pastRank = firstRank + occurrenceCount
  const expected = occurrenceCount + (pastRank < length ? 1 : 0)
  if (
    occurrenceCount < 1 ||
    pastRank > length ||
    places.length !== expected ||
    range.text.length !== occurrenceCount
  ) {
    throw new SpanOpeningError(
      `${expected} places and ${occurrenceCount} occurrences in ${where}`,
      `${places.length} and ${range.text.length}`,
    )
  }
  assertRoot(
    orderRoot,
    { leafCount: length, start: firstRank, leaves: places },
    range.order,
    `${where}, order`,
  )
  const entries = places.map(Commitment.decodeOrder)
  for (const [i, { common }] of entries.entries()) {
    const isInside = i > 0 && i < occurrenceCount
    if (common >= size !== isInside) {
      throw new SpanOpeningError(
        `${isInside ? 'at least' : 'less than'} ${size} tokens in common with the place before, at place ${firstRank + i} of ${where}`,
        `${common}`,
      )
    }
  }
  return range.text.map((opened, i) => {
    const at = `${where}, occurrence ${i}`
    const leaves = leavesOf(opened, Commitment.TEXT_LEAF_BYTES, at)
    if (leaves.length !== size) throw new SpanOpeningError(`${size} positions in ${at}`, `${leaves.length}`)
    const position = entries[i]!.position
    assertRoot(textRoot, { leafCount: length, start: position, leaves }, opened, at)
    const positions = leaves.map(Commitment.decodeText)
    const [{ document }] = positions as [Commitment.TextLeaf]
    if (document === Commitment.NO_DOCUMENT || positions.some((leaf) => leaf.document !== document)) {
      throw new SpanOpeningError(`positions of one record in ${at}`, 'others')
    }
    return positions
  })
}

/** Draws who says a span first, and checks that chance does not explain it and that it belongs to few enough. */
function paidBy(
  occurrences: readonly (readonly Commitment.TextLeaf[])[],
  { start, end }: FoundSpan,
  documents: OpenedSpans['documents'],
  { contributionCount, tokenCount }: Commitment.Commitment,
  where: string,
): Pick<Span, 'surprisalMicroNats' | 'runs'> {
  const [first] = occurrences as [readonly Commitment.TextLeaf[]]
  const surprisalMicroNats =
    first[0]!.unigramMicroNats + first.at(-1)!.surprisalMicroNats - first[0]!.surprisalMicroNats
  const least = threshold(tokenCount, DEFAULTS)
  if (surprisalMicroNats <= least) {
    throw new SpanOpeningError(`a surprisal above ${least} micro-nats of ${where}`, `${surprisalMicroNats}`)
  }
  const documentOf = (number: number): Commitment.DocumentLeaf => {
    const document = documents.get(number)
    if (document === undefined) throw new SpanOpeningError(`an opening of record ${number}`, 'none')
    return document
  }
  const owners = new Set(occurrences.map(([leaf]) => documentOf(leaf!.origin).owner))
  const most = contributionsMax({ contributionCount }, BOILERPLATE)
  if (owners.size > most || occurrences.length > DEFAULTS.occurrencesMax) {
    throw new SpanOpeningError(`at most ${most} contributions in ${where}`, `${owners.size}`)
  }
  const owed = Array.from(
    { length: end - start },
    (_, k) => new Set(occurrences.map((leaves) => leaves[k]!.origin)),
  )
  return { surprisalMicroNats, runs: toRuns(owed, start, (number) => documentOf(number).recordId) }
}

function commitmentOf({ parts, commitment }: SpanOpening, root: Hex): Commitment.Commitment {
  const bytes = Bytes.fromHex(commitment)
  const decoded = Commitment.decode(bytes)
  if (decoded === undefined) throw new SpanOpeningError('a commitment of 112 bytes', `${bytes.length}`)
  const found = IndexFile.rootOfParts(Bytes.fromHex(parts), [IndexFile.sectionRoot(bytes)])
  if (found !== root) throw new SpanOpeningError(`parts of the index ${root}`, `those of ${found}`)
  return decoded
}

function documentsOf(
  { documents }: SpanOpening,
  { documentCount, documentsRoot }: Commitment.Commitment,
): Map<number, Commitment.DocumentLeaf> {
  const opened = new Map<number, Commitment.DocumentLeaf>()
  for (const { number, leaf, siblings } of documents) {
    const bytes = Bytes.fromUtf8(leaf)
    const hashed = [Commitment.hashDocument(bytes)]
    const found = RangeTree.rootOf(documentCount, number, hashed, chunksOf(Bytes.fromHex(siblings), 32))
    if (found === undefined || !Bytes.equals(found, documentsRoot)) {
      throw new SpanOpeningError(`record ${number} of the index`, 'another')
    }
    opened.set(number, Commitment.decodeDocument(bytes))
  }
  for (const [number, { payee }] of opened) {
    if (!opened.has(payee))
      throw new SpanOpeningError(`an opening of record ${payee}, paid for ${number}`, 'none')
  }
  return opened
}

/** Spans come by their start, none inside another. */
function assertPlaces(found: readonly FoundSpan[], tokenCount: number): void {
  for (const [i, { start, end }] of found.entries()) {
    const before = found[i - 1]
    const isInside = before !== undefined && (start <= before.start || end <= before.end)
    if (isInside || start < 0 || end <= start || end > tokenCount) {
      throw new SpanOpeningError(
        `spans in order within ${tokenCount} tokens, none inside another`,
        `${start} to ${end}`,
      )
    }
  }
}

function assertRoot(
  root: Uint8Array,
  { leafCount, start, leaves }: { leafCount: number; start: number; leaves: readonly Uint8Array[] },
  { siblings }: OpenedRange,
  where: string,
): void {
  const hashed = leaves.map(Bytes.sha256)
  const found = RangeTree.rootOf(leafCount, start, hashed, chunksOf(Bytes.fromHex(siblings), 32))
  if (found === undefined || !Bytes.equals(found, root)) {
    throw new SpanOpeningError(`leaves of the committed index from ${start} on in ${where}`, 'others')
  }
}

const opened = (leaves: readonly Uint8Array[], siblings: readonly Uint8Array[]): OpenedRange => ({
  leaves: Bytes.toHex(Bytes.concat(...leaves)),
  siblings: Bytes.toHex(Bytes.concat(...siblings)),
})

function leavesOf({ leaves }: OpenedRange, size: number, where: string): Uint8Array[] {
  const bytes = Bytes.fromHex(leaves)
  if (bytes.length === 0 || bytes.length % size !== 0) {
    throw new SpanOpeningError(`leaves of ${size} bytes in ${where}`, `${bytes.length} bytes`)
  }
  return chunksOf(bytes, size)
}

const chunksOf = (bytes: Uint8Array, size: number): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(size * i, size * (i + 1)))

const rangeOf = (start: number, end: number): number[] =>
  Array.from({ length: end - start }, (_, i) => start + i)

export class SpanOpeningError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'spans.opening',
      message: `Expected ${expected}, got ${got}; the spans of this receipt are not shown to stand in the index that the chain names.`,
      context: { expected, got },
    })
  }
}
