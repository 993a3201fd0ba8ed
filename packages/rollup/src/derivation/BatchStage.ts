import type { Batch, SingularBatch } from '../codec/Batch.ts'
import * as Rules from './BatchRules.ts'
import type { L1Block, L2Block } from './Block.ts'
import type { DerivationConfig } from './Config.ts'

/** Reads batches and gives the valid ones in order, and empty ones when a sequencing window has passed. */
export type BatchStage = {
  /**
   * Gives the next batch on top of `parent`.
   * @param origins - Consecutive L1 blocks, from the parent's origin at the latest to the newest read.
   * @returns `undefined` when nothing more can be told without the next L1 block.
   */
  readonly next: (parent: L2Block, origins: readonly L1Block[]) => SingularBatch | undefined
  /** Drops what is left of the channel: its last batch was invalid. */
  readonly flush: () => void
}

export type BatchStageDependencies = {
  readonly config: DerivationConfig
  /** Gives the next batch of what was read from L1, and drops the rest of a channel. */
  readonly batches: { readonly next: () => Batch | undefined; readonly flush: () => void }
  /** Answers for safe blocks. */
  readonly known: (number: bigint) => Rules.KnownBlock | undefined
  /** Hears of every batch that was not taken. */
  readonly onRefused?: (verdict: Rules.Verdict, batch: Batch) => void
}

/** @see OP specs, Holocene, derivation, "Batch Queue"; op-node `BatchStage`. */
export function createBatchStage({
  config,
  batches,
  known,
  onRefused = () => {},
}: BatchStageDependencies): BatchStage {
  /** Blocks of an accepted span that were not asked for yet. */
  let span: Omit<SingularBatch, 'parentHash'>[] = []
  /** The epoch moves past the parent's when all its empty blocks were made. */
  let epochMin = 0n

  function flush(): void {
    span = []
    batches.flush()
  }

  function takeFromSpan(parent: L2Block): SingularBatch | undefined {
    const [first] = span
    if (first?.timestamp !== parent.timestamp + config.blockTimeSeconds) {
      // the block before was not built as told
      span = []
      return undefined
    }
    span.shift()
    return { ...first, parentHash: parent.hash }
  }

  function refuse(verdict: Rules.Verdict, batch: Batch): void {
    onRefused(verdict, batch)
    if (verdict.status === 'drop') flush()
  }

  /** Opens the next span, or gives the next singular batch; `undefined` when a batch was passed over. */
  function open(batch: Batch, context: Rules.BatchContext): SingularBatch | undefined {
    if (batch.version === 0) return batch.singular
    const verdict = Rules.judgeSpan(batch.span, { ...context, known })
    if (verdict.status !== 'accept') {
      refuse(verdict, batch)
      return undefined
    }
    const blocks = Rules.newBlocksOf(batch.span, context)
    if (blocks === undefined) {
      refuse({ status: 'drop', reason: 'origin of a block unknown' }, batch)
      return undefined
    }
    span = blocks
    return takeFromSpan(context.parent)
  }

  function forced(
    parent: L2Block,
    origins: readonly L1Block[],
    includedAt: bigint,
  ): SingularBatch | 'advanced' | undefined {
    const [epoch, next] = origins
    if (epoch === undefined || next === undefined) return undefined
    // every batch of the newest L1 block has been read
    if (epoch.number + config.sequencingWindowBlocks > includedAt) return undefined
    const timestamp = parent.timestamp + config.blockTimeSeconds
    // an epoch has at least one block, and as many as the next origin is too young for
    if (timestamp < next.timestamp || epoch.number === parent.origin.number + 1n) {
      return {
        parentHash: parent.hash,
        epochNumber: epoch.number,
        epochHash: epoch.hash,
        timestamp,
        transactions: [],
      }
    }
    epochMin = next.number
    return 'advanced'
  }

  return {
    flush,
    next(parent, all) {
      const newest = all.at(-1)
      if (newest === undefined) return undefined
      const includedAt = newest.number
      if (includedAt <= parent.origin.number) {
        // up to the parent's origin there are only batches of blocks that are safe already
        while (batches.next() !== undefined);
        return undefined
      }
      for (;;) {
        const from = epochMin > parent.origin.number ? epochMin : parent.origin.number
        const origins = all.filter(({ number }) => number >= from)
        const context = { config, parent, origins, includedAt }
        let candidate = takeFromSpan(parent)
        if (candidate === undefined) {
          const batch = batches.next()
          if (batch === undefined) {
            const empty = forced(parent, origins, includedAt)
            if (empty === 'advanced') continue
            return empty
          }
          candidate = open(batch, context)
          if (candidate === undefined) continue
        }
        const verdict = Rules.judgeSingular(candidate, context)
        if (verdict.status === 'accept') return candidate
        refuse(verdict, { version: 0, singular: candidate })
      }
    },
  }
}
