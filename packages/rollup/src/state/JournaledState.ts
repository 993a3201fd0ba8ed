import type { Hex } from '@openledger/primitives'
import {
  type Account,
  EMPTY_CODE_HASH,
  type PendingChange,
  type StateTrie,
  type WorldState,
} from './WorldState.ts'

/** An account without its slots. */
export type AccountFields = { readonly nonce: bigint; readonly balance: bigint; readonly codeHash: Hex }

/** Reads what lies under a journal. Values come without leading zeros, empty for zero. */
export type StateReader = {
  account(address: Hex): Account | undefined
  storage(address: Hex, slot: Hex): Uint8Array
  code(codeHash: Hex): Uint8Array
}

/** A state with changes on top that can be undone back to any checkpoint. */
export type JournaledState = {
  account(address: Hex): AccountFields | undefined
  /** Tells whether the account has slots under the journal, for the collision rule of EIP-7610. */
  hasStorage(address: Hex): boolean
  putAccount(address: Hex, account: AccountFields | undefined): void
  addBalance(address: Hex, amountWei: bigint): void
  code(address: Hex): Uint8Array
  putCode(address: Hex, code: Uint8Array, codeHash: Hex): void
  storage(address: Hex, slot: Hex): Uint8Array
  /** The value at the beginning of the transaction, which gas and refunds are counted against. */
  originalStorage(address: Hex, slot: Hex): Uint8Array
  putStorage(address: Hex, slot: Hex, value: Uint8Array): void
  clearStorage(address: Hex): void
  /** Makes everything so far permanent, and the values of now the original ones. */
  beginTransaction(): void
  /** Undoes everything since the transaction began. */
  rollbackTransaction(): void
  checkpoint(): void
  commit(): void
  revert(): void
  changes(): PendingChange[]
  /** Codes that this journal brought, by hash. */
  newCodes(): ReadonlyMap<Hex, Uint8Array>
}

type Slots = { isCleared: boolean; readonly values: Map<Hex, Uint8Array> }
type Undo = () => void

const NO_BYTES = new Uint8Array()
const NO_ACCOUNT: AccountFields = { nonce: 0n, balance: 0n, codeHash: EMPTY_CODE_HASH }

/** Reads one version of the world state. */
export function createStateReader(
  trie: StateTrie,
  state: WorldState,
  code: (codeHash: Hex) => Uint8Array,
): StateReader {
  return {
    account: (address) => trie.account(state, address),
    storage: (address, slot) => trie.storage(trie.account(state, address), slot),
    code,
  }
}

/** Puts an empty journal on a state. */
export function createJournaledState(base: StateReader): JournaledState {
  const accounts = new Map<Hex, AccountFields | undefined>()
  const slots = new Map<Hex, Slots>()
  const codes = new Map<Hex, Uint8Array>()
  let originals = new Map<Hex, Map<Hex, Uint8Array>>()
  let undo: Undo[] = []
  let checkpoints: number[] = []

  const account: JournaledState['account'] = (address) => {
    const known = accounts.get(address)
    if (known !== undefined || accounts.has(address)) return known
    return base.account(address)
  }
  const putAccount: JournaledState['putAccount'] = (address, next) => {
    const previous = accounts.get(address)
    const wasKnown = previous !== undefined || accounts.has(address)
    accounts.set(address, next)
    undo.push(() => {
      if (wasKnown) accounts.set(address, previous)
      else accounts.delete(address)
    })
  }
  const slotsOf = (address: Hex): Slots => {
    const known = slots.get(address)
    if (known !== undefined) return known
    const created: Slots = { isCleared: false, values: new Map() }
    slots.set(address, created)
    return created
  }
  const storage: JournaledState['storage'] = (address, slot) => {
    const changed = slots.get(address)
    const value = changed?.values.get(slot)
    if (value !== undefined) return value
    return changed?.isCleared === true ? NO_BYTES : base.storage(address, slot)
  }
  const undoTo = (length: number): void => {
    while (undo.length > length) undo.pop()!()
  }
  const clearStorage: JournaledState['clearStorage'] = (address) => {
    const previous = slots.get(address)
    // nothing below and nothing above: the common case of a new contract
    if (previous === undefined && base.account(address)?.storage === undefined) return
    slots.set(address, { isCleared: true, values: new Map() })
    undo.push(() => {
      if (previous === undefined) slots.delete(address)
      else slots.set(address, previous)
    })
  }

  return {
    account,
    hasStorage: (address) =>
      base.account(address)?.storage !== undefined && slots.get(address)?.isCleared !== true,
    putAccount,
    addBalance(address, amountWei) {
      if (amountWei === 0n) return
      const current = account(address) ?? NO_ACCOUNT
      putAccount(address, { ...current, balance: current.balance + amountWei })
    },
    code(address) {
      const codeHash = account(address)?.codeHash
      if (codeHash === undefined || codeHash === EMPTY_CODE_HASH) return NO_BYTES
      return codes.get(codeHash) ?? base.code(codeHash)
    },
    putCode(address, code, codeHash) {
      // a code that a revert makes unreachable may stay in the map: it is content-addressed
      if (code.length > 0) codes.set(codeHash, code)
      putAccount(address, { ...(account(address) ?? NO_ACCOUNT), codeHash })
    },
    storage,
    originalStorage: (address, slot) => originals.get(address)?.get(slot) ?? storage(address, slot),
    putStorage(address, slot, value) {
      let before = originals.get(address)
      if (before === undefined) {
        before = new Map()
        originals.set(address, before)
      }
      if (!before.has(slot)) before.set(slot, storage(address, slot))
      const { values } = slotsOf(address)
      const previous = values.get(slot)
      values.set(slot, value)
      undo.push(() => {
        if (previous === undefined) values.delete(slot)
        else values.set(slot, previous)
      })
    },
    clearStorage,
    beginTransaction() {
      originals = new Map()
      undo = []
      checkpoints = []
    },
    rollbackTransaction() {
      undoTo(0)
      checkpoints = []
    },
    checkpoint() {
      checkpoints.push(undo.length)
    },
    commit() {
      checkpoints.pop()
    },
    revert() {
      undoTo(checkpoints.pop() ?? 0)
    },
    changes() {
      const touched = new Set([...accounts.keys(), ...slots.keys()])
      const changes: PendingChange[] = []
      for (const address of touched) {
        const below = base.account(address)
        const after = account(address)
        const own = slots.get(address)
        const isStorageCleared = own?.isCleared === true || after === undefined
        const changedSlots = new Map<Hex, Uint8Array>()
        for (const [slot, value] of own?.values ?? []) {
          if (isStorageCleared || !sameBytes(value, base.storage(address, slot)))
            changedSlots.set(slot, value)
        }
        const isSame =
          below?.nonce === after?.nonce &&
          below?.balance === after?.balance &&
          below?.codeHash === after?.codeHash
        if (isSame && changedSlots.size === 0 && !(isStorageCleared && below?.storage !== undefined)) continue
        changes.push({
          address,
          after:
            after === undefined
              ? undefined
              : { nonce: after.nonce, balance: after.balance, codeHash: after.codeHash },
          isStorageCleared,
          slots: changedSlots,
        })
      }
      return changes
    },
    newCodes: () => codes,
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
