import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import type { Hex } from '@openledger/primitives'
import { type Crypto, plainCrypto } from '../Crypto.ts'
import { EMPTY_ROOT } from '../codec/Header.ts'
import * as Rlp from '../codec/Rlp.ts'
import type { Genesis } from '../execution/Genesis.ts'
import * as Trie from './Trie.ts'
import { fromWitness } from './Witness.ts'

/** Keccak-256 of nothing: the code hash of an account without code. */
export const EMPTY_CODE_HASH: Hex = '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'

export type StorageTrie = Trie.Node<Uint8Array> | undefined

/** An account as a value; changing one makes another. */
export type Account = {
  readonly nonce: bigint
  readonly balance: bigint
  readonly codeHash: Hex
  /** Slot hash to value without leading zeros. */
  readonly storage: StorageTrie
}

/** One version of all accounts; an old version stays valid for as long as someone holds it. */
export type WorldState = Trie.Node<Account> | undefined

/** What one account becomes, and the slots of it that changed. */
export type AccountChange = {
  readonly address: Hex
  /** `undefined` when the account does not exist. */
  readonly before: Account | undefined
  readonly after: Account | undefined
  /** By slot; values of at most 32 bytes without leading zeros, empty for zero. */
  readonly slots: ReadonlyMap<Hex, { readonly before: Uint8Array; readonly after: Uint8Array }>
}

/** Gives the sum of all balances after changes, in wei. */
export const sumAfter = (totalWei: bigint, changes: readonly AccountChange[]): bigint =>
  changes.reduce((sum, { before, after }) => sum + (after?.balance ?? 0n) - (before?.balance ?? 0n), totalWei)

/** How a journal describes an account that it changed. */
export type PendingChange = {
  readonly address: Hex
  readonly after: Omit<Account, 'storage'> | undefined
  /** True when all slots of before are gone. */
  readonly isStorageCleared: boolean
  readonly slots: ReadonlyMap<Hex, Uint8Array>
}

/** Reads and changes states with one crypto, remembering the hashes of keys it met. */
export type StateTrie = {
  account(state: WorldState, address: Hex): Account | undefined
  /** Returns the value without leading zeros, empty for zero. */
  storage(account: Account | undefined, slot: Hex): Uint8Array
  apply(state: WorldState, changes: Iterable<PendingChange>): { state: WorldState; changes: AccountChange[] }
  root(state: WorldState): Hex
  storageRoot(account: Account | undefined): Hex
  accountProof(state: WorldState, address: Hex): Uint8Array[]
  storageProof(account: Account | undefined, slot: Hex): Uint8Array[]
}

/** Bound of the key-hash memory; beyond it the memory starts over. */
const KEY_HASHES_MAX = 200_000

/** Creates the reader and writer of world states. */
export function createStateTrie(crypto: Crypto = plainCrypto): StateTrie {
  const keyHashes = new Map<string, Uint8Array>()
  const hashKey = (key: Hex): Uint8Array => {
    const known = keyHashes.get(key)
    if (known !== undefined) return known
    if (keyHashes.size >= KEY_HASHES_MAX) keyHashes.clear()
    const digest = crypto.keccak256(hexToBytes(key))
    keyHashes.set(key, digest)
    return digest
  }
  const encodeAccount = createAccountEncoder(crypto)

  const storage: StateTrie['storage'] = (account, slot) =>
    account?.storage === undefined ? NO_BYTES : (Trie.get(account.storage, hashKey(slot)) ?? NO_BYTES)

  return {
    account: (state, address) => Trie.get(state, hashKey(address)),
    storage,
    apply(state, pending) {
      const edit = Trie.createEdit()
      const changes: AccountChange[] = []
      let next = state
      for (const change of pending) {
        const before = Trie.get(state, hashKey(change.address))
        const slots = new Map<Hex, { before: Uint8Array; after: Uint8Array }>()
        let trie = change.isStorageCleared || change.after === undefined ? undefined : before?.storage
        for (const [slot, after] of change.slots) {
          const previous = storage(before, slot)
          const isKept = trie !== undefined && previous.length > 0
          slots.set(slot, { before: previous, after: change.after === undefined ? NO_BYTES : after })
          if (change.after === undefined) continue
          if (after.length > 0) trie = Trie.put(trie, hashKey(slot), after, edit)
          else if (isKept) trie = Trie.remove(trie, hashKey(slot), edit)
        }
        const after = change.after === undefined ? undefined : { ...change.after, storage: trie }
        if (after !== undefined) next = Trie.put(next, hashKey(change.address), after, edit)
        else if (before !== undefined) next = Trie.remove(next, hashKey(change.address), edit)
        changes.push({ address: change.address, before, after, slots })
      }
      return { state: next, changes }
    },
    root: (state) => bytesToHex(Trie.hash(state, encodeAccount, crypto)),
    storageRoot: (account) => bytesToHex(Trie.hash(account?.storage, encodeSlot, crypto)),
    accountProof: (state, address) => Trie.proof(state, hashKey(address), encodeAccount, crypto),
    storageProof: (account, slot) => Trie.proof(account?.storage, hashKey(slot), encodeSlot, crypto),
  }
}

