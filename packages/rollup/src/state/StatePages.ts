import { bytesToHex, equalsBytes, hexToBytes } from '@ethereumjs/util'
import { BaseError, type Hex } from '@openledger/primitives'
import type { Crypto } from '../Crypto.ts'
import { EMPTY_ROOT } from '../codec/Header.ts'
import {
  createArena,
  createWriter,
  readByte,
  readBytes,
  readNode,
  readUint,
  type ValueCodec,
  writeByte,
  writeBytes,
  writeUint,
} from './PageCodec.ts'
import { keyOf, type PageRow, pageOf, type StoredSource, type Update, writeTrie } from './PageWriter.ts'
import * as Trie from './Trie.ts'
import { type Node, nibbleAt, open, type Page, type Resident, referenceOf } from './TrieNode.ts'
import {
  type Account,
  createAccountEncoder,
  EMPTY_CODE_HASH,
  encodeSlot,
  type StorageTrie,
  type WorldState,
} from './WorldState.ts'

/** The store that pages lie in, as it is read; its rows are the state after its newest block. */
export type PageReader = {
  /** The newest block whose state the rows are. */
  number(): number
  read(key: Uint8Array): Uint8Array | undefined
  /** The state after an older block, made of the newest rows and of what undoes the blocks since. @throws when that is no longer kept. */
  past(number: number): WorldState
}

/** What makes a state the stored one. */
export type PageChanges = {
  /** To be written in one transaction with the block. */
  readonly rows: readonly PageRow[]
  /** Once they are written: has the state's nodes stand in pages, which memory may drop, and gives the state. */
  settle(): WorldState
}

/** Keeps a world state in a store, with as much of it in memory as is used. */
export type StatePages = {
  /** The state with this root, of which nothing is loaded yet. */
  open(stateRoot: Hex, number: bigint): WorldState
  /**
   * Lists what of a state does not lie in the store yet.
   * @param state - Made by changing the stored state.
   * @param number - The block after which it is.
   */
  changes(state: WorldState, number: bigint): PageChanges
  /** Forgets what was loaded; states that someone holds load it again. */
  clear(): void
  /** Bytes of the rows whose nodes are in memory. */
  loadedBytes(): number
}

export type StatePagesOptions = {
  readonly crypto: Crypto
  readonly reader: PageReader
  /** How many bytes of rows may be in memory; they take several times as much there. */
  readonly loadedBytesMax?: number
}

const LOADED_BYTES_MAX = 24 * 1024 * 1024
const PASTS_MAX = 16
const ACCOUNTS = Uint8Array.of(0)
const STORAGE = 1
const HAS_CODE = 1
const HAS_STORAGE = 2

type Loaded = { readonly page: Page<unknown>; readonly size: number }
type Source<V> = StoredSource<V> & {
  /** The trie's root in a state. */
  readonly rootIn: (state: WorldState) => Node<V> | undefined
}

