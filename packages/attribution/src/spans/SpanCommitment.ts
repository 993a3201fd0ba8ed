import { Bytes } from '@openledger/primitives'
import * as IndexFile from '../IndexFile.ts'
import * as RangeTree from './RangeTree.ts'
import * as SpanIndex from './SpanIndex.ts'
import { follower, unigram } from './SpanTrace.ts'

/**
 * What commits to an index place by place, so that what a span is paid for can be shown without the index: a tree over
 * the positions of the text, one over the sorted order, one over the records.
 *
 * Leaves are salted from a key that only who has the whole index can compute, so that a sibling in a proof says nothing of what
 * stands beside what is shown. No leaf that is shown holds a token.
 */
export type Commitment = {
  readonly textRoot: Uint8Array
  readonly orderRoot: Uint8Array
  readonly documentsRoot: Uint8Array
  readonly documentCount: number
  /** Positions of the text, and places of the order. */
  readonly length: number
  readonly contributionCount: number
  /** Tokens that records say themselves. */
  readonly tokenCount: number
}

/** One position of the text, as it is shown. */
export type TextLeaf = {
  /** `sha256(salt ‖ token)`. */
  readonly hidden: Uint8Array
  /** Number of the record; `NO_DOCUMENT` for the separator behind it, and for tokens that are left out. */
  readonly document: number
  /** Number of the record that said this token first, its own if it was not copied. */
  readonly origin: number
  /** `-log` of the token's frequency, in millionths of a nat. */
  readonly unigramMicroNats: number
  /** Sum of `-log p(token | before)` over the record's tokens up to this one but for its first, in millionths of a nat. */
  readonly surprisalMicroNats: number
}

/** One place of the sorted order, as it is shown. */
export type OrderLeaf = {
  readonly salt: Uint8Array
  readonly position: number
  /** How many tokens this suffix begins with that the one before it in the order begins with too. */
  readonly common: number
}

/** One record, as it is shown. */
export type DocumentLeaf = {
  readonly recordId: string
  readonly contributionId: string
  /** Number of the first record of its cluster of duplicates, which is paid for it. */
  readonly payee: number
  /** Number of the contribution that registered that one. */
  readonly owner: number
}

/** Shows parts of a committed index. */
export type Opener = {
  readonly index: SpanIndex.SpanIndex
  readonly textAt: (position: number) => Uint8Array
  readonly orderAt: (rank: number) => Uint8Array
  readonly documentAt: (document: number) => DocumentLeaf
  readonly text: RangeTree.RangeTree
  readonly order: RangeTree.RangeTree
  readonly documents: RangeTree.RangeTree
  /** `SpanIndex.rootParts`, packed; hashed once, as they are of the whole index. */
  readonly parts: () => Uint8Array
}

export const NO_DOCUMENT = 0xffff_ffff
export const TEXT_LEAF_BYTES = 52
export const ORDER_LEAF_BYTES = 24
const SALT_BYTES = 16
const COMMITMENT_BYTES = 112

/** Commits to an index place by place; its root then covers the commitment too. */
export function commit(index: SpanIndex.SpanIndex): SpanIndex.SpanIndex {
  const { commitment: _, ...bare } = index
  const { text, order, documents } = open(bare)
  return SpanIndex.withCommitment(
    bare,
    encode({
      textRoot: text.root,
      orderRoot: order.root,
      documentsRoot: documents.root,
      documentCount: index.documents.length,
      length: index.tokens.length,
      contributionCount: index.contributionCount,
      tokenCount: index.tokenCount,
    }),
  )
}

