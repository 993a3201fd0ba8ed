import { Worker } from 'node:worker_threads'
import { BaseError } from '@openledger/primitives'
import { Blob, hexToBytes, Kzg } from '@openledger/rollup'
import type { Hex } from 'viem'
import type { BlobProofs, Committed, KzgAnswer, KzgRequest } from './KzgThread.ts'
import type { L1Contents } from './L1Reader.ts'

/** Blobs with what an L1 transaction needs beside them. */
export type Sidecar = {
  /** By EIP-4844 one of each blob, by EIP-7594 one of each cell, 128 a blob. */
  readonly provenBy: Exclude<BlobProofs, 'none'>
  readonly blobs: readonly Uint8Array[]
  readonly commitments: readonly Uint8Array[]
  readonly proofs: readonly Uint8Array[]
}

/** Commits to blobs on a thread that is started at the first use. */
export type KzgService = {
  /** Puts each piece of data into a blob. */
  readonly sidecarOf: (pieces: readonly Uint8Array[], provenBy: Sidecar['provenBy']) => Promise<Sidecar>
  readonly commitmentOf: (blob: Uint8Array) => Promise<Uint8Array>
  readonly close: () => Promise<void>
}

export function createKzgService(): KzgService {
  let worker: Worker | undefined
  let requests = 0
  const waiting = new Map<number, { resolve: (answer: KzgAnswer) => void; reject: (error: Error) => void }>()

  function start(): Worker {
    const started = new Worker(new URL('./KzgThread.ts', import.meta.url))
    started.unref()
    started.on('message', (answer: KzgAnswer) => {
      waiting.get(answer.id)?.resolve(answer)
      waiting.delete(answer.id)
    })
    started.on('error', (error: Error) => {
      worker = undefined
      for (const { reject } of waiting.values()) reject(error)
      waiting.clear()
    })
    return started
  }
  async function ask(blob: Uint8Array, proofs: BlobProofs): Promise<Committed> {
    worker ??= start()
    const id = requests++
    const answered = new Promise<KzgAnswer>((resolve, reject) => waiting.set(id, { resolve, reject }))
    worker.postMessage({ id, blob, proofs } satisfies KzgRequest)
    const answer = await answered
    if ('error' in answer) throw new KzgError(answer.error)
    return answer
  }
  return {
    async sidecarOf(pieces, provenBy) {
      const blobs = pieces.map(Blob.encode)
      const committed = await Promise.all(blobs.map((blob) => ask(blob, provenBy)))
      return {
        provenBy,
        blobs,
        commitments: committed.map(({ commitment }) => commitment),
        proofs: committed.flatMap(({ proofs }) => proofs),
      }
    },
    commitmentOf: async (blob) => (await ask(blob, 'none')).commitment,
    async close() {
      await worker?.terminate()
      worker = undefined
    },
  }
}

/** Fetches the blobs of an L1 block; each is the one that its transaction named. */
export type BlobReader = (
  contents: L1Contents,
  hashes: readonly Hex[],
) => Promise<ReadonlyMap<Hex, Uint8Array>>

const FETCH_TIMEOUT_MS = 20_000

/**
 * Creates a reader of a beacon API's `/eth/v1/beacon/blobs`, or `blob_sidecars` where that is not there, which believes nothing: every blob is committed to again.
 *
 * anvil serves the same path with the block's number for a slot and knows no slot time.
 *
 * @see beacon-APIs, "getBlobs".
 */
export function createBlobReader(url: string, kzg: Pick<KzgService, 'commitmentOf'>): BlobReader {
  const get = async (path: string): Promise<unknown> => {
    const response = await fetch(`${url.replace(/\/$/, '')}${path}`, {
      signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    })
    if (!response.ok) throw new BeaconError(url, path, `status ${response.status}`, response.status)
    return ((await response.json()) as { readonly data: unknown }).data
  }
  let slots: Promise<((contents: L1Contents) => bigint) | undefined> | undefined
  /** How the endpoint counts slots; anvil has genesis but no configuration. */
  const loadSlots = async (): Promise<((contents: L1Contents) => bigint) | undefined> => {
    const spec = await get('/eth/v1/config/spec').catch(absent)
    if (spec === undefined) return undefined
    const { genesis_time } = (await get('/eth/v1/beacon/genesis')) as { readonly genesis_time: string }
    const seconds = BigInt((spec as { readonly SECONDS_PER_SLOT: string }).SECONDS_PER_SLOT)
    return ({ block }) => (block.timestamp - BigInt(genesis_time)) / seconds
  }
  /** Nodes before Fulu have no such path, but the blobs in their sidecars. */
  const blobsOf = async (slot: bigint, hashes: readonly Hex[]): Promise<readonly Hex[]> => {
    const query = hashes.map((hash) => `versioned_hashes=${hash}`).join('&')
    const path = `/eth/v1/beacon/blobs/${slot}`
    const given = (await get(`${path}?${query}`).catch(absent)) as readonly Hex[] | undefined
    // some, anvil among them, read one hash of several
    if (given !== undefined && given.length < hashes.length) return (await get(path)) as readonly Hex[]
    if (given !== undefined) return given
    const sidecars = (await get(`/eth/v1/beacon/blob_sidecars/${slot}`)) as readonly { readonly blob: Hex }[]
    return sidecars.map(({ blob }) => blob)
  }
  return async (contents, hashes) => {
    slots ??= loadSlots().catch((error: unknown) => {
      // what is down now may answer the next time
      slots = undefined
      throw error
    })
    const slotOf = await slots
    const slot = slotOf === undefined ? contents.block.number : slotOf(contents)
    const given = await blobsOf(slot, hashes)
    const found = new Map<Hex, Uint8Array>()
    for (const hex of given) {
      const blob = hexToBytes(hex)
      if (blob.length !== Blob.SIZE_BYTES) continue
      const hash = Kzg.versionedHashOf(await kzg.commitmentOf(blob))
      if (hashes.includes(hash)) found.set(hash, blob)
    }
    return found
  }
}

export class KzgError extends BaseError {
  constructor(reason: string) {
    super({
      code: 'l1.kzg',
      message: `Expected a blob that can be committed to: ${reason}`,
      context: { reason },
    })
  }
}

/** @returns `undefined` when the endpoint has no such path; anything else is thrown on. */
function absent(error: unknown): undefined {
  if (error instanceof BeaconError && (error.status === 404 || error.status === 410)) return undefined
  throw error
}

export class BeaconError extends BaseError {
  readonly status: number
  constructor(url: string, path: string, got: string, status: number) {
    super({
      code: 'l1.beacon',
      message: `Expected blobs from the beacon API at ${url}, ${path} answered ${got}: name an endpoint that keeps the blobs of that time.`,
      context: { url, path, got },
      severity: 'retry',
    })
    this.status = status
  }
}
