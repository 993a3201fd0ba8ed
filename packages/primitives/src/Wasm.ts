/**
 * Emits small WebAssembly modules: enough of the binary format for loops over SIMD vectors in one memory.
 *
 * Kernels are written as functions over an `Emitter`, which appends instructions in stack order. Nothing here is
 * relaxed SIMD, so a kernel gives the same bits on every machine.
 *
 * @see WebAssembly core specification 2.0, chapter 5, "Binary Format"; shared memories are of its threads proposal.
 */
export type ValueType = 'i32' | 'v128'

export type Emitter = {
  readonly local: (type: ValueType) => number
  readonly get: (local: number) => void
  readonly set: (local: number) => void
  readonly constant: (value: number) => void
  readonly i32: (name: keyof typeof I32) => void
  /** Loads from the address on the stack plus `offsetBytes`. */
  readonly load: (name: keyof typeof LOADS, offsetBytes?: number) => void
  /** Stores a vector: address, then value on the stack. */
  readonly store: (offsetBytes?: number) => void
  readonly simd: (name: keyof typeof SIMD) => void
  readonly zero: () => void
  /** Picks 16 bytes out of the two vectors on the stack. */
  readonly shuffle: (lanes: readonly number[]) => void
  /** Repeats the body while `counter`, which steps up, is below `limit`; both are i32 locals. */
  readonly repeat: (counter: number, limit: number, step: number, body: () => void) => void
  /** `target = base + index * scale` for i32 locals. */
  readonly address: (target: number, base: number, index: number, scale: number) => void
}

export type Kernel = { readonly parameterCount: number; readonly emit: (emitter: Emitter) => void }

/** A memory with the kernels that work on it; addresses are bytes. */
export type Instance<Name extends string, Buffer extends ArrayBufferLike = ArrayBuffer> = {
  readonly buffer: Buffer
  readonly call: Readonly<Record<Name, (...parameters: number[]) => void>>
}

/** Bytes of one WebAssembly page. */
const PAGE_BYTES = 65_536
/** What 32-bit addresses reach. */
export const MEMORY_BYTES_MAX = 2 ** 32 - PAGE_BYTES

// TypeScript knows WebAssembly only together with a browser's document
type Engine = {
  readonly Memory: new <Buffer extends ArrayBufferLike>(limits: {
    initial: number
    maximum: number
    shared: boolean
  }) => { readonly buffer: Buffer }
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: object }
}
const engine = (globalThis as unknown as { readonly WebAssembly: Engine }).WebAssembly

/** Assembles and starts a module over a fresh zeroed memory of at least `sizeBytes`. */
export const instantiate = <Name extends string>(
  kernels: Readonly<Record<Name, Kernel>>,
  sizeBytes: number,
): Instance<Name> => start<Name, ArrayBuffer>(kernels, sizeBytes, false)

/** The same over a memory that other threads may read. */
export const instantiateShared = <Name extends string>(
  kernels: Readonly<Record<Name, Kernel>>,
  sizeBytes: number,
): Instance<Name, SharedArrayBuffer> => start<Name, SharedArrayBuffer>(kernels, sizeBytes, true)

function start<Name extends string, Buffer extends ArrayBufferLike>(
  kernels: Readonly<Record<Name, Kernel>>,
  sizeBytes: number,
  shared: boolean,
): Instance<Name, Buffer> {
  const pages = Math.max(1, Math.ceil(sizeBytes / PAGE_BYTES))
  const memory = new engine.Memory<Buffer>({ initial: pages, maximum: pages, shared })
  const module = new engine.Module(assemble(kernels, pages, shared))
  const instance = new engine.Instance(module, { host: { memory } })
  return { buffer: memory.buffer, call: instance.exports as Instance<Name>['call'] }
}

