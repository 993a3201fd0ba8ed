/** A value held in memory with what it costs. */
export type Loaded<V> = { readonly value: V; readonly sizeBytes: number }

export type ByteCacheState = {
  readonly entryCount: number
  readonly heldBytes: number
  readonly hits: number
  readonly misses: number
  readonly evictions: number
}

export type ByteCache<V> = {
  /** Gives a resident value without waiting; does not count as use. */
  readonly peek: (key: string) => V | undefined
  /**
   * Loads a value, or joins the load under way, and keeps it resident until `release` is called as often as `acquire`.
   * A failed load is forgotten, so that the next call tries again.
   */
  readonly acquire: (key: string, load: () => Promise<Loaded<V>>) => Promise<V>
  readonly release: (key: string) => void
  readonly state: () => ByteCacheState
}

type Entry<V> = { readonly loading: Promise<V>; loaded?: Loaded<V>; uses: number }

/**
 * Creates a cache that evicts what was used longest ago once `sizeBytesMax` is passed. What is in use stays, even
 * above the limit: users are bounded by their own queue.
 *
 * @param onEvict - Told about each value that leaves, to free what it holds outside the heap.
 */
export function createByteCache<V>(
  sizeBytesMax: number,
  onEvict: (value: V) => void = () => {},
): ByteCache<V> {
  // a Map keeps insertion order, so moving a used key to the end keeps the oldest first
  const entries = new Map<string, Entry<V>>()
  let heldBytes = 0
  let hits = 0
  let misses = 0
  let evictions = 0

  function evict(): void {
    for (const [key, entry] of entries) {
      if (heldBytes <= sizeBytesMax) return
      if (entry.uses > 0 || entry.loaded === undefined) continue
      entries.delete(key)
      heldBytes -= entry.loaded.sizeBytes
      evictions++
      onEvict(entry.loaded.value)
    }
  }

  function start(key: string, load: () => Promise<Loaded<V>>): Entry<V> {
    misses++
    const entry: Entry<V> = {
      uses: 0,
      loading: load().then(
        (loaded) => {
          entry.loaded = loaded
          heldBytes += loaded.sizeBytes
          evict()
          return loaded.value
        },
        (error: unknown) => {
          entries.delete(key)
          throw error
        },
      ),
    }
    entries.set(key, entry)
    return entry
  }

  return {
    peek: (key) => entries.get(key)?.loaded?.value,
    acquire(key, load) {
      const known = entries.get(key)
      if (known?.loaded !== undefined) hits++
      const entry = known ?? start(key, load)
      entry.uses++
      entries.delete(key)
      entries.set(key, entry)
      return entry.loading
    },
    release(key) {
      const entry = entries.get(key)
      if (entry === undefined || entry.uses === 0) return
      entry.uses--
      evict()
    },
    state: () => ({ entryCount: entries.size, heldBytes, hits, misses, evictions }),
  }
}
