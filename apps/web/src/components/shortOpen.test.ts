import { describe, expect, test } from 'vitest'
import { shortOpen } from './shortOpen.ts'

describe('shortOpen', () => {
  test.each([
    ['0', '0'],
    ['1', '1'],
    ['821030', '821,030'],
    ['1234.5', '1,234.50'],
    ['20.000000000000000001', '20.00'],
    ['0.1', '0.1'],
    ['0.0123456789', '0.01234'],
    ['0.00000000123456', '0.000000001234'],
    ['0.000000000000000001', '< 0.00000001'],
  ])('%s OPEN reads %s', (exact, short) => {
    expect(shortOpen(exact)).toBe(short)
  })

  test('never shows more than there is', () => {
    expect(shortOpen('0.99999999')).toBe('0.9999')
    expect(shortOpen('1.999')).toBe('1.99')
  })
})
