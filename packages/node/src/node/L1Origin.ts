import type { Hex } from '@openledger/primitives'
import { hexToBytes, L1Info, type L1InfoValues } from '@openledger/rollup'

/** Of a block, what its first transaction was called with. */
type WithL1Info = { readonly transactions: readonly { readonly input: Hex }[] }

/** The L1 block that an L2 block stands on. */
export type L1Origin = {
  readonly number: bigint
  readonly hash: Hex
  /** How many L2 blocks before this one stand on the same L1 block. */
  readonly sequenceNumber: bigint
}

/**
 * Reads an L2 block's origin from its first transaction, the L1-info deposit.
 * @param genesis - Answers for block 0, which has no transactions.
 * @throws {L1Info.InvalidL1InfoError}
 */
export function l1OriginOf(
  block: WithL1Info & { readonly number: bigint },
  genesis: { readonly number: number; readonly hash: Hex },
): L1Origin {
  if (block.number === 0n) return { number: BigInt(genesis.number), hash: genesis.hash, sequenceNumber: 0n }
  return l1InfoOf(block)
}

/** Reads what an L2 block other than the first tells of its origin. @throws {L1Info.InvalidL1InfoError} */
export const l1InfoOf = (block: WithL1Info): L1InfoValues =>
  L1Info.decode(hexToBytes(block.transactions[0]?.input ?? '0x'))