/** Prepares an index to be shown in parts; takes as long as committing to it. */
export function open(index: SpanIndex.SpanIndex): Opener {
  const salts = saltsOf(index)
  const common = commonPrefixes(index)
  const surprisals = surprisalsOf(index)
  const unigrams = Float64Array.from({ length: index.vocabularySize }, (_, token) => unigram(index, token))
  const textAt = (position: number): Uint8Array => {
    const token = index.tokens[position]!
    const isSeparator = token === index.vocabularySize
    const document = isSeparator ? NO_DOCUMENT : SpanIndex.documentAt(index, position)
    const copiedFrom = index.origins[position]!
    return encodeText({
      hidden: hide(salts(position).subarray(0, SALT_BYTES), token),
      document,
      origin: copiedFrom === -1 ? document : SpanIndex.documentAt(index, copiedFrom),
      unigramMicroNats: isSeparator ? 0 : unigrams[token]!,
      surprisalMicroNats: surprisals[position]!,
    })
  }
  const orderAt = (rank: number): Uint8Array =>
    encodeOrder({
      salt: salts(rank).subarray(SALT_BYTES),
      position: index.order[rank]!,
      common: common[rank]!,
    })
  const payees = payeesOf(index)
  const documentAt = (document: number): DocumentLeaf => {
    const { recordId, contributionId } = index.documents[document]!
    return { recordId, contributionId, payee: payees[document]!, owner: index.owners[document]! }
  }
  let parts: Uint8Array | undefined
  return {
    index,
    textAt,
    orderAt,
    documentAt,
    text: RangeTree.build(index.tokens.length, (i) => Bytes.sha256(textAt(i))),
    order: RangeTree.build(index.order.length, (i) => Bytes.sha256(orderAt(i))),
    documents: RangeTree.build(index.documents.length, (i) => hashDocument(encodeDocument(documentAt(i)))),
    parts() {
      if (parts === undefined) {
        const { header, sections } = SpanIndex.rootParts(index)
        parts = Bytes.concat(header, ...sections)
      }
      return parts
    },
  }
}

/** `sha256(salt ‖ token)`, the token in four bytes. */
export function hide(salt: Uint8Array, token: number): Uint8Array {
  const bytes = new Uint8Array(salt.length + 4)
  bytes.set(salt)
  new DataView(bytes.buffer).setUint32(salt.length, token)
  return Bytes.sha256(bytes)
}

/** Twice, so that no text of 64 bytes passes for two nodes. */
export const hashDocument = (bytes: Uint8Array): Uint8Array => Bytes.sha256(Bytes.sha256(bytes))

export const encodeDocument = ({ recordId, contributionId, payee, owner }: DocumentLeaf): Uint8Array =>
  Bytes.fromUtf8(JSON.stringify([recordId, contributionId, payee, owner]))

export function decodeDocument(bytes: Uint8Array): DocumentLeaf {
  const [recordId, contributionId, payee, owner] = JSON.parse(Bytes.toUtf8(bytes)) as [
    string,
    string,
    number,
    number,
  ]
  return { recordId, contributionId, payee, owner }
}

export function encodeText(leaf: TextLeaf): Uint8Array {
  const bytes = new Uint8Array(TEXT_LEAF_BYTES)
  const view = new DataView(bytes.buffer)
  bytes.set(leaf.hidden)
  view.setUint32(32, leaf.document)
  view.setUint32(36, leaf.origin)
  view.setUint32(40, leaf.unigramMicroNats)
  view.setBigUint64(44, BigInt(leaf.surprisalMicroNats))
  return bytes
}

export function decodeText(bytes: Uint8Array): TextLeaf {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    hidden: bytes.subarray(0, 32),
    document: view.getUint32(32),
    origin: view.getUint32(36),
    unigramMicroNats: view.getUint32(40),
    surprisalMicroNats: Number(view.getBigUint64(44)),
  }
}

export function encodeOrder({ salt, position, common }: OrderLeaf): Uint8Array {
  const bytes = new Uint8Array(ORDER_LEAF_BYTES)
  const view = new DataView(bytes.buffer)
  bytes.set(salt)
  view.setUint32(SALT_BYTES, position)
  view.setUint32(SALT_BYTES + 4, common)
  return bytes
}

