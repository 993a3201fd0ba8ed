import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Share from './Share.ts'

const weights = fc
  .array(fc.bigInt({ min: 0n, max: 10n ** 12n }), { minLength: 1, maxLength: 50 })
  .filter((list) => list.some((weight) => weight > 0n))

describe('split', () => {
  test('gives parts that sum to the whole, each within one of its exact proportion', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), weights, (amount, list) => {
        const parts = Share.split(amount, list)
        const total = list.reduce((sum, weight) => sum + weight, 0n)
        expect(parts.reduce((sum, part) => sum + part, 0n)).toBe(amount)
        return parts.every((part, i) => {
          const floor = (amount * list[i]!) / total
          return part === floor || part === floor + 1n
        })
      }),
    )
  })

  test('never pays a weight of zero', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 18n }), weights, (amount, list) =>
        Share.split(amount, list).every((part, i) => list[i] !== 0n || part === 0n),
      ),
    )
  })

  test('refuses to split over nothing', () => {
    expect(() => Share.split(1n, [])).toThrow(RangeError)
    expect(() => Share.split(1n, [0n])).toThrow(RangeError)
  })
})
