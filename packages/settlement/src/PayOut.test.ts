import { Bytes, type Hex, MerkleSum, Share } from '@openledger/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { payOut } from './PayOut.ts'

const hex = (n: number, size: number): Hex => `0x${n.toString(16).padStart(size * 2, '0')}`
const wei = fc.bigInt(0n, 10n ** 24n)

describe('payOut', () => {
  test('pays every wei of the contributors part and of the joined part, whatever the shares', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 1_000 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 1_000 }),
        wei,
        wei,
        (scores, commonsScore, contributorsWei, joinedWei) => {
          const ppm = Share.split(Share.SCALE, [...scores, commonsScore].map(BigInt)).map(Number)
          const beneficiaries = scores.map((_, i) => hex(i + 1, 20))
          const { attribution, payouts, sharesRoot } = payOut(
            {
              engineVersion: 'test',
              policy: { influenceBps: 5_000, spansBps: 5_000 },
              liftMilliNats: 0,
              shares: scores.map((_, i) => ({ contributionId: hex(i, 32), sharePpm: ppm[i]!, reasons: [] })),
              commons: { sharePpm: ppm.at(-1)!, beneficiary: hex(99, 20), reason: '' },
            },
            contributorsWei,
            joinedWei,
            beneficiaries,
          )
          const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n)
          expect(sum(payouts.map((row) => row.amountWei))).toBe(contributorsWei + joinedWei)
          const shown = [...attribution.shares, attribution.commons].map((part) => BigInt(part.amountWei))
          expect(sum(shown)).toBe(contributorsWei + joinedWei)
          expect(new Set(payouts.map((row) => row.position)).size).toBe(payouts.length)
          // nobody is paid more than a wei away from the exact share
          for (const { sharePpm, amountWei } of attribution.shares) {
            const exact = contributorsWei * BigInt(sharePpm)
            const got = BigInt(amountWei) * Share.SCALE
            expect(got > exact - Share.SCALE && got < exact + Share.SCALE).toBe(true)
          }
          const earned = new Map<string, bigint>()
          for (const { beneficiary, amountWei } of payouts) {
            earned.set(beneficiary, (earned.get(beneficiary) ?? 0n) + amountWei)
          }
          const tree = MerkleSum.build(
            [...earned]
              .sort(([a], [b]) => (BigInt(a) < BigInt(b) ? -1 : 1))
              .map(([account, amountWei]) => MerkleSum.leaf(Bytes.fromHex(account), amountWei)),
          )
          expect(sharesRoot).toBe(Bytes.toHex(tree.root.hash))
          expect(tree.root.sum).toBe(contributorsWei + joinedWei)
        },
      ),
    )
  })
})
