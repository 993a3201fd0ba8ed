import { BaseError, type Hex } from '@openledger/primitives'
import { type ByteCacheState, createByteCache } from './ByteCache.ts'
import type { SharedAdapter } from './SharedAdapter.ts'

/** Which adapter, and what it must hash to: the hash that the chain has for its model. */
export type AdapterReference = { readonly cid: string; readonly hash: Hex }

export type AdapterCache = {
  /**
   * Gives the adapter, resident until released; loads it when it is not, while others go on.
   * @throws {AdapterHashMismatchError}
   */
  readonly acquire: (reference: AdapterReference) => Promise<SharedAdapter>
  readonly release: (reference: AdapterReference) => void
  readonly state: () => ByteCacheState
}

/**
 * Creates the cache of adapters in memory, by content: blob storage, then here, then a row's slot.
 *
 * @param load - Reads and decodes the blob of a CID; what it must hash to helps it to hash it once.
 * @param sizeBytesMax - Limit on the adapters kept that nobody uses at the moment.
 */
export function createAdapterCache(
  load: (reference: AdapterReference) => Promise<SharedAdapter>,
  sizeBytesMax: number,
): AdapterCache {
  const cache = createByteCache<SharedAdapter>(sizeBytesMax)
  const keyOf = ({ cid, hash }: AdapterReference): string => `${cid}/${hash}`
  return {
    acquire: (reference) =>
      cache.acquire(keyOf(reference), async () => {
        const value = await load(reference)
        if (value.hash !== reference.hash) throw new AdapterHashMismatchError(reference, value.hash)
        return { value, sizeBytes: value.memory.byteLength }
      }),
    release: (reference) => cache.release(keyOf(reference)),
    state: cache.state,
  }
}

export class AdapterHashMismatchError extends BaseError {
  constructor({ cid, hash }: AdapterReference, got: Hex) {
    super({
      code: 'engine.adapter_hash_mismatch',
      message: `Expected the adapter ${cid} to hash to ${hash}, as published, got ${got}. Publish the model again from the adapter that was trained.`,
      context: { cid, expected: hash, got },
    })
  }
}
