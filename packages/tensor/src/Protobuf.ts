/** A message being written: its encoded pieces in order and their total length. */
export type Message = { readonly parts: Uint8Array[]; sizeBytes: number }

const utf8 = new TextEncoder()

/** Starts an empty message. */
export const message = (): Message => ({ parts: [], sizeBytes: 0 })

/** Writes a base-128 varint field; negative numbers take ten bytes, as the wire format says. */
export function varint(target: Message, field: number, value: number | bigint): void {
  push(target, encodeVarint(field << 3))
  push(target, encodeVarint(value))
}

/** Writes a 32-bit float field. */
export function float(target: Message, field: number, value: number): void {
  push(target, encodeVarint((field << 3) | 5))
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setFloat32(0, value, true)
  push(target, bytes)
}

/** Writes a string field. */
export const text = (target: Message, field: number, value: string): void =>
  bytes(target, field, utf8.encode(value))

/** Writes a bytes field; the bytes are not copied before `finish`. */
export function bytes(target: Message, field: number, value: Uint8Array): void {
  push(target, encodeVarint((field << 3) | 2))
  push(target, encodeVarint(value.length))
  push(target, value)
}

/** Writes a message field. */
export function nested(target: Message, field: number, value: Message): void {
  push(target, encodeVarint((field << 3) | 2))
  push(target, encodeVarint(value.sizeBytes))
  for (const part of value.parts) push(target, part)
}

/** Writes a repeated integer field in packed form. */
export function packedVarints(target: Message, field: number, values: readonly number[]): void {
  const inner = message()
  for (const value of values) push(inner, encodeVarint(value))
  nested(target, field, inner)
}

/** Joins the pieces. */
export function finish(source: Message): Uint8Array {
  const joined = new Uint8Array(source.sizeBytes)
  let offset = 0
  for (const part of source.parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

function push(target: Message, part: Uint8Array): void {
  target.parts.push(part)
  target.sizeBytes += part.length
}

function encodeVarint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value))
  const encoded: number[] = []
  do {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    encoded.push(rest === 0n ? low : low | 0x80)
  } while (rest !== 0n)
  return Uint8Array.from(encoded)
}
