/**
 * Decompresses one raw Snappy block.
 * @throws {Error} when the data ends early or does not give the length that it announces.
 * @see https://github.com/google/snappy/blob/main/format_description.txt
 */
export function decompress(data: Buffer): Buffer {
  let at = 0
  let length = 0
  for (let weight = 1; ; weight *= 128) {
    const byte = data.readUInt8(at++)
    length += (byte & 127) * weight
    if (byte < 128) break
  }
  const output = Buffer.alloc(length)
  let end = 0
  const copy = (distance: number, count: number): void => {
    if (distance === 0 || distance > end)
      throw new Error(`expected a copy from ${end} bytes, got ${distance}`)
    // byte by byte: the copied part may reach into what it writes
    for (let i = 0; i < count; i++, end++) output[end] = output[end - distance]!
  }
  while (at < data.length) {
    const tag = data[at++]!
    const kind = tag & 3
    if (kind === 0) {
      let size = (tag >> 2) + 1
      const digits = size - 60
      if (digits > 0) {
        size = data.readUIntLE(at, digits) + 1
        at += digits
      }
      data.copy(output, end, at, at + size)
      at += size
      end += size
    } else if (kind === 1) {
      copy(((tag >> 5) << 8) | data.readUInt8(at), ((tag >> 2) & 7) + 4)
      at += 1
    } else {
      const digits = kind === 2 ? 2 : 4
      copy(data.readUIntLE(at, digits), (tag >> 2) + 1)
      at += digits
    }
  }
  if (end !== length) throw new Error(`expected ${length} bytes, got ${end}`)
  return output
}
