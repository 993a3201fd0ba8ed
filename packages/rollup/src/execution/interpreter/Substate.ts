import type { Hex } from '@openledger/primitives'
import type { AccountFields, JournaledState } from '../../state/JournaledState.ts'
import { EMPTY_CODE_HASH } from '../../state/WorldState.ts'
import type { MessageResult } from '../Message.ts'

/**
 * What a transaction gathers besides the state, and what a frame that fails gives back.
 * @see the Yellow Paper, section 6.1; EIP-1153, EIP-2929, EIP-6780.
 */
export type Substate = {
  readonly isWarm: (address: Hex) => boolean
  readonly warm: (address: Hex) => void
  /** Marks a slot. @returns whether it was cold. */
  readonly warmSlot: (address: Hex, slot: Hex) => boolean
  readonly transient: (address: Hex, slot: bigint) => bigint
  readonly putTransient: (address: Hex, slot: bigint, value: bigint) => void
  readonly log: (log: MessageResult['logs'][number]) => void
  readonly refund: (gas: number) => void
  readonly create: (address: Hex) => void
  readonly wasCreated: (address: Hex) => boolean
  readonly destroy: (address: Hex) => void
  /** An account that was touched and is empty goes at the end. @see EIP-161. */
  readonly touch: (address: Hex) => void
  /** @returns what {@link revertTo} goes back to. */
  readonly snapshot: () => Snapshot
  readonly revertTo: (snapshot: Snapshot) => void
  readonly logs: () => MessageResult['logs']
  readonly refunded: () => number
  /** Removes what destroyed itself in the transaction that made it, and what is empty. */
  readonly settle: (state: JournaledState) => void
}

export type Snapshot = { readonly undo: number; readonly logs: number; readonly refund: number }

/** Tells whether an account counts as none. @see EIP-161. */
export const isEmpty = ({ nonce, balance, codeHash }: AccountFields): boolean =>
  nonce === 0n && balance === 0n && codeHash === EMPTY_CODE_HASH

/** @param alwaysWarm - Addresses that are warm in every transaction. */
export function createSubstate(alwaysWarm: ReadonlySet<Hex>): Substate {
  const addresses = new Set<Hex>()
  const slots = new Map<Hex, Set<Hex>>()
  const transients = new Map<Hex, Map<bigint, bigint>>()
  const createdAddresses = new Set<Hex>()
  const destroyed = new Set<Hex>()
  const touched = new Set<Hex>()
  const logs: MessageResult['logs'][number][] = []
  const undo: (() => void)[] = []
  let refund = 0

  const put = <T>(set: Set<T>, item: T): boolean => {
    if (set.has(item)) return false
    set.add(item)
    undo.push(() => set.delete(item))
    return true
  }

  return {
    isWarm: (address) => alwaysWarm.has(address) || addresses.has(address),
    warm(address) {
      if (!alwaysWarm.has(address)) put(addresses, address)
    },
    warmSlot(address, slot) {
      let own = slots.get(address)
      if (own === undefined) {
        own = new Set()
        slots.set(address, own)
      }
      return put(own, slot)
    },
    transient: (address, slot) => transients.get(address)?.get(slot) ?? 0n,
    putTransient(address, slot, value) {
      let own = transients.get(address)
      if (own === undefined) {
        own = new Map()
        transients.set(address, own)
      }
      const values = own
      const before = values.get(slot) ?? 0n
      values.set(slot, value)
      undo.push(() => values.set(slot, before))
    },
    log: (log) => void logs.push(log),
    refund(gas) {
      refund += gas
    },
    create: (address) => void put(createdAddresses, address),
    wasCreated: (address) => createdAddresses.has(address),
    destroy: (address) => void put(destroyed, address),
    touch: (address) => void put(touched, address),
    snapshot: () => ({ undo: undo.length, logs: logs.length, refund }),
    revertTo(snapshot) {
      while (undo.length > snapshot.undo) undo.pop()!()
      logs.length = snapshot.logs
      refund = snapshot.refund
    },
    logs: () => logs,
    refunded: () => refund,
    settle(state) {
      const remove = (address: Hex): void => {
        state.putAccount(address, undefined)
        state.clearStorage(address)
      }
      for (const address of destroyed) remove(address)
      for (const address of touched) {
        const account = state.account(address)
        if (account !== undefined && isEmpty(account)) remove(address)
      }
    },
  }
}
