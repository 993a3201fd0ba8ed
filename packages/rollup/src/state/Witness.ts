import { bytesToHex } from '@ethereumjs/util'
import { BaseError } from '@openledger/primitives'
import { EMPTY_ROOT } from '../codec/Header.ts'
import * as Rlp from '../codec/Rlp.ts'
import { type Branch, decodePath, type Node, type Page, type PageSource, packNibbles } from './TrieNode.ts'

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
      if (encoded === undefined) return missingPage(item)
      return load(Rlp.decode(encoded), path)
    }
    if (item.length === 17) {
      const children = item.slice(0, 16).map((child, nibble) => load(child, [...path, nibble]))
      const count = children.filter((child) => child !== undefined).length
      const none = { reference: undefined, edit: undefined, page: undefined, hasRow: false }
      return { kind: 'branch', children, count, ...none }
    }
    const [compact, value] = Rlp.list(item, 'a trie node', 2)
    const { isLeaf, nibbles } = decodePath(Rlp.bytes(compact, 'a path'))
    if (!isLeaf) {
      const child = load(value!, [...path, ...nibbles]) as Branch<V> | Page<V>
      return {
        kind: 'extension',
        path: Uint8Array.from(nibbles),
        child,
        reference: undefined,
        edit: undefined,
      }
    }
    const whole = [...path, ...nibbles]
    const decoded = decodeValue(Rlp.bytes(value, 'a leaf’s value'))
    return { kind: 'leaf', key: packNibbles(whole), value: decoded, reference: undefined, edit: undefined }
  }
  return bytesToHex(root) === EMPTY_ROOT ? undefined : load(root, [])
}

const missing: PageSource<never> = {
  load(page) {
    throw new MissingNodeError(page.reference)
  },
  // what an unknown node is cannot be known
  hasBranchesOnly: false,
}

const missingPage = (reference: Uint8Array): Page<never> => ({
  kind: 'page',
  reference,
  source: missing,
  number: 0,
  node: undefined,
  isUsed: false,
  edit: undefined,
})

export class MissingNodeError extends BaseError {
  constructor(reference: Uint8Array) {
    super({
      code: 'trie.missing_node',
      message: `Expected the witness to hold the trie node ${bytesToHex(reference)}. Ask for a complete witness.`,
      context: { hash: bytesToHex(reference) },
    })
  }
}
