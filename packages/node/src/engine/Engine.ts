import type { Hex } from '@openledger/primitives'
import type { Header } from '@openledger/rollup/codec/Header'
import type { Genesis } from '@openledger/rollup/execution/Genesis'
import type { SimulatedBlock, SimulationRequest } from './Simulation.ts'
import type { TraceOptions } from './Tracer.ts'

export type { Genesis }

/** Legacy, EIP-2930, EIP-1559, EIP-4844 (on Ethereum itself only), EIP-7702 and the OP Stack's deposit. */
export type TransactionTypeNumber = 0 | 1 | 2 | 3 | 4 | 0x7e

export type AccessList = readonly { readonly address: Hex; readonly storageKeys: readonly Hex[] }[]

export type SignedAuthorization = {
  readonly chainId: bigint
  readonly address: Hex
  readonly nonce: bigint
  readonly yParity: 0 | 1
  readonly r: bigint
  readonly s: bigint
}

/** A transaction with its place in the chain; pending ones have no block. */
export type TransactionRecord = {
  readonly hash: Hex
  readonly type: TransactionTypeNumber
  readonly from: Hex
  /** `null` creates a contract. */
  readonly to: Hex | null
  readonly nonce: bigint
  /** The gas limit. */
  readonly gas: bigint
  readonly value: bigint
  readonly input: Hex
  /** The exact bytes, as they stand in the block and in a batch. */
  readonly raw: Uint8Array
  readonly blockHash: Hex | null
  readonly blockNumber: bigint | null
  readonly transactionIndex: number | null
  readonly blockTimestamp: bigint | null
  /** Absent on deposits. The replay-protected chain id of a legacy transaction, if it has one. */
  readonly chainId?: bigint
  /** Types 0 and 1; in a block also the effective price of types 2 and 4. */
  readonly gasPrice?: bigint
  readonly maxFeePerGas?: bigint
  readonly maxPriorityFeePerGas?: bigint
  readonly accessList?: AccessList
  readonly authorizationList?: readonly SignedAuthorization[]
  readonly maxFeePerBlobGas?: bigint
  readonly blobVersionedHashes?: readonly Hex[]
  readonly v?: bigint
  readonly yParity?: 0 | 1
  readonly r?: bigint
  readonly s?: bigint
  /** Deposits only, like the four that follow. */
  readonly sourceHash?: Hex
  readonly mint?: bigint
  readonly isSystemTx?: boolean
  readonly depositReceiptVersion?: bigint
}

/** What Ethereum's consensus pays out in a block; `amount` is in gwei. */
export type WithdrawalRecord = {
  readonly index: bigint
  readonly validatorIndex: bigint
  readonly address: Hex
  readonly amount: bigint
}

/** A block with the header's fields under viem's names. */
export type BlockRecord = Header & {
  readonly hash: Hex
  /** Hashes of headers that were not on the chain; none on an OP Stack chain. */
  readonly uncles: readonly Hex[]
  /** From the L1's consensus; none on an OP Stack chain. */
  readonly withdrawals: readonly WithdrawalRecord[]
  /** Bytes of the RLP-encoded block. */
  readonly size: bigint
  readonly transactions: readonly TransactionRecord[]
}

export type LogRecord = {
  readonly address: Hex
  readonly topics: readonly Hex[]
  readonly data: Hex
  readonly blockNumber: bigint
  readonly blockHash: Hex
  readonly blockTimestamp: bigint
  readonly transactionHash: Hex
  readonly transactionIndex: number
  readonly logIndex: number
  readonly removed: false
}

/** A receipt; the OP fields are absent where the specification has none (deposits pay no L1 fee). */
export type ReceiptRecord = {
  readonly transactionHash: Hex
  readonly transactionIndex: number
  readonly blockHash: Hex
  readonly blockNumber: bigint
  readonly type: TransactionTypeNumber
  readonly status: 0 | 1
  /** In the status's place before Byzantium. */
  readonly root?: Hex
  readonly from: Hex
  readonly to: Hex | null
  readonly contractAddress: Hex | null
  readonly gasUsed: bigint
  readonly cumulativeGasUsed: bigint
  readonly effectiveGasPrice: bigint
  readonly logs: readonly LogRecord[]
  readonly logsBloom: Hex
  readonly l1Fee?: bigint
  readonly l1GasUsed?: bigint
  readonly l1GasPrice?: bigint
  readonly l1BaseFeeScalar?: bigint
  readonly l1BlobBaseFee?: bigint
  readonly l1BlobBaseFeeScalar?: bigint
  readonly operatorFeeScalar?: bigint
  readonly operatorFeeConstant?: bigint
  /** From Jovian on, with `blobGasUsed` as what the transaction takes of the block's room for data. */
  readonly daFootprintGasScalar?: bigint
  readonly blobGasUsed?: bigint
  readonly blobGasPrice?: bigint
  readonly depositNonce?: bigint
  readonly depositReceiptVersion?: bigint
}