export function decodeOrder(bytes: Uint8Array): OrderLeaf {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    salt: bytes.subarray(0, SALT_BYTES),
    position: view.getUint32(SALT_BYTES),
    common: view.getUint32(SALT_BYTES + 4),
  }
}

export function encode(commitment: Commitment): Uint8Array {
  const bytes = new Uint8Array(COMMITMENT_BYTES)
  const view = new DataView(bytes.buffer)
  bytes.set(commitment.textRoot, 0)
  bytes.set(commitment.orderRoot, 32)
  bytes.set(commitment.documentsRoot, 64)
  view.setUint32(96, commitment.documentCount)
  view.setUint32(100, commitment.length)
  view.setUint32(104, commitment.contributionCount)
  view.setUint32(108, commitment.tokenCount)
  return bytes
}

/** @returns Undefined for bytes of another length. */
export function decode(bytes: Uint8Array): Commitment | undefined {
  if (bytes.length !== COMMITMENT_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    textRoot: bytes.subarray(0, 32),
    orderRoot: bytes.subarray(32, 64),
    documentsRoot: bytes.subarray(64, 96),
    documentCount: view.getUint32(96),
    length: view.getUint32(100),
    contributionCount: view.getUint32(104),
    tokenCount: view.getUint32(108),
  }
}

/**
 * Gives 32 bytes for each place, of which the position of the text has the first half and the place of the order the second, from
 * a key that is the hash of all tokens: equal corpora have equal commitments, and who knows a part of one has no key.
 */
function saltsOf({ tokens }: SpanIndex.SpanIndex): (place: number) => Uint8Array {
  const seed = new Uint8Array(36)
  seed.set(Bytes.sha256(Bytes.concat(Bytes.fromUtf8('openledger.spans.salt.1'), IndexFile.bytesOf(tokens))))
  const view = new DataView(seed.buffer)
  return (place) => {
    view.setUint32(32, place)
    return Bytes.sha256(seed)
  }
}

/** @see Kasai et al. 2001, "Linear-Time Longest-Common-Prefix Computation in Suffix Arrays and Its Applications". */
function commonPrefixes({ tokens, order }: SpanIndex.SpanIndex): Int32Array {
  const common = new Int32Array(order.length)
  const ranks = new Int32Array(order.length)
  for (let rank = 0; rank < order.length; rank++) ranks[order[rank]!] = rank
  let length = 0
  for (let position = 0; position < tokens.length; position++) {
    const rank = ranks[position]!
    if (rank === 0) {
      length = 0
      continue
    }
    const before = order[rank - 1]!
    while (position + length < tokens.length && tokens[position + length] === tokens[before + length])
      length++
    common[rank] = length
    if (length > 0) length--
  }
  return common
}

/** `[tokens]` the running sums of `TextLeaf.surprisalMicroNats`. */
function surprisalsOf(index: SpanIndex.SpanIndex): Float64Array {
  const { tokens, order, bucketStarts, originalsBefore, vocabularySize: separator } = index
  const sums = new Float64Array(tokens.length)
  for (let before = 0; before < separator; before++) {
    const end = bucketStarts[before + 1]!
    for (let from = bucketStarts[before]!, to = from; from < end; from = to) {
      const token = tokens[order[from]! + 1]!
      while (to < end && tokens[order[to]! + 1] === token) to++
      if (token === separator) continue
      const own = follower(index, before, token, originalsBefore[to]! - originalsBefore[from]!)
      for (let rank = from; rank < to; rank++) sums[order[rank]! + 1] = own
    }
  }
  for (let position = 1; position < tokens.length; position++) {
    if (tokens[position] === separator || tokens[position - 1] === separator) sums[position] = 0
    else sums[position]! += sums[position - 1]!
  }
  return sums
}

function payeesOf({ documents }: SpanIndex.SpanIndex): number[] {
  const first = new Map<string, number>()
  return documents.map(({ clusterId }, document) => {
    const payee = first.get(clusterId) ?? document
    first.set(clusterId, payee)
    return payee
  })
}
