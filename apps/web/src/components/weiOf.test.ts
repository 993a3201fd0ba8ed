import { expect, test } from 'vitest'
import { weiOf } from './weiOf.ts'

test('an amount is read to the last wei, and what is none yet is nothing', () => {
  expect(weiOf('0.25')).toBe(250_000_000_000_000_000n)
  expect(weiOf('0.000000000000000001')).toBe(1n)
  expect(weiOf('0.0000001')).toBe(100_000_000_000n)
  for (const text of ['', ' ', '0.', '1e-7', '-1', '1,5', '0.0000000000000000001'])
    expect(weiOf(text)).toBe(undefined)
})
