import type { Adapter } from '@openledger/model'
import type { AdapterCache, AdapterReference } from './AdapterCache.ts'
import { mergedOf, type RowReference } from './MergedAdapter.ts'
import { type SharedAdapter, view } from './SharedAdapter.ts'

/** Adapters as a thread uses them; each `acquire` that succeeds is followed by one `release`. */
export type AdapterSource<Reference = AdapterReference> = {
  readonly acquire: (reference: Reference) => Promise<Adapter.Adapter>
  readonly release: (reference: Reference) => void
}

/** What a thread asks of its host about adapters. */
export type AdapterHostMethods = {
  readonly acquireAdapter: { readonly in: AdapterReference; readonly out: SharedAdapter }
  readonly releaseAdapter: { readonly in: AdapterReference; readonly out: unknown }
}

/** The part of a link that reaches the host's cache. */
export type AdapterLink = {
  readonly call: (method: 'acquireAdapter', reference: AdapterReference) => Promise<SharedAdapter>
  readonly send: (method: 'releaseAdapter', reference: AdapterReference) => void
}

/** Reaches the host's cache from a thread. */
export const createAdapterSource = (link: AdapterLink): AdapterSource => ({
  acquire: async (reference) => view(await link.call('acquireAdapter', reference)),
  release: (reference) => link.send('releaseAdapter', reference),
})

/** Lets a source give several adapters as one: they stay in memory as they are, and a row gets a copy side by side. */
export const createMergingSource = (source: AdapterSource): AdapterSource<RowReference> => ({
  async acquire(reference) {
    if (!('parts' in reference)) return source.acquire(reference)
    const { parts } = reference
    const acquired = await Promise.allSettled(parts.map(source.acquire))
    const failed = acquired.find(({ status }) => status === 'rejected')
    if (failed === undefined) {
      return mergedOf(
        parts,
        acquired.map((one) => (one as PromiseFulfilledResult<Adapter.Adapter>).value),
      )!
    }
    for (const [i, { status }] of acquired.entries()) if (status === 'fulfilled') source.release(parts[i]!)
    throw (failed as PromiseRejectedResult).reason
  },
  release(reference) {
    for (const one of 'parts' in reference ? reference.parts : [reference]) source.release(one)
  },
})

/**
 * Answers a thread's calls from the cache, and remembers what it holds, because a thread that dies releases nothing.
 */
export function createAdapterLease(cache: AdapterCache) {
  const held = new Map<string, { readonly reference: AdapterReference; count: number }>()
  const keyOf = ({ cid, hash }: AdapterReference): string => `${cid}/${hash}`

  function release(reference: AdapterReference): void {
    const entry = held.get(keyOf(reference))
    if (entry === undefined) return
    if (--entry.count === 0) held.delete(keyOf(reference))
    cache.release(reference)
  }

  return {
    acquireAdapter: async (reference: AdapterReference): Promise<SharedAdapter> => {
      const adapter = await cache.acquire(reference)
      const entry = held.get(keyOf(reference)) ?? { reference, count: 0 }
      entry.count++
      held.set(keyOf(reference), entry)
      return adapter
    },
    releaseAdapter: release,
    /** Releases all that the thread held. */
    releaseAll: (): void => {
      for (const { reference, count } of [...held.values()])
        for (let i = 0; i < count; i++) release(reference)
    },
  }
}
