import type { Hex } from '@openledger/primitives'
import type { L1Block } from './L1View.ts'

/** The L1 block that an L2 block stands on, and how many L2 blocks stand on it before this one. */
export type L1Origin = { readonly number: bigint; readonly hash: Hex; readonly sequenceNumber: bigint }

export type OriginChoice =
  | { readonly status: 'selected'; readonly origin: L1Block; readonly noTxPool: boolean }
  /** The L2 may not run further ahead of the L1: nothing can be built until the L1 has its next block. */
  | { readonly status: 'wait' }
  | { readonly status: 'reorganised' }

/**
 * Chooses the L1 origin of the next L2 block: the same as before, or the one after, never further.
 *
 * @param choice.timestamp - Of the L2 block to come, in seconds.
 * @param choice.next - `undefined` while the L1 has no confirmed successor.
 * @see OP specs, derivation, "Batch Queue" (the rules a batch must keep); op-node's L1 origin selector.
 */
export function selectOrigin(choice: {
  readonly timestamp: bigint
  readonly current: L1Block
  readonly next: L1Block | undefined
  readonly maxDriftSeconds: bigint
}): OriginChoice {
  const { timestamp, current, next, maxDriftSeconds } = choice
  if (next !== undefined && next.parentHash !== current.hash) return { status: 'reorganised' }
  // a block may never be older than its origin
  const origin = next !== undefined && timestamp >= next.timestamp ? next : current
  const isPastDrift = timestamp > origin.timestamp + maxDriftSeconds
  // without a successor it cannot be known that the next origin is too young, which alone permits such a block
  if (isPastDrift && next === undefined) return { status: 'wait' }
  return { status: 'selected', origin, noTxPool: isPastDrift }
}
