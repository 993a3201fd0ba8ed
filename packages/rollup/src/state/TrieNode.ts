import type { Crypto } from '../Crypto.ts'
import * as Rlp from '../codec/Rlp.ts'

/** A node of a Merkle Patricia trie as it lies in memory, or the page under which it lies in a store. */
export type Node<V> = Resident<V> | Page<V>
export type Resident<V> = Leaf<V> | Extension<V> | Branch<V>

/** How a parent points to a node: its hash, or its RLP where that is shorter than 32 bytes. */
export type Reference = Uint8Array

export type Leaf<V> = {
  readonly kind: 'leaf'
  /** The whole key; the leaf's own path starts at the depth where the leaf hangs. */
  readonly key: Uint8Array
  value: V
  reference: Reference | undefined
  edit: Edit | undefined
}
export type Extension<V> = {
  readonly kind: 'extension'
  readonly path: Uint8Array
  child: Branch<V> | Page<V>
  reference: Reference | undefined
  edit: Edit | undefined
}
export type Branch<V> = {
  readonly kind: 'branch'
  readonly children: (Node<V> | undefined)[]
  count: number
  reference: Reference | undefined
  edit: Edit | undefined
  /** The page that holds exactly this branch. */
  page: Page<V> | undefined
  /** Whether a store has a row at this branch's path. */
  hasRow: boolean
}

/** Stands for a node of which the hash is known, and which is loaded when somebody walks through it. */
export type Page<V> = {
  readonly kind: 'page'
  readonly reference: Reference
  readonly source: PageSource<V>
  /** A block after which the node was part of the stored state. */
  readonly number: number
  /** Dropped when memory runs short. */
  node: Resident<V> | undefined
  /** Set by every use, cleared by whoever looks for what is not used. */
  isUsed: boolean
  readonly edit: undefined
}

/** Where pages come from. */
export type PageSource<V> = {
  /** Loads the node whose path is the first `depth` nibbles of `key`. @throws when it cannot be had. */
  load(page: Page<V>, key: Uint8Array, depth: number): Resident<V>
  /** Whether every page below a root is a branch, so that it may hang anywhere without being looked at. */
  readonly hasBranchesOnly: boolean
}

/** Owns the nodes that one batch of changes made, so that the batch changes them in place instead of copying again. */
export type Edit = { readonly owner: symbol }

/** Turns a value into the bytes that the trie commits to. */
export type EncodeValue<V> = (value: V) => Uint8Array

export const nibbleAt = (key: Uint8Array, depth: number): number =>
  (depth & 1) === 0 ? key[depth >> 1]! >> 4 : key[depth >> 1]! & 15

/** Gives the node of a page. */
export function open<V>(page: Page<V>, key: Uint8Array, depth: number): Resident<V> {
  page.isUsed = true
  return page.node ?? page.source.load(page, key, depth)
}

/** Packs nibbles into bytes; an odd last one is followed by zero. */
export function packNibbles(nibbles: ArrayLike<number>, count = nibbles.length): Uint8Array {
  const bytes = new Uint8Array((count + 1) >> 1)
  for (let i = 0; i < count; i++) bytes[i >> 1]! |= (i & 1) === 0 ? nibbles[i]! << 4 : nibbles[i]!
  return bytes
}

/** Computes how a parent points to a node, and keeps it. */
export function referenceOf<V>(
  node: Node<V>,
  depth: number,
  encodeValue: EncodeValue<V>,
  crypto: Crypto,
): Reference {
  if (node.kind === 'page' || node.reference !== undefined) return node.reference!
  const encoded = encodeNode(node, depth, encodeValue, crypto)
  node.reference = encoded.length < 32 ? encoded : crypto.keccak256(encoded)
  return node.reference
}

