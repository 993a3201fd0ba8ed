import { BaseError, type CanonicalJson, type Hex } from '@openledger/primitives'
import * as IndexFile from '../IndexFile.ts'
import * as SuffixArray from './SuffixArray.ts'
import { SAMPLE_STRIDE, type SortedCorpus } from './SuffixSearch.ts'

/** One record of the corpus, as the model's own tokenizer reads it. */
export type SpanDocument = {
  readonly recordId: string
  readonly contributionId: string
  /** Ids in `[0, vocabularySize)`, or `LEFT_OUT`. */
  readonly tokens: ArrayLike<number>
  /** Names the record's cluster of duplicates; left out, the record is alone. */
  readonly clusterId?: string
}

/** Stands for a token that is not indexed: no run goes through it, and it counts as said by nobody. */
export const LEFT_OUT = -1

/** A corpus that can be asked which of its records contain a run of tokens. */
export type SpanIndex = SortedCorpus & {
  readonly vocabularySize: number
  /** Records in the order of their registration. */
  readonly documents: readonly Required<Omit<SpanDocument, 'tokens'>>[]
  /** `[documents + 1]` where each record's tokens start; the separator is the last token before the next start. */
  readonly documentStarts: Uint32Array
  /** All records' tokens, each record followed by the separator, whose id is `vocabularySize`; it also stands for what is left out. */
  readonly tokens: Uint16Array | Uint32Array
  /** `[vocabularySize]` how many different ids follow each id. */
  readonly followerCounts: Uint32Array
  /** `[documents]` number of the contribution that registered the first record of the record's cluster. */
  readonly owners: Uint32Array
  readonly contributionCount: number
  /** A run this long that an earlier contribution holds was copied from there. */
  readonly copyTokensMin: number
  /** `[tokens]` where in the corpus each token was copied from; -1 for what the record says itself. */
  readonly origins: Int32Array
  /**
   * `[tokens + 1]` how many of the first so many suffixes in sorted order start with a token that its record says itself and no
   * duplicate repeats: what a copy says must not look like common language.
   */
  readonly originalsBefore: Int32Array
  /** Tokens that records say themselves, without separators and duplicates. */
  readonly tokenCount: number
  /** `SpanCommitment.commit`'s bytes, from which parts can be shown alone; absent until the index is committed to. */
  readonly commitment?: Uint8Array
  readonly root: Hex
}

/** What is common to so many contributions that it belongs to none of them. */
export type Boilerplate = {
  /** A run in more than this part of all contributions is boilerplate … */
  readonly boilerplateBps: number
  /** … if it is in more contributions than this. */
  readonly boilerplateContributionsMin: number
}

export const BOILERPLATE: Boilerplate = { boilerplateBps: 1_000, boilerplateContributionsMin: 3 }
/** Runs that independent authors share, idioms of a programming language included, are shorter. */
export const COPY_TOKENS_MIN = 24

const KIND = 'SPAN'
const VERSION = 1

/**
 * Builds the index of a corpus, whose records come in the order of their registration.
 *
 * Records are kept apart by a reserved id, so that no run of tokens crosses from one into the next.
 *
 * @throws {TokenRangeError} when a record holds an id outside the vocabulary.
 * @throws {SuffixArray.TextTooLongError}
 */
export function build({
  documents,
  vocabularySize,
  copyTokensMin = COPY_TOKENS_MIN,
}: {
  readonly documents: readonly SpanDocument[]
  readonly vocabularySize: number
  readonly copyTokensMin?: number
}): SpanIndex {
  const separator = vocabularySize
  const size = documents.reduce((sum, { tokens }) => sum + tokens.length + 1, 0)
  if (size > SuffixArray.LENGTH_MAX) throw new SuffixArray.TextTooLongError(size)
  const tokens = separator < 2 ** 16 ? new Uint16Array(size) : new Uint32Array(size)
  const documentStarts = new Uint32Array(documents.length + 1)
  let at = 0
  for (const [i, document] of documents.entries()) {
    assertTokens(document.tokens, vocabularySize, `record ${document.recordId}`, LEFT_OUT)
    for (let k = 0; k < document.tokens.length; k++, at++) {
      const token = document.tokens[k]!
      tokens[at] = token === LEFT_OUT ? separator : token
    }
    tokens[at++] = separator
    documentStarts[i + 1] = at
  }
  const named = documents.map(({ recordId, contributionId, clusterId = recordId }) => ({
    recordId,
    contributionId,
    clusterId,
  }))
  const order = SuffixArray.build(tokens, vocabularySize + 1)
  return complete(
    withRoot({ vocabularySize, copyTokensMin, documents: named, documentStarts, tokens, order }),
  )
}

