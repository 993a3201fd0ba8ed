import type { Hex } from '@openledger/primitives'
import type { AccessList } from '../codec/Transaction.ts'
import type { JournaledState } from '../state/JournaledState.ts'
import type { ForkRules } from './Fork.ts'

/** What code can learn about the block it runs in. */
export type BlockContext = {
  readonly number: bigint
  readonly timestamp: bigint
  readonly feeRecipient: Hex
  readonly prevRandao: Hex
  readonly gasLimit: bigint
  readonly baseFeePerGas: bigint
  /** Absent where there are no blobs: the price for none is the minimum. */
  readonly blobBaseFee?: bigint
  readonly rules: ForkRules
  /** Precompiles that calls assume at other addresses, or nowhere, by their own. */
  readonly movedPrecompiles?: ReadonlyMap<Hex, Hex | undefined>
  /** Hashes of the last 256 blocks. */
  readonly blockHash: (number: bigint) => Hex | undefined
}

export type Message = {
  readonly from: Hex
  /** `null` creates a contract from `data`. */
  readonly to: Hex | null
  readonly data: Uint8Array
  readonly value: bigint
  /** What is left after the intrinsic gas. */
  readonly gas: bigint
  readonly gasPrice: bigint
  readonly accessList: AccessList
  /** Addresses that are warm besides sender, target, fee recipient, precompiles and the access list. */
  readonly warm: readonly Hex[]
  /** Of a transaction that carries blobs. */
  readonly blobVersionedHashes?: readonly Hex[]
}

export type MessageResult = {
  readonly returnData: Uint8Array
  readonly gasUsed: bigint
  readonly gasRefund: bigint
  readonly createdAddress: Hex | undefined
  readonly logs: readonly { readonly address: Hex; readonly topics: readonly Hex[]; readonly data: Hex }[]
  /** `undefined` on success, else what failed, such as `revert` or `out of gas`. */
  readonly failure: string | undefined
}

/** One opcode that is about to run. `stack` and `memory` are as before it, the top of the stack last. */
export type EvmStep = {
  readonly pc: number
  readonly opcode: string
  readonly gas: bigint
  /** Without what a call hands on. */
  readonly gasCost: bigint
  /** 1 for the transaction's own message. */
  readonly depth: number
  readonly refund: bigint
  readonly stack: readonly bigint[]
  readonly memory: Uint8Array
  readonly address: Hex
}

/** A message that begins: the transaction's own, or one that code sends. */
export type EvmFrame = {
  readonly depth: number
  readonly from: Hex
  /** `undefined` while the address of a new contract is not known. */
  readonly to: Hex | undefined
  readonly isDelegateCall: boolean
  readonly isStatic: boolean
  /** Whose code runs; differs from `to` under DELEGATECALL and CALLCODE. */
  readonly codeAddress: Hex | undefined
  readonly data: Uint8Array
  readonly value: bigint
  readonly gas: bigint
}

/** Watches a message being executed; what it throws ends the execution. */
export type EvmTracer = {
  /** May return a promise, which the EVM waits for: a place to let others have the thread. */
  readonly step?: (step: EvmStep) => void | Promise<void>
  readonly enter?: (frame: EvmFrame) => void
  readonly exit?: (result: {
    readonly gasUsed: bigint
    readonly returnData: Uint8Array
    readonly failure: string | undefined
    readonly createdAddress: Hex | undefined
  }) => void
}

/** Runs messages on journaled states, one at a time. */
export type Evm = {
  /** Runs a message. The transaction has begun in the journal, with the sender's nonce raised and its gas paid. */
  run(
    state: JournaledState,
    block: BlockContext,
    message: Message,
    tracer?: EvmTracer,
  ): Promise<MessageResult>
  /** Runs a message and tells which addresses and slots it touched, beyond those that are always warm. */
  trace(
    state: JournaledState,
    block: BlockContext,
    message: Message,
  ): Promise<MessageResult & { readonly accessList: AccessList }>
  /** Lists the addresses of a fork's precompiles. */
  precompiles(rules: ForkRules): Promise<ReadonlySet<Hex>>
}
