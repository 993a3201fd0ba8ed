import { BaseError, Bytes } from '@openledger/primitives'

/** Element types that are read; all become float32. */
export type StoredType = 'F32' | 'F16' | 'BF16'

/** A tensor by value. */
export type StoredTensor = { readonly shape: readonly number[]; readonly data: Float32Array }

/** Tensors in file order, with the free-form strings of `__metadata__`. */
export type TensorFile = {
  readonly tensors: ReadonlyMap<string, StoredTensor>
  readonly metadata: Readonly<Record<string, string>>
}

const headerBytesMax = 100 * 1024 * 1024
const typeBytes: Record<StoredType, number> = { F32: 4, F16: 2, BF16: 2 }

/**
 * Encodes tensors in the safetensors format; equal content gives equal bytes (names sorted, sorted header keys).
 * @param type - How elements are stored; `F16` and `BF16` round to nearest even.
 */
export function encode(
  tensors: ReadonlyMap<string, StoredTensor>,
  type: StoredType = 'F32',
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: metadata }
  const names = [...tensors.keys()].sort()
  let offset = 0
  for (const name of names) {
    const { shape, data } = tensors.get(name)!
    const end = offset + data.length * typeBytes[type]
    header[name] = { dtype: type, shape, data_offsets: [offset, end] }
    offset = end
  }
  const text = JSON.stringify(header)
  // the data starts on a multiple of 8, so that readers can map it
  const json = Bytes.fromUtf8(text + ' '.repeat((8 - (Bytes.fromUtf8(text).length % 8)) % 8))
  const file = new Uint8Array(8 + json.length + offset)
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true)
  file.set(json, 8)
  let at = 8 + json.length
  for (const name of names) {
    const stored = narrow(tensors.get(name)!.data, type)
    file.set(stored, at)
    at += stored.length
  }
  return file
}

/**
 * Decodes a safetensors file and checks every length in it.
 * @param isShared - Float32 tensors that lie aligned are views of the file's bytes, for whoever only reads them.
 * @throws {SafetensorsError} when the file is cut short, its header is not what it should be, or offsets overlap.
 */
export function decode(file: Uint8Array, { isShared = false } = {}): TensorFile {
  const { header, start } = readHeader(file)
  const tensors = new Map<string, StoredTensor>()
  let metadata: Record<string, string> = {}
  let expected = 0
  const entries = Object.entries(header)
  for (const [name, entry] of entries.sort(([, a], [, b]) => compareOffsets(a, b))) {
    if (name === '__metadata__') {
      metadata = checkMetadata(entry)
      continue
    }
    const { type, shape, from, to } = checkEntry(name, entry)
    if (from !== expected) throw new SafetensorsError(`${name} starts at ${from}, not at ${expected}`)
    if (start + to > file.length) throw new SafetensorsError(`${name} ends after the file`)
    expected = to
    const bytes = file.subarray(start + from, start + to)
    const isView = isShared && type === 'F32' && bytes.byteOffset % 4 === 0
    const data = isView
      ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
      : widen(bytes, type)
    tensors.set(name, { shape, data })
  }
  if (start + expected !== file.length) {
    throw new SafetensorsError(`${file.length - start - expected} bytes follow the last tensor`)
  }
  return { tensors, metadata }
}

function readHeader(file: Uint8Array): { header: Record<string, unknown>; start: number } {
  if (file.length < 8) throw new SafetensorsError(`the file has ${file.length} bytes`)
  const length = new DataView(file.buffer, file.byteOffset).getBigUint64(0, true)
  if (length > BigInt(Math.min(headerBytesMax, file.length - 8))) {
    throw new SafetensorsError(`the header is said to have ${length} bytes`)
  }
  const start = 8 + Number(length)
  let header: unknown
  try {
    header = JSON.parse(Bytes.toUtf8(file.subarray(8, start)))
  } catch (cause) {
    throw new SafetensorsError('the header is not JSON', cause)
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw new SafetensorsError('the header is not an object')
  }
  return { header: header as Record<string, unknown>, start }
}

/** By start, then by end, so that tensors without elements come before the one that starts where they do. */
function compareOffsets(a: unknown, b: unknown): number {
  const [first, second] = [a, b].map(
    (entry) => (entry as { data_offsets?: number[] } | null)?.data_offsets ?? [],
  )
  return (first?.[0] ?? -1) - (second?.[0] ?? -1) || (first?.[1] ?? -1) - (second?.[1] ?? -1)
}

function checkMetadata(entry: unknown): Record<string, string> {
  const isStrings =
    typeof entry === 'object' &&
    entry !== null &&
    Object.values(entry).every((value) => typeof value === 'string')
  if (!isStrings) throw new SafetensorsError('__metadata__ is not a record of strings')
  return entry as Record<string, string>
}

function checkEntry(name: string, entry: unknown) {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>
  const isCounts = (value: unknown): value is number[] =>
    Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0)
  if (typeof dtype !== 'string' || !Object.hasOwn(typeBytes, dtype)) {
    throw new SafetensorsError(`${name} has element type ${JSON.stringify(dtype)}`)
  }
  if (!isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) {
    throw new SafetensorsError(`${name} has no valid shape and offsets`)
  }
  const type = dtype as StoredType
  const [from, to] = offsets as [number, number]
  const count = shape.reduce((product, length) => product * length, 1)
  if (to - from !== count * typeBytes[type]) {
    throw new SafetensorsError(`${name} holds ${to - from} bytes for ${count} elements of ${type}`)
  }
  return { type, shape, from, to }
}

function narrow(data: Float32Array, type: StoredType): Uint8Array {
  if (type === 'F32') return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  if (type === 'F16') return new Uint8Array(Float16Array.from(data).buffer)
  const bits = new Uint32Array(data.slice().buffer)
  const halves = new Uint16Array(data.length)
  for (let i = 0; i < halves.length; i++) {
    const value = bits[i]!
    const isNotNumber = (value & 0x7fffffff) > 0x7f800000
    halves[i] = isNotNumber ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16
  }
  return new Uint8Array(halves.buffer)
}

function widen(bytes: Uint8Array, type: StoredType): Float32Array {
  // a copy is aligned, whatever the offset in the file; `slice` would not copy what `readFile` returns
  const { buffer } = new Uint8Array(bytes)
  if (type === 'F32') return new Float32Array(buffer)
  if (type === 'F16') return Float32Array.from(new Float16Array(buffer))
  const halves = new Uint16Array(buffer)
  const bits = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16
  return new Float32Array(bits.buffer)
}

export class SafetensorsError extends BaseError {
  constructor(reason: string, cause?: unknown) {
    super({
      code: 'safetensors.malformed',
      message: `Expected a whole safetensors file, but ${reason}. Fetch or write the file again.`,
      cause,
    })
  }
}