/** Gives an index with a commitment to its parts, under a root of its own. */
export const withCommitment = (index: SpanIndex, commitment: Uint8Array): SpanIndex => ({
  ...index,
  ...withRoot({ ...index, commitment }),
})

/** What the root of an index is the hash of, beside its commitment: the leaf of its header and the roots of its sections. */
export function rootParts(index: SpanIndex): {
  readonly header: Uint8Array
  readonly sections: Uint8Array[]
} {
  const { commitment: _, ...bare } = index
  return {
    header: IndexFile.headerLeaf(headerOf(index)),
    sections: sectionsOf(bare).map(IndexFile.sectionRoot),
  }
}

/** Gives back the records that an index was built of. */
export const documentsOf = ({
  vocabularySize,
  documents,
  documentStarts,
  tokens,
}: SpanIndex): SpanDocument[] =>
  documents.map((document, i) => ({
    ...document,
    tokens: Int32Array.from(tokens.subarray(documentStarts[i]!, documentStarts[i + 1]! - 1), (token) =>
      token === vocabularySize ? LEFT_OUT : token,
    ),
  }))

/** Serialises the index with its root; equal corpora give equal bytes. */
export function encode(index: SpanIndex): Uint8Array {
  const header = headerOf(index)
  return IndexFile.encode({ kind: KIND, version: VERSION, header, sections: sectionsOf(index) }, index.root)
}

/**
 * Reads an index back and checks its root.
 * @throws {IndexFile.IndexBytesError}
 */
export function decode(bytes: Uint8Array): SpanIndex {
  const { header, sections, root } = IndexFile.decode(bytes, KIND, VERSION)
  const { vocabularySize, copyTokensMin, documents } = header as unknown as Header
  const [starts, tokenBytes, orderBytes, commitment] = sections
  const documentStarts = new Uint32Array(starts!.buffer)
  const tokens =
    vocabularySize < 2 ** 16 ? new Uint16Array(tokenBytes!.buffer) : new Uint32Array(tokenBytes!.buffer)
  const order = new Int32Array(orderBytes!.buffer)
  if (order.length !== tokens.length || documentStarts.length !== documents.length + 1) {
    throw new IndexFile.IndexBytesError('its sections disagree about its length')
  }
  const named = documents.map(([recordId, contributionId, clusterId]) => ({
    recordId,
    contributionId,
    clusterId,
  }))
  const parts = { vocabularySize, copyTokensMin, documents: named, documentStarts, tokens, order, root }
  return complete(commitment === undefined ? parts : { ...parts, commitment })
}

/**
 * Checks that bytes are a whole index and gives its root, without making it ready to be asked.
 * @throws {IndexFile.IndexBytesError}
 */
export const rootIn = (bytes: Uint8Array): Hex => IndexFile.decode(bytes, KIND, VERSION).root

/** The parts of each record that were copied from earlier contributions, in the order of the records; what is left out is no part. */
export function lineage(index: SpanIndex): readonly {
  readonly recordId: string
  readonly tokenCount: number
  /** By the record copied from, in the order of registration. */
  readonly copied: readonly { readonly recordId: string; readonly tokenCount: number }[]
}[] {
  return index.documents.map(({ recordId }, document) => {
    const copied = new Map<number, number>()
    const end = index.documentStarts[document + 1]! - 1
    let tokenCount = 0
    for (let at = index.documentStarts[document]!; at < end; at++) {
      if (index.tokens[at] !== index.vocabularySize) tokenCount++
      const origin = index.origins[at]!
      if (origin === -1) continue
      const source = documentAt(index, origin)
      copied.set(source, (copied.get(source) ?? 0) + 1)
    }
    return {
      recordId,
      tokenCount,
      copied: [...copied]
        .sort(([a], [b]) => a - b)
        .map(([source, tokenCount]) => ({ recordId: index.documents[source]!.recordId, tokenCount })),
    }
  })
}

