import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import type { Crypto } from '../Crypto.ts'
import * as Bloom from '../codec/Bloom.ts'
import * as Header from '../codec/Header.ts'
import * as Receipt from '../codec/Receipt.ts'
import * as Transaction from '../codec/Transaction.ts'
import { createJournaledState, createStateReader, type JournaledState } from '../state/JournaledState.ts'
import * as Trie from '../state/Trie.ts'
import {
  type AccountChange,
  genesisChanges,
  padSlot,
  type StateTrie,
  stripZeros,
  type WorldState,
} from '../state/WorldState.ts'
import { encodeExtraData, nextBaseFee } from './BaseFee.ts'
import { type Schedule, scheduleOf } from './Fork.ts'
import type { Genesis, OptimismConfig } from './Genesis.ts'
import { daFootprint, fastLzLength, type L1FeeParameters, readParameters } from './L1Cost.ts'
import type { BlockContext, Evm } from './Message.ts'
import { BEACON_ROOTS, HISTORY_STORAGE, L2_TO_L1_MESSAGE_PASSER } from './Predeploys.ts'
import {
  executeDeposit,
  executeSigned,
  TransactionRejectedError,
  type TransactionResult,
} from './TransactionExecution.ts'

/** What decides a block besides its parent and its transactions. */
export type BlockAttributes = {
  readonly timestamp: bigint
  readonly prevRandao: Hex
  readonly feeRecipient: Hex
  readonly parentBeaconBlockRoot: Hex
  readonly gasLimit: bigint
  /** 8 bytes: denominator, elasticity; zero means the chain's defaults. */
  readonly eip1559Params: Hex
  /** In wei per gas; from Jovian on, and only then. */
  readonly minBaseFee?: bigint
  /** Of a block of Ethereum itself. */
  readonly blobBaseFee?: bigint
}

/** A transaction together with what can be computed from it once. */
export type ExecutableTransaction = {
  readonly raw: Uint8Array
  readonly transaction: Transaction.Transaction
  readonly hash: Hex
  readonly sender: Hex
  /** FastLZ length of `raw`, by which the L1 fee is reckoned. */
  readonly compressedLength: number
}

export type ExecutedTransaction = ExecutableTransaction & {
  readonly result: TransactionResult
  readonly cumulativeGasUsed: bigint
}

export type ExecutedBlock = {
  readonly header: Header.Header
  readonly hash: Hex
  readonly transactions: readonly ExecutedTransaction[]
  /** As they stand in the receipts trie. */
  readonly receipts: readonly Uint8Array[]
  readonly state: WorldState
  readonly changes: readonly AccountChange[]
  readonly codes: ReadonlyMap<Hex, Uint8Array>
  /** The fee parameters that the block's transactions were charged by; `undefined` on Ethereum itself. */
  readonly l1Parameters: L1FeeParameters | undefined
}

/** A block in the making. */
export type BlockExecution = {
  readonly context: BlockContext
  gasLeft(): bigint
  /**
   * Executes the next transaction.
   * @throws {TransactionRejectedError} when it may not stand here; the block is as before.
   */
  execute(transaction: ExecutableTransaction): Promise<ExecutedTransaction>
  /** Computes roots and header; nothing can be executed afterwards. */
  finish(): ExecutedBlock
}

export type BlockEnvironment = {
  readonly evm: Evm
  readonly crypto: Crypto
  readonly trie: StateTrie
  readonly chainId: bigint
  readonly schedule: Schedule
  /** Absent on Ethereum itself. */
  readonly optimism: OptimismConfig | undefined
  readonly code: (codeHash: Hex) => Uint8Array
  readonly blockHash: (number: bigint) => Hex | undefined
  /** Puts a view over the block's state, for whoever wants to see what is read and written. */
  readonly observe?: (state: JournaledState) => JournaledState
}

const BEACON_ROOTS_LENGTH = 8191n
/** Ethereum itself has no L1 to pay. */
const NO_L1: L1FeeParameters = {
  baseFee: 0n,
  blobBaseFee: 0n,
  baseFeeScalar: 0n,
  blobBaseFeeScalar: 0n,
  operatorFeeScalar: 0n,
  operatorFeeConstant: 0n,
}
const HISTORY_LENGTH = 8191n

/**
 * Decodes a transaction and finds its sender.
 * @param known - What was computed from the same bytes before.
 * @throws {MalformedTransactionError | InvalidSignatureError}
 */
export function toExecutable(
  raw: Uint8Array,
  crypto: Crypto,
  known?: Pick<ExecutableTransaction, 'hash' | 'sender' | 'compressedLength'>,
): ExecutableTransaction {
  const transaction = Transaction.decode(raw)
  if (known !== undefined) {
    const { hash, sender, compressedLength } = known
    return { raw, transaction, hash, sender, compressedLength }
  }
  return {
    raw,
    transaction,
    hash: Transaction.hash(raw, crypto),
    sender: Transaction.sender(transaction, crypto),
    compressedLength: transaction.type === 0x7e ? 0 : fastLzLength(raw),
  }
}

