import { createHash } from 'node:crypto'
import { BaseError, type Hex } from '@openledger/primitives'
import {
  type Crypto,
  createGenesisBlock,
  createStatePages,
  type Genesis,
  Header,
  type StatePages,
  type StateTrie,
  sumAfter,
  type WorldState,
} from '@openledger/rollup'
import type { ChainStore } from './ChainStore.ts'

/** Where a chain stands when it is opened. */
export type Head = {
  readonly number: bigint
  readonly state: WorldState
  /** The sum of all balances, in wei. */
  readonly total: bigint
}

/**
 * Opens the state at the head, writing block 0 first into an empty store. Nothing is loaded but what is asked for, and
 * each part is held against its hash then.
 * @throws {GenesisMismatchError}
 */
export function openHead(
  store: ChainStore,
  genesis: Genesis,
  trie: StateTrie,
  pages: StatePages,
  crypto: Crypto,
): Head {
  writeGenesis(store, genesis, trie, pages, crypto)
  const number = store.head()!
  const { stateRoot } = Header.decode(store.block(number)!.header)
  return { number, state: pages.open(stateRoot, number), total: store.total() }
}

/** Creates the pages of the state that lies in a chain's database. */
export const openPages = (
  store: ChainStore,
  trie: StateTrie,
  crypto: Crypto,
  loadedBytesMax?: number,
): StatePages => {
  const pages = createStatePages({
    crypto,
    ...(loadedBytesMax === undefined ? {} : { loadedBytesMax }),
    reader: {
      number: () => Number(store.head() ?? 0n),
      read: store.page,
      past: (number) =>
        store.snapshot(() => {
          const head = store.head()!
          const { stateRoot } = Header.decode(store.block(head)!.header)
          return trie.apply(pages.open(stateRoot, head), store.undo(BigInt(number) + 1n, head)).state
        }),
    },
  })
  return pages
}

/**
 * Makes block 0 where there is none, and otherwise compares it.
 *
 * Making it takes seconds for a million accounts, so a genesis in the same words as last time is not made again.
 */
function writeGenesis(
  store: ChainStore,
  genesis: Genesis,
  trie: StateTrie,
  pages: StatePages,
  crypto: Crypto,
): void {
  const digest = createHash('sha256').update(JSON.stringify(genesis)).digest('hex')
  const known = store.blockHash(0n)
  if (known !== undefined && store.genesisDigest() === digest) return
  const first = createGenesisBlock(genesis, trie, crypto)
  if (known !== undefined && known !== first.hash) throw new GenesisMismatchError(known, first.hash)
  if (known === undefined) {
    const block = {
      number: 0n,
      hash: first.hash,
      header: Header.encode(first.header),
      transactions: [],
      receipts: [],
      l1Parameters: undefined,
    }
    const total = sumAfter(0n, first.changes)
    const { rows } = pages.changes(first.state, 0n)
    // what was made stays out of memory: the pages load what is used of it
    store.append(block, first.changes, first.codes, { rows, total })
  }
  store.setGenesisDigest(digest)
}

export class GenesisMismatchError extends BaseError {
  constructor(found: Hex, expected: Hex) {
    super({
      code: 'engine.genesis_mismatch',
      message: `Expected the chain with genesis ${expected} in this directory, found ${found}. Use another directory, or the genesis it was made with.`,
      context: { expected, found },
    })
  }
}
