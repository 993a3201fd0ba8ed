import { OUT_OF_GAS } from './Halt.ts'
import { wordsOf } from './Words.ts'

/** A frame's memory: as large as what was touched, in words of 32 bytes, zero until written. */
export type Memory = {
  bytes: Uint8Array<ArrayBuffer>
  view: DataView
  /** Bytes touched so far, a multiple of 32. */
  size: number
}

const WORD_GAS = 3
const COPY_WORD_GAS = 3
const QUADRATIC_DIVISOR = 512
const CAPACITY_MIN = 1024
/** Up to here memory costs 2^45 gas, which is more than any block has. */
const END_MAX = 2 ** 32

export function createMemory(): Memory {
  const bytes = new Uint8Array(CAPACITY_MIN)
  return { bytes, view: new DataView(bytes.buffer), size: 0 }
}

const costOf = (words: number): number => WORD_GAS * words + Math.floor((words * words) / QUADRATIC_DIVISOR)

/**
 * Pays for a range of memory and makes it readable; an empty range is free wherever it is.
 *
 * @param gas - May have gone below zero by what was charged just before.
 * @returns the gas that is left.
 * @throws OUT_OF_GAS before anything grows.
 */
export function touch(memory: Memory, gas: number, offset: number, size: number): number {
  const end = offset + size
  if (gas < 0) throw OUT_OF_GAS
  if (size === 0 || end <= memory.size) return gas
  if (end > END_MAX) throw OUT_OF_GAS
  const words = wordsOf(end)
  const left = gas - costOf(words) + costOf(memory.size / 32)
  if (left < 0) throw OUT_OF_GAS
  memory.size = words * 32
  if (memory.size > memory.bytes.length) {
    const bytes = new Uint8Array(Math.max(memory.size, 2 * memory.bytes.length))
    bytes.set(memory.bytes)
    memory.bytes = bytes
    memory.view = new DataView(bytes.buffer)
  }
  return left
}

/** Pays for a copy and for where it goes. @returns the gas that is left. */
export function payCopy(memory: Memory, gas: number, offset: number, size: number): number {
  return touch(memory, gas - COPY_WORD_GAS * wordsOf(size), offset, size)
}

/** Copies from `source`, with zeros where it has ended. @returns the gas that is left. */
export function copy(
  memory: Memory,
  gas: number,
  source: Uint8Array,
  offset: number,
  from: number,
  size: number,
): number {
  const left = payCopy(memory, gas, offset, size)
  if (size === 0) return left
  const copied = source.subarray(from, from + size)
  memory.bytes.set(copied, offset)
  memory.bytes.fill(0, offset + copied.length, offset + size)
  return left
}

/** Copies out of memory; the range is paid for. */
export const slice = (memory: Memory, offset: number, size: number): Uint8Array =>
  size === 0 ? new Uint8Array() : memory.bytes.slice(offset, offset + size)
