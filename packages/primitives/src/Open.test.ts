import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Open from './Open.ts'

describe('amounts of OPEN', () => {
  test('round-trip between wei and text', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: Open.SUPPLY_WEI }),
        (wei) => Open.parse(Open.format(wei)) === wei,
      ),
    )
  })

  test('are written without trailing zeros', () => {
    expect([0n, 1n, 15n * 10n ** 17n, -Open.ONE].map(Open.format)).toEqual([
      '0',
      '0.000000000000000001',
      '1.5',
      '-1',
    ])
  })

  test('are refused in any other form', () => {
    for (const bad of ['', '-1', '1e3', '1,5', '0x1', '0.1234567890123456789']) {
      expect(() => Open.parse(bad)).toThrow(Open.InvalidAmountError)
    }
  })
})
