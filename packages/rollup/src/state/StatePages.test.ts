import { bytesToHex } from '@ethereumjs/util'
import type { Hex } from '@openledger/primitives'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { plainCrypto as crypto } from '../Crypto.ts'
import { CorruptPageError, createStatePages, type PageChanges } from './StatePages.ts'
import { createStateTrie, EMPTY_CODE_HASH, type PendingChange, type WorldState } from './WorldState.ts'

const trie = createStateTrie(crypto)
const addressOf = (id: number): Hex => `0x${id.toString(16).padStart(40, '0')}`
const slotOf = (id: number): Hex => `0x${id.toString(16).padStart(64, '0')}`
const CODE_HASH: Hex = `0x${'c0de'.repeat(16)}`

/** A store in memory of which every block's rows can be had again, as after a restart. */
function createStore(loadedBytesMax: number) {
  const rows = new Map<string, Uint8Array>()
  let number = 0
  const states: WorldState[] = [undefined]
  const roots: Hex[] = [trie.root(undefined)]
  const write = (changes: PageChanges): void => {
    for (const { key, page } of changes.rows) {
      if (page === undefined) rows.delete(bytesToHex(key))
      else rows.set(bytesToHex(key), page)
    }
  }
  const pages = createStatePages({
    crypto,
    loadedBytesMax,
    reader: {
      number: () => number,
      read: (key) => rows.get(bytesToHex(key)),
      // the oracle keeps every state whole
      past: (asked) => states[asked],
    },
  })
  return { rows, pages, states, roots, write, number: () => number, advance: () => ++number }
}

const change = fc.record({
  id: fc.integer({ min: 0, max: 400 }),
  kind: fc.constantFrom('balance', 'balance', 'balance', 'code', 'slots', 'slots', 'remove', 'clear'),
  value: fc.bigInt(0n, 2n ** 70n),
  slots: fc.array(fc.tuple(fc.integer({ min: 0, max: 120 }), fc.uint8Array({ maxLength: 32 })), {
    maxLength: 40,
  }),
})
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never

const pendingOf = ({ id, kind, value, slots }: Change): PendingChange => ({
  address: addressOf(id),
  after:
    kind === 'remove'
      ? undefined
      : { nonce: BigInt(id), balance: value, codeHash: kind === 'code' ? CODE_HASH : EMPTY_CODE_HASH },
  isStorageCleared: kind === 'clear' || kind === 'remove',
  slots: new Map(
    kind === 'slots'
      ? slots.map(([slot, bytes]) => [slotOf(slot), bytes[0] === 0 ? new Uint8Array() : bytes])
      : [],
  ),
})
/** One change an account, as a block has it. */
const blockOf = (changes: readonly Change[]): PendingChange[] => [
  ...new Map(changes.map((item) => [item.id, pendingOf(item)])).values(),
]
const block = fc.array(change, { maxLength: 120 })

test('a state of which little is in memory has the roots, values and proofs of one that is whole', () => {
  fc.assert(
    fc.property(
      fc.array(block, { minLength: 1, maxLength: 6 }),
      fc.constantFrom(0, 3_000, 1e9),
      (blocks, max) => {
        const store = createStore(max)
        let paged: WorldState
        let whole: WorldState
        const held: WorldState[] = [undefined]
        for (const changes of blocks.map(blockOf)) {
          whole = trie.apply(whole, changes).state
          const applied = trie.apply(paged, changes)
          expect(trie.root(applied.state)).toBe(trie.root(whole))
          const next = store.pages.changes(applied.state, BigInt(store.number() + 1))
          store.write(next)
          store.states[store.advance()] = whole
          store.roots.push(trie.root(whole))
          paged = next.settle()
          expect(trie.root(paged)).toBe(trie.root(whole))
          held.push(paged)
        }
        // every state that someone held, and the newest from its root alone
        store.pages.clear()
        held.push(store.pages.open(trie.root(whole), BigInt(store.number())))
        store.states.push(whole)
        for (const [i, state] of held.entries()) {
          for (let id = 0; id <= 400; id += 7) {
            const account = trie.account(state, addressOf(id))
            const expected = trie.account(store.states[i], addressOf(id))
            expect(account?.balance).toBe(expected?.balance)
            expect(account?.codeHash).toBe(expected?.codeHash)
            expect(trie.storageRoot(account)).toBe(trie.storageRoot(expected))
            expect(trie.accountProof(state, addressOf(id))).toEqual(
              trie.accountProof(store.states[i], addressOf(id)),
            )
            for (const slot of [0, 60, 119]) {
              expect(trie.storage(account, slotOf(slot))).toEqual(trie.storage(expected, slotOf(slot)))
              expect(trie.storageProof(account, slotOf(slot))).toEqual(
                trie.storageProof(expected, slotOf(slot)),
              )
            }
          }
        }
      },
    ),
    { numRuns: 40 },
  )
})

test('rows depend on the state alone, not on the way to it', () => {
  fc.assert(
    fc.property(block, block, (first, second) => {
      const direct = createStore(0)
      const detour = createStore(0)
      const to = (store: typeof direct, from: WorldState, changes: PendingChange[]) => {
        const applied = trie.apply(from, changes)
        const next = store.pages.changes(applied.state, BigInt(store.number() + 1))
        store.write(next)
        store.states[store.advance()] = applied.state
        return { state: next.settle(), undo: applied.changes }
      }
      const start = to(direct, undefined, blockOf(first))
      const there = to(detour, undefined, blockOf(first))
      // by the rules since Cancun no account loses slots that it had before its block
      const kept = second.filter(({ kind }) => kind !== 'clear' && kind !== 'remove')
      const away = to(detour, there.state, blockOf(kept))
      const back = to(
        detour,
        away.state,
        away.undo.map(({ address, before, slots }) => ({
          address,
          after:
            before === undefined
              ? undefined
              : { nonce: before.nonce, balance: before.balance, codeHash: before.codeHash },
          isStorageCleared: false,
          slots: new Map([...slots].map(([slot, value]) => [slot, value.before])),
        })),
      )
      expect(trie.root(back.state)).toBe(trie.root(start.state))
      for (const [key, page] of direct.rows) expect(detour.rows.get(key), key).toEqual(page)
    }),
    { numRuns: 200 },
  )
})

test('changes that were not written are listed again', () => {
  const store = createStore(1e9)
  const changes = Array.from({ length: 100 }, (_, id) =>
    pendingOf({ id, kind: 'balance', value: 7n, slots: [] }),
  )
  const { state } = trie.apply(undefined, changes)
  const refused = store.pages.changes(state, 1n)
  expect(store.pages.changes(state, 1n).rows).toEqual(refused.rows)
})

test('a row that is damaged is refused', () => {
  const store = createStore(0)
  const changes = Array.from({ length: 300 }, (_, id) =>
    pendingOf({ id, kind: 'balance', value: 1n + BigInt(id), slots: [] }),
  )
  const { state } = trie.apply(undefined, changes)
  const next = store.pages.changes(state, 1n)
  store.write(next)
  store.advance()
  const root = trie.root(next.settle())
  for (const row of store.rows.values()) row[row.length - 1]! ^= 1
  expect(() => trie.account(store.pages.open(root, 1n), addressOf(3))).toThrow(CorruptPageError)
})
