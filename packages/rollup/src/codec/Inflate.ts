/**
 * Decompresses zlib data (RFC 1950) as a rollup node must: it gives what can be read before a fault or before the
 * bound, where a library would give an error. Every node has to see the same batches in a damaged channel.
 *
 * @param sizeBytesMax - The output is cut off there.
 */
export function inflate(data: Uint8Array, sizeBytesMax: number): Uint8Array {
  const output = createOutput(sizeBytesMax)
  const header = ((data[0] ?? 0) << 8) | (data[1] ?? 0)
  // deflate with a window of at most 32 KiB, a sound header, and no preset dictionary
  const isSound = ((header >> 8) & 15) === 8 && header >> 12 <= 7 && header % 31 === 0 && (header & 32) === 0
  if (!isSound || data.length < 2) return output.bytes()
  const input = createBits(data.subarray(2))
  try {
    while (!output.isFull()) {
      const isFinal = input.take(1) === 1
      const kind = input.take(2)
      if (kind === 0) copyStored(input, output)
      else if (kind === 1) inflateBlock(input, output, FIXED_LITERALS, FIXED_DISTANCES)
      else if (kind === 2) inflateBlock(input, output, ...readTables(input))
      else break
      if (isFinal) break
    }
  } catch (error) {
    if (error !== END) throw error
  }
  return output.bytes()
}

/** Thrown at the end of the input, at the first fault, and when the output is full. */
const END = Symbol('end of the readable data')

type Bits = { take(count: number): number; symbol(table: Table): number; aligned(count: number): Uint8Array }
type Output = {
  push(byte: number): void
  repeat(distance: number, length: number): void
  append(bytes: Uint8Array): void
  isFull(): boolean
  bytes(): Uint8Array
}
/** A canonical Huffman code: how many codes each length has, and the symbols in code order. */
type Table = { readonly counts: Uint16Array; readonly symbols: Uint16Array }

const CODE_BITS_MAX = 15
const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
  227, 258,
]
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
  6145, 8193, 12289, 16385, 24577,
]
const DISTANCE_EXTRA = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
]
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

const FIXED_LITERALS = createTable(
  Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)),
)
const FIXED_DISTANCES = createTable(new Array<number>(30).fill(5))

function createTable(lengths: readonly number[]): Table {
  const counts = new Uint16Array(CODE_BITS_MAX + 1)
  for (const length of lengths) counts[length]!++
  const offsets = new Uint16Array(CODE_BITS_MAX + 2)
  for (let bits = 1; bits <= CODE_BITS_MAX; bits++) offsets[bits + 1] = offsets[bits]! + counts[bits]!
  const symbols = new Uint16Array(lengths.length)
  for (const [symbol, length] of lengths.entries()) if (length > 0) symbols[offsets[length]!++] = symbol
  counts[0] = 0
  return { counts, symbols }
}

/** Tells whether the lengths leave no more room than a code needs: an oversubscribed one is a fault. */
function isOversubscribed({ counts }: Table): boolean {
  let room = 1
  for (let bits = 1; bits <= CODE_BITS_MAX; bits++) {
    room = room * 2 - counts[bits]!
    if (room < 0) return true
  }
  return false
}

function createBits(data: Uint8Array): Bits {
  let at = 0
  let held = 0
  let heldCount = 0
  const take = (count: number): number => {
    while (heldCount < count) {
      if (at >= data.length) throw END
      held |= data[at++]! << heldCount
      heldCount += 8
    }
    const value = held & ((1 << count) - 1)
    held >>>= count
    heldCount -= count
    return value
  }
  return {
    take,
    symbol({ counts, symbols }) {
      let code = 0
      let first = 0
      let index = 0
      for (let bits = 1; bits <= CODE_BITS_MAX; bits++) {
        code |= take(1)
        const count = counts[bits]!
        if (code - count < first) return symbols[index + (code - first)]!
        index += count
        first = (first + count) << 1
        code <<= 1
      }
      throw END
    },
    aligned(count) {
      // bytes that were read ahead go back
      at -= heldCount >> 3
      held = 0
      heldCount = 0
      const bytes = data.subarray(at, at + count)
      at += bytes.length
      return bytes
    },
  }
}

