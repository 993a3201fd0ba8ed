/** Reads the write-ahead log of a RocksDB whose entries were never compacted: the store that kona's fixtures use. */

const LOG_BLOCK_BYTES = 32_768
const VALUE_TAG = 1

/** @returns the entries by lower-case hexadecimal key. */
export function readRocksLog(log: Uint8Array): Map<string, Uint8Array> {
  const entries = new Map<string, Uint8Array>()
  let batch: Buffer[] = []
  const view = Buffer.from(log.buffer, log.byteOffset, log.length)
  for (let at = 0; at + 7 <= view.length; ) {
    const left = LOG_BLOCK_BYTES - (at % LOG_BLOCK_BYTES)
    if (left < 7) {
      at += left
      continue
    }
    const length = view.readUInt16LE(at + 4)
    const type = view[at + 6]!
    if (type === 0) break
    // the recyclable kinds carry the log's number after the header
    const headerBytes = type > 4 ? 11 : 7
    batch.push(view.subarray(at + headerBytes, at + headerBytes + length))
    at += headerBytes + length
    const kind = type > 4 ? type - 4 : type
    if (kind === 1 || kind === 4) {
      readBatch(Buffer.concat(batch), entries)
      batch = []
    }
  }
  return entries
}

function readBatch(batch: Buffer, entries: Map<string, Uint8Array>): void {
  let at = 12
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = batch[at++]!
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
  }
  const bytes = (): Buffer => {
    const length = varint()
    at += length
    return batch.subarray(at - length, at)
  }
  while (at < batch.length) {
    if (batch[at++] !== VALUE_TAG) return
    const key = bytes().toString('hex')
    entries.set(key, Uint8Array.from(bytes()))
  }
}
