import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { BaseError } from '@openledger/primitives'

/** An item to encode: bytes as they are, bigints and numbers as minimal big-endian, lists nested. */
export type RlpInput = Uint8Array | bigint | number | readonly RlpInput[]
/** A decoded item: bytes, or a list of items. */
export type RlpItem = Uint8Array | RlpItem[]

const UINT64_MAX = (1n << 64n) - 1n

/**
 * Encodes an item.
 *
 * Measures first and writes once: three times as fast as joining encoded parts, and tries are mostly RLP.
 */
export function encode(item: RlpInput): Uint8Array {
  const plan: Plan = []
  const sizeBytes = measure(item, plan)
  const output = new Uint8Array(sizeBytes)
  let at = 0
  for (const part of plan) {
    if (typeof part === 'number') output[at++] = part
    else {
      output.set(part, at)
      at += part.length
    }
  }
  return output
}

/** What to write, in order: single bytes as numbers, and strings. */
type Plan = (number | Uint8Array)[]

function measure(item: RlpInput, plan: Plan): number {
  if (item instanceof Uint8Array) return measureString(item, plan)
  if (typeof item === 'number' || typeof item === 'bigint') {
    if (item < 0x80) {
      plan.push(item > 0 ? Number(item) : 0x80)
      return 1
    }
    return measureString(uintToBytes(item), plan)
  }
  // the prefix comes first but is known last
  const at = plan.length
  plan.push(0)
  let size = 0
  for (const child of item) size += measure(child, plan)
  if (size <= 55) {
    plan[at] = 0xc0 + size
    return size + 1
  }
  const prefix = longPrefix(0xf7, size)
  plan[at] = prefix
  return size + prefix.length
}

function measureString(bytes: Uint8Array, plan: Plan): number {
  const { length } = bytes
  if (length === 1 && bytes[0]! < 0x80) {
    plan.push(bytes[0]!)
    return 1
  }
  if (length <= 55) {
    plan.push(0x80 + length)
    if (length > 0) plan.push(bytes)
    return length + 1
  }
  const prefix = longPrefix(0xb7, length)
  plan.push(prefix, bytes)
  return length + prefix.length
}

function longPrefix(base: number, length: number): Uint8Array {
  const digits = uintToBytes(length)
  const prefix = new Uint8Array(digits.length + 1)
  prefix[0] = base + digits.length
  prefix.set(digits, 1)
  return prefix
}

function uintToBytes(value: number | bigint): Uint8Array {
  if (value <= Number.MAX_SAFE_INTEGER) return smallToBytes(Number(value))
  const digits = value.toString(16)
  return hexToBytes(`0x${digits.length % 2 === 0 ? '' : '0'}${digits}`)
}

