import { expect, test } from 'vitest'
import { mostWei } from './price.ts'

const prices = { inputPriceWei: '10', outputPriceWei: '1000' }

test('the most an answer can cost counts a token for each byte of the prompt, its beginning, and the limit', () => {
  expect(mostWei('', 0, prices)).toBe(10n)
  expect(mostWei('abc', 2, prices)).toBe(2_040n)
  expect(mostWei('€', 0, prices)).toBe(40n)
})