/** Creates the pages of one chain's state. */
export function createStatePages(options: StatePagesOptions): StatePages {
  const { crypto, reader, loadedBytesMax = LOADED_BYTES_MAX } = options
  /** By key; the newest page of each. */
  const loaded = new Map<string, Loaded>()
  let loadedBytes = 0
  /** States that pages were found in after the rows had moved on. */
  const pasts = new Map<number, WorldState>()
  /** The newest block when the row that is being read was looked up. */
  let loadNumber = 0

  const keep = (key: Uint8Array, page: Page<unknown>, size: number): void => {
    const name = nameOf(key)
    loadedBytes += size - (loaded.get(name)?.size ?? 0)
    loaded.delete(name)
    loaded.set(name, { page, size })
    if (loadedBytes > loadedBytesMax) drop(loadedBytesMax * 0.9)
  }
  /** Second chance: what was used since it was last looked at stays once more. */
  const drop = (bytesMax: number): void => {
    for (const [name, entry] of loaded) {
      if (loadedBytes <= bytesMax) return
      loaded.delete(name)
      if (entry.page.isUsed) {
        entry.page.isUsed = false
        loaded.set(name, entry)
      } else {
        entry.page.node = undefined
        loadedBytes -= entry.size
      }
    }
  }

  /** A page that is loaded already is the same for everybody, so that it is loaded once. */
  const pageAt = <V>(source: Source<V>, key: Uint8Array, reference: Uint8Array, number: number): Page<V> => {
    const known = loaded.get(nameOf(key))?.page as Page<V> | undefined
    if (known !== undefined && equalsBytes(known.reference, reference)) return known
    return { kind: 'page', reference, source, number, node: undefined, isUsed: true, edit: undefined }
  }

  const load = <V>(source: Source<V>, page: Page<V>, key: Uint8Array, depth: number): Resident<V> => {
    // asked first: what hangs below a row that fits was part of the state after this block, whatever is written meanwhile
    const number = reader.number()
    loadNumber = number
    const path = new Uint8Array(65)
    for (let i = 0; i < depth; i++) path[i] = nibbleAt(key, i)
    const rowKey = keyOf(source.prefix, path, depth)
    const row = reader.read(rowKey)
    if (row !== undefined) {
      const child = (reference: Uint8Array, at: number) =>
        pageAt(source, keyOf(source.prefix, path, at), reference, number)
      const node = readNode({ bytes: row, at: 0 }, path, depth, source.codec, child)
      if (node.kind !== 'page' && equalsBytes(hashAt(node, depth, source), page.reference)) {
        if (node.kind === 'branch') {
          node.page = page
          node.hasRow = true
        }
        page.node = node
        keep(rowKey, page, row.length)
        return node
      }
    }
    const newest = reader.number()
    if (page.number === newest) throw new CorruptPageError(rowKey, page.reference)
    if (page.number > newest) throw new StateMovedError(page.number)
    // the rows have moved on: look at the same place in the state that this page was part of
    const node = locate(source.rootIn(pastOf(page.number)), key, depth)
    if (node === undefined || !equalsBytes(hashAt(node, depth, source), page.reference)) {
      throw new StateMovedError(page.number)
    }
    page.node = node
    return node
  }
  const pastOf = (number: number): WorldState => {
    const known = pasts.get(number)
    if (known !== undefined) return known
    const state = reader.past(number)
    if (pasts.size >= PASTS_MAX) pasts.delete(pasts.keys().next().value!)
    pasts.set(number, state)
    return state
  }
  const hashAt = <V>(node: Resident<V>, depth: number, { encodeValue }: Source<V>): Uint8Array =>
    depth === 0 ? Trie.hash(node, encodeValue, crypto) : referenceOf(node, depth, encodeValue, crypto)

  const storageOf = (owner: Uint8Array): Source<Uint8Array> => {
    const prefix = new Uint8Array(33)
    prefix[0] = STORAGE
    prefix.set(owner, 1)
    const source: Source<Uint8Array> = {
      prefix,
      codec: slotCodec,
      encodeValue: encodeSlot,
      hasBranchesOnly: true,
      rootIn: (state) => Trie.get(state, owner)?.storage,
      load: (page, key, depth) => load(source, page, key, depth),
    }
    return source
  }
  const accountCodec: ValueCodec<Account> = {
    write(out, { value: { nonce, balance, codeHash, storage } }) {
      const hasCode = codeHash !== EMPTY_CODE_HASH
      writeByte(out, (hasCode ? HAS_CODE : 0) | (storage === undefined ? 0 : HAS_STORAGE))
      writeUint(out, nonce)
      writeUint(out, balance)
      if (hasCode) writeBytes(out, hexToBytes(codeHash))
      if (storage !== undefined) writeBytes(out, Trie.hash(storage, encodeSlot, crypto))
    },
    read(from, key) {
      const flags = readByte(from)
      const nonce = readUint(from)
      const balance = readUint(from)
      const codeHash = (flags & HAS_CODE) === 0 ? EMPTY_CODE_HASH : bytesToHex(readBytes(from, 32))
      let storage: StorageTrie
      if ((flags & HAS_STORAGE) !== 0) {
        const source = storageOf(key)
        storage = pageAt(source, source.prefix, readBytes(from, 32), loadNumber)
      }
      return { nonce, balance, codeHash, storage }
    },
  }
  const accounts: Source<Account> = {
    prefix: ACCOUNTS,
    codec: accountCodec,
    encodeValue: createAccountEncoder(crypto),
    hasBranchesOnly: true,
    rootIn: (state) => state,
    load: (page, key, depth) => load(accounts, page, key, depth),
  }

  return {
    open(stateRoot, number) {
      if (stateRoot === EMPTY_ROOT) return undefined
      return pageAt(accounts, ACCOUNTS, hexToBytes(stateRoot), Number(number))
    },
    changes(state, number) {
      if (state === undefined) return { rows: [{ key: ACCOUNTS, page: undefined }], settle: () => undefined }
      if (state.kind === 'page') return { rows: [], settle: () => state }
      const stored = pageOf(state)
      if (stored !== undefined) return { rows: [], settle: () => stored }
      const update: Update = { number: Number(number), rows: [], arena: createArena(), settling: [], keep }
      const storageOut = createWriter()
      const writeStorage = (storage: Resident<Uint8Array>, owner: Uint8Array): Page<Uint8Array> =>
        writeTrie(storage, storageOf(owner), slotCodec, storageOut, update, crypto)
      const writeAccount: ValueCodec<Account>['write'] = (out, leaf) => {
        const { storage } = leaf.value
        if (storage !== undefined && storage.kind !== 'page') {
          const page = pageOf(storage) ?? writeStorage(storage, leaf.key)
          update.settling.push(() => {
            leaf.value = { ...leaf.value, storage: page }
          })
        }
        accountCodec.write(out, leaf)
      }
      const codec = { ...accountCodec, write: writeAccount }
      const root = writeTrie(state, accounts, codec, createWriter(), update, crypto)
      return {
        rows: update.rows,
        settle() {
          for (const step of update.settling) step()
          return root
        },
      }
    },
    clear() {
      loaded.clear()
      pasts.clear()
      loadedBytes = 0
    },
    loadedBytes: () => loadedBytes,
  }
}

