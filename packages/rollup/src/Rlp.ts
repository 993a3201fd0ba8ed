import { type Input, type NestedUint8Array, RLP } from '@ethereumjs/rlp'
import { BaseError } from '@openledger/primitives'

/** An item to encode: bytes as they are, bigints and numbers as minimal big-endian, lists nested. */
export type RlpInput = Input
/** A decoded item: bytes, or a list of items. */
export type RlpItem = Uint8Array | NestedUint8Array

const UINT64_MAX = (1n << 64n) - 1n

/** Encodes an item. */
export const encode = (item: RlpInput): Uint8Array => RLP.encode(item)

/**
 * Decodes exactly one item.
 * @throws {MalformedRlpError} on bytes that are not canonical RLP, or that go on after the item.
 */
export function decode(bytes: Uint8Array): RlpItem {
  try {
    return RLP.decode(bytes) as RlpItem
  } catch (cause) {
    throw new MalformedRlpError(cause instanceof Error ? cause.message : 'not RLP', cause)
  }
}

/**
 * Decodes the first item of a stream.
 * @returns the item and what follows it.
 * @throws {MalformedRlpError}
 */
export function decodeFirst(bytes: Uint8Array): { item: RlpItem; rest: Uint8Array } {
  // cut first: the library would copy the whole rest of the stream for every item
  const size = sizeOf(bytes)
  if (size > bytes.length)
    throw new MalformedRlpError(`an item of ${size} bytes needs them, there are ${bytes.length}`)
  return { item: decode(bytes.subarray(0, size)), rest: bytes.subarray(size) }
}

/** The size of the first item with its prefix. */
function sizeOf(bytes: Uint8Array): number {
  const first = bytes[0]
  if (first === undefined) throw new MalformedRlpError('there is no item')
  if (first < 0x80) return 1
  const isList = first >= 0xc0
  const short = first - (isList ? 0xc0 : 0x80)
  if (short <= 55) return 1 + short
  let size = 0
  for (let i = 1; i <= short - 55; i++) size = size * 256 + (bytes[i] ?? 0)
  return 1 + (short - 55) + size
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
  const digits = bytes(item, name)
  if (digits.length > 32) throw new MalformedRlpError(`${name} must fit 256 bits`)
  if (digits[0] === 0) throw new MalformedRlpError(`${name} must have no leading zero`)
  if (digits.length <= 6) {
    let small = 0
    for (const byte of digits) small = small * 256 + byte
    return BigInt(small)
  }
  let value = 0n
  for (const byte of digits) value = (value << 8n) | BigInt(byte)
  return value
}

/** Expects an unsigned integer of at most 64 bits. @throws {MalformedRlpError} */
export function uint64(item: RlpItem | undefined, name: string): bigint {
  const value = uint(item, name)
  if (value > UINT64_MAX) throw new MalformedRlpError(`${name} must fit 64 bits`)
  return value
}

export class MalformedRlpError extends BaseError {
  constructor(problem: string, cause?: unknown) {
    super({
      code: 'rlp.malformed',
      message: `Expected canonical RLP of the stated shape: ${problem}.`,
      context: { problem },
      cause,
    })
  }
}
