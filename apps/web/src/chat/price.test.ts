import { expect, test } from 'vitest'
import { mostWei } from './price.ts'

const prices = { inputPriceWei: '10', outputPriceWei: '1000' }

test('the most an answer can cost counts a token for each byte of the prompt, its beginning, and the limit', () => {
  expect(mostWei('', 0, prices)).toBe(10n)
  expect(mostWei('abc', 2, prices)).toBe(2_040n)
  expect(mostWei('€', 0, prices)).toBe(40n)
})

test('a model that answers together with others costs its weight’s part of the tokens, rounded up, at most all', () => {
  expect(mostWei('abcd', 3, prices, 0.5)).toBe(3n * 10n + 2n * 1_000n)
  expect(mostWei('abcd', 3, prices, -0.5)).toBe(3n * 10n + 2n * 1_000n)
  expect(mostWei('abcd', 3, prices, 3)).toBe(mostWei('abcd', 3, prices))
})
