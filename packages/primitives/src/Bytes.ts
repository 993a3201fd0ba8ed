import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { BaseError } from './BaseError.ts'

/** A `0x`-prefixed lower-case hexadecimal string of whole bytes. */
export type Hex = `0x${string}`

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder('utf-8', { fatal: true })

/** Encodes text as UTF-8. */
export const fromUtf8 = (text: string): Uint8Array => utf8Encoder.encode(text)

/**
 * Decodes UTF-8 and refuses anything else.
 * @throws {TypeError} when the bytes are not well-formed UTF-8.
 */
export const toUtf8 = (bytes: Uint8Array): string => utf8Decoder.decode(bytes)

/** Formats bytes as `0x` hexadecimal. */
export function toHex(bytes: Uint8Array): Hex {
  let hex = '0x'
  for (let i = 0; i < bytes.length; i++) hex += PAIRS[bytes[i]!]
  return hex as Hex
}

/** Looking pairs up is six times as fast as formatting them. */
const PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/**
 * Parses `0x` hexadecimal of whole bytes.
 * @throws {InvalidHexError}
 */
export function fromHex(hex: string): Uint8Array {
  if (!/^0x([0-9a-fA-F]{2})*$/.test(hex)) throw new InvalidHexError(hex)
  const bytes = new Uint8Array((hex.length - 2) / 2)
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = (digitOf(hex.charCodeAt(2 + 2 * i)) << 4) | digitOf(hex.charCodeAt(3 + 2 * i))
  }
  return bytes
}

/** The value of an ASCII hexadecimal digit: the low four bits, and nine more for a letter. */
const digitOf = (code: number): number => (code & 15) + 9 * (code >> 6)

/** Joins byte strings in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/**
 * Encodes an unsigned integer big-endian in exactly `sizeBytes` bytes.
 * @throws {RangeError} when the value does not fit.
 */
export function fromUint(value: bigint, sizeBytes: number): Uint8Array {
  if (value < 0n || value >> BigInt(8 * sizeBytes) !== 0n) {
    throw new RangeError(`Expected an unsigned integer of ${sizeBytes} bytes, got ${value}.`)
  }
  const bytes = new Uint8Array(sizeBytes)
  for (let i = sizeBytes - 1, rest = value; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn)
  return bytes
}

/** Reads a big-endian unsigned integer. */
export function toUint(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}

/** Compares two byte strings for equality (not in constant time: for public values only). */
export function equals(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** Orders byte strings lexicographically. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}

/** Keccak-256, the hash of the chain. Returns 32 bytes. */
export const keccak256 = (bytes: Uint8Array): Uint8Array => keccak_256(bytes)

/** SHA-256, the hash of content identifiers. Returns 32 bytes. */
export const sha256 = (bytes: Uint8Array): Uint8Array => nobleSha256(bytes)

export class InvalidHexError extends BaseError {
  constructor(value: string) {
    super({
      code: 'bytes.invalid_hex',
      message: `Expected 0x followed by an even number of hexadecimal digits, got ${JSON.stringify(value.slice(0, 40))}.`,
      context: { value: value.slice(0, 40) },
    })
  }
}