export type AccountRecord = {
  readonly nonce: bigint
  readonly balance: bigint
  readonly codeHash: Hex
  readonly storageRoot: Hex
}

/** What `eth_getProof` answers, with bigints. */
export type AccountProof = {
  readonly address: Hex
  readonly accountProof: readonly Hex[]
  readonly balance: bigint
  readonly codeHash: Hex
  readonly nonce: bigint
  readonly storageHash: Hex
  readonly storageProof: readonly {
    readonly key: Hex
    readonly value: bigint
    readonly proof: readonly Hex[]
  }[]
}

export type CallRequest = {
  readonly from?: Hex
  readonly to?: Hex | null
  readonly data?: Hex
  readonly value?: bigint
  readonly gas?: bigint
  readonly gasPrice?: bigint
  readonly maxFeePerGas?: bigint
  readonly maxPriorityFeePerGas?: bigint
  readonly nonce?: bigint
  readonly accessList?: AccessList
}

/** State to assume during a call, by address; `state` replaces the whole storage, `stateDiff` single slots. */
export type StateOverride = Readonly<
  Record<
    Hex,
    {
      readonly balance?: bigint
      readonly nonce?: bigint
      readonly code?: Hex
      readonly state?: Readonly<Record<Hex, Hex>>
      readonly stateDiff?: Readonly<Record<Hex, Hex>>
      /** Where the precompile of this address is found instead. */
      readonly movePrecompileTo?: Hex
    }
  >
>

/** What a call may assume of the block it runs in. */
export type BlockOverride = {
  readonly number?: bigint
  readonly timestamp?: bigint
  readonly gasLimit?: bigint
  readonly feeRecipient?: Hex
  readonly prevRandao?: Hex
  readonly baseFeePerGas?: bigint
}

export type CallResult = {
  /** The returned bytes, the revert data, or the deployed code of a creation. */
  readonly returnData: Hex
  readonly gasUsed: bigint
  /** True on any failure: `error` then says which. */
  readonly reverted: boolean
  /** `execution reverted`, `out of gas`, `invalid opcode`, ... */
  readonly error?: string
  readonly logs: readonly { readonly address: Hex; readonly topics: readonly Hex[]; readonly data: Hex }[]
  /** What the call touched beyond sender, target and precompiles, for `eth_createAccessList`. */
  readonly accessList: AccessList
}

/** The inputs of one block, as the rollup specification's payload attributes. */
export type PayloadAttributes = {
  readonly timestamp: bigint
  readonly prevRandao: Hex
  readonly feeRecipient: Hex
  readonly parentBeaconBlockRoot: Hex
  readonly gasLimit: bigint
  /** 4 bytes denominator then 4 bytes elasticity, big-endian; all zero means the chain's defaults. */
  readonly eip1559Params: Hex
  /** In wei per gas; from Jovian on, and only then. */
  readonly minBaseFee?: bigint
  /** Raw 0x7e transactions, the L1-info deposit first. */
  readonly deposits: readonly Uint8Array[]
  /** True leaves the pool out. */
  readonly noTxPool?: boolean
  /** Raw transactions that must follow the deposits, in order; one that is invalid fails the build. */
  readonly transactions?: readonly Uint8Array[]
}

/**
 * Executes and keeps the L2 chain: one head, durable blocks, state at the head and before, and a transaction pool.
 *
 * Numbers and hashes of blocks that do not exist answer `undefined`; state asked of such a block throws
 * `UnknownBlockError`. Default block of every state question is the head.
 */