/** How many contributions may hold a run before it is boilerplate. */
export const contributionsMax = (index: Pick<SpanIndex, 'contributionCount'>, limits: Boilerplate): number =>
  Math.max(
    limits.boilerplateContributionsMin,
    Math.floor((index.contributionCount * limits.boilerplateBps) / 10_000),
  )

/** Finds the record that holds a position of the corpus. */
export function documentAt(index: Pick<SpanIndex, 'documents' | 'documentStarts'>, position: number): number {
  const starts = index.documentStarts
  let low = 0
  let high = index.documents.length
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (starts[middle]! <= position) low = middle
    else high = middle
  }
  return low
}

/**
 * @param allowed - An id that may stand there too.
 * @throws {TokenRangeError} when an id is not one of the vocabulary; the separator is not.
 */
export function assertTokens(
  tokens: ArrayLike<number>,
  vocabularySize: number,
  where: string,
  allowed?: number,
): void {
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!
    if (!(token >= 0 && token < vocabularySize && Number.isInteger(token)) && token !== allowed) {
      throw new TokenRangeError({ token, at: i, where, vocabularySize })
    }
  }
}

type Header = {
  readonly vocabularySize: number
  readonly copyTokensMin: number
  readonly documents: readonly [string, string, string][]
}

function headerOf({
  vocabularySize,
  copyTokensMin,
  documents,
}: Pick<SpanIndex, 'vocabularySize' | 'copyTokensMin' | 'documents'>): CanonicalJson.Json {
  return {
    vocabularySize,
    copyTokensMin,
    documents: documents.map(({ recordId, contributionId, clusterId }) => [
      recordId,
      contributionId,
      clusterId,
    ]),
  }
}

const sectionsOf = (
  index: Pick<SpanIndex, 'documentStarts' | 'tokens' | 'order' | 'commitment'>,
): Uint8Array[] => [
  ...[index.documentStarts, index.tokens, index.order].map(IndexFile.bytesOf),
  ...(index.commitment === undefined ? [] : [index.commitment]),
]

type Committed = Pick<
  SpanIndex,
  | 'vocabularySize'
  | 'copyTokensMin'
  | 'documents'
  | 'documentStarts'
  | 'tokens'
  | 'order'
  | 'commitment'
  | 'root'
>

const withRoot = <Parts extends Omit<Committed, 'root'>>(parts: Parts): Parts & { readonly root: Hex } => ({
  ...parts,
  root: IndexFile.root(headerOf(parts), sectionsOf(parts)),
})

/** Adds the tables that follow from the committed parts. */
function complete(parts: Committed): SpanIndex {
  const { vocabularySize, documents, tokens, order } = parts
  const bucketStarts = new Int32Array(vocabularySize + 2)
  for (let i = 0; i < tokens.length; i++) bucketStarts[tokens[i]! + 1]!++
  for (let token = 0; token <= vocabularySize; token++) bucketStarts[token + 1]! += bucketStarts[token]!
  const followerCounts = new Uint32Array(vocabularySize)
  const secondTokens = new (tokens.constructor as typeof Uint32Array)(Math.ceil(order.length / SAMPLE_STRIDE))
  for (let token = 0; token < vocabularySize; token++) {
    let previous = -1
    for (let i = bucketStarts[token]!; i < bucketStarts[token + 1]!; i++) {
      const follower = tokens[order[i]! + 1]!
      if (follower !== previous) followerCounts[token]!++
      if (i % SAMPLE_STRIDE === 0) secondTokens[i / SAMPLE_STRIDE] = follower
      previous = follower
    }
  }
  const contributions = new Map<string, number>()
  const clusterOwners = new Map<string, number>()
  const owners = Uint32Array.from(documents, ({ contributionId, clusterId }) => {
    if (!contributions.has(contributionId)) contributions.set(contributionId, contributions.size)
    const owner = clusterOwners.get(clusterId) ?? contributions.get(contributionId)!
    clusterOwners.set(clusterId, owner)
    return owner
  })
  const contributionCount = contributions.size
  const origins = traceOrigins({ ...parts, owners, contributionCount })
  const isOriginal = originalTokens(parts, origins)
  const originalsBefore = new Int32Array(order.length + 1)
  for (let i = 0; i < order.length; i++) originalsBefore[i + 1] = originalsBefore[i]! + isOriginal[order[i]!]!
  return {
    ...parts,
    bucketStarts,
    secondTokens,
    followerCounts,
    owners,
    contributionCount,
    origins,
    originalsBefore,
    tokenCount: originalsBefore.at(-1)!,
  }
}

