import type { StateTrie, WorldState } from '@openledger/rollup'
import type { ChainStore } from './ChainStore.ts'
import { UnknownBlockError } from './Records.ts'

/** Bounds of what stays in memory: newer states share most nodes, so the number of changes counts, not blocks. */
const RECENT_BLOCKS_MAX = 256
const RECENT_CHANGES_MAX = 100_000
const REBUILT_MAX = 16

/** Answers the world state after any block: the newest from memory, older ones by undoing blocks from disk. */
export type WorldHistory = {
  head(): WorldState
  /** @throws {UnknownBlockError} */
  at(number: bigint): WorldState
  append(number: bigint, state: WorldState, changeCount: number): void
  /** Makes `state`, after block `number`, the newest again. */
  rewind(number: bigint, state: WorldState): void
}

/** Creates the history whose newest state is `state`, after block `number`. */
export function createWorldHistory(
  store: ChainStore,
  trie: StateTrie,
  number: bigint,
  state: WorldState,
): WorldHistory {
  /** By block number, oldest first. */
  const recent = new Map<bigint, { state: WorldState; changeCount: number }>([
    [number, { state, changeCount: 0 }],
  ])
  const rebuilt = new Map<bigint, WorldState>()
  let changeCount = 0
  let head = { number, state }

  return {
    head: () => head.state,
    at(wanted) {
      const kept = recent.get(wanted)
      if (kept !== undefined) return kept.state
      if (wanted < 0n || wanted > head.number) throw new UnknownBlockError(wanted)
      const known = rebuilt.get(wanted)
      if (known !== undefined || rebuilt.has(wanted)) return known
      // start from the nearest newer state there is; who follows another's chain has gaps among the recent ones
      let nearest = [...recent.keys()].find((candidate) => candidate > wanted)!
      let from = recent.get(nearest)!.state
      for (const [candidate, candidateState] of rebuilt) {
        if (candidate > wanted && candidate < nearest) {
          nearest = candidate
          from = candidateState
        }
      }
      const { state: older } = trie.apply(from, store.undo(wanted + 1n, nearest))
      if (rebuilt.size >= REBUILT_MAX) rebuilt.delete(rebuilt.keys().next().value!)
      rebuilt.set(wanted, older)
      return older
    },
    append(next, nextState, count) {
      head = { number: next, state: nextState }
      recent.set(next, { state: nextState, changeCount: count })
      changeCount += count
      while (recent.size > 1 && (recent.size > RECENT_BLOCKS_MAX || changeCount > RECENT_CHANGES_MAX)) {
        const [oldest, dropped] = recent.entries().next().value!
        recent.delete(oldest)
        changeCount -= dropped.changeCount
      }
    },
    rewind(number, state) {
      head = { number, state }
      for (const [later, { changeCount: count }] of recent) {
        if (later <= number) continue
        recent.delete(later)
        changeCount -= count
      }
      for (const later of rebuilt.keys()) if (later > number) rebuilt.delete(later)
      if (!recent.has(number)) recent.set(number, { state, changeCount: 0 })
    },
  }
}
