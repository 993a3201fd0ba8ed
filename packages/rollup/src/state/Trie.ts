import { equalsBytes } from '@ethereumjs/util'
import { BaseError } from '@openledger/primitives'
import { type Crypto, plainCrypto } from '../Crypto.ts'
import * as Rlp from '../codec/Rlp.ts'
import {
  type Branch,
  type Edit,
  type EncodeValue,
  type Extension,
  encodeNode,
  type Leaf,
  type Node,
  nibbleAt,
  open,
  type Page,
  packNibbles,
  referenceOf,
} from './TrieNode.ts'

/**
 * A Merkle Patricia trie as a persistent value: a root node is a version, and changing it gives a new root that shares
 * what did not change. Hashing is deferred: a node's reference is computed on demand and kept.
 *
 * Keys must be prefix-free (all 32-byte hashes, or all RLP-encoded indices), so branches carry no value.
 */
export type { EncodeValue, Node } from './TrieNode.ts'

export const createEdit = (): Edit => ({ owner: Symbol('edit') })

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
    } else if (node.kind === 'page') {
      node = open(node, key, depth)
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
export function forEach<V>(
  root: Node<V> | undefined,
  visit: (value: V, key: Uint8Array) => void,
  path: readonly number[] = [],
): void {
  if (root === undefined) return
  if (root.kind === 'leaf') visit(root.value, root.key)
  else if (root.kind === 'page') forEach(open(root, packNibbles(path), path.length), visit, path)
  else if (root.kind === 'extension') forEach(root.child, visit, [...path, ...root.path])
  else for (const [i, child] of root.children.entries()) forEach(child, visit, [...path, i])
}

/** Hashes the trie: 32 bytes. */
export function hash<V>(
  root: Node<V> | undefined,
  encodeValue: EncodeValue<V>,
  crypto: Crypto = plainCrypto,
): Uint8Array {
  if (root === undefined) return crypto.keccak256(Uint8Array.of(0x80))
  if (root.kind === 'page') return root.reference
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
    if (node.kind === 'page') node = open(node, key, depth)
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
 * Computes the root of a list as block bodies do: index (RLP) to bytes.
 * @param items - Encoded transactions or receipts.
 */
export function listRoot(items: readonly Uint8Array[], crypto: Crypto = plainCrypto): Uint8Array {
  const edit = createEdit()
  let root: Node<Uint8Array> | undefined
  for (const [index, item] of items.entries()) root = put(root, Rlp.encode(index), item, edit)
  return hash(root, (item) => item, crypto)
}

const NO_KEY = new Uint8Array()

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
  if (node.kind === 'page') return putAt(open(node, key, depth), key, depth, value, edit)
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
  if (node.kind === 'page') {
    const loaded = open(node, key, depth)
    const next = removeAt(loaded, key, depth, edit)
    return next === loaded ? node : next
  }
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
  // a leaf must change with its depth, and whether an unknown node is one cannot be known
  if (child.kind === 'page' && !child.source.hasBranchesOnly) open(child, NO_KEY, 0)
  if (child.kind === 'branch' || child.kind === 'page') return extend(path, child, edit)
  if (child.kind === 'leaf') return { ...child, reference: undefined, edit }
  const merged = new Uint8Array(path.length + child.path.length)
  merged.set(path)
  merged.set(child.path, path.length)
  return extend(merged, child.child, edit)
}

const extend = <V>(path: Uint8Array, child: Branch<V> | Page<V>, edit: Edit): Extension<V> => ({
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
  page: undefined,
  hasRow: false,
})

function editableBranch<V>(branch: Branch<V>, edit: Edit): Branch<V> {
  if (branch.edit !== edit) {
    return {
      kind: 'branch',
      children: branch.children.slice(),
      count: branch.count,
      reference: undefined,
      edit,
      page: undefined,
      hasRow: branch.hasRow,
    }
  }
  branch.reference = undefined
  return branch
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
