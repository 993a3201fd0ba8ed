import { bytesToHex, equalsBytes } from '@ethereumjs/util'
import { BaseError } from '@openledger/primitives'
import { type Crypto, plainCrypto } from '../Crypto.ts'
import { EMPTY_ROOT } from '../codec/Header.ts'
import * as Rlp from '../codec/Rlp.ts'

/**
 * A Merkle Patricia trie as a persistent value: a root node is a version, and changing it gives a new root that shares
 * what did not change. Hashing is deferred: a node's reference is computed on demand and kept.
 *
 * Keys must be prefix-free (all 32-byte hashes, or all RLP-encoded indices), so branches carry no value.
 */
export type Node<V> = Leaf<V> | Extension<V> | Branch<V> | Stub

/** How a parent points to a node: its hash, or its RLP where that is shorter than 32 bytes. */
type Reference = Uint8Array

type Leaf<V> = {
  readonly kind: 'leaf'
  /** The whole key; the leaf's own path starts at the depth where the leaf hangs. */
  readonly key: Uint8Array
  value: V
  reference: Reference | undefined
  edit: Edit | undefined
}
type Extension<V> = {
  readonly kind: 'extension'
  readonly path: Uint8Array
  child: Branch<V> | Stub
  reference: Reference | undefined
  edit: Edit | undefined
}
type Branch<V> = {
  readonly kind: 'branch'
  readonly children: (Node<V> | undefined)[]
  count: number
  reference: Reference | undefined
  edit: Edit | undefined
}

/** Stands for a node of which only the hash is known: it can be hashed over, but not walked through. */
type Stub = { readonly kind: 'stub'; readonly reference: Reference; readonly edit: undefined }

/** Owns the nodes that one batch of changes made, so that the batch changes them in place instead of copying again. */
export type Edit = { readonly owner: symbol }

export const createEdit = (): Edit => ({ owner: Symbol('edit') })

/** Turns a value into the bytes that the trie commits to. */
export type EncodeValue<V> = (value: V) => Uint8Array

const nibbleAt = (key: Uint8Array, depth: number): number =>
  (depth & 1) === 0 ? key[depth >> 1]! >> 4 : key[depth >> 1]! & 15

/** Finds a value by its key. */
export function get<V>(root: Node<V> | undefined, key: Uint8Array): V | undefined {
  let node = root
  let depth = 0
  while (node !== undefined) {
    if (node.kind === 'branch') {
      node = node.children[nibbleAt(key, depth)]
      depth++
    } else if (node.kind === 'leaf') {
      return equalsBytes(node.key, key) ? node.value : undefined
    } else if (node.kind === 'stub') {
      throw new MissingNodeError(node.reference)
    } else {
      for (const nibble of node.path) if (nibble !== nibbleAt(key, depth++)) return undefined
      node = node.child
    }
  }
  return undefined
}

/**
 * Sets a value.
 * @param edit - The batch that this change belongs to.
 * @returns the new root; the old one stays as it was unless `edit` made it.
 */
export function put<V>(root: Node<V> | undefined, key: Uint8Array, value: V, edit: Edit): Node<V> {
  return putAt(root, key, 0, value, edit)
}

/** Removes a key. @returns the new root, `undefined` when nothing is left. */
export function remove<V>(root: Node<V> | undefined, key: Uint8Array, edit: Edit): Node<V> | undefined {
  return root === undefined ? undefined : removeAt(root, key, 0, edit)
}

/** Visits every value, in the order of the keys. */
export function forEach<V>(root: Node<V> | undefined, visit: (value: V, key: Uint8Array) => void): void {
  if (root === undefined) return
  if (root.kind === 'leaf') visit(root.value, root.key)
  else if (root.kind === 'stub') throw new MissingNodeError(root.reference)
  else if (root.kind === 'extension') forEach(root.child, visit)
  else for (const child of root.children) forEach(child, visit)
}

/** Hashes the trie: 32 bytes. */
export function hash<V>(
  root: Node<V> | undefined,
  encodeValue: EncodeValue<V>,
  crypto: Crypto = plainCrypto,
): Uint8Array {
  if (root === undefined) return crypto.keccak256(Uint8Array.of(0x80))
  if (root.kind === 'stub') return root.reference
  const reference = referenceOf(root, 0, encodeValue, crypto)
  return reference.length === 32 ? reference : crypto.keccak256(encodeNode(root, 0, encodeValue, crypto))
}

/**
 * Collects the RLP of the nodes from the root towards a key.
 * @returns as `eth_getProof`: enough to show the value, or that there is none.
 */
