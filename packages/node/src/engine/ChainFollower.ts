import type { Clock } from '@openledger/primitives'
import { createStateTrie, type Genesis, Header, loadCrypto, type WorldState } from '@openledger/rollup'
import { createBlockReader } from './BlockReader.ts'
import { type ChainReads, createChainReads } from './ChainReads.ts'
import { openChainStore } from './ChainStore.ts'
import { openPages } from './Head.ts'
import { createWorldHistory } from './WorldHistory.ts'

/** Reads a chain that another thread or process writes, always at a block that is durable. */
export type ChainFollower = {
  readonly reads: ChainReads
  /** Takes in what was written since. */
  follow(): void
  close(): void
}

/**
 * Opens the chain in a directory for reading alone, with the part of the state in memory that is asked for, up to
 * `stateBytesMax` of its rows.
 *
 * The database holds the newest state only: what a question needs of the block before, while the next one is being
 * written, is made of what undoes that.
 */
export async function openChainFollower(
  directory: string,
  genesis: Genesis,
  clock: Clock,
  stateBytesMax?: number,
): Promise<ChainFollower> {
  const crypto = await loadCrypto()
  const trie = createStateTrie(crypto)
  const store = openChainStore(directory, { isReadOnly: true })
  const pages = openPages(store, trie, crypto, stateBytesMax)
  const blocks = createBlockReader(store, crypto)
  const stateAt = (number: bigint): WorldState =>
    pages.open(Header.decode(store.block(number)!.header).stateRoot, number)
  let number = store.snapshot(() => store.head()!)
  let head = blocks.required(number)
  const history = createWorldHistory(store, trie, number, stateAt(number))

  const follow = (): void => {
    const isOurs = store.blockHash(number) === head.record.hash
    if (isOurs && store.head() === number) return
    store.snapshot(() => {
      const newest = store.head()!
      const isExtended = store.blockHash(number) === head.record.hash && newest > number
      if (isExtended) history.append(newest, stateAt(newest), FOLLOWED_CHANGES)
      else {
        // blocks were taken back
        blocks.forgetAfter(-1n)
        pages.clear()
        history.rewind(newest, stateAt(newest))
      }
      number = newest
      head = blocks.required(number)
    })
  }

  const { reads } = await createChainReads({
    genesis,
    store,
    trie,
    crypto,
    blocks,
    history,
    head: () => head,
    clock,
  })
  return { reads, follow, close: store.close }
}

/** How much of a block that others executed is in memory is not known; what counts is that some is. */
const FOLLOWED_CHANGES = 100
