import { expect, test } from 'vitest'
import { addressOf } from './addressOf.ts'

const hash = `0x${'Ab'.repeat(32)}`

test.each([
  ['12', '/explorer/blocks/12'],
  [' 1,234 ', '/explorer/blocks/1234'],
  [hash, `/explorer/transactions/${hash.toLowerCase()}`],
  ['', undefined],
  ['latest', undefined],
  ['0x12', undefined],
  ['-1', undefined],
])('%s leads to %s', (value, address) => {
  expect(addressOf(value)).toBe(address)
})
