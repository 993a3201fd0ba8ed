import type { Hex } from '@openledger/primitives'
import type { Frame, World } from './Frame.ts'
import { OUT_OF_GAS, STATIC_STATE_CHANGE } from './Halt.ts'
import { isEmpty } from './Substate.ts'
import { addressOf, bytesOf, slotOf, wordOf } from './Words.ts'

/** Prices of reaching accounts and slots. @see EIP-2200, EIP-2929, EIP-3529, EIP-6780, EIP-7702. */
const COLD_ACCOUNT_GAS = 2600
const COLD_SLOT_GAS = 2100
const WARM_GAS = 100
const SLOT_SET_GAS = 20_000
const SLOT_RESET_GAS = 2900
const SLOT_CLEAR_REFUND = 4800
/** An SSTORE needs more than what a plain transfer hands to a contract. */
export const STIPEND_GAS = 2300
export const NEW_ACCOUNT_GAS = 25_000
const DELEGATION_LENGTH = 23

/** Marks an account as reached. @returns what that costs. */
export function reach({ substate }: World, address: Hex): number {
  if (substate.isWarm(address)) return WARM_GAS
  substate.warm(address)
  return COLD_ACCOUNT_GAS
}

/** The account whose code an account runs instead of its own. @see EIP-7702. */
export function delegateOf({ state }: World, address: Hex): Hex | undefined {
  const code = state.code(address)
  if (code.length !== DELEGATION_LENGTH || code[0] !== 0xef || code[1] !== 0x01 || code[2] !== 0x00)
    return undefined
  return addressOf(wordOf(code.subarray(3)))
}

/** Tells whether paying an account makes it. @see EIP-161. */
export const isDead = ({ state }: World, address: Hex): boolean => {
  const account = state.account(address)
  return account === undefined || isEmpty(account)
}

/** SLOAD. @returns the slot's value and what reading it costs. */
export function load(world: World, address: Hex, key: bigint): { value: bigint; gas: number } {
  const slot = slotOf(key)
  const gas = world.substate.warmSlot(address, slot) ? COLD_SLOT_GAS : WARM_GAS
  return { value: wordOf(world.state.storage(address, slot)), gas }
}

/** SSTORE. @returns the gas that is left. @throws {ExceptionalHalt} */
export function store(world: World, frame: Frame, gas: number, key: bigint, next: bigint): number {
  if (frame.isStatic) throw STATIC_STATE_CHANGE
  if (gas <= STIPEND_GAS) throw OUT_OF_GAS
  const { state, substate } = world
  const { address } = frame
  const slot = slotOf(key)
  let cost = substate.warmSlot(address, slot) ? COLD_SLOT_GAS : 0
  const current = wordOf(state.storage(address, slot))
  const original = wordOf(state.originalStorage(address, slot))
  if (current === next || current !== original) cost += WARM_GAS
  else cost += original === 0n ? SLOT_SET_GAS : SLOT_RESET_GAS
  if (gas < cost) throw OUT_OF_GAS
  if (current === next) return gas - cost

  if (original !== 0n) {
    if (current !== 0n && next === 0n) substate.refund(SLOT_CLEAR_REFUND)
    else if (current === 0n) substate.refund(-SLOT_CLEAR_REFUND)
  }
  // back to where it was: what the first change cost beyond a warm one is returned
  if (next === original && current !== original)
    substate.refund((original === 0n ? SLOT_SET_GAS : SLOT_RESET_GAS) - WARM_GAS)
  state.putStorage(address, slot, bytesOf(next))
  return gas - cost
}

/** SELFDESTRUCT. @returns the gas that is left. @throws {ExceptionalHalt} */
export function destroy(world: World, frame: Frame, gas: number, heir: Hex): number {
  if (frame.isStatic) throw STATIC_STATE_CHANGE
  const { state, substate } = world
  const { address } = frame
  const balance = state.account(address)?.balance ?? 0n
  let left = gas
  if (!substate.isWarm(heir)) left -= COLD_ACCOUNT_GAS
  if (balance > 0n && isDead(world, heir)) left -= NEW_ACCOUNT_GAS
  if (left < 0) throw OUT_OF_GAS
  substate.warm(heir)
  substate.touch(heir)
  const isGoing = substate.wasCreated(address)
  if (heir !== address) {
    state.addBalance(address, -balance)
    state.addBalance(heir, balance)
  } else if (isGoing) state.addBalance(address, -balance)
  if (isGoing) substate.destroy(address)
  return left
}
