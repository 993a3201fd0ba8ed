import { BaseError, type CanonicalJson, type Hex } from '@openledger/primitives'
import * as IndexFile from './IndexFile.ts'
import * as SuffixArray from './SuffixArray.ts'

/** One record of the corpus, as the model's own tokenizer reads it. */
export type SpanDocument = {
  readonly recordId: string
  readonly contributionId: string
  /** Ids in `[0, vocabularySize)`. */
  readonly tokens: ArrayLike<number>
  /** Names the record's cluster of duplicates; left out, the record is alone. */
  readonly clusterId?: string
}

/** A corpus that can be asked which of its records contain a run of tokens. */
export type SpanIndex = {
  readonly vocabularySize: number
  /** Records in the order of their registration. */
  readonly documents: readonly Required<Omit<SpanDocument, 'tokens'>>[]
  /** `[documents + 1]` where each record's tokens start; the separator is the last token before the next start. */
  readonly documentStarts: Uint32Array
  /** All records' tokens, each record followed by the separator, whose id is `vocabularySize`. */
  readonly tokens: Uint16Array | Uint32Array
  /** Start positions of all suffixes in sorted order. */
  readonly order: Int32Array
  /** `[vocabularySize + 2]` where the suffixes that start with each id begin in `order`. */
  readonly bucketStarts: Int32Array
  /** `[vocabularySize]` how many different ids follow each id. */
  readonly followerCounts: Uint32Array
  /** `[documents]` number of the contribution that registered the first record of the record's cluster. */
  readonly owners: Uint32Array
  readonly contributionCount: number
  /** Tokens without separators. */
  readonly tokenCount: number
  readonly root: Hex
}

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
}: {
  readonly documents: readonly SpanDocument[]
  readonly vocabularySize: number
}): SpanIndex {
  const separator = vocabularySize
  const size = documents.reduce((sum, { tokens }) => sum + tokens.length + 1, 0)
  if (size > SuffixArray.LENGTH_MAX) throw new SuffixArray.TextTooLongError(size)
  const tokens = separator < 2 ** 16 ? new Uint16Array(size) : new Uint32Array(size)
  const documentStarts = new Uint32Array(documents.length + 1)
  let at = 0
  for (const [i, document] of documents.entries()) {
    assertTokens(document.tokens, vocabularySize, `record ${document.recordId}`)
    tokens.set(document.tokens, at)
    at += document.tokens.length
    tokens[at++] = separator
    documentStarts[i + 1] = at
  }
  const named = documents.map(({ recordId, contributionId, clusterId = recordId }) => ({
    recordId,
    contributionId,
    clusterId,
  }))
  const order = SuffixArray.build(tokens, vocabularySize + 1)
  const root = IndexFile.root(headerOf(vocabularySize, named), sectionsOf({ documentStarts, tokens, order }))
  return complete({ vocabularySize, documents: named, documentStarts, tokens, order, root })
}

/** Serialises the index with its root; equal corpora give equal bytes. */
export function encode(index: SpanIndex): Uint8Array {
  const header = headerOf(index.vocabularySize, index.documents)
  return IndexFile.encode({ kind: KIND, version: VERSION, header, sections: sectionsOf(index) }, index.root)
}

/**
 * Reads an index back and checks its root.
 * @throws {IndexFile.IndexBytesError}
 */
export function decode(bytes: Uint8Array): SpanIndex {
  const { header, sections, root } = IndexFile.decode(bytes, KIND, VERSION)
  const { vocabularySize, documents } = header as unknown as Header
  const [starts, tokenBytes, orderBytes] = sections
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
  return complete({ vocabularySize, documents: named, documentStarts, tokens, order, root })
}

/** Finds the record that holds a position of the corpus. */
export function documentAt(index: SpanIndex, position: number): number {
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

/** @throws {TokenRangeError} when an id is not one of the vocabulary; the separator is not. */
export function assertTokens(tokens: ArrayLike<number>, vocabularySize: number, where: string): void {
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!
    if (!(token >= 0 && token < vocabularySize && Number.isInteger(token))) {
      throw new TokenRangeError({ token, at: i, where, vocabularySize })
    }
  }
}

type Header = { readonly vocabularySize: number; readonly documents: readonly [string, string, string][] }

function headerOf(vocabularySize: number, documents: SpanIndex['documents']): CanonicalJson.Json {
  return {
    vocabularySize,
    documents: documents.map(({ recordId, contributionId, clusterId }) => [
      recordId,
      contributionId,
      clusterId,
    ]),
  }
}

const sectionsOf = (index: Pick<SpanIndex, 'documentStarts' | 'tokens' | 'order'>): Uint8Array[] =>
  [index.documentStarts, index.tokens, index.order].map(IndexFile.bytesOf)

/** Adds the tables that follow from the committed parts. */
function complete(
  parts: Pick<SpanIndex, 'vocabularySize' | 'documents' | 'documentStarts' | 'tokens' | 'order' | 'root'>,
): SpanIndex {
  const { vocabularySize, documents, tokens, order } = parts
  const bucketStarts = new Int32Array(vocabularySize + 2)
  for (let i = 0; i < tokens.length; i++) bucketStarts[tokens[i]! + 1]!++
  for (let token = 0; token <= vocabularySize; token++) bucketStarts[token + 1]! += bucketStarts[token]!
  const followerCounts = new Uint32Array(vocabularySize)
  for (let token = 0; token < vocabularySize; token++) {
    let previous = -1
    for (let i = bucketStarts[token]!; i < bucketStarts[token + 1]!; i++) {
      const follower = tokens[order[i]! + 1]!
      if (follower !== previous) followerCounts[token]!++
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
  return {
    ...parts,
    bucketStarts,
    followerCounts,
    owners,
    contributionCount: contributions.size,
    tokenCount: tokens.length - documents.length,
  }
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
