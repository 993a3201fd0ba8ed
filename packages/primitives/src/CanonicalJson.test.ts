import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as CanonicalJson from './CanonicalJson.ts'

describe('stringify', () => {
  test('sorts keys by code unit and drops undefined, as RFC 8785 orders them', () => {
    // the key order of the example in RFC 8785, section 3.2.3
    const value = {
      '\u20ac': 1,
      '\r': 2,
      '\ufb33': 3,
      '1': 4,
      '\ud83d\ude00': 5,
      '\u0080': 6,
      '\u00f6': 7,
      gone: undefined,
    }
    expect(Object.keys(JSON.parse(CanonicalJson.stringify(value)))).toEqual([
      '1',
      '\r',
      '\u0080',
      'ö',
      '€',
      '\ud83d\ude00',
      '\ufb33',
    ])
  })

  test('gives equal bytes for equal values whatever the order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const reversed = Object.fromEntries(Object.entries(object).reverse())
        const text = CanonicalJson.stringify(object as CanonicalJson.Json)
        return text === CanonicalJson.stringify(reversed as CanonicalJson.Json)
      }),
    )
  })

  test('refuses numbers that JSON cannot carry', () => {
    expect(() => CanonicalJson.stringify({ a: Number.NaN })).toThrow(TypeError)
  })
})