/** Writes a node as RLP, as the trie commits to it. */
export function encodeNode<V>(
  node: Resident<V>,
  depth: number,
  encodeValue: EncodeValue<V>,
  crypto: Crypto,
): Uint8Array {
  if (node.kind === 'leaf') {
    return encodeParts([rlpString(compactLeafPath(node.key, depth)), rlpString(encodeValue(node.value))])
  }
  if (node.kind === 'extension') {
    const child = referenceOf(node.child, depth + node.path.length, encodeValue, crypto)
    return encodeParts([rlpString(compactExtensionPath(node.path)), embed(child)])
  }
  return encodeBranch(node, depth, encodeValue, crypto)
}

/** Writes the sixteen references straight into their place: branches are most of what a trie hashes. */
function encodeBranch<V>(
  node: Branch<V>,
  depth: number,
  encodeValue: EncodeValue<V>,
  crypto: Crypto,
): Uint8Array {
  let size = 17
  for (let i = 0; i < 16; i++) {
    const child = node.children[i]
    if (child === undefined) continue
    const { length } = referenceOf(child, depth + 1, encodeValue, crypto)
    size += length === 32 ? 32 : length - 1
  }
  const prefixSize = size < 56 ? 1 : size < 256 ? 2 : 3
  const out = new Uint8Array(prefixSize + size)
  if (prefixSize === 1) out[0] = 0xc0 + size
  else {
    out[0] = 0xf6 + prefixSize
    out[1] = prefixSize === 2 ? size : size >> 8
    if (prefixSize === 3) out[2] = size & 255
  }
  let at = prefixSize
  for (let i = 0; i < 16; i++) {
    const reference = node.children[i]?.reference
    if (reference === undefined) {
      out[at++] = 0x80
      continue
    }
    // a shorter reference already is RLP and stands in the parent as it is
    if (reference.length === 32) out[at++] = 0xa0
    out.set(reference, at)
    at += reference.length
  }
  out[at] = 0x80
  return out
}

/** A hash becomes an RLP string; a shorter reference already is RLP and stands in the parent as it is. */
const embed = (reference: Reference): Uint8Array =>
  reference.length === 32 ? rlpString(reference) : reference

function rlpString(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 1 && bytes[0]! < 0x80) return bytes
  if (bytes.length > 55) return Rlp.encode(bytes)
  const out = new Uint8Array(bytes.length + 1)
  out[0] = 0x80 + bytes.length
  out.set(bytes, 1)
  return out
}

/** Joins items that are already RLP into a list. */
function encodeParts(parts: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const part of parts) size += part.length
  const prefixSize = size < 56 ? 1 : size < 256 ? 2 : size < 65536 ? 3 : size < 16777216 ? 4 : 5
  const out = new Uint8Array(prefixSize + size)
  if (prefixSize === 1) out[0] = 0xc0 + size
  else {
    out[0] = 0xf7 + prefixSize - 1
    for (let i = prefixSize - 1, rest = size; i > 0; i--, rest >>>= 8) out[i] = rest & 255
  }
  let offset = prefixSize
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

/** Hex-prefix encoding of a leaf's path: the nibbles of `key` from `depth` on. */
function compactLeafPath(key: Uint8Array, depth: number): Uint8Array {
  if ((depth & 1) === 1) {
    const out = key.slice(depth >> 1)
    out[0] = 0x30 | (out[0]! & 15)
    return out
  }
  const rest = key.subarray(depth >> 1)
  const out = new Uint8Array(rest.length + 1)
  out[0] = 0x20
  out.set(rest, 1)
  return out
}

function compactExtensionPath(path: Uint8Array): Uint8Array {
  const odd = path.length & 1
  const out = new Uint8Array((path.length >> 1) + 1)
  out[0] = odd === 1 ? 0x10 | path[0]! : 0
  for (let i = odd, at = 1; i < path.length; i += 2) out[at++] = (path[i]! << 4) | path[i + 1]!
  return out
}

/** Reads a hex-prefix path. */
export function decodePath(compact: Uint8Array): { isLeaf: boolean; nibbles: number[] } {
  const flags = compact[0]! >> 4
  const nibbles = (flags & 1) === 1 ? [compact[0]! & 15] : []
  for (const byte of compact.subarray(1)) nibbles.push(byte >> 4, byte & 15)
  return { isLeaf: (flags & 2) === 2, nibbles }
}
