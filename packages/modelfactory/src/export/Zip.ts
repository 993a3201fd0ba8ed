import { crc32 } from 'node:zlib'
import { BaseError, Bytes } from '@openledger/primitives'

/** Sizes and offsets are 32 bits; what is larger would need another form. */
const BYTES_MAX = 2 ** 32 - 1
const LOCAL_HEADER = 0x04034b50
const CENTRAL_HEADER = 0x02014b50
const END = 0x06054b50
/** The least version that reads it, and a flag that names are UTF-8. */
const VERSION = 20
const UTF8_NAMES = 0x0800
/** 1 January 1980, the earliest that the format knows: equal files give equal archives. */
const DATE = 0x0021

/**
 * Packs files into a zip archive without compressing them: weights hardly shrink.
 * @param files - Bytes by path, with `/` between folders.
 * @throws {ZipSizeError}
 * @see PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
 */
export function zip(files: ReadonlyMap<string, Uint8Array>): Uint8Array<ArrayBuffer> {
  const local: Uint8Array[] = []
  const central: Uint8Array[] = []
  let offset = 0
  let directoryBytes = 0
  for (const [path, bytes] of files) {
    const name = Bytes.fromUtf8(path)
    if (offset + bytes.length > BYTES_MAX) throw new ZipSizeError(offset + bytes.length)
    const checksum = crc32(bytes)
    // version, flags, no compression, time, date, checksum, size twice, length of the name, no extra field
    const common = [
      [VERSION, 2],
      [UTF8_NAMES, 2],
      [0, 2],
      [0, 2],
      [DATE, 2],
      [checksum, 4],
      [bytes.length, 4],
      [bytes.length, 4],
      [name.length, 2],
      [0, 2],
    ] as const
    const header = fields([[LOCAL_HEADER, 4], ...common])
    local.push(header, name, bytes)
    // no comment, one disk, binary, nothing known of permissions, where its header is
    const rest = [
      [0, 2],
      [0, 2],
      [0, 2],
      [0, 4],
      [offset, 4],
    ] as const
    const entry = fields([[CENTRAL_HEADER, 4], [VERSION, 2], ...common, ...rest])
    central.push(entry, name)
    directoryBytes += entry.length + name.length
    offset += header.length + name.length + bytes.length
  }
  if (offset + directoryBytes > BYTES_MAX) throw new ZipSizeError(offset + directoryBytes)
  const end = fields([
    [END, 4],
    [0, 2],
    [0, 2],
    [files.size, 2],
    [files.size, 2],
    [directoryBytes, 4],
    [offset, 4],
    [0, 2],
  ])
  const archive = new Uint8Array(offset + directoryBytes + end.length)
  let at = 0
  for (const part of [...local, ...central, end]) {
    archive.set(part, at)
    at += part.length
  }
  return archive
}

/** Writes whole numbers of 2 or 4 bytes, little-endian. */
function fields(values: readonly (readonly [value: number, bytes: 2 | 4])[]): Uint8Array {
  const written = new Uint8Array(values.reduce((sum, [, bytes]) => sum + bytes, 0))
  const view = new DataView(written.buffer)
  let at = 0
  for (const [value, bytes] of values) {
    if (bytes === 2) view.setUint16(at, value, true)
    else view.setUint32(at, value, true)
    at += bytes
  }
  return written
}

export class ZipSizeError extends BaseError {
  constructor(sizeBytes: number) {
    super({
      code: 'export.zip_size',
      message: `Expected files of less than 4 GB in all, which one archive holds, got ${(sizeBytes / 1e9).toFixed(1)} GB. Use openledger export-model, which writes a folder.`,
      context: { sizeBytes },
    })
  }
}
