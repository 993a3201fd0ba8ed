import type { Hex } from '@openledger/primitives'
import type { L1Block, L1Log, SystemConfigValues } from '@openledger/rollup'

export type { L1Block, L1Log, SystemConfigValues as SystemConfig }

/** What the sequencer sees of the L1. */
export type L1View = {
  /** The newest block that may become an origin (already behind the configured confirmation depth). */
  head(): Promise<L1Block>
  block(number: bigint): Promise<L1Block | undefined>
  /** The portal's `TransactionDeposited` logs of that block, by log index. */
  receiptsDeposits(blockHash: Hex): Promise<readonly L1Log[]>
  systemConfig(at: L1Block): Promise<SystemConfigValues>
}
