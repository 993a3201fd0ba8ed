/** What a row holds after reading the start of a prompt. */
export type PrefixState<S> = { readonly snapshot: S; readonly tokens: number }

export type PrefixCacheState = {
  readonly entryCount: number
  readonly heldBytes: number
  /** Prompt tokens asked for, and those that did not have to be read. */
  readonly queriedTokens: number
  readonly hitTokens: number
}

/** Starts of prompts that several requests of one adapter share, such as a system prompt. */
export type PrefixCache<S> = {
  /**
   * Gives the longest known start of a prompt, shorter than it: the last token must be read for its scores.
   * @param scope - The adapter: keys and values of another are other numbers.
   */
  readonly find: (scope: string, ids: readonly number[]) => PrefixState<S> | undefined
  /**
   * Remembers a prompt that was read. What it shares with an earlier one of its scope is kept, so that a prompt that
   * never comes again costs no memory.
   * @param copy - Copies the first tokens of the row that holds the prompt.
   * @param isShared - Whether it is known already that the whole prompt comes again.
   */
  readonly remember: (
    scope: string,
    ids: readonly number[],
    copy: (tokens: number) => S,
    options?: { readonly isShared: boolean },
  ) => void
  readonly state: () => PrefixCacheState
}

/** Starts are known at multiples of this. */
export const PREFIX_BLOCK_TOKENS = 16
/** Starts of prompts that are remembered as seen once, by hash alone. */
const SEEN_MAX = 65_536

type Kept<S> = {
  readonly scope: string
  readonly ids: readonly number[]
  readonly snapshot: S
  readonly sizeBytes: number
}

/** Creates a cache that forgets what was used longest ago once `sizeBytesMax` is passed. */
export function createPrefixCache<S>(sizeBytesMax: number, sizeOf: (snapshot: S) => number): PrefixCache<S> {
  /** By hash of scope and start; one snapshot stands under each start it holds. */
  const byStart = new Map<number, Kept<S>>()
  /** In order of use. */
  const kept = new Set<Kept<S>>()
  const seen = new Set<number>()
  let heldBytes = 0
  let queriedTokens = 0
  let hitTokens = 0

  const isStart = (entry: Kept<S>, scope: string, ids: readonly number[], tokens: number): boolean => {
    if (entry.scope !== scope || entry.ids.length < tokens) return false
    for (let i = 0; i < tokens; i++) if (entry.ids[i] !== ids[i]) return false
    return true
  }

  function forgetOldest(): void {
    for (const entry of kept) {
      if (heldBytes <= sizeBytesMax) return
      kept.delete(entry)
      heldBytes -= entry.sizeBytes
      for (const hash of startsOf(entry.scope, entry.ids, entry.ids.length)) {
        if (byStart.get(hash) === entry) byStart.delete(hash)
      }
    }
  }

  function see(hash: number): void {
    if (seen.size >= SEEN_MAX) seen.delete(seen.values().next().value!)
    seen.add(hash)
  }

  return {
    find(scope, ids) {
      queriedTokens += ids.length
      const starts = startsOf(scope, ids, ids.length - 1)
      for (let i = starts.length - 1; i >= 0; i--) {
        const entry = byStart.get(starts[i]!)
        const tokens = (i + 1) * PREFIX_BLOCK_TOKENS
        if (entry === undefined || !isStart(entry, scope, ids, tokens)) continue
        kept.delete(entry)
        kept.add(entry)
        hitTokens += tokens
        return { snapshot: entry.snapshot, tokens }
      }
      return undefined
    },
    remember(scope, ids, copy, { isShared } = { isShared: false }) {
      const starts = startsOf(scope, ids, ids.length)
      let shared = starts.length
      while (!isShared && shared > 0 && !seen.has(starts[shared - 1]!)) shared--
      for (const start of starts.slice(shared)) see(start)
      if (shared === 0 || byStart.has(starts[shared - 1]!)) return
      const tokens = shared * PREFIX_BLOCK_TOKENS
      const snapshot = copy(tokens)
      const entry: Kept<S> = { scope, ids: ids.slice(0, tokens), snapshot, sizeBytes: sizeOf(snapshot) }
      kept.add(entry)
      heldBytes += entry.sizeBytes
      for (const start of starts.slice(0, shared)) byStart.set(start, entry)
      forgetOldest()
    },
    state: () => ({ entryCount: kept.size, heldBytes, queriedTokens, hitTokens }),
  }
}

/** Hashes each start of whole blocks (FNV-1a over scope and ids, 52 bits); a match is always compared in full. */
function startsOf(scope: string, ids: readonly number[], tokensMax: number): number[] {
  let low = 0x811c9dc5
  let high = 0x01000193
  const mix = (value: number): void => {
    low = Math.imul(low ^ value, 0x01000193)
    high = Math.imul(high ^ (value + 0x9e37), 0x85ebca6b)
    high ^= high >>> 13
  }
  for (let i = 0; i < scope.length; i++) mix(scope.charCodeAt(i))
  const starts: number[] = []
  for (let i = 0; i < tokensMax; i++) {
    mix(ids[i]!)
    if ((i + 1) % PREFIX_BLOCK_TOKENS === 0) starts.push((low >>> 0) * 2 ** 20 + (high & 0xfffff))
  }
  return starts
}