/**
 * Begins the block after `parent`: header context, and the writes of the system contracts.
 * @param state - The world state after `parent`.
 */
export function beginBlock(
  parent: { readonly header: Header.Header; readonly hash: Hex },
  state: WorldState,
  attributes: BlockAttributes,
  environment: BlockEnvironment,
): BlockExecution {
  const { crypto, trie, optimism } = environment
  const number = parent.header.number + 1n
  const rules = environment.schedule({ number, timestamp: attributes.timestamp })
  if (rules.hasJovian !== (attributes.minBaseFee !== undefined)) {
    throw new MinBaseFeeError(rules.fork, attributes.minBaseFee)
  }
  const own = createJournaledState(createStateReader(trie, state, environment.code))
  const journal = environment.observe?.(own) ?? own
  const context: BlockContext = {
    number,
    rules,
    timestamp: attributes.timestamp,
    feeRecipient: attributes.feeRecipient,
    prevRandao: attributes.prevRandao,
    gasLimit: attributes.gasLimit,
    baseFeePerGas: rules.hasLondon ? nextBaseFee(parent.header, optimism) : 0n,
    ...(attributes.blobBaseFee === undefined ? {} : { blobBaseFee: attributes.blobBaseFee }),
    blockHash: environment.blockHash,
  }
  writeSystemContracts(
    journal,
    context,
    rules.hasCancun ? attributes.parentBeaconBlockRoot : undefined,
    rules.hasPrague ? parent.hash : undefined,
  )

  const executed: ExecutedTransaction[] = []
  let gasUsed = 0n
  let footprint = 0n
  let parameters: L1FeeParameters | undefined
  const l1Parameters = (): L1FeeParameters => {
    parameters ??= rules.isOptimism ? readParameters(journal.storage, rules) : NO_L1
    return parameters
  }

  return {
    context,
    gasLeft: () => attributes.gasLimit - gasUsed,
    async execute(item) {
      const { transaction, sender, compressedLength } = item
      const common = { evm: environment.evm, crypto, block: context }
      let result: TransactionResult
      let ownFootprint = 0n
      // the block's own reading, done before the first that pays by it begins: no tracer shall think that it read them
      if (transaction.type !== 0x7e) l1Parameters()
      // what is refused before it begins must undo nothing: the journal still holds the transaction before it
      journal.beginTransaction()
      try {
        if (transaction.type === 0x7e) {
          if (transaction.gas > attributes.gasLimit - gasUsed) throw new BlockGasError(transaction.gas)
          result = await executeDeposit(journal, transaction, common)
        } else {
          ownFootprint = daFootprint(compressedLength, l1Parameters())
          if (footprint + ownFootprint > attributes.gasLimit) {
            throw new TransactionRejectedError(
              'da_footprint_exceeded',
              `at most ${attributes.gasLimit - footprint}`,
              `${ownFootprint}`,
            )
          }
          result = await executeSigned(journal, transaction, sender, compressedLength, {
            ...common,
            chainId: environment.chainId,
            gasLeft: attributes.gasLimit - gasUsed,
            l1Parameters,
          })
        }
      } catch (error) {
        journal.rollbackTransaction()
        throw error
      }
      gasUsed += result.gasUsed
      footprint += ownFootprint
      const done = { ...item, result, cumulativeGasUsed: gasUsed }
      executed.push(done)
      return done
    },
    finish() {
      const applied = trie.apply(state, journal.changes())
      const receipts: Uint8Array[] = []
      const logsBloom = Bloom.create()
      for (const item of executed) {
        const bloom = Receipt.bloomOf(item.result.logs, crypto)
        Bloom.merge(logsBloom, bloom)
        receipts.push(Receipt.encode(receiptOf(item), bloom))
      }
      const header: Header.Header = {
        parentHash: parent.hash,
        sha3Uncles: Header.EMPTY_UNCLES_HASH,
        miner: attributes.feeRecipient,
        stateRoot: trie.root(applied.state),
        transactionsRoot: bytesToHex(
          Trie.listRoot(
            executed.map(({ raw }) => raw),
            crypto,
          ),
        ),
        receiptsRoot: bytesToHex(Trie.listRoot(receipts, crypto)),
        logsBloom: bytesToHex(logsBloom),
        difficulty: 0n,
        number: context.number,
        gasLimit: attributes.gasLimit,
        gasUsed,
        timestamp: attributes.timestamp,
        extraData:
          optimism === undefined
            ? '0x'
            : encodeExtraData(attributes.eip1559Params, optimism, attributes.minBaseFee),
        mixHash: attributes.prevRandao,
        nonce: '0x0000000000000000',
        baseFeePerGas: context.baseFeePerGas,
        withdrawalsRoot: rules.hasWithdrawalsRoot
          ? trie.storageRoot(trie.account(applied.state, L2_TO_L1_MESSAGE_PASSER))
          : Header.EMPTY_ROOT,
        blobGasUsed: footprint,
        excessBlobGas: 0n,
        parentBeaconBlockRoot: attributes.parentBeaconBlockRoot,
        ...(rules.hasPrague ? { requestsHash: Header.EMPTY_REQUESTS_HASH } : {}),
      }
      return {
        header,
        hash: Header.hash(header, crypto),
        transactions: executed,
        receipts,
        state: applied.state,
        changes: applied.changes,
        codes: journal.newCodes(),
        l1Parameters: rules.isOptimism ? l1Parameters() : undefined,
      }
    },
  }
}

