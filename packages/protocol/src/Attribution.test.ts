import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mergedTokens, pinFeeWei } from './Attribution.ts'

test('a merged model is paid for its weight’s part of the tokens, rounded up, and no more than all', () => {
  const cases: readonly (readonly [tokens: number, weightPpm: number, paid: number])[] = [
    [10, 1_000_000, 10],
    [10, 300_000, 3],
    [10, -300_000, 3],
    [10, 300_001, 4],
    [10, 4_000_000, 10],
    [10, 1, 1],
    [0, 500_000, 0],
  ]
  for (const [tokens, weightPpm, paid] of cases) expect(mergedTokens(tokens, weightPpm)).toBe(paid)
})

test('parts of weights that sum to one sum to all tokens, and at most one more for each model', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(fc.nat({ max: 100_000 }), weights, (tokens, given) => {
      const rest = 1_000_000 - given.reduce((sum, one) => sum + one, 0)
      fc.pre(rest > 0)
      const paid = [...given, rest].reduce((sum, weight) => sum + mergedTokens(tokens, weight), 0)
      expect(paid).toBeGreaterThanOrEqual(tokens)
      expect(paid).toBeLessThanOrEqual(tokens + given.length)
    }),
  )
})

test('memory costs its size times its time, rounded up to the wei', () => {
  const MIB = 2 ** 20
  expect(pinFeeWei({ sizeBytes: MIB, seconds: 3_600, priceWei: '10' })).toBe(10n)
  expect(pinFeeWei({ sizeBytes: MIB / 2, seconds: 7_200, priceWei: '10' })).toBe(10n)
  expect(pinFeeWei({ sizeBytes: 1, seconds: 1, priceWei: '1' })).toBe(1n)
  expect(pinFeeWei({ sizeBytes: 5_210_112, seconds: 86_400, priceWei: '1000000000000000' })).toBe(
    119_250_000_000_000_000n,
  )
})