function assemble(kernels: Readonly<Record<string, Kernel>>, pages: number, shared: boolean): Uint8Array {
  const entries = Object.entries(kernels)
  const types = entries.map(([, { parameterCount }]) => [
    0x60,
    ...vector(Array(parameterCount).fill([0x7f])),
    0,
  ])
  const limits = [shared ? 0x03 : 0x01, ...unsigned(pages), ...unsigned(pages)]
  const memoryImport = [...name('host'), ...name('memory'), 0x02, ...limits]
  const exported = entries.map(([key], i) => [...name(key), 0x00, ...unsigned(i)])
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(2, vector([memoryImport])),
    ...section(3, vector(entries.map((_, i) => unsigned(i)))),
    ...section(7, vector(exported)),
    ...section(10, vector(entries.map(([, kernel]) => body(kernel)))),
  ])
}

function body({ parameterCount, emit }: Kernel): number[] {
  const locals: number[][] = []
  const code: number[] = []
  const push = (...bytes: number[]): void => {
    code.push(...bytes)
  }
  const emitter: Emitter = {
    local: (type) => parameterCount + locals.push([1, type === 'i32' ? 0x7f : 0x7b]) - 1,
    get: (local) => push(0x20, ...unsigned(local)),
    set: (local) => push(0x21, ...unsigned(local)),
    constant: (value) => push(0x41, ...signed(value)),
    i32: (operation) => push(I32[operation]),
    load: (operation, offsetBytes = 0) =>
      push(0xfd, ...unsigned(LOADS[operation]), 0, ...unsigned(offsetBytes)),
    store: (offsetBytes = 0) => push(0xfd, 0x0b, 0, ...unsigned(offsetBytes)),
    simd: (operation) => push(0xfd, ...unsigned(SIMD[operation])),
    zero: () => push(0xfd, 0x0c, ...Array(16).fill(0)),
    shuffle: (lanes) => push(0xfd, 0x0d, ...lanes),
    repeat: (counter, limit, step, inner) => {
      push(0x02, 0x40, 0x03, 0x40)
      push(0x20, ...unsigned(counter), 0x20, ...unsigned(limit), I32.greaterOrEqual, 0x0d, 1)
      inner()
      push(0x20, ...unsigned(counter), 0x41, ...signed(step), I32.add, 0x21, ...unsigned(counter))
      push(0x0c, 0, 0x0b, 0x0b)
    },
    address: (target, base, index, scale) => {
      push(0x20, ...unsigned(base), 0x20, ...unsigned(index), 0x41, ...signed(scale), I32.multiply, I32.add)
      push(0x21, ...unsigned(target))
    },
  }
  emit(emitter)
  const bytes = [...vector(locals), ...code, 0x0b]
  return [...unsigned(bytes.length), ...bytes]
}

const I32 = { add: 0x6a, subtract: 0x6b, multiply: 0x6c, greaterOrEqual: 0x4f } as const

const LOADS = { vector: 0x00, signed8To16: 0x01, splat32: 0x09, splat64: 0x0a } as const

const SIMD = {
  f32Add: 0xe4,
  f32Multiply: 0xe6,
  f32FromI32: 0xfa,
  f64Add: 0xf0,
  f64Subtract: 0xf1,
  f64Multiply: 0xf2,
  f64Divide: 0xf3,
  f64SquareRoot: 0xef,
  f64FromLowF32: 0x5f,
  lowF32FromF64: 0x5e,
  i32Add: 0xae,
  i32Dot16: 0xba,
} as const

function unsigned(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? low | 0x80 : low)
  } while (rest > 0)
  return bytes
}

function signed(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; ) {
    const low = rest & 0x7f
    rest >>= 7
    const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)
    bytes.push(isLast ? low : low | 0x80)
    if (isLast) return bytes
  }
}

const vector = (items: readonly (readonly number[])[]): number[] => [
  ...unsigned(items.length),
  ...items.flat(),
]
const name = (text: string): number[] => vector(Array.from(text, (character) => [character.charCodeAt(0)]))
const section = (id: number, content: readonly number[]): number[] => [
  id,
  ...unsigned(content.length),
  ...content,
]
