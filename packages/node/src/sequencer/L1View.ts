import type { Hex } from '@openledger/primitives'

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

/** The parameters that the L1's SystemConfig contract sets, as they stand after one L1 block. */
export type SystemConfig = {
  readonly batcherAddress: Hex
  readonly baseFeeScalar: bigint
  readonly blobBaseFeeScalar: bigint
  readonly gasLimit: bigint
  /** 8 bytes: denominator, elasticity; zero means the chain's defaults. */
  readonly eip1559Params: Hex
  readonly operatorFeeScalar: bigint
  readonly operatorFeeConstant: bigint
}

/** What the sequencer sees of the L1. */
export type L1View = {
  /** The newest block that may become an origin (already behind the configured confirmation depth). */
  head(): Promise<L1Block>
  block(number: bigint): Promise<L1Block | undefined>
  /** The portal's `TransactionDeposited` logs of that block, by log index. */
  receiptsDeposits(blockHash: Hex): Promise<readonly L1Log[]>
  systemConfig(at: L1Block): Promise<SystemConfig>
}
