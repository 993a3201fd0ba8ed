import type { Hex } from '@openledger/primitives'

/** Words of 256 bits as the stack holds them, and the forms that memory, storage and addresses have. */
export const WORD_MAX = (1n << 256n) - 1n
const WORD_RANGE = 1n << 256n
const ADDRESS_MASK = (1n << 160n) - 1n
const SMALL_BYTES = 6

/** Stands for every number that no memory reaches; sums of two are still exact. */
const BEYOND = 2 ** 40

/** An offset or a size as a number. */
export const numberOf = (word: bigint): number => (word > 0xffff_ffffn ? BEYOND : Number(word))
/** Words of 32 bytes that so many bytes need. */
export const wordsOf = (size: number): number => Math.ceil(size / 32)

export const add = (a: bigint, b: bigint): bigint => {
  const sum = a + b
  return sum > WORD_MAX ? sum - WORD_RANGE : sum
}

export const subtract = (a: bigint, b: bigint): bigint => {
  const difference = a - b
  return difference < 0n ? difference + WORD_RANGE : difference
}

export const unsigned = (value: bigint): bigint => BigInt.asUintN(256, value)
export const signed = (value: bigint): bigint => BigInt.asIntN(256, value)

/** Raises to a power modulo 2^256. */
export function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let [square, left] = [base, exponent]; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = unsigned(result * square)
    square = unsigned(square * square)
  }
  return result
}

/** Bytes without leading zeros: none for 0. */
export const byteLength = (value: bigint): number =>
  value === 0n ? 0 : Math.ceil(value.toString(16).length / 2)

/** Zero bits before the first that is set; 256 for 0. @see EIP-7939. */
export function leadingZeros(value: bigint): bigint {
  if (value === 0n) return 256n
  const digits = value.toString(16)
  return BigInt(256 - 4 * digits.length + Math.clz32(Number.parseInt(digits[0]!, 16)) - 28)
}

/** Reads 32 bytes, big-endian. */
export function readWord(view: DataView, at: number): bigint {
  const high = view.getBigUint64(at)
  const rest = view.getBigUint64(at + 8)
  const low = (view.getBigUint64(at + 16) << 64n) | view.getBigUint64(at + 24)
  return high === 0n && rest === 0n ? low : (high << 192n) | (rest << 128n) | low
}

/** Writes 32 bytes, big-endian. */
export function writeWord(view: DataView, at: number, word: bigint): void {
  // the setter takes the lowest 64 bits
  view.setBigUint64(at + 24, word)
  if (word <= 0xffff_ffff_ffff_ffffn) {
    view.setBigUint64(at + 16, 0n)
    view.setBigUint64(at + 8, 0n)
    view.setBigUint64(at, 0n)
    return
  }
  view.setBigUint64(at + 16, word >> 64n)
  view.setBigUint64(at + 8, word >> 128n)
  view.setBigUint64(at, word >> 192n)
}

/** Reads a number of at most 32 bytes, big-endian. */
export function wordOf(bytes: Uint8Array): bigint {
  if (bytes.length === 32) return readWord(new DataView(bytes.buffer, bytes.byteOffset, 32), 0)
  if (bytes.length <= SMALL_BYTES) {
    let small = 0
    for (const byte of bytes) small = small * 256 + byte
    return BigInt(small)
  }
  let digits = '0x'
  for (const byte of bytes) digits += HEX[byte]
  return BigInt(digits)
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Writes a number as the state keeps a slot's value: no leading zeros. */
export function bytesOf(word: bigint): Uint8Array {
  if (word === 0n) return new Uint8Array()
  const digits = word.toString(16)
  const bytes = new Uint8Array((digits.length + 1) >> 1)
  for (let at = digits.length, i = bytes.length - 1; i >= 0; at -= 2, i--) {
    bytes[i] = Number.parseInt(digits.slice(Math.max(0, at - 2), at), 16)
  }
  return bytes
}

/** The key by which the state knows a slot. */
export const slotOf = (word: bigint): Hex => `0x${word.toString(16).padStart(64, '0')}`

/** The address in a word; what lies above its 20 bytes does not count. */
export const addressOf = (word: bigint): Hex => `0x${(word & ADDRESS_MASK).toString(16).padStart(40, '0')}`