export function proof<V>(
  root: Node<V> | undefined,
  key: Uint8Array,
  encodeValue: EncodeValue<V>,
  crypto: Crypto = plainCrypto,
): Uint8Array[] {
  const nodes: Uint8Array[] = []
  let node = root
  let depth = 0
  while (node !== undefined) {
    if (node.kind === 'stub') throw new MissingNodeError(node.reference)
    // a node that is embedded in its parent is part of the parent's bytes
    if (depth === 0 || referenceOf(node, depth, encodeValue, crypto).length === 32) {
      nodes.push(encodeNode(node, depth, encodeValue, crypto))
    }
    if (node.kind === 'leaf') break
    if (node.kind === 'branch') {
      node = node.children[nibbleAt(key, depth)]
      depth++
    } else {
      const start = depth
      if (!node.path.every((nibble, i) => nibble === nibbleAt(key, start + i))) break
      depth += node.path.length
      node = node.child
    }
  }
  return nodes
}

/**
 * Builds as much of a trie as a witness knows.
 *
 * @param root - The trie's hash.
 * @param preimage - Answers the RLP of a node by its hash, or `undefined`.
 * @param decodeValue - Reads what a leaf holds.
 * @throws {MalformedRlpError} when an answer is not a node.
 */
export function fromWitness<V>(
  root: Uint8Array,
  preimage: (hash: Uint8Array) => Uint8Array | undefined,
  decodeValue: (encoded: Uint8Array) => V,
): Node<V> | undefined {
  const load = (item: Rlp.RlpItem, path: readonly number[]): Node<V> | undefined => {
    if (item instanceof Uint8Array) {
      if (item.length === 0) return undefined
      const encoded = preimage(item)
      if (encoded === undefined) return { kind: 'stub', reference: item, edit: undefined }
      return load(Rlp.decode(encoded), path)
    }
    if (item.length === 17) {
      const children = item.slice(0, 16).map((child, nibble) => load(child, [...path, nibble]))
      const count = children.filter((child) => child !== undefined).length
      return { kind: 'branch', children, count, reference: undefined, edit: undefined }
    }
    const [compact, value] = Rlp.list(item, 'a trie node', 2)
    const { isLeaf, nibbles } = decodePath(Rlp.bytes(compact, 'a path'))
    if (!isLeaf) {
      const child = load(value!, [...path, ...nibbles]) as Branch<V> | Stub
      return {
        kind: 'extension',
        path: Uint8Array.from(nibbles),
        child,
        reference: undefined,
        edit: undefined,
      }
    }
    const whole = [...path, ...nibbles]
    const key = Uint8Array.from(
      { length: whole.length / 2 },
      (_, i) => (whole[2 * i]! << 4) | whole[2 * i + 1]!,
    )
    const decoded = decodeValue(Rlp.bytes(value, 'a leaf’s value'))
    return { kind: 'leaf', key, value: decoded, reference: undefined, edit: undefined }
  }
  return bytesToHex(root) === EMPTY_ROOT ? undefined : load(root, [])
}

/**
 * Computes the root of a list as block bodies do: index (RLP) to bytes.
 * @param items - Encoded transactions or receipts.
 */
export function listRoot(items: readonly Uint8Array[], crypto: Crypto = plainCrypto): Uint8Array {
  const edit = createEdit()
  let root: Node<Uint8Array> | undefined
  for (const [index, item] of items.entries()) root = put(root, Rlp.encode(index), item, edit)
  return hash(root, (item) => item, crypto)
}

function putAt<V>(node: Node<V> | undefined, key: Uint8Array, depth: number, value: V, edit: Edit): Node<V> {
  if (node === undefined) return { kind: 'leaf', key, value, reference: undefined, edit }
  if (node.kind === 'leaf') {
    if (equalsBytes(node.key, key)) {
      if (node.edit !== edit) return { kind: 'leaf', key: node.key, value, reference: undefined, edit }
      node.value = value
      node.reference = undefined
      return node
    }
    return splitLeaf(node, key, depth, value, edit)
  }
  if (node.kind === 'stub') throw new MissingNodeError(node.reference)
  if (node.kind === 'branch') {
    const branch = editableBranch(node, edit)
    const index = nibbleAt(key, depth)
    const child = branch.children[index]
    if (child === undefined) branch.count++
    branch.children[index] = putAt(child, key, depth + 1, value, edit)
    return branch
  }
  let shared = 0
  while (shared < node.path.length && node.path[shared] === nibbleAt(key, depth + shared)) shared++
  if (shared === node.path.length) {
    const child = putAt(node.child, key, depth + shared, value, edit) as Branch<V>
    return extend(node.path, child, edit)
  }
  const branch = newBranch<V>(edit)
  const rest = node.path.subarray(shared + 1)
  branch.children[node.path[shared]!] = rest.length === 0 ? node.child : extend(rest, node.child, edit)
  branch.children[nibbleAt(key, depth + shared)] = putAt(undefined, key, depth + shared + 1, value, edit)
  branch.count = 2
  return shared === 0 ? branch : extend(node.path.subarray(0, shared), branch, edit)
}

