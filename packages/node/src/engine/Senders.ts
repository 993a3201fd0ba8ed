import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { Bytes, type Hex } from '@openledger/primitives'
import type { Crypto } from '@openledger/rollup/Crypto'
import * as Transaction from '@openledger/rollup/codec/Transaction'
import { fastLzLength } from '@openledger/rollup/execution/L1Cost'

/** What can be computed from a transaction's bytes alone, and takes most of the time that taking one in takes. */
export type KnownSender = {
  readonly hash: Hex
  readonly sender: Hex
  /** FastLZ length of the raw bytes. */
  readonly compressedLength: number
}

/** Finds senders, away from the thread that builds blocks. */
export type Senders = {
  /** Answers in the order of `raws`; `undefined` for bytes that are no signed transaction. */
  find(raws: readonly Uint8Array[]): Promise<readonly (KnownSender | undefined)[]>
  close(): Promise<void>
}

/** Fewer are done at once on the caller's thread: asking another one costs more. */
const PACKED_MIN = 8
const THREADS_MAX = 4
const LENGTH_BYTES = 4
/** A flag, the sender, the hash, the compressed length. */
const FOUND_BYTES = 1 + 20 + 32 + 4

/**
 * Creates the finder of senders; threads start when the first large request comes.
 *
 * A thread that cannot start or ends early loses nothing: its requests are answered on the caller's thread.
 *
 * @param threads - By default one less than the machine has processors, between one and four.
 */
export function createSenders(
  crypto: Crypto,
  threads: number = Math.max(1, Math.min(THREADS_MAX, availableParallelism() - 1)),
): Senders {
  type Pending = { readonly packed: Uint8Array; readonly resolve: (found: Uint8Array) => void }
  type Thread = { readonly worker: Worker; readonly pending: Map<number, Pending> }
  let pool: Thread[] | undefined
  let nextId = 0

  const start = (): Thread => {
    const worker = new Worker(new URL('./SenderThread.ts', import.meta.url))
    const thread: Thread = { worker, pending: new Map() }
    worker.on('message', ({ id, found }: { id: number; found: Uint8Array }) => {
      thread.pending.get(id)?.resolve(found)
      thread.pending.delete(id)
      if (thread.pending.size === 0) worker.unref()
    })
    const end = (): void => {
      pool = pool?.filter((other) => other !== thread)
      for (const { packed, resolve } of thread.pending.values()) resolve(recoverPacked(packed, crypto))
      thread.pending.clear()
    }
    worker.on('error', end)
    worker.on('exit', end)
    worker.unref()
    return thread
  }

  const ask = (raws: readonly Uint8Array[]): Promise<Uint8Array> => {
    pool ??= Array.from({ length: threads }, start)
    const [first, ...others] = pool
    const packed = pack(raws)
    if (first === undefined) return Promise.resolve(recoverPacked(packed, crypto))
    const idlest = others.reduce(
      (best, thread) => (thread.pending.size < best.pending.size ? thread : best),
      first,
    )
    const id = nextId++
    return new Promise((resolve) => {
      idlest.pending.set(id, { packed, resolve })
      // an idle thread must not keep the process alive, one that works must
      idlest.worker.ref()
      idlest.worker.postMessage({ id, packed })
    })
  }

  return {
    async find(raws) {
      if (raws.length < PACKED_MIN) return unpack(recoverPacked(pack(raws), crypto))
      const share = Math.max(PACKED_MIN, Math.ceil(raws.length / threads))
      const parts: Promise<Uint8Array>[] = []
      for (let at = 0; at < raws.length; at += share) parts.push(ask(raws.slice(at, at + share)))
      return (await Promise.all(parts)).flatMap(unpack)
    },
    async close() {
      const running = pool ?? []
      pool = []
      await Promise.all(running.map(({ worker }) => worker.terminate()))
    },
  }
}

/**
 * Computes hash, sender and compressed length of each packed transaction.
 * @param packed - For each transaction 4 bytes of length, big-endian, and its bytes.
 * @returns 57 bytes for each: 1 and the sender, the hash, the compressed length; all zero where there is no sender.
 */
export function recoverPacked(packed: Uint8Array, crypto: Crypto): Uint8Array<ArrayBuffer> {
  const input = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  let count = 0
  for (let at = 0; at < packed.length; at += LENGTH_BYTES + input.getUint32(at)) count++
  const found = new Uint8Array(count * FOUND_BYTES)
  const output = new DataView(found.buffer)
  let at = 0
  for (let i = 0; i < count; i++) {
    const length = input.getUint32(at)
    const raw = packed.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length)
    at += LENGTH_BYTES + length
    try {
      const transaction = Transaction.decode(raw)
      if (transaction.type === 0x7e) continue
      const sender = Bytes.fromHex(Transaction.sender(transaction, crypto))
      found[i * FOUND_BYTES] = 1
      found.set(sender, i * FOUND_BYTES + 1)
      found.set(crypto.keccak256(raw), i * FOUND_BYTES + 21)
      output.setUint32(i * FOUND_BYTES + 53, fastLzLength(raw))
    } catch {
      // whoever asked decodes the same bytes and learns what is wrong with them
    }
  }
  return found
}

function pack(raws: readonly Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(raws.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0))
  const view = new DataView(packed.buffer)
  let at = 0
  for (const raw of raws) {
    view.setUint32(at, raw.length)
    packed.set(raw, at + LENGTH_BYTES)
    at += LENGTH_BYTES + raw.length
  }
  return packed
}

function unpack(found: Uint8Array): (KnownSender | undefined)[] {
  const view = new DataView(found.buffer, found.byteOffset, found.byteLength)
  const hex = (from: number, to: number): Hex => Bytes.toHex(found.subarray(from, to))
  return Array.from({ length: found.length / FOUND_BYTES }, (_, i) => {
    const at = i * FOUND_BYTES
    if (found[at] === 0) return undefined
    return {
      sender: hex(at + 1, at + 21),
      hash: hex(at + 21, at + 53),
      compressedLength: view.getUint32(at + 53),
    }
  })
}
