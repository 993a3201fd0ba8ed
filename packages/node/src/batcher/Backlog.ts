import type { DataLimits } from '../engine/Engine.ts'
import type { BlockSource } from './createBatcher.ts'

/** How full blocks may be made while so much waits for L1. @see op-batcher, "throttling". */
export type Throttle = {
  /** From so many bytes on, blocks are held smaller. */
  readonly fromBytes: number
  /** At so many bytes they are as small as they get. */
  readonly toBytes: number
}

/** op-batcher's defaults. */
export const DEFAULT_THROTTLE: Throttle = { fromBytes: 3_200_000, toBytes: 12_800_000 }
const BLOCK_BYTES = { most: 130_000, least: 2_000 }
const TRANSACTION_BYTES = { most: 20_000, least: 150 }

/** The limits that a backlog asks for: none below the first threshold, then from the most to the least in a straight line. */
export function limitsAt(backlogBytes: number, { fromBytes, toBytes }: Throttle): DataLimits {
  if (backlogBytes < fromBytes) return NO_LIMITS
  const part = Math.min(1, (backlogBytes - fromBytes) / Math.max(1, toBytes - fromBytes))
  const between = ({ most, least }: { readonly most: number; readonly least: number }): bigint =>
    BigInt(Math.round(most - part * (most - least)))
  return { blockBytes: between(BLOCK_BYTES), transactionBytes: between(TRANSACTION_BYTES) }
}

export const NO_LIMITS: DataLimits = { blockBytes: 0n, transactionBytes: 0n }

/** Counts what waits for L1 without reading the same block twice. */
export function createBacklog(engine: BlockSource) {
  let counted: { readonly number: bigint; readonly hash: string; readonly bytes: bigint }[] = []
  return {
    /** @param derived - The newest block that L1 tells. */
    bytes(derived: bigint): number {
      counted = counted.filter(({ number }) => number > derived)
      // blocks that were taken back are counted anew
      while (counted.length > 0 && engine.block(counted.at(-1)!.number)?.hash !== counted.at(-1)!.hash) {
        counted.pop()
      }
      for (let number = (counted.at(-1)?.number ?? derived) + 1n; number <= engine.head().number; number++) {
        const block = engine.block(number)
        if (block === undefined) break
        counted.push({ number, hash: block.hash, bytes: block.size })
      }
      return Number(counted.reduce((sum, { bytes }) => sum + bytes, 0n))
    },
  }
}