function splitLeaf<V>(leaf: Leaf<V>, key: Uint8Array, depth: number, value: V, edit: Edit): Node<V> {
  const nibbles = Math.min(leaf.key.length, key.length) * 2
  let fork = depth
  while (fork < nibbles && nibbleAt(leaf.key, fork) === nibbleAt(key, fork)) fork++
  if (fork === nibbles) throw new PrefixKeyError()
  const branch = newBranch<V>(edit)
  // the old leaf's path changes with its depth, so its reference does too
  branch.children[nibbleAt(leaf.key, fork)] = { ...leaf, reference: undefined, edit }
  branch.children[nibbleAt(key, fork)] = { kind: 'leaf', key, value, reference: undefined, edit }
  branch.count = 2
  if (fork === depth) return branch
  const path = new Uint8Array(fork - depth)
  for (let i = 0; i < path.length; i++) path[i] = nibbleAt(key, depth + i)
  return extend(path, branch, edit)
}

function removeAt<V>(node: Node<V>, key: Uint8Array, depth: number, edit: Edit): Node<V> | undefined {
  if (node.kind === 'leaf') return equalsBytes(node.key, key) ? undefined : node
  if (node.kind === 'stub') throw new MissingNodeError(node.reference)
  if (node.kind === 'extension') {
    for (let i = 0; i < node.path.length; i++) {
      if (node.path[i] !== nibbleAt(key, depth + i)) return node
    }
    const child = removeAt(node.child, key, depth + node.path.length, edit)
    return child === node.child && child.edit !== edit ? node : prepend(node.path, child!, edit)
  }
  const index = nibbleAt(key, depth)
  const child = node.children[index]
  if (child === undefined) return node
  const next = removeAt(child, key, depth + 1, edit)
  // the same node made by an earlier edit means that nothing was removed below
  if (next === child && next.edit !== edit) return node
  const branch = editableBranch(node, edit)
  branch.children[index] = next
  if (next !== undefined) return branch
  branch.count--
  if (branch.count > 1) return branch
  const last = branch.children.findIndex((candidate) => candidate !== undefined)
  return prepend(Uint8Array.of(last), branch.children[last]!, edit)
}

/** Hangs `child` under `path`, merging paths, since an extension may only lead to a branch. */
function prepend<V>(path: Uint8Array, child: Node<V>, edit: Edit): Node<V> {
  // whether a stub is a leaf, and so must change with its depth, cannot be known
  if (child.kind === 'stub') throw new MissingNodeError(child.reference)
  if (child.kind === 'branch') return extend(path, child, edit)
  if (child.kind === 'leaf') return { ...child, reference: undefined, edit }
  const merged = new Uint8Array(path.length + child.path.length)
  merged.set(path)
  merged.set(child.path, path.length)
  return extend(merged, child.child, edit)
}

const extend = <V>(path: Uint8Array, child: Branch<V> | Stub, edit: Edit): Extension<V> => ({
  kind: 'extension',
  path,
  child,
  reference: undefined,
  edit,
})

const newBranch = <V>(edit: Edit): Branch<V> => ({
  kind: 'branch',
  children: new Array<Node<V> | undefined>(16).fill(undefined),
  count: 0,
  reference: undefined,
  edit,
})

function editableBranch<V>(branch: Branch<V>, edit: Edit): Branch<V> {
  if (branch.edit !== edit) {
    return {
      kind: 'branch',
      children: branch.children.slice(),
      count: branch.count,
      reference: undefined,
      edit,
    }
  }
  branch.reference = undefined
  return branch
}

function referenceOf<V>(
  node: Node<V>,
  depth: number,
  encodeValue: EncodeValue<V>,
  crypto: Crypto,
): Reference {
  if (node.kind === 'stub' || node.reference !== undefined) return node.reference!
  const encoded = encodeNode(node, depth, encodeValue, crypto)
  node.reference = encoded.length < 32 ? encoded : crypto.keccak256(encoded)
  return node.reference
}

function encodeNode<V>(
  node: Exclude<Node<V>, Stub>,
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

function decodePath(compact: Uint8Array): { isLeaf: boolean; nibbles: number[] } {
  const flags = compact[0]! >> 4
  const nibbles = (flags & 1) === 1 ? [compact[0]! & 15] : []
  for (const byte of compact.subarray(1)) nibbles.push(byte >> 4, byte & 15)
  return { isLeaf: (flags & 2) === 2, nibbles }
}

export class PrefixKeyError extends BaseError {
  constructor() {
    super({
      code: 'trie.prefix_key',
      message:
        'Expected keys of which none is the beginning of another. Hash the keys, or give them one length.',
    })
  }
}

export class MissingNodeError extends BaseError {
  constructor(reference: Uint8Array) {
    super({
      code: 'trie.missing_node',
      message: `Expected the witness to hold the trie node ${bytesToHex(reference)}. Ask for a complete witness.`,
      context: { hash: bytesToHex(reference) },
    })
  }
}
