import type { Clock } from '@openledger/primitives'
import { createStateTrie, type Genesis, Header, loadCrypto, type PendingChange } from '@openledger/rollup'
import { createBlockReader } from './BlockReader.ts'
import { type ChainReads, createChainReads } from './ChainReads.ts'
import { openChainStore } from './ChainStore.ts'
import { CorruptStateError } from './Head.ts'
import { createWorldHistory, type WorldHistory } from './WorldHistory.ts'

/** Reads a chain that another thread or process writes, always at a block that is durable. */
export type ChainFollower = {
  readonly reads: ChainReads
  /** Takes in what was written since. @throws {CorruptStateError} when the state has not the head's root. */
  follow(): void
  close(): void
}

/** Beyond this many blocks at once, reading all accounts again is cheaper than what changed. */
const CATCH_UP_BLOCKS_MAX = 4096n

/**
 * Opens the chain in a directory for reading alone, with a state of its own in memory.
 *
 * The database tells which accounts and slots a block changed; their values after it stand beside, under one snapshot.
 */
export async function openChainFollower(
  directory: string,
  genesis: Genesis,
  clock: Clock,
): Promise<ChainFollower> {
  const crypto = await loadCrypto()
  const trie = createStateTrie(crypto)
  const store = openChainStore(directory, { isReadOnly: true })
  const blocks = createBlockReader(store, crypto)
  const build = (): { number: bigint; history: WorldHistory } =>
    store.snapshot(() => {
      const number = store.head()!
      return { number, history: createWorldHistory(store, trie, number, trie.build(store.accounts())) }
    })
  let { number, history } = build()
  let head = blocks.required(number)

  const follow = (): void => {
    const isOurs = store.blockHash(number) === head.record.hash
    if (isOurs && store.head() === number) return
    store.snapshot(() => {
      const newest = store.head()!
      const isExtended = store.blockHash(number) === head.record.hash && newest > number
      if (!isExtended || newest - number > CATCH_UP_BLOCKS_MAX) {
        // blocks were taken back, or too many came
        blocks.forgetAfter(-1n)
        ;({ number, history } = build())
      } else {
        const changed = store.undo(number + 1n, newest)
        const { state } = trie.apply(history.head(), store.current(changed))
        history.append(newest, state, sizeOf(changed))
        number = newest
      }
      head = blocks.required(number)
      const root = trie.root(history.head())
      const { stateRoot } = Header.decode(store.block(number)!.header)
      if (root !== stateRoot) throw new CorruptStateError(stateRoot, root)
    })
  }

  const { reads } = await createChainReads({
    genesis,
    store,
    trie,
    crypto,
    blocks,
    history: { ...viewOf(() => history) },
    head: () => head,
    clock,
  })
  return { reads, follow, close: store.close }
}

/** A history that may be replaced by another. */
const viewOf = (current: () => WorldHistory): WorldHistory => ({
  head: () => current().head(),
  at: (number) => current().at(number),
  append: (...block) => current().append(...block),
  rewind: (...block) => current().rewind(...block),
})

const sizeOf = (changes: readonly PendingChange[]): number =>
  changes.reduce((sum, { slots }) => sum + 1 + slots.size, 0)
