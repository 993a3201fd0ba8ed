import { BaseError, type Clock, type Hex } from '@openledger/primitives'
import {
  type BlockEnvironment,
  bytesToHex,
  type Crypto,
  createEvm,
  EMPTY_CODE_HASH,
  outputRoot,
  padSlot,
  type StateTrie,
  scheduleOf,
  type WorldState,
} from '@openledger/rollup'
import type { BlockReader } from './BlockReader.ts'
import { type CallLimits, type CallPlace, createCalls } from './Calls.ts'
import type { ChainStore } from './ChainStore.ts'
import type { Genesis, InspectableEngine } from './Engine.ts'
import { type BlockView, rawBlock } from './Records.ts'
import { simulate } from './Simulation.ts'
import { traceBlock } from './Traces.ts'
import type { WorldHistory } from './WorldHistory.ts'

/** What can be asked of a chain without changing it. */
export type ChainReads = Pick<
  InspectableEngine,
  | 'chainId'
  | 'head'
  | 'block'
  | 'transaction'
  | 'receipt'
  | 'receipts'
  | 'logs'
  | 'oldestState'
  | 'oldestReceipts'
  | 'account'
  | 'code'
  | 'storage'
  | 'proof'
  | 'call'
  | 'estimateGas'
  | 'outputRoot'
  | 'safe'
  | 'finalized'
  | 'traceBlock'
  | 'traceCall'
  | 'simulate'
  | 'rawBlock'
>

export type ChainReadsDependencies = {
  readonly genesis: Genesis
  readonly store: ChainStore
  readonly trie: StateTrie
  readonly crypto: Crypto
  readonly blocks: BlockReader
  readonly history: WorldHistory
  /** The newest block, asked at each use. */
  readonly head: () => BlockView
  readonly clock: Clock
  readonly callLimits?: CallLimits | undefined
}

const CODES_MAX = 4096

/** Creates the reader of a chain: its blocks, its states, and calls that leave nothing behind. */
export async function createChainReads(dependencies: ChainReadsDependencies): Promise<{
  readonly reads: ChainReads
  /** What executing a block takes, with an EVM of its own. */
  readonly environment: BlockEnvironment
}> {
  const { genesis, store, trie, crypto, blocks, history, head, clock } = dependencies
  const { chainId, optimism } = genesis.config
  const codes = new Map<Hex, Uint8Array>()
  const code = (codeHash: Hex): Uint8Array => {
    if (codeHash === EMPTY_CODE_HASH) return NO_BYTES
    const known = codes.get(codeHash)
    if (known !== undefined) return known
    const read = store.code(codeHash)
    if (read === undefined) throw new MissingCodeError(codeHash)
    if (codes.size >= CODES_MAX) codes.clear()
    codes.set(codeHash, read)
    return read
  }
  const schedule = scheduleOf(genesis.config)
  const newEvm = () => createEvm({ chainId, crypto })
  const calls = createCalls(
    { clock, crypto, trie, schedule, createEvm: newEvm, code, blockHash: blocks.hash },
    dependencies.callLimits,
  )
  const environment: BlockEnvironment = {
    evm: await newEvm(),
    crypto,
    trie,
    chainId: BigInt(chainId),
    schedule,
    optimism,
    code,
    blockHash: blocks.hash,
  }
  const stateAt = (number: bigint | undefined): WorldState =>
    number === undefined ? history.head() : history.at(number)
  const accountAt = (address: Hex, number: bigint | undefined) =>
    trie.account(stateAt(number), lower(address))
  const placeAt = (number: bigint | undefined): CallPlace => ({
    header: number === undefined ? head().header : blocks.required(number).header,
    state: stateAt(number),
  })

  const reads: ChainReads = {
    chainId,
    head: () => head().record,
    block(numberOrHash) {
      const number = typeof numberOrHash === 'bigint' ? numberOrHash : blocks.number(numberOrHash)
      return number === undefined ? undefined : blocks.view(number)?.record
    },
    transaction: blocks.transaction,
    receipt: blocks.receipt,
    receipts: (number) => blocks.required(number).receipts,
    logs: blocks.logs,
    oldestState: store.oldestState,
    oldestReceipts: store.oldestReceipts,
    account(address, blockNumber) {
      const account = accountAt(address, blockNumber)
      return {
        nonce: account?.nonce ?? 0n,
        balance: account?.balance ?? 0n,
        codeHash: account?.codeHash ?? EMPTY_CODE_HASH,
        storageRoot: trie.storageRoot(account),
      }
    },
    code(address, blockNumber) {
      const account = accountAt(address, blockNumber)
      return account === undefined ? NO_BYTES : code(account.codeHash)
    },
    storage: (address, slot, blockNumber) =>
      padSlot(bytesToHex(trie.storage(accountAt(address, blockNumber), padSlot(slot)))),
    proof(address, slots, blockNumber) {
      const state = history.at(blockNumber)
      const account = trie.account(state, lower(address))
      return {
        address: lower(address),
        accountProof: trie.accountProof(state, lower(address)).map((node) => bytesToHex(node)),
        balance: account?.balance ?? 0n,
        codeHash: account?.codeHash ?? EMPTY_CODE_HASH,
        nonce: account?.nonce ?? 0n,
        storageHash: trie.storageRoot(account),
        storageProof: slots.map((slot) => ({
          key: slot,
          value: BigInt(padSlot(bytesToHex(trie.storage(account, padSlot(slot))))),
          proof: trie.storageProof(account, padSlot(slot)).map((node) => bytesToHex(node)),
        })),
      }
    },
    call: async (request, blockNumber, overrides, blockOverrides) =>
      calls.call(placeAt(blockNumber), request, overrides, blockOverrides),
    estimateGas: async (request, blockNumber, overrides) =>
      calls.estimateGas(placeAt(blockNumber), request, overrides),
    traceBlock: async (number, options, index) =>
      traceBlock(number, options, index, { blocks, calls, clock, environment, stateAt: history.at }),
    traceCall: async (request, options, blockNumber, overrides, blockOverrides) =>
      calls.trace(placeAt(blockNumber), request, options, overrides, blockOverrides),
    async simulate(request, blockNumber) {
      const { header, state } = placeAt(blockNumber)
      const { hash } = blocks.required(header.number).record
      return simulate(request, { ...header, hash }, state, {
        calls,
        crypto,
        trie,
        clock,
        schedule,
        chainId: BigInt(chainId),
        optimism,
        blockHash: blocks.hash,
      })
    },
    rawBlock: (number) => rawBlock(number, store, crypto),
    outputRoot(blockNumber) {
      const { record } = blocks.required(blockNumber)
      const proof = {
        stateRoot: record.stateRoot,
        // in an Isthmus header the withdrawals root is the storage root of the message passer
        messagePasserStorageRoot: record.withdrawalsRoot,
        blockHash: record.hash,
      }
      return { ...proof, outputRoot: outputRoot(proof, crypto) }
    },
    safe: () => blocks.required(store.mark('safe')).record,
    finalized: () => blocks.required(store.mark('finalized')).record,
  }
  return { reads, environment }
}

const NO_BYTES = new Uint8Array()
const lower = (hex: Hex): Hex => hex.toLowerCase() as Hex

export class MissingCodeError extends BaseError {
  constructor(codeHash: Hex) {
    super({
      code: 'engine.missing_code',
      message: `Expected the code with hash ${codeHash} in the chain's database, found none. Restore the directory from a backup.`,
      context: { codeHash },
    })
  }
}
