import { BaseError } from '@openledger/primitives'
import type { StateTrie, WorldState } from '@openledger/rollup'
import type { ChainStore } from './ChainStore.ts'
import { UnknownBlockError } from './Records.ts'

/** Bounds of what stays in memory: newer states share most nodes, so the number of changes counts, not blocks. */
const RECENT_BLOCKS_MAX = 256
const RECENT_CHANGES_MAX = 20_000
const REBUILT_MAX = 16
/** So many blocks are forgotten at once, or a sixteenth of what is kept. */
const PRUNED_AT_ONCE = 64n

/** How many blocks back states can be asked for; `archive` keeps all. */
export type HistoryBlocks = bigint | 'archive'

/** A week of blocks of two seconds: as long as a withdrawal may wait for its proof. */
export const HISTORY_BLOCKS = 302_400n

/** Answers the world state after any block: the newest from memory, older ones by undoing blocks from disk. */
export type WorldHistory = {
  head(): WorldState
  /** @throws {UnknownBlockError | PrunedStateError} */
  at(number: bigint): WorldState
  append(number: bigint, state: WorldState, changeCount: number): void
  /** Forgets on disk what only states before the kept ones need; what is not final is kept in any case. */
  prune(kept: HistoryBlocks): void
  /** Makes `state`, after block `number`, the newest, whatever was. */
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
      const oldest = store.oldestState()
      if (wanted < oldest) throw new PrunedStateError(wanted, oldest, head.number)
      // from the head, which lies in the store: what a kept state has not loaded would have to be made out of it anyway
      const { state: older } = trie.apply(head.state, store.undo(wanted + 1n, head.number))
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
    prune(kept) {
      if (kept === 'archive') return
      const finalized = store.mark('finalized')
      const first = head.number - kept < finalized ? head.number - kept : finalized
      const atOnce = kept / 16n < PRUNED_AT_ONCE ? kept / 16n : PRUNED_AT_ONCE
      if (first - store.oldestState() > atOnce) store.pruneStates(first)
    },
    rewind(number, state) {
      head = { number, state }
      // what they have not loaded yet was part of blocks that are gone
      rebuilt.clear()
      recent.clear()
      recent.set(number, { state, changeCount: 0 })
      changeCount = 0
    },
  }
}

export class PrunedStateError extends BaseError {
  constructor(number: bigint, oldest: bigint, head: bigint) {
    super({
      code: 'engine.pruned_state',
      message: `Expected a block from ${oldest} to ${head}, whose states are kept here, got ${number}. Ask a node that keeps all of them (its history is set to archive).`,
      context: { number: number.toString(), oldest: oldest.toString(), head: head.toString() },
    })
  }
}