function createOutput(sizeBytesMax: number): Output {
  let buffer = new Uint8Array(Math.min(sizeBytesMax, 65_536))
  let size = 0
  const reserve = (count: number): void => {
    if (size + count <= buffer.length) return
    const next = new Uint8Array(Math.min(sizeBytesMax, Math.max(buffer.length * 2, size + count)))
    next.set(buffer)
    buffer = next
  }
  return {
    push(byte) {
      if (size >= sizeBytesMax) throw END
      reserve(1)
      buffer[size++] = byte
    },
    repeat(distance, length) {
      if (distance > size) throw END
      const fits = Math.min(length, sizeBytesMax - size)
      reserve(fits)
      for (let i = 0; i < fits; i++, size++) buffer[size] = buffer[size - distance]!
      if (fits < length) throw END
    },
    append(bytes) {
      const fits = Math.min(bytes.length, sizeBytesMax - size)
      reserve(fits)
      buffer.set(bytes.subarray(0, fits), size)
      size += fits
      if (fits < bytes.length) throw END
    },
    isFull: () => size >= sizeBytesMax,
    bytes: () => buffer.slice(0, size),
  }
}

function copyStored(input: Bits, output: Output): void {
  const header = input.aligned(4)
  if (header.length < 4) throw END
  const length = header[0]! | (header[1]! << 8)
  if ((length ^ 0xffff) !== (header[2]! | (header[3]! << 8))) throw END
  const bytes = input.aligned(length)
  output.append(bytes)
  if (bytes.length < length) throw END
}

function readTables(input: Bits): [Table, Table] {
  const literalCount = input.take(5) + 257
  const distanceCount = input.take(5) + 1
  const codeCount = input.take(4) + 4
  if (literalCount > 286 || distanceCount > 30) throw END
  const codeLengths = new Array<number>(19).fill(0)
  for (let i = 0; i < codeCount; i++) codeLengths[CODE_LENGTH_ORDER[i]!] = input.take(3)
  const codes = createTable(codeLengths)
  if (isOversubscribed(codes)) throw END
  const lengths: number[] = []
  while (lengths.length < literalCount + distanceCount) {
    const symbol = input.symbol(codes)
    if (symbol < 16) lengths.push(symbol)
    else {
      const previous = lengths.at(-1)
      if (symbol === 16 && previous === undefined) throw END
      const times = symbol === 16 ? 3 + input.take(2) : symbol === 17 ? 3 + input.take(3) : 11 + input.take(7)
      for (let i = 0; i < times; i++) lengths.push(symbol === 16 ? previous! : 0)
    }
  }
  // a code without an end-of-block symbol, or one that runs over its tables, is a fault
  if (lengths.length > literalCount + distanceCount || lengths[256] === 0) throw END
  const literals = createTable(lengths.slice(0, literalCount))
  const distances = createTable(lengths.slice(literalCount))
  if (isOversubscribed(literals) || isOversubscribed(distances)) throw END
  return [literals, distances]
}

function inflateBlock(input: Bits, output: Output, literals: Table, distances: Table): void {
  for (;;) {
    const symbol = input.symbol(literals)
    if (symbol < 256) output.push(symbol)
    else if (symbol === 256) return
    else {
      const lengthBase = LENGTH_BASE[symbol - 257]
      if (lengthBase === undefined) throw END
      const length = lengthBase + input.take(LENGTH_EXTRA[symbol - 257]!)
      const distanceSymbol = input.symbol(distances)
      const distanceBase = DISTANCE_BASE[distanceSymbol]
      if (distanceBase === undefined) throw END
      output.repeat(distanceBase + input.take(DISTANCE_EXTRA[distanceSymbol]!), length)
    }
  }
}