/**
 * Builds the part of a world state that a witness knows.
 * @param preimage - Answers the RLP of a trie node by its hash.
 */
export function stateFromWitness(
  stateRoot: Hex,
  preimage: (hash: Uint8Array) => Uint8Array | undefined,
): WorldState {
  return fromWitness(hexToBytes(stateRoot), preimage, (encoded): Account => {
    const [nonce, balance, storageRoot, codeHash] = Rlp.list(Rlp.decode(encoded), 'an account', 4)
    return {
      nonce: Rlp.uint64(nonce, 'nonce'),
      balance: Rlp.uint(balance, 'balance'),
      codeHash: bytesToHex(Rlp.bytes(codeHash, 'codeHash', 32)),
      storage: fromWitness(Rlp.bytes(storageRoot, 'storageRoot', 32), preimage, (value) =>
        Rlp.bytes(Rlp.decode(value), 'a slot’s value'),
      ),
    }
  })
}

/**
 * Lists the accounts of a genesis as changes to the empty state.
 * @returns the changes, and the codes by hash.
 */
export function genesisChanges(
  genesis: Genesis,
  crypto: Crypto = plainCrypto,
): { changes: PendingChange[]; codes: Map<Hex, Uint8Array> } {
  const codes = new Map<Hex, Uint8Array>()
  const changes = Object.entries(genesis.alloc).map(([key, account]): PendingChange => {
    const code = account.code === undefined ? NO_BYTES : hexToBytes(account.code)
    const codeHash = code.length === 0 ? EMPTY_CODE_HASH : bytesToHex(crypto.keccak256(code))
    if (code.length > 0) codes.set(codeHash, code)
    const slots = new Map<Hex, Uint8Array>()
    for (const [slot, value] of Object.entries(account.storage ?? {})) {
      slots.set(padSlot(slot), stripZeros(hexToBytes(evenHex(value))))
    }
    return {
      address: addressKey(key),
      after: { nonce: BigInt(account.nonce ?? 0), balance: BigInt(account.balance ?? 0), codeHash },
      isStorageCleared: true,
      slots,
    }
  })
  return { changes, codes }
}

const NO_BYTES = new Uint8Array()

/** Writes a slot's value as its trie commits to it. */
export const encodeSlot: Trie.EncodeValue<Uint8Array> = (value) => Rlp.encode(value)

/** Gives what writes an account as the state's trie commits to it. */
export function createAccountEncoder(crypto: Crypto): Trie.EncodeValue<Account> {
  const emptyRoot = hexToBytes(EMPTY_ROOT)
  const emptyCodeHash = hexToBytes(EMPTY_CODE_HASH)
  return ({ nonce, balance, storage, codeHash }) => {
    const storageRoot = storage === undefined ? emptyRoot : Trie.hash(storage, encodeSlot, crypto)
    const code = codeHash === EMPTY_CODE_HASH ? emptyCodeHash : hexToBytes(codeHash)
    return Rlp.encode([nonce, balance, storageRoot, code])
  }
}

/** Drops leading zero bytes. */
export function stripZeros(bytes: Uint8Array): Uint8Array {
  let start = 0
  while (start < bytes.length && bytes[start] === 0) start++
  return start === 0 ? bytes : bytes.slice(start)
}

const digitsOf = (hex: string): string => (hex.startsWith('0x') ? hex.slice(2) : hex).toLowerCase()
const evenHex = (hex: string): Hex => `0x${digitsOf(hex).length % 2 === 0 ? '' : '0'}${digitsOf(hex)}`
const addressKey = (hex: string): Hex => `0x${digitsOf(hex).padStart(40, '0')}`
/** Writes a slot number as 32 bytes of hex. */
export const padSlot = (hex: string): Hex => `0x${digitsOf(hex).padStart(64, '0')}`
