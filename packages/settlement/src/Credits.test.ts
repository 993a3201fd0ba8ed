import { Bytes, type Hex, MerkleSum } from '@openledger/primitives'
import fc from 'fast-check'
import { encodePacked } from 'viem'
import { describe, expect, test } from 'vitest'
import * as Credits from './Credits.ts'

const account = (n: number): Hex => `0x${n.toString(16).padStart(40, '0')}`
const payments = fc.array(
  fc.record({ account: fc.integer({ min: 1, max: 12 }).map(account), amountWei: fc.bigInt(0n, 10n ** 22n) }),
  { maxLength: 60 },
)
const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n)

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
  test("gives the bytes of Solidity's encodePacked", () => {
    const packed = Credits.pack([
      { account: account(1), amountWei: 5n },
      { account: account(2), amountWei: 2n ** 96n - 1n },
    ])
    expect(packed).toBe(
      encodePacked(
        ['address', 'uint96', 'address', 'uint96'],
        [account(1), 5n, account(2), 2n ** 96n - 1n],
      ).toLowerCase(),
    )
  })

  test('refuses what does not fit 96 bits', () => {
    expect(() => Credits.pack([{ account: account(1), amountWei: 2n ** 96n }])).toThrow(
      Credits.CreditAmountError,
    )
  })

  test('is undone by unpack', () => {
    fc.assert(
      fc.property(payments, (list) => {
        const credits = Credits.merge(list)
        expect(Credits.unpack(Credits.pack(credits))).toEqual(credits)
      }),
    )
  })

  test('unpack refuses half a credit', () => {
    expect(() => Credits.unpack('0x00')).toThrow(Credits.CreditBytesError)
  })
})

describe('apply', () => {
  test('makes the same ledger whether payments are settled in one batch or in many', () => {
    fc.assert(
      fc.property(payments, fc.integer({ min: 1, max: 7 }), (list, batchSize) => {
        let lines: Credits.Line[] = []
        for (let at = 0; at < list.length; at += batchSize) {
          lines = Credits.apply(lines, Credits.merge(list.slice(at, at + batchSize)))
        }
        expect(lines).toEqual(Credits.apply([], Credits.merge(list)))
      }),
    )
  })

  test('never alters the lines it is given', () => {
    const lines = [{ account: account(1), cumulativeWei: 1n }]
    Credits.apply(lines, [{ account: account(1), amountWei: 2n }])
    expect(lines).toEqual([{ account: account(1), cumulativeWei: 1n }])
  })
})

describe('tree', () => {
  test('carries the sum of all lines and proves each of them', () => {
    fc.assert(
      fc.property(payments, (list) => {
        const lines = Credits.apply([], Credits.merge(list))
        const tree = Credits.tree(lines)
        expect(tree.root.sum).toBe(sum(list.map((p) => p.amountWei)))
        for (const [index, line] of lines.entries()) {
          const leaf = MerkleSum.leaf(Bytes.fromHex(line.account), line.cumulativeWei)
          expect(MerkleSum.verify(tree.root, leaf, index, MerkleSum.prove(tree, index))).toBe(true)
        }
      }),
      { numRuns: 30 },
    )
  })
})
