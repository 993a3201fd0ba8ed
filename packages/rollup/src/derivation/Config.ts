import type { Hex } from '@openledger/primitives'
import type { SystemConfig } from '../codec/SystemConfig.ts'

/** What `rollup.json` says that derivation depends on. */
export type DerivationConfig = {
  readonly genesis: {
    readonly l1: { readonly number: bigint; readonly hash: Hex }
    readonly l2: { readonly number: bigint; readonly hash: Hex }
    /** Of the L2's block 0, in seconds. */
    readonly timestamp: bigint
    readonly systemConfig: SystemConfig
  }
  readonly blockTimeSeconds: bigint
  /** Batches of an origin must be in a block at most so many L1 blocks later. */
  readonly sequencingWindowBlocks: bigint
  readonly l2ChainId: bigint
  readonly batchInbox: Hex
  readonly portal: Hex
  readonly systemConfigAddress: Hex
  /** L2 timestamps; absent forks are never active. Everything up to Isthmus is active from genesis. */
  readonly jovianTime?: bigint
  readonly karstTime?: bigint
  /** What the first block of a fork deploys; needed where the fork is not active at genesis. */
  readonly upgrades?: Readonly<Partial<Record<TimedFork, Upgrade>>>
}

/** A fork that may come after genesis. */
export type TimedFork = 'jovian' | 'karst'

/** The network upgrade transactions of a fork's first block. */
export type Upgrade = {
  /** Encoded deposits, in order. */
  readonly transactions: readonly Uint8Array[]
  /** Gas that the block has beyond the system's gas limit, from Karst on. */
  readonly gas?: bigint
}

/** A channel's frames may be this many L1 blocks apart. @see OP specs, Granite, "Channel Timeout". */
export const CHANNEL_TIMEOUT_BLOCKS = 50n
/** How far the L2 may run ahead of its origin with transactions. @see OP specs, Fjord. */
export const SEQUENCER_DRIFT_SECONDS_MAX = 1800n

const timeOf = (config: DerivationConfig, fork: TimedFork): bigint | undefined =>
  fork === 'jovian' ? config.jovianTime : config.karstTime

/** Whether a block of that time is under the rules of a fork. */
export function isActive(config: DerivationConfig, fork: TimedFork, timestamp: bigint): boolean {
  const time = timeOf(config, fork)
  return time !== undefined && timestamp >= time
}

/** Names the forks whose first block has that time; genesis is the first block of none. */
export function activatedBy(config: DerivationConfig, timestamp: bigint): readonly TimedFork[] {
  return (['jovian', 'karst'] as const).filter(
    (fork) =>
      isActive(config, fork, timestamp) &&
      timestamp > config.genesis.timestamp &&
      !isActive(config, fork, timestamp - config.blockTimeSeconds),
  )
}
