import type { StateManagerInterface } from '@ethereumjs/common'
import { Account, type Address, bytesToHex, hexToBytes } from '@ethereumjs/util'
import { BaseError, type Hex } from '@openledger/primitives'
import type { Crypto } from '../Crypto.ts'
import { EMPTY_ROOT } from '../codec/Header.ts'
import type { JournaledState } from './JournaledState.ts'
import { EMPTY_CODE_HASH } from './WorldState.ts'

/** EthereumJS's view of a journaled state; `use` puts another state under the same EVM. */
export type StateManager = StateManagerInterface & { use(state: JournaledState): void }

const EMPTY_ROOT_BYTES = hexToBytes(EMPTY_ROOT)
const EMPTY_CODE_HASH_BYTES = hexToBytes(EMPTY_CODE_HASH)
/** Only ever compared with the empty root: the EVM needs to know that there are slots, not which. */
const SOME_ROOT_BYTES = new Uint8Array(32).fill(1)

const key = (address: Address): Hex => bytesToHex(address.bytes)

/** Creates the adapter between our synchronous state and EthereumJS's asynchronous interface. */
export function createStateManager(initial: JournaledState, crypto: Crypto): StateManager {
  let state = initial
  const getAccount = (address: Address): Account | undefined => {
    const fields = state.account(key(address))
    if (fields === undefined) return undefined
    const { nonce, balance, codeHash } = fields
    const isPlain = codeHash === EMPTY_CODE_HASH
    return new Account(
      nonce,
      balance,
      isPlain && state.hasStorage(key(address)) ? SOME_ROOT_BYTES : EMPTY_ROOT_BYTES,
      isPlain ? EMPTY_CODE_HASH_BYTES : hexToBytes(codeHash),
    )
  }
  const putAccount = (address: Address, account: Account | undefined): void => {
    if (account === undefined) {
      state.putAccount(key(address), undefined)
      return
    }
    const { nonce, balance, codeHash } = account
    const hash = codeHash === EMPTY_CODE_HASH_BYTES ? EMPTY_CODE_HASH : bytesToHex(codeHash)
    state.putAccount(key(address), { nonce, balance, codeHash: hash })
  }

  return {
    use(next) {
      state = next
    },
    getAccount: async (address) => getAccount(address),
    putAccount: async (address, account) => putAccount(address, account),
    deleteAccount: async (address) => {
      state.putAccount(key(address), undefined)
      state.clearStorage(key(address))
    },
    modifyAccountFields: async (address, fields) => {
      const account = getAccount(address) ?? new Account()
      account.nonce = fields.nonce ?? account.nonce
      account.balance = fields.balance ?? account.balance
      account.codeHash = fields.codeHash ?? account.codeHash
      putAccount(address, account)
    },
    putCode: async (address, code) => {
      const codeHash = code.length === 0 ? EMPTY_CODE_HASH : bytesToHex(crypto.keccak256(code))
      state.putCode(key(address), code, codeHash)
    },
    getCode: async (address) => state.code(key(address)),
    getCodeSize: async (address) => state.code(key(address)).length,
    getStorage: async (address, slot) => state.storage(key(address), bytesToHex(slot)),
    putStorage: async (address, slot, value) => state.putStorage(key(address), bytesToHex(slot), value),
    clearStorage: async (address) => state.clearStorage(key(address)),
    originalStorageCache: {
      get: async (address, slot) => state.originalStorage(key(address), bytesToHex(slot)),
      clear: () => {},
    },
    checkpoint: async () => state.checkpoint(),
    commit: async () => state.commit(),
    revert: async () => state.revert(),
    clearCaches: () => {},
    // the block's root is computed once, after its last transaction, and never by the EVM
    getStateRoot: () => Promise.reject(new NotOfExecutionError('getStateRoot')),
    setStateRoot: () => Promise.reject(new NotOfExecutionError('setStateRoot')),
    hasStateRoot: () => Promise.reject(new NotOfExecutionError('hasStateRoot')),
    shallowCopy: () => {
      throw new NotOfExecutionError('shallowCopy')
    },
  }
}

export class NotOfExecutionError extends BaseError {
  constructor(method: string) {
    super({
      code: 'state.not_of_execution',
      message: `Expected the EVM to only read and change accounts, but it asked for ${method}. Ask the world state instead.`,
      context: { method },
    })
  }
}
