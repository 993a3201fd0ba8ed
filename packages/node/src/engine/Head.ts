import { createHash } from 'node:crypto'
import { BaseError, type Hex } from '@openledger/primitives'
import {
  type Crypto,
  createGenesisBlock,
  type Genesis,
  Header,
  type PendingChange,
  type StateTrie,
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
 * Loads the state at the head into memory, writing block 0 first into an empty store.
 * @throws {GenesisMismatchError} {@link CorruptStateError}
 */
export function openHead(store: ChainStore, genesis: Genesis, trie: StateTrie, crypto: Crypto): Head {
  writeGenesis(store, genesis, trie, crypto)
  let total = 0n
  function* counted(): Iterable<PendingChange> {
    for (const account of store.accounts()) {
      total += account.after?.balance ?? 0n
      yield account
    }
  }
  const state = trie.build(counted())
  const number = store.head()!
  const { stateRoot } = Header.decode(store.block(number)!.header)
  const root = trie.root(state)
  if (root !== stateRoot) throw new CorruptStateError(stateRoot, root)
  return { number, state, total }
}

/**
 * Makes block 0 where there is none, and otherwise compares it.
 *
 * Making it takes seconds for a million accounts, so a genesis in the same words as last time is not made again.
 */
function writeGenesis(store: ChainStore, genesis: Genesis, trie: StateTrie, crypto: Crypto): void {
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
    store.append(block, first.changes, first.codes)
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

export class CorruptStateError extends BaseError {
  constructor(expected: Hex, got: Hex) {
    super({
      code: 'engine.corrupt_state',
      message: `Expected the stored accounts to have the head's state root ${expected}, they have ${got}. Restore the directory from a backup, or derive the chain again.`,
      context: { expected, got },
    })
  }
}
