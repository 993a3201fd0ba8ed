import { Bytes, type Hex, MerkleSum } from '@openledger/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Credits from './Credits.ts'
import { bookOf, emptyBook } from './Ledger.ts'

const account = (n: number): Hex => `0x${n.toString(16).padStart(40, '0')}`
const payments = fc.array(
  fc.record({ account: fc.integer({ min: 1, max: 60 }).map(account), amountWei: fc.bigInt(0n, 10n ** 22n) }),
  { maxLength: 60 },
)
const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n)

/** Settles payments in a batch, as the settler does. */
function settle(book: Credits.Lines, batch: readonly Credits.Credit[]): Credits.Placed[] {
  const placed = Credits.place(Credits.merge(batch), (of) => book.indexOf.get(of), book.lines.length)
  Credits.apply(book, placed)
  return placed
}

describe('merge', () => {
  test('keeps every wei and names each account once, first payment first', () => {
    fc.assert(
      fc.property(payments, (list) => {
        const credits = Credits.merge(list)
        expect(sum(credits.map((c) => c.amountWei))).toBe(sum(list.map((p) => p.amountWei)))
        const order = [...new Set(list.filter((p) => p.amountWei > 0n).map((p) => p.account))]
        expect(credits.map((c) => c.account)).toEqual(order)
      }),
    )
  })
})

describe('pack', () => {
  test('takes a byte and the amount for a line near the last, five for one far off, 21 for a new account', () => {
    const packed = Credits.pack([
      { account: account(1), amountWei: 0xabcdn, index: 2, isNew: false },
      { account: account(2), amountWei: 5n, index: 16, isNew: false },
      { account: account(3), amountWei: 2n ** 96n - 1n, index: 400, isNew: false },
      { account: account(4), amountWei: 256n, index: 401, isNew: true },
    ])
    expect(packed).toBe(
      ['0x22abcd', 'd105', `ec0000017f${'ff'.repeat(12)}`, `f2${account(4).slice(2)}0100`].join(''),
    )
  })

  test('refuses what does not fit 96 bits', () => {
    const credit = { account: account(1), index: 0, isNew: true }
    expect(() => Credits.pack([{ ...credit, amountWei: 2n ** 96n }])).toThrow(Credits.CreditAmountError)
    expect(() => Credits.pack([{ ...credit, amountWei: 0n }])).toThrow(Credits.CreditAmountError)
  })

  test('is undone by unpack, whatever was credited before', () => {
    fc.assert(
      fc.property(payments, payments, (before, list) => {
        const book = emptyBook()
        settle(book, before)
        const known = book.lines.map((line) => line.account)
        const placed = settle(book, list)
        expect(Credits.unpack(Credits.pack(placed), (index) => known[index], known.length)).toEqual(placed)
      }),
    )
  })

  test('unpack refuses half a credit, one without an amount and one for a line that is not there', () => {
    const refused = ['0x0a01', '0x00', '0x0100', '0x1101']
    for (const packed of refused) {
      expect(() => Credits.unpack(packed as Hex, (index) => [account(1)][index], 1)).toThrow(
        Credits.CreditBytesError,
      )
    }
  })
})

describe('apply', () => {
  test('makes the same earnings whether payments are settled in one batch or in many', () => {
    fc.assert(
      fc.property(payments, fc.integer({ min: 1, max: 7 }), (list, batchSize) => {
        const many = emptyBook()
        for (let at = 0; at < list.length; at += batchSize) settle(many, list.slice(at, at + batchSize))
        const once = emptyBook()
        settle(once, list)
        const byAccount = (book: Credits.Lines) =>
          book.lines.toSorted((a, b) => (a.account < b.account ? -1 : 1))
        expect(byAccount(many)).toEqual(byAccount(once))
      }),
    )
  })

  test('keeps the tree that is built anew over the lines', () => {
    fc.assert(
      fc.property(payments, payments, (first, second) => {
        const book = emptyBook()
        settle(book, first)
        settle(book, second)
        expect(book.tree.root()).toEqual(bookOf(book.lines).tree.root())
        const leaves = book.lines.map(({ account: of, cumulativeWei }) =>
          MerkleSum.leaf(Bytes.fromHex(of), cumulativeWei),
        )
        expect(book.tree.root()).toEqual(MerkleSum.build(leaves).root)
        expect(book.tree.root().sum).toBe(sum([...first, ...second].map((p) => p.amountWei)))
      }),
    )
  })
})