/** Finds the node whose path is the first `depth` nibbles of a key. */
function locate<V>(root: Node<V> | undefined, key: Uint8Array, depth: number): Resident<V> | undefined {
  let node = root
  let at = 0
  while (node !== undefined) {
    if (node.kind === 'page') node = open(node, key, at)
    if (at === depth) return node
    if (at > depth || node.kind === 'leaf') return undefined
    if (node.kind === 'branch') node = node.children[nibbleAt(key, at++)]
    else {
      at += node.path.length
      node = node.child
    }
  }
  return undefined
}

const slotCodec: ValueCodec<Uint8Array> = {
  write(out, { value }) {
    writeByte(out, value.length)
    writeBytes(out, value)
  },
  read: (from) => readBytes(from, readByte(from)),
}

const nameOf = (key: Uint8Array): string => String.fromCharCode(...key)

export class CorruptPageError extends BaseError {
  constructor(key: Uint8Array, reference: Uint8Array) {
    super({
      code: 'state.corrupt_page',
      message: `Expected the stored state to have a part with the hash ${bytesToHex(reference)} under ${bytesToHex(key)}, found none or another. Restore the directory from a backup, or derive the chain again.`,
      context: { key: bytesToHex(key), hash: bytesToHex(reference) },
    })
  }
}

export class StateMovedError extends BaseError {
  constructor(number: number) {
    super({
      code: 'state.moved',
      message: `Expected the state after block ${number} to be still there, but blocks were taken back meanwhile. Ask again.`,
      context: { number },
      severity: 'retry',
    })
  }
}
