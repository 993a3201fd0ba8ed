import { Adapter, type LlamaConfig, type LoraTarget } from '@openledger/model'
import type { Hex } from '@openledger/primitives'

/** An adapter in memory that all threads read: it exists once, however many of them use it. */
export type SharedAdapter = {
  readonly rank: number
  readonly alpha: number
  readonly targets: readonly LoraTarget[]
  readonly hash: Hex
  /** Linear layer with the lengths of its `a` and `b`, which follow each other in `memory`. */
  readonly layers: readonly (readonly [name: string, aLength: number, bLength: number])[]
  readonly memory: SharedArrayBuffer
}

/** Copies an adapter into shared memory. */
export function share({ rank, alpha, targets, hash, tensors }: Adapter.Adapter): SharedAdapter {
  const layers = [...tensors].map(([name, { a, b }]) => [name, a.length, b.length] as const)
  const count = layers.reduce((sum, [, aLength, bLength]) => sum + aLength + bLength, 0)
  const memory = new SharedArrayBuffer(4 * count)
  const elements = new Float32Array(memory)
  let at = 0
  for (const { a, b } of tensors.values()) {
    elements.set(a, at)
    elements.set(b, at + a.length)
    at += a.length + b.length
  }
  return { rank, alpha, targets, hash, layers, memory }
}

/**
 * Decodes an adapter that hashes to `hash` into shared memory.
 * @throws {AdapterError}
 */
export function decodeShared(config: LlamaConfig, bytes: Uint8Array, hash: Hex): SharedAdapter {
  let memory = new SharedArrayBuffer(0)
  const { rank, alpha, targets, tensors } = Adapter.decodeParts(config, bytes, undefined, (length) => {
    memory = new SharedArrayBuffer(4 * length)
    return new Float32Array(memory)
  })
  const layers = [...tensors].map(([name, { a, b }]) => [name, a.length, b.length] as const)
  return { rank, alpha, targets, hash, layers, memory }
}

/** Gives the adapter whose matrices are views of the shared memory. */
export function view({ rank, alpha, targets, hash, layers, memory }: SharedAdapter): Adapter.Adapter {
  let at = 0
  const take = (length: number): Float32Array => {
    const taken = new Float32Array(memory, 4 * at, length)
    at += length
    return taken
  }
  const tensors = new Map(
    layers.map(([name, aLength, bLength]) => [name, { a: take(aLength), b: take(bLength) }] as const),
  )
  return { rank, alpha, targets, hash, tensors }
}
