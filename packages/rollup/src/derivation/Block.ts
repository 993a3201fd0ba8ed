import type { Hex } from '@openledger/primitives'

/** An L1 block, as an L2 block that stands on it needs it. */
export type L1Block = {
  readonly number: bigint
  readonly hash: Hex
  readonly parentHash: Hex
  readonly timestamp: bigint
  readonly baseFeePerGas: bigint
  /** In wei; 1 where the L1 has no blobs. */
  readonly blobBaseFee: bigint
  /** The block's `mixHash`. */
  readonly prevRandao: Hex
  readonly parentBeaconBlockRoot?: Hex
}

/** A log of the L1, with its place in its block. */
export type L1Log = {
  readonly address: Hex
  readonly topics: readonly Hex[]
  readonly data: Hex
  readonly logIndex: number
}

/** A transaction of the L1, as far as it may carry batches. */
export type L1Transaction = {
  /** EIP-2718's. */
  readonly type: number
  readonly from: Hex
  readonly to: Hex | null
  readonly input: Uint8Array
  /** Versioned hashes, on type 3. */
  readonly blobHashes?: readonly Hex[]
}

/** One L1 block with everything that the L2 is derived from. */
export type L1Input = {
  readonly block: L1Block
  /** At least those to the batch inbox, in the order of the block. */
  readonly transactions: readonly L1Transaction[]
  /** At least those of portal and SystemConfig, out of successful transactions, in the order of the block. */
  readonly logs: readonly L1Log[]
  /** Blobs of 131,072 bytes by versioned hash: at least those that `blobHashes` asks for. */
  readonly blobs: ReadonlyMap<Hex, Uint8Array>
}

/** The safe L2 block that the next one is put on. */
export type L2Block = {
  readonly number: bigint
  readonly hash: Hex
  readonly timestamp: bigint
  readonly origin: { readonly number: bigint; readonly hash: Hex }
  /** How many L2 blocks before this one stand on the same L1 block. */
  readonly sequenceNumber: bigint
}
