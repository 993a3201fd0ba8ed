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
  const first = createGenesisBlock(genesis, trie, crypto)
  const known = store.blockHash(0n)
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
  let total = 0n
  const accounts: PendingChange[] = []
  store.forEachAccount((account) => {
    total += account.after?.balance ?? 0n
    accounts.push(account)
  })
  const { state } = trie.apply(undefined, accounts)
  const number = store.head()!
  const { stateRoot } = Header.decode(store.block(number)!.header)
  const root = trie.root(state)
  if (root !== stateRoot) throw new CorruptStateError(stateRoot, root)
  return { number, state, total }
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
