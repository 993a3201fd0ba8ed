import type { Crypto } from '../Crypto.ts'
import {
  type Arena,
  beginBranch,
  beginExtension,
  takeSince,
  type ValueCodec,
  type Writer,
  writeLeaf,
  writePage,
} from './PageCodec.ts'
import * as Trie from './Trie.ts'
import { type Node, type Page, type PageSource, type Resident, referenceOf } from './TrieNode.ts'

/** A part of a trie that takes no more than this lies in the page above it. */
const INLINE_BYTES_MAX = 96

/** A row to write, or to remove. */
export type PageRow = { readonly key: Uint8Array; readonly page: Uint8Array | undefined }

/** Where the pages of one trie lie. */
export type StoredSource<V> = PageSource<V> & {
  /** What their keys begin with. */
  readonly prefix: Uint8Array
  readonly codec: ValueCodec<V>
  readonly encodeValue: Trie.EncodeValue<V>
}

/** What the rows of one state are gathered in. */
export type Update = {
  readonly number: number
  readonly rows: PageRow[]
  readonly arena: Arena
  /** To be done once the rows are written. */
  readonly settling: (() => void)[]
  readonly keep: (key: Uint8Array, page: Page<unknown>, size: number) => void
}

/**
 * Writes what of a trie does not lie in pages yet.
 * @param codec - How its values are written; the source's own, or one that does something else with them as well.
 * @returns the page of its root.
 */
export function writeTrie<V>(
  root: Resident<V>,
  source: StoredSource<V>,
  codec: ValueCodec<V>,
  out: Writer,
  update: Update,
  crypto: Crypto,
): Page<V> {
  const { prefix, encodeValue } = source
  const path = new Uint8Array(65)

  const write = (node: Resident<V>, depth: number): void => {
    if (node.kind === 'leaf') writeLeaf(out, node, depth, codec)
    else if (node.kind === 'extension') {
      beginExtension(out, node.path)
      path.set(node.path, depth)
      const page = writeBelow(node.child, depth + node.path.length)
      if (page !== undefined) {
        update.settling.push(() => {
          node.child = page
        })
      }
    } else {
      beginBranch(out, node)
      for (let i = 0; i < 16; i++) {
        const child = node.children[i]
        if (child === undefined) continue
        path[depth] = i
        const page = writeBelow(child, depth + 1)
        if (page !== undefined) {
          update.settling.push(() => {
            node.children[i] = page
          })
        }
      }
    }
  }
  /** @returns the page that shall stand where `node` stands, if another. */
  const writeBelow = (node: Node<V>, depth: number): Page<V> | undefined => {
    if (node.kind === 'page') {
      writePage(out, node.reference)
      return undefined
    }
    if (node.kind !== 'branch') {
      write(node, depth)
      return undefined
    }
    let { page } = node
    if (page === undefined) {
      const start = out.at
      write(node, depth)
      const isSmall = out.at - start <= INLINE_BYTES_MAX
      const reference = isSmall ? undefined : referenceOf(node, depth, encodeValue, crypto)
      if (reference?.length !== 32) {
        if (node.hasRow) {
          update.rows.push({ key: keyOf(prefix, path, depth), page: undefined })
          update.settling.push(() => {
            node.hasRow = false
          })
        }
        return undefined
      }
      page = cut(node, reference, keyOf(prefix, path, depth), start)
    }
    writePage(out, page.reference)
    return page
  }
  /** Turns what was written since `start` into a row. */
  const cut = (node: Resident<V>, reference: Uint8Array, key: Uint8Array, start: number): Page<V> => {
    const bytes = takeSince(out, start, update.arena)
    update.rows.push({ key, page: bytes })
    const { number } = update
    const page: Page<V> = { kind: 'page', reference, source, number, node, isUsed: true, edit: undefined }
    update.settling.push(() => {
      if (node.kind === 'branch') {
        node.page = page
        node.hasRow = true
      }
      update.keep(key, page as Page<unknown>, bytes.length)
    })
    return page
  }

  const start = out.at
  write(root, 0)
  return cut(root, Trie.hash(root, encodeValue, crypto), prefix, start)
}

/** The page that holds exactly this node, if one does. */
export const pageOf = <V>(node: Resident<V>): Page<V> | undefined =>
  node.kind === 'branch' ? node.page : undefined

/** The key of the node whose path is the first `depth` nibbles of `path`. */
export function keyOf(prefix: Uint8Array, path: Uint8Array, depth: number): Uint8Array {
  const key = new Uint8Array(prefix.length + depth)
  key.set(prefix)
  key.set(path.subarray(0, depth), prefix.length)
  return key
}
