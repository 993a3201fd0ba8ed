import type { Hex } from '@openledger/primitives'
import { bytesToHex, EMPTY_CODE_HASH, type JournaledState, Predeploys } from '@openledger/rollup'
import { type PlainTracer, quantity, slotValue, type TracedTransaction, type TraceOptions } from './Tracer.ts'

type Prestate = { balance?: Hex; nonce?: number; code?: Hex; codeHash?: Hex; storage?: Record<Hex, Hex> }

/** Reports what the transaction read before it changed it. @see geth, eth/tracers/native/prestate.go. */
export function createPrestateTracer(options: TraceOptions, transaction: TracedTransaction): PlainTracer {
  type Before = {
    readonly balance: bigint
    readonly nonce: bigint
    readonly code: Uint8Array
    /** Absent without code. */
    readonly codeHash: Hex | undefined
    readonly exists: boolean
    readonly slots: Map<Hex, Uint8Array>
  }
  const seen = new Map<Hex, Before>()
  let live: JournaledState | undefined
  /** Where a read is the interpreter's own and not the transaction's. */
  let isOn = false
  let depth = 0

  const touch = (address: Hex): Before => {
    const known = seen.get(address)
    if (known !== undefined) return known
    const account = live!.account(address)
    const before: Before = {
      balance: account?.balance ?? 0n,
      nonce: account?.nonce ?? 0n,
      code: live!.code(address),
      codeHash: codeHashOf(account),
      exists: account !== undefined,
      slots: new Map(),
    }
    if (isOn) seen.set(address, before)
    return before
  }
  const touchSlot = (address: Hex, slot: Hex): void => {
    const { slots } = touch(address)
    if (!slots.has(slot)) slots.set(slot, live!.storage(address, slot))
  }
  const observe = (state: JournaledState): JournaledState => {
    live = state
    return {
      ...state,
      beginTransaction() {
        state.beginTransaction()
        isOn = true
        touch(transaction.from)
        if (transaction.to !== null) touch(transaction.to)
        touch(transaction.feeRecipient)
        // op-geth names this one of the vaults, and no other
        touch(Predeploys.BASE_FEE_VAULT)
      },
      account(address) {
        touch(address)
        return state.account(address)
      },
      putAccount(address, account) {
        touch(address)
        state.putAccount(address, account)
      },
      addBalance(address, amountWei) {
        // fees go to vaults after the execution: only a balance that moves is a touch
        if (amountWei !== 0n) touch(address)
        state.addBalance(address, amountWei)
      },
      putCode(address, code, codeHash) {
        touch(address)
        state.putCode(address, code, codeHash)
      },
      storage(address, slot) {
        touchSlot(address, slot)
        return state.storage(address, slot)
      },
      putStorage(address, slot, value) {
        touchSlot(address, slot)
        state.putStorage(address, slot, value)
      },
    }
  }
  const fieldsOf = (
    { balance, nonce, code, codeHash, slots }: Before,
    isWhole: (slot: Hex, value: Uint8Array) => boolean,
  ): Prestate => {
    const storage = Object.fromEntries(
      [...slots]
        .filter(([slot, value]) => isWhole(slot, value))
        .map(([slot, value]) => [slot, slotValue(value)]),
    )
    return {
      balance: quantity(balance),
      ...(nonce === 0n ? {} : { nonce: Number(nonce) }),
      ...(code.length === 0 || options.disableCode === true ? {} : { code: bytesToHex(code) }),
      ...(codeHash === undefined ? {} : { codeHash }),
      ...(Object.keys(storage).length === 0 || options.disableStorage === true ? {} : { storage }),
    }
  }
  const difference = () => {
    const pre: Record<Hex, Prestate> = {}
    const post: Record<Hex, Prestate> = {}
    for (const [address, before] of seen) {
      const after = live!.account(address)
      const code = live!.code(address)
      const changed: Prestate = {}
      if ((after?.balance ?? 0n) !== before.balance) changed.balance = quantity(after?.balance ?? 0n)
      if ((after?.nonce ?? 0n) !== before.nonce) changed.nonce = Number(after?.nonce ?? 0n)
      if (bytesToHex(code) !== bytesToHex(before.code) && options.disableCode !== true)
        changed.code = bytesToHex(code)
      const codeHash = codeHashOf(after)
      if (codeHash !== before.codeHash) changed.codeHash = codeHash ?? ZERO_HASH
      const moved = new Map<Hex, Uint8Array>()
      for (const [slot, value] of before.slots) {
        const now = live!.storage(address, slot)
        if (slotValue(now) !== slotValue(value)) moved.set(slot, now)
      }
      const storage = [...moved].filter(([, value]) => value.length > 0)
      if (storage.length > 0 && options.disableStorage !== true)
        changed.storage = Object.fromEntries(storage.map(([slot, value]) => [slot, slotValue(value)]))
      if (Object.keys(changed).length === 0 && moved.size === 0) continue
      if (before.exists) {
        pre[address] = fieldsOf(before, (slot, value) => moved.has(slot) && value.length > 0)
      }
      if (after !== undefined && Object.keys(changed).length > 0) post[address] = changed
    }
    return { pre, post }
  }
  return {
    // fees and refunds after the last opcode are the node's own doing
    evm: {
      exit: () => {
        depth--
        if (depth === 0) isOn = false
      },
      enter: ({ codeAddress }) => {
        depth++
        // whose code runs under DELEGATECALL is read as well
        if (isOn && codeAddress !== undefined) touch(codeAddress)
      },
    },
    observe,
    result() {
      if (options.diffMode === true) return difference()
      const whole: Record<Hex, Prestate> = {}
      for (const [address, before] of seen) {
        if (before.exists || options.includeEmpty === true) whole[address] = fieldsOf(before, () => true)
      }
      return whole
    },
  }
}

const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`
const codeHashOf = (account: { readonly codeHash: Hex } | undefined): Hex | undefined =>
  account === undefined || account.codeHash === EMPTY_CODE_HASH ? undefined : account.codeHash