export type Engine = {
  readonly chainId: number
  head(): BlockRecord
  block(numberOrHash: bigint | Hex): BlockRecord | undefined
  transaction(hash: Hex): TransactionRecord | undefined
  receipt(hash: Hex): ReceiptRecord | undefined
  receipts(blockNumber: bigint): readonly ReceiptRecord[]
  logs(filter: {
    readonly fromBlock: bigint
    readonly toBlock: bigint
    readonly addresses?: readonly Hex[]
    /** By position; `null` matches anything, a list any of its members. */
    readonly topics?: readonly (readonly Hex[] | null)[]
  }): readonly LogRecord[]
  /** The oldest block whose state can be asked for. */
  oldestState(): bigint
  /** The oldest block whose receipts and logs can be asked for, and transactions by their hash. */
  oldestReceipts(): bigint
  account(address: Hex, blockNumber?: bigint): AccountRecord
  code(address: Hex, blockNumber?: bigint): Uint8Array
  /** Answers 32 bytes. */
  storage(address: Hex, slot: Hex, blockNumber?: bigint): Hex
  proof(address: Hex, slots: readonly Hex[], blockNumber: bigint): AccountProof
  call(
    request: CallRequest,
    blockNumber?: bigint,
    overrides?: StateOverride,
    blockOverrides?: BlockOverride,
  ): Promise<CallResult>
  /** @throws {CallRevertedError} with the revert data when the call fails at any gas. */
  estimateGas(request: CallRequest, blockNumber?: bigint, overrides?: StateOverride): Promise<bigint>
  /**
   * Puts a signed transaction into the pool.
   * @returns its hash.
   * @throws {TransactionRejectedError} whose `code` is one of `transaction.nonce_too_low`, `.underpriced`,
   * `.insufficient_funds`, `.wrong_chain`, `.already_known`, `.replacement_underpriced`, `.intrinsic_gas_too_low`,
   * `.gas_limit_exceeded`, `.type_not_supported`, `.malformed`, `.pool_full`, ...
   */
  submit(rawTransaction: Uint8Array): Promise<Hex>
  /** `queued` are those that a missing nonce keeps from the next block. */
  pending(): {
    transactions(): readonly TransactionRecord[]
    /** Those behind a missing nonce. */
    queued(): readonly TransactionRecord[]
    nonce(address: Hex): bigint
  }
  /** Executes a block on the head, makes it durable, and makes it the new head. */
  build(attributes: PayloadAttributes): Promise<BlockRecord>
  /**
   * Takes back every block after `number`, as an L1 that reorganised demands; their transactions return to the pool.
   *
   * Listeners hear of the next block that is built, not of those that are gone.
   *
   * @returns the new head.
   * @throws {FinalizedBlockError} when a finalised block would be lost.
   */
  rewind(number: bigint): Promise<BlockRecord>
  outputRoot(blockNumber: bigint): {
    readonly outputRoot: Hex
    readonly stateRoot: Hex
    readonly messagePasserStorageRoot: Hex
    readonly blockHash: Hex
  }
  /** The sum of all native balances at the head, in wei. */
  totalBalance(): bigint
  setSafe(number: bigint): void
  setFinalized(number: bigint): void
  /** Slows down what the pool puts into blocks; what is forced into them is not held up. @see op-geth, `miner_setMaxDASize`. */
  limitData?(limits: DataLimits): void
  safe(): BlockRecord
  finalized(): BlockRecord
  /** Calls `listener` after each block became durable. @returns what stops it. */
  onBlock(listener: (block: BlockRecord) => void): () => void
  onPending(listener: (hash: Hex) => void): () => void
  close(): Promise<void>
}

/** How much data for L1 the pool may put into blocks, as estimated by the L1 fee's rule; 0 is no limit. */
export type DataLimits = { readonly transactionBytes: bigint; readonly blockBytes: bigint }

/**
 * What a rollup's services need of an engine: the blocks, not the state. Other processes' engines offer it as well.
 */
export type ChainEngine = Pick<
  Engine,
  | 'chainId'
  | 'head'
  | 'block'
  | 'build'
  | 'rewind'
  | 'outputRoot'
  | 'setSafe'
  | 'setFinalized'
  | 'limitData'
  | 'safe'
  | 'finalized'
  | 'onBlock'
  | 'close'
>

/** An engine that can also show how its blocks and calls execute. */
export type InspectableEngine = Engine & {
  /**
   * Executes a block again and tells what the tracer saw of each transaction, or of the one at `index`.
   * @throws {TraceLimitError}
   */
  traceBlock(
    number: bigint,
    options: TraceOptions,
    index?: number,
  ): Promise<readonly { readonly txHash: Hex; readonly result: unknown }[]>
  traceCall(
    request: CallRequest,
    options: TraceOptions,
    blockNumber?: bigint,
    overrides?: StateOverride,
    blockOverrides?: BlockOverride,
  ): Promise<unknown>
  /** Executes blocks that will never be, one upon the other. @throws {SimulationError} */
  simulate(request: SimulationRequest, blockNumber?: bigint): Promise<readonly SimulatedBlock[]>
  /** The bytes of a block as the network knows them: RLP of header, transactions, no uncles, no withdrawals. */
  rawBlock(number: bigint): {
    readonly header: Uint8Array
    readonly block: Uint8Array
    readonly receipts: readonly Uint8Array[]
  }
}
