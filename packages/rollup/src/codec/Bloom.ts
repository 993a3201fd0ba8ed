import { type Crypto, plainCrypto } from '../Crypto.ts'

/** Creates an empty bloom filter of 256 bytes. */
export const create = (): Uint8Array => new Uint8Array(256)

/** Adds an address or a topic, changing `bloom`. */
export function add(bloom: Uint8Array, value: Uint8Array, crypto: Crypto = plainCrypto): void {
  const digest = crypto.keccak256(value)
  for (let i = 0; i < 6; i += 2) {
    const bit = ((digest[i]! << 8) | digest[i + 1]!) & 2047
    bloom[255 - (bit >> 3)]! |= 1 << (bit & 7)
  }
}

/** Tells whether a value may have been added; false is certain. */
export function mayContain(bloom: Uint8Array, value: Uint8Array, crypto: Crypto = plainCrypto): boolean {
  const digest = crypto.keccak256(value)
  for (let i = 0; i < 6; i += 2) {
    const bit = ((digest[i]! << 8) | digest[i + 1]!) & 2047
    if ((bloom[255 - (bit >> 3)]! & (1 << (bit & 7))) === 0) return false
  }
  return true
}

/** Merges `other` into `bloom`. */
export function merge(bloom: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < 256; i++) bloom[i]! |= other[i]!
}
