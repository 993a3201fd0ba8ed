/** How matrices are stored; norms stay float32, and so does a matrix whose rows are no multiple of 32 in 4 or 8 bits. */
export type GgufType = 'F32' | 'F16' | 'Q8_0' | 'Q4_0'

/** A value of the metadata. */
export type Value =
  | { readonly type: 'u32' | 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'text'; readonly value: string }
  | { readonly type: 'texts'; readonly value: readonly string[] }
  | { readonly type: 'i32s'; readonly value: readonly number[] }

/** A matrix or vector of the file. */
export type GgufTensor = {
  readonly name: string
  /** Row-major, slowest axis first, as everywhere here; the file lists them the other way round. */
  readonly shape: readonly number[]
  readonly data: Float32Array
  readonly type: GgufType
}

const VERSION = 3
const ALIGNMENT = 32
const BLOCK = 32
const tensorCodes: Record<GgufType, number> = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 8 }
/** `general.file_type`: what most matrices are. */
export const fileCodes: Record<GgufType, number> = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 7 }
const valueCodes = { u32: 4, i32: 5, f32: 6, bool: 7, text: 8, list: 9 } as const

/**
 * Encodes metadata and tensors as a GGUF file.
 * @see ggml, docs/gguf.md, version 3; block formats of ggml-quants.c.
 */
export function encode(
  metadata: readonly (readonly [string, Value])[],
  given: readonly GgufTensor[],
): Uint8Array<ArrayBuffer> {
  const tensors = given.map((tensor) => {
    const isBlocked = tensor.type === 'Q8_0' || tensor.type === 'Q4_0'
    const type = isBlocked && tensor.shape.at(-1)! % BLOCK !== 0 ? 'F32' : tensor.type
    return { ...tensor, type, sizeBytes: sizeOf(type, tensor.data.length) }
  })
  const head = createWriter()
  head.bytes(new TextEncoder().encode('GGUF'))
  head.u32(VERSION)
  head.u64(tensors.length)
  head.u64(metadata.length)
  for (const [key, value] of metadata) {
    head.text(key)
    writeValue(head, value)
  }
  let offset = 0
  for (const { name, shape, type, sizeBytes } of tensors) {
    head.text(name)
    head.u32(shape.length)
    for (const length of [...shape].reverse()) head.u64(length)
    head.u32(tensorCodes[type])
    head.u64(offset)
    offset += aligned(sizeBytes)
  }
  const start = aligned(head.length())
  const file = new Uint8Array(start + offset)
  file.set(head.finish())
  let at = start
  for (const { type, data, sizeBytes } of tensors) {
    file.set(store(type, data), at)
    at += aligned(sizeBytes)
  }
  return file
}

const aligned = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT

function sizeOf(type: GgufType, count: number): number {
  switch (type) {
    case 'F32':
      return 4 * count
    case 'F16':
      return 2 * count
    case 'Q8_0':
      return (count / BLOCK) * (2 + BLOCK)
    case 'Q4_0':
      return (count / BLOCK) * (2 + BLOCK / 2)
    default:
      return type satisfies never
  }
}

function store(type: GgufType, data: Float32Array): Uint8Array {
  switch (type) {
    case 'F32':
      return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    case 'F16':
      return new Uint8Array(Float16Array.from(data).buffer)
    case 'Q8_0':
      return toEightBits(data)
    case 'Q4_0':
      return toFourBits(data)
    default:
      return type satisfies never
  }
}

/** Blocks of 32: a float16 scale (largest magnitude / 127), then signed bytes. */
function toEightBits(data: Float32Array): Uint8Array {
  const blocks = data.length / BLOCK
  const stored = new Uint8Array(sizeOf('Q8_0', data.length))
  const view = new DataView(stored.buffer)
  for (let block = 0; block < blocks; block++) {
    let largest = 0
    for (let i = 0; i < BLOCK; i++) largest = Math.max(largest, Math.abs(data[block * BLOCK + i]!))
    const scale = largest / 127
    const at = block * (2 + BLOCK)
    view.setFloat16(at, scale, true)
    for (let i = 0; i < BLOCK; i++) {
      view.setInt8(at + 2 + i, scale === 0 ? 0 : Math.round(data[block * BLOCK + i]! / scale))
    }
  }
  return stored
}

/**
 * Blocks of 32: a float16 scale (the value of largest magnitude / -8), then 4 bits each plus 8; byte i holds elements
 * i and i + 16.
 */
function toFourBits(data: Float32Array): Uint8Array {
  const half = BLOCK / 2
  const blocks = data.length / BLOCK
  const stored = new Uint8Array(sizeOf('Q4_0', data.length))
  const view = new DataView(stored.buffer)
  for (let block = 0; block < blocks; block++) {
    let extreme = 0
    for (let i = 0; i < BLOCK; i++) {
      const value = data[block * BLOCK + i]!
      if (Math.abs(value) > Math.abs(extreme)) extreme = value
    }
    const scale = extreme / -8
    const at = block * (2 + half)
    view.setFloat16(at, scale, true)
    const code = (i: number): number =>
      scale === 0 ? 8 : Math.max(0, Math.min(15, Math.floor(data[block * BLOCK + i]! / scale + 8.5)))
    for (let i = 0; i < half; i++) stored[at + 2 + i] = code(i) | (code(i + half) << 4)
  }
  return stored
}

function createWriter() {
  let buffer = new Uint8Array(1 << 16)
  let at = 0
  const room = (count: number): DataView => {
    if (at + count > buffer.length) {
      const larger = new Uint8Array(2 * (at + count))
      larger.set(buffer)
      buffer = larger
    }
    return new DataView(buffer.buffer)
  }
  const write = {
    bytes(bytes: Uint8Array): void {
      room(bytes.length)
      buffer.set(bytes, at)
      at += bytes.length
    },
    u8(value: number): void {
      room(1).setUint8(at, value)
      at += 1
    },
    u32(value: number): void {
      room(4).setUint32(at, value, true)
      at += 4
    },
    i32(value: number): void {
      room(4).setInt32(at, value, true)
      at += 4
    },
    f32(value: number): void {
      room(4).setFloat32(at, value, true)
      at += 4
    },
    u64(value: number): void {
      room(8).setBigUint64(at, BigInt(value), true)
      at += 8
    },
    text(value: string): void {
      const bytes = new TextEncoder().encode(value)
      write.u64(bytes.length)
      write.bytes(bytes)
    },
    length: () => at,
    finish: () => buffer.subarray(0, at),
  }
  return write
}

function writeValue(writer: ReturnType<typeof createWriter>, value: Value): void {
  switch (value.type) {
    case 'u32':
      writer.u32(valueCodes.u32)
      writer.u32(value.value)
      return
    case 'f32':
      writer.u32(valueCodes.f32)
      writer.f32(value.value)
      return
    case 'bool':
      writer.u32(valueCodes.bool)
      writer.u8(value.value ? 1 : 0)
      return
    case 'text':
      writer.u32(valueCodes.text)
      writer.text(value.value)
      return
    case 'texts':
      writer.u32(valueCodes.list)
      writer.u32(valueCodes.text)
      writer.u64(value.value.length)
      for (const text of value.value) writer.text(text)
      return
    case 'i32s':
      writer.u32(valueCodes.list)
      writer.u32(valueCodes.i32)
      writer.u64(value.value.length)
      for (const number of value.value) writer.i32(number)
      return
    default:
      value satisfies never
  }
}
