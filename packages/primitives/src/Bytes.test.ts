import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Bytes from './Bytes.ts'

describe('hex', () => {
  test('round-trips any bytes', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => Bytes.equals(Bytes.fromHex(Bytes.toHex(bytes)), bytes)))
  })

  test('refuses what is not whole bytes and says what it got', () => {
    for (const bad of ['', '0x1', 'ff', '0xzz'])
      expect(() => Bytes.fromHex(bad)).toThrow(Bytes.InvalidHexError)
    expect(() => Bytes.fromHex('0x1')).toThrowErrorMatchingInlineSnapshot(
      `[InvalidHexError: Expected 0x followed by an even number of hexadecimal digits, got "0x1".]`,
    )
  })
})

describe('unsigned integers', () => {
  test('round-trip in 32 bytes', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
        (n) => Bytes.toUint(Bytes.fromUint(n, 32)) === n,
      ),
    )
  })

  test('refuse what does not fit', () => {
    expect(() => Bytes.fromUint(256n, 1)).toThrow(RangeError)
    expect(() => Bytes.fromUint(-1n, 1)).toThrow(RangeError)
  })
})

describe('hashes', () => {
  // published values: FIPS 180-4 example "abc"; Keccak-256 of the empty string as in the Ethereum yellow paper
  test('agree with published values', () => {
    expect(Bytes.toHex(Bytes.sha256(Bytes.fromUtf8('abc')))).toBe(
      '0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
    expect(Bytes.toHex(Bytes.keccak256(new Uint8Array()))).toBe(
      '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470',
    )
  })
})

describe('UTF-8', () => {
  test('refuses bytes that are not text', () => {
    expect(() => Bytes.toUtf8(new Uint8Array([0xff, 0xfe]))).toThrow(TypeError)
  })
})