/** Makes block 0 and its state. */
export function createGenesisBlock(
  genesis: Genesis,
  trie: StateTrie,
  crypto: Crypto,
): Pick<ExecutedBlock, 'header' | 'hash' | 'state' | 'changes' | 'codes'> {
  const { changes: pending, codes } = genesisChanges(genesis, crypto)
  const { state, changes } = trie.apply(undefined, pending)
  const { optimism } = genesis.config
  const rules = scheduleOf(genesis.config)({ number: 0n, timestamp: BigInt(genesis.timestamp) })
  const header: Header.Header = {
    ...Header.formOf(rules),
    parentHash: ZERO_HASH,
    sha3Uncles: Header.EMPTY_UNCLES_HASH,
    miner: genesis.coinbase ?? `0x${'00'.repeat(20)}`,
    stateRoot: trie.root(state),
    transactionsRoot: Header.EMPTY_ROOT,
    receiptsRoot: Header.EMPTY_ROOT,
    logsBloom: `0x${'00'.repeat(256)}`,
    difficulty: BigInt(genesis.difficulty ?? 0),
    number: 0n,
    gasLimit: BigInt(genesis.gasLimit),
    gasUsed: 0n,
    timestamp: BigInt(genesis.timestamp),
    extraData:
      genesis.extraData ??
      (optimism === undefined
        ? '0x'
        : encodeExtraData('0x0000000000000000', optimism, rules.hasJovian ? 0n : undefined)),
    mixHash: genesis.mixHash ?? ZERO_HASH,
    nonce: bytesToHex(Bytes.fromUint(BigInt(genesis.nonce ?? 0), 8)),
    baseFeePerGas: rules.hasLondon ? BigInt(genesis.baseFeePerGas ?? 1_000_000_000) : 0n,
    withdrawalsRoot: trie.storageRoot(trie.account(state, L2_TO_L1_MESSAGE_PASSER)),
    blobGasUsed: 0n,
    excessBlobGas: 0n,
    parentBeaconBlockRoot: ZERO_HASH,
    requestsHash: Header.EMPTY_REQUESTS_HASH,
  }
  return { header, hash: Header.hash(header, crypto), state, changes, codes }
}

const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`

/** The part of an execution's outcome that the receipts root commits to. */
export function receiptOf({ transaction, result, cumulativeGasUsed }: ExecutedTransaction): Receipt.Receipt {
  return {
    type: transaction.type,
    status: result.status,
    cumulativeGasUsed,
    logs: result.logs,
    ...(result.depositNonce === undefined
      ? {}
      : { depositNonce: result.depositNonce, depositReceiptVersion: 1n }),
  }
}

/**
 * Writes what the system calls of EIP-4788 and EIP-2935 would write.
 *
 * The calls themselves would leave a non-empty system account behind under EthereumJS.
 */
export function writeSystemContracts(
  journal: JournaledState,
  { number, timestamp }: BlockContext,
  parentBeaconBlockRoot: Hex | undefined,
  parentHash: Hex | undefined,
): void {
  journal.beginTransaction()
  const put = (address: Hex, slot: bigint, value: Uint8Array): void =>
    journal.putStorage(address, padSlot(slot.toString(16)), stripZeros(value))
  if (parentBeaconBlockRoot !== undefined && journal.code(BEACON_ROOTS).length > 0) {
    const index = timestamp % BEACON_ROOTS_LENGTH
    put(BEACON_ROOTS, index, Bytes.fromUint(timestamp, 32))
    put(BEACON_ROOTS, index + BEACON_ROOTS_LENGTH, hexToBytes(parentBeaconBlockRoot))
  }
  if (parentHash !== undefined && journal.code(HISTORY_STORAGE).length > 0) {
    put(HISTORY_STORAGE, (number - 1n) % HISTORY_LENGTH, hexToBytes(parentHash))
  }
}

export class BlockGasError extends BaseError {
  constructor(gas: bigint) {
    super({
      code: 'block.gas_exceeded',
      message: `Expected the deposits to fit the block's gas limit, but one of ${gas} gas does not. Raise the gas limit in the system configuration.`,
      context: { gas: gas.toString() },
    })
  }
}

export class MinBaseFeeError extends BaseError {
  constructor(fork: string, got: bigint | undefined) {
    super({
      code: 'block.min_base_fee',
      message: `Expected minBaseFee in the attributes of every block from Jovian on and of none before; got ${got ?? 'none'} under ${fork}.`,
      context: { fork, got: got?.toString() },
    })
  }
}
