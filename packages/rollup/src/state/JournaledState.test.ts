import type { Hex } from '@openledger/primitives'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createJournaledState, createStateReader, type JournaledState } from './JournaledState.ts'
import { createStateTrie, EMPTY_CODE_HASH, padSlot, type WorldState } from './WorldState.ts'

const trie = createStateTrie()
const addresses = [1, 2, 3].map((id): Hex => `0x${id.toString(16).padStart(40, '0')}`)
const slots = [1, 2, 3].map((id) => padSlot(id.toString(16)))
const reader = (state: WorldState) => createStateReader(trie, state, () => new Uint8Array())

type Change = {
  readonly kind: 'balance' | 'slot' | 'remove' | 'clear'
  readonly who: number
  readonly slot: number
  readonly value: number
}
type Mark = { readonly kind: 'checkpoint' | 'commit' | 'revert' }
type Step = Change | Mark
const isMark = (step: Step): step is Mark => !('who' in step)

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('balance', 'slot', 'slot', 'remove', 'clear'),
      who: fc.nat(2),
      slot: fc.nat(2),
      value: fc.nat(3),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('checkpoint', 'commit', 'revert') }) },
) as fc.Arbitrary<Step>

type Plain = Map<Hex, { balance: bigint; slots: Map<Hex, number> }>
const copy = (plain: Plain): Plain =>
  new Map([...plain].map(([address, { balance, slots: own }]) => [address, { balance, slots: new Map(own) }]))

/** What a journal must do, by copying everything at every checkpoint. */
function runPlain(start: Plain, steps: readonly Step[]): Plain {
  let now = copy(start)
  const saved: Plain[] = []
  for (const action of steps) {
    if (isMark(action)) {
      if (action.kind === 'checkpoint') saved.push(copy(now))
      else if (action.kind === 'commit') saved.pop()
      else now = saved.pop() ?? now
    } else {
      const address = addresses[action.who]!
      const account = now.get(address) ?? { balance: 0n, slots: new Map<Hex, number>() }
      if (action.kind === 'remove') now.delete(address)
      else if (action.kind === 'clear') account.slots.clear()
      else {
        now.set(address, account)
        if (action.kind === 'balance') account.balance = BigInt(action.value) + 1n
        else account.slots.set(slots[action.slot]!, action.value)
      }
    }
  }
  return now
}

function runJournal(journal: JournaledState, steps: readonly Step[]): void {
  let depth = 0
  for (const action of steps) {
    if (isMark(action)) {
      if (action.kind === 'checkpoint') journal.checkpoint()
      else if (depth > 0) journal[action.kind]()
      depth = Math.max(0, depth + (action.kind === 'checkpoint' ? 1 : -1))
    } else {
      const address = addresses[action.who]!
      const account = journal.account(address) ?? { nonce: 1n, balance: 0n, codeHash: EMPTY_CODE_HASH }
      if (action.kind === 'remove') {
        journal.putAccount(address, undefined)
        journal.clearStorage(address)
      } else if (action.kind === 'clear') journal.clearStorage(address)
      else if (action.kind === 'balance') {
        journal.putAccount(address, { ...account, balance: BigInt(action.value) + 1n })
      } else {
        journal.putAccount(address, account)
        journal.putStorage(
          address,
          slots[action.slot]!,
          action.value === 0 ? new Uint8Array() : Uint8Array.of(action.value),
        )
      }
    }
  }
}

/** The root of a state that was written in one go. */
function rootOf(plain: Plain): Hex {
  const changes = [...plain].map(([address, { balance, slots: own }]) => ({
    address,
    after: { nonce: 1n, balance, codeHash: EMPTY_CODE_HASH },
    isStorageCleared: true,
    slots: new Map(
      [...own].map(([slot, value]) => [slot, value === 0 ? new Uint8Array() : Uint8Array.of(value)]),
    ),
  }))
  return trie.root(trie.apply(undefined, changes).state)
}

test('a journal over blocks ends in the root of the plain state, whatever was undone', () => {
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 30 }), { maxLength: 5 }), (blocks) => {
      let plain: Plain = new Map()
      let state: WorldState
      for (const steps of blocks) {
        const journal = createJournaledState(reader(state))
        journal.beginTransaction()
        runJournal(journal, steps)
        plain = runPlain(plain, steps)
        const before = state
        const applied = trie.apply(state, journal.changes())
        state = applied.state
        expect(trie.root(state)).toBe(rootOf(plain))
        for (const address of addresses) {
          for (const slot of slots) {
            const value = plain.get(address)?.slots.get(slot) ?? 0
            expect([...journal.storage(address, slot)]).toEqual(value === 0 ? [] : [value])
          }
        }
        expect(trie.root(before)).toBe(trie.root(before))
      }
    }),
    { numRuns: 400 },
  )
})

test('what a block changed, taken back, is the state before', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.array(step, { maxLength: 40 }), (first, second) => {
      // a contract that has slots is never removed: only one made in the same transaction can be (EIP-6780)
      const kept = second.filter(({ kind }) => kind !== 'remove' && kind !== 'clear')
      const build = (state: WorldState, steps: readonly Step[]) => {
        const journal = createJournaledState(reader(state))
        journal.beginTransaction()
        runJournal(journal, steps)
        return trie.apply(state, journal.changes())
      }
      const before = build(undefined, first).state
      const { state, changes } = build(before, kept)
      const undo = changes.map(({ address, before: account, slots: changed }) => ({
        address,
        after: account,
        isStorageCleared: false,
        slots: new Map([...changed].map(([slot, value]) => [slot, value.before])),
      }))
      expect(trie.root(trie.apply(state, undo).state)).toBe(trie.root(before))
    }),
    { numRuns: 300 },
  )
})

test('original values are those at the beginning of the transaction', () => {
  const journal = createJournaledState(reader(undefined))
  const [address] = addresses
  const [slot] = slots
  journal.beginTransaction()
  journal.putStorage(address!, slot!, Uint8Array.of(1))
  journal.putStorage(address!, slot!, Uint8Array.of(2))
  expect([...journal.originalStorage(address!, slot!)]).toEqual([])
  journal.beginTransaction()
  expect([...journal.originalStorage(address!, slot!)]).toEqual([2])
  journal.putStorage(address!, slot!, Uint8Array.of(3))
  expect([...journal.originalStorage(address!, slot!)]).toEqual([2])
  journal.rollbackTransaction()
  expect([...journal.storage(address!, slot!)]).toEqual([2])
})
