import { decompress } from './Snappy.ts'

/**
 * Reads a RocksDB table of the block-based format, version 6: where kona's fixtures have entries that were flushed out
 * of the log.
 * @see RocksDB, table/format.h and table/block_based/block.cc.
 */

const MAGIC = 0x88e241b785f4cff7n
const FORMAT_VERSION = 6
const FOOTER_BYTES = 53
/** After each block: one byte of compression, four of checksum. */
const TRAILER_BYTES = 5
/** After each key: sequence number and kind. */
const SUFFIX_BYTES = 8
const VALUE_KIND = 1
const SNAPPY = 1

/**
 * @returns the entries by lower-case hexadecimal key.
 * @throws {Error} on another version or compression.
 */
export function readRocksTable(file: Uint8Array): Map<string, Uint8Array> {
  const view = Buffer.from(file.buffer, file.byteOffset, file.length)
  const footerAt = view.length - FOOTER_BYTES
  const version = view.readUInt32LE(view.length - 12)
  if (view.readBigUInt64LE(view.length - 8) !== MAGIC || version !== FORMAT_VERSION) {
    throw new Error(`expected a block-based table of version ${FORMAT_VERSION}, got version ${version}`)
  }
  // checksum kind, extended magic, two checksums, and then the size of the block right before the footer
  const metaBytes = view.readUInt32LE(footerAt + 13)
  const meta = blockAt(view, { offset: footerAt - TRAILER_BYTES - metaBytes, sizeBytes: metaBytes })
  const handles = new Map(entriesOf(meta).map(({ key, value }) => [key.toString('latin1'), handleOf(value)]))
  const index = handles.get('rocksdb.index')
  if (index === undefined) throw new Error(`expected rocksdb.index among ${[...handles.keys()].join(', ')}`)
  const entries = new Map<string, Uint8Array>()
  for (const handle of indexOf(blockAt(view, index))) {
    for (const { key, value } of entriesOf(blockAt(view, handle))) {
      if (key[key.length - SUFFIX_BYTES] !== VALUE_KIND) continue
      entries.set(key.subarray(0, -SUFFIX_BYTES).toString('hex'), Uint8Array.from(value))
    }
  }
  return entries
}

type Handle = { readonly offset: number; readonly sizeBytes: number }

function blockAt(view: Buffer, { offset, sizeBytes }: Handle): Buffer {
  const compression = view[offset + sizeBytes]
  const stored = view.subarray(offset, offset + sizeBytes)
  if (compression !== 0 && compression !== SNAPPY) {
    throw new Error(`expected a block that is plain or Snappy, got compression ${compression}`)
  }
  const block = compression === SNAPPY ? decompress(stored) : stored
  // at the end stand the places where keys are whole, and their number
  const restarts = block.readUInt32LE(block.length - 4) & 0x7fffffff
  return block.subarray(0, block.length - 4 - 4 * restarts)
}

/** Reads keys, each of which shares its beginning with the one before, and values. */
function entriesOf(block: Buffer): { key: Buffer; value: Buffer }[] {
  const read = createReader(block)
  const entries: { key: Buffer; value: Buffer }[] = []
  let key: Buffer = Buffer.alloc(0)
  while (!read.isDone()) {
    const [shared, own, size] = [read.varint(), read.varint(), read.varint()]
    key = Buffer.concat([key.subarray(0, shared), read.bytes(own)])
    entries.push({ key, value: read.bytes(size) })
  }
  return entries
}

/** Reads an index: keys as in other blocks, and handles without their lengths. */
function indexOf(block: Buffer): Handle[] {
  const read = createReader(block)
  const handles: Handle[] = []
  while (!read.isDone()) {
    const [shared, own] = [read.varint(), read.varint()]
    if (shared !== 0) throw new Error('expected whole keys in the index, got one that shares its beginning')
    read.bytes(own)
    handles.push({ offset: read.varint(), sizeBytes: read.varint() })
  }
  return handles
}

function handleOf(value: Buffer): Handle {
  const read = createReader(value)
  return { offset: read.varint(), sizeBytes: read.varint() }
}

function createReader(bytes: Buffer) {
  let at = 0
  return {
    isDone: () => at >= bytes.length,
    varint(): number {
      let value = 0
      for (let weight = 1; ; weight *= 128) {
        const byte = bytes[at++]
        if (byte === undefined) throw new Error('expected a whole number, got the end of the block')
        value += (byte & 127) * weight
        if (byte < 128) return value
      }
    },
    bytes(length: number): Buffer {
      at += length
      return bytes.subarray(at - length, at)
    },
  }
}