/** `[tokens]` 1 where a record that is the first of its cluster says a token itself. */
function originalTokens(
  {
    vocabularySize,
    documents,
    documentStarts,
    tokens,
  }: Pick<SpanIndex, 'vocabularySize' | 'documents' | 'documentStarts' | 'tokens'>,
  origins: Int32Array,
): Uint8Array {
  const isOriginal = new Uint8Array(tokens.length)
  const seen = new Set<string>()
  for (const [document, { clusterId }] of documents.entries()) {
    if (seen.has(clusterId)) continue
    seen.add(clusterId)
    const end = documentStarts[document + 1]! - 1
    for (let at = documentStarts[document]!; at < end; at++)
      isOriginal[at] = origins[at] === -1 && tokens[at] !== vocabularySize ? 1 : 0
  }
  return isOriginal
}

/**
 * Finds, for every token inside a long run that an earlier contribution already holds, where it stands there.
 *
 * Equal runs are neighbours in the suffix array, and records are in the order of registration, so the first holder of a
 * run is the smallest position among neighbours.
 */
function traceOrigins(
  index: Omit<Committed, 'root'> & Pick<SpanIndex, 'owners' | 'contributionCount'>,
): Int32Array {
  const { tokens, order, copyTokensMin, vocabularySize: separator } = index
  const origins = new Int32Array(tokens.length).fill(-1)
  const ownersMax = contributionsMax(index, BOILERPLATE)
  const isSameRun = (a: number, b: number): boolean => {
    for (let k = 0; k < copyTokensMin; k++) {
      if (tokens[a + k] !== tokens[b + k] || tokens[a + k] === separator) return false
    }
    return true
  }
  for (let from = 0, to = 1; from < order.length; from = to, to++) {
    while (to < order.length && isSameRun(order[to - 1]!, order[to]!)) to++
    if (to - from === 1) continue
    const positions = order.subarray(from, to)
    const ownerOf = (position: number): number => index.owners[documentAt(index, position)]!
    if (to - from > ownersMax && new Set(Array.from(positions, ownerOf)).size > ownersMax) continue
    const first = positions.reduce((least, position) => Math.min(least, position))
    const owner = ownerOf(first)
    for (const position of positions) if (ownerOf(position) !== owner) origins[position] = first
  }
  return spreadRuns(origins, copyTokensMin)
}

/**
 * Gives every token the earliest place that one of the runs over it was copied from.
 * @param origins - Where the run that starts at each position stands first, or -1; overwritten.
 * @param length - Of each run; none crosses the end of a record.
 */
function spreadRuns(origins: Int32Array, length: number): Int32Array {
  // the runs that may still be the earliest for a token to come: how far each lies back grows from the head on
  const starts = new Int32Array(length)
  const shifts = new Int32Array(length)
  let head = 0
  let tail = 0
  for (let at = 0; at < origins.length; at++) {
    if (head < tail && starts[head % length]! <= at - length) head++
    if (origins[at] !== -1) {
      const shift = origins[at]! - at
      while (head < tail && shifts[(tail - 1) % length]! >= shift) tail--
      starts[tail % length] = at
      shifts[tail % length] = shift
      tail++
    }
    if (head < tail) origins[at] = at + shifts[head % length]!
  }
  return origins
}

export class TokenRangeError extends BaseError {
  constructor(context: { token: number; at: number; where: string; vocabularySize: number }) {
    const { token, at, where, vocabularySize } = context
    super({
      code: 'spans.token_range',
      message: `Expected token ids from 0 to ${vocabularySize - 1} in ${where}, got ${token} at ${at}; tokenize it with the model's own tokenizer.`,
      context,
    })
  }
}