function smallToBytes(value: number): Uint8Array {
  let length = 1
  for (let rest = value; rest >= 256; rest = Math.floor(rest / 256)) length++
  const bytes = new Uint8Array(length)
  for (let i = length - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256
  return bytes
}

/**
 * Decodes exactly one item. Strings are views into `bytes`, not copies.
 * @throws {MalformedRlpError} on bytes that are not canonical RLP, or that go on after the item.
 */
export function decode(bytes: Uint8Array): RlpItem {
  const { item, rest } = decodeFirst(bytes)
  if (rest.length > 0) throw new MalformedRlpError(`${rest.length} bytes follow the item`)
  return item
}

/**
 * Decodes the first item of a stream.
 * @returns the item and what follows it.
 * @throws {MalformedRlpError}
 */
export function decodeFirst(bytes: Uint8Array): { item: RlpItem; rest: Uint8Array } {
  const cursor = { at: 0 }
  const item = read(bytes, cursor, bytes.length, 0)
  return { item, rest: bytes.subarray(cursor.at) }
}

/**
 * Takes the first item of a stream as it stands, of which only the outermost prefix is looked at; it must be a list.
 * @throws {MalformedRlpError}
 */
export function takeList(bytes: Uint8Array): { raw: Uint8Array; rest: Uint8Array } {
  const cursor = { at: 1 }
  const [first] = bytes
  if (first === undefined || first < 0xc0) throw new MalformedRlpError('a list is missing')
  const length = first <= 0xf7 ? first - 0xc0 : readLength(bytes, cursor, bytes.length, first - 0xf7)
  const stop = cursor.at + length
  if (stop > bytes.length) throw new MalformedRlpError(`an item of ${length} bytes is cut off`)
  return { raw: bytes.subarray(0, stop), rest: bytes.subarray(stop) }
}

/** No structure of the chain nests deeper; without a bound a few bytes could overflow the stack. */
const DEPTH_MAX = 32

function read(bytes: Uint8Array, cursor: { at: number }, end: number, depth: number): RlpItem {
  if (cursor.at >= end) throw new MalformedRlpError('an item is missing')
  const first = bytes[cursor.at++]!
  if (first < 0x80) return bytes.subarray(cursor.at - 1, cursor.at)
  const isList = first >= 0xc0
  const short = first - (isList ? 0xc0 : 0x80)
  const length = short <= 55 ? short : readLength(bytes, cursor, end, short - 55)
  const stop = cursor.at + length
  if (stop > end) throw new MalformedRlpError(`an item of ${length} bytes is cut off`)
  if (!isList) {
    const string = bytes.subarray(cursor.at, stop)
    if (length === 1 && string[0]! < 0x80) throw new MalformedRlpError('a single byte has a prefix')
    cursor.at = stop
    return string
  }
  if (depth >= DEPTH_MAX) throw new MalformedRlpError(`lists nest deeper than ${DEPTH_MAX}`)
  const items: RlpItem[] = []
  while (cursor.at < stop) items.push(read(bytes, cursor, stop, depth + 1))
  return items
}

function readLength(bytes: Uint8Array, cursor: { at: number }, end: number, digits: number): number {
  if (cursor.at + digits > end) throw new MalformedRlpError('a length is cut off')
  if (bytes[cursor.at] === 0) throw new MalformedRlpError('a length has a leading zero')
  let length = 0
  for (let i = 0; i < digits; i++) length = length * 256 + bytes[cursor.at++]!
  if (length <= 55) throw new MalformedRlpError('a short length is written long')
  return length
}

/** Expects a list, of exactly `length` items where given. @throws {MalformedRlpError} */
export function list(item: RlpItem | undefined, name: string, length?: number): RlpItem[] {
  if (!Array.isArray(item)) throw new MalformedRlpError(`${name} must be a list`)
  if (length !== undefined && item.length !== length) {
    throw new MalformedRlpError(`${name} must have ${length} items, has ${item.length}`)
  }
  return item
}

/** Expects bytes, exactly `sizeBytes` of them where given. @throws {MalformedRlpError} */
export function bytes(item: RlpItem | undefined, name: string, sizeBytes?: number): Uint8Array {
  if (!(item instanceof Uint8Array)) throw new MalformedRlpError(`${name} must be bytes`)
  if (sizeBytes !== undefined && item.length !== sizeBytes) {
    throw new MalformedRlpError(`${name} must have ${sizeBytes} bytes, has ${item.length}`)
  }
  return item
}

/** Expects a minimal big-endian unsigned integer of at most 256 bits. @throws {MalformedRlpError} */
export function uint(item: RlpItem | undefined, name: string): bigint {
  if (bytes(item, name).length > 32) throw new MalformedRlpError(`${name} must fit 256 bits`)
  return unboundedUint(item, name)
}

/** Expects a minimal big-endian unsigned integer of any size. @throws {MalformedRlpError} */
export function unboundedUint(item: RlpItem | undefined, name: string): bigint {
  const digits = bytes(item, name)
  if (digits[0] === 0) throw new MalformedRlpError(`${name} must have no leading zero`)
  if (digits.length <= 6) {
    let small = 0
    for (const byte of digits) small = small * 256 + byte
    return BigInt(small)
  }
  return BigInt(bytesToHex(digits))
}

/** Expects an unsigned integer of at most 64 bits. @throws {MalformedRlpError} */
export function uint64(item: RlpItem | undefined, name: string): bigint {
  const value = uint(item, name)
  if (value > UINT64_MAX) throw new MalformedRlpError(`${name} must fit 64 bits`)
  return value
}

export class MalformedRlpError extends BaseError {
  constructor(problem: string) {
    super({
      code: 'rlp.malformed',
      message: `Expected canonical RLP of the stated shape: ${problem}.`,
      context: { problem },
    })
  }
}
