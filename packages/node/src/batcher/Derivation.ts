import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { Batch, Channel, Frame } from '@openledger/rollup'
import type { RollupConfig } from '../deployment/RollupConfig.ts'
import type { BlockRecord, ChainEngine } from '../engine/Engine.ts'
import { l1OriginOf } from '../node/L1Origin.ts'
import type { Logger } from '../node/Logger.ts'

/** One L1 block, with the call data that the batcher sent to the inbox in it, in order. */
export type BatcherBlock = {
  readonly number: bigint
  readonly hash: Hex
  readonly parentHash: Hex
  readonly payloads: readonly Uint8Array[]
}

/** Reads the L2 chain back from L1 and compares it with the one that was sequenced. */
export type Derivation = {
  /** The L1 block to feed next. */
  readonly next: () => bigint
  /** The newest L2 block that L1 has told so far. */
  readonly derived: () => bigint
  /** The newest L2 block that L1 had told by then. */
  readonly derivedAt: (l1Number: bigint) => bigint
  /**
   * Takes the L1 block that {@link Derivation.next} names.
   * @returns `false` when it does not follow the one before: L1 has changed, and reading starts again.
   * @throws {DerivationMismatchError} when L1 tells another block than the engine holds.
   * @throws {DerivationAheadError} when L1 tells a block that the engine does not have.
   */
  readonly feed: (block: BatcherBlock) => boolean
}

/** Blocks of one channel may be this many L1 blocks apart (Granite). */
const CHANNEL_TIMEOUT_BLOCKS = 50n

type OpenChannel = { readonly openedAt: bigint; readonly frames: Frame.Frame[]; sizeBytes: number }

/**
 * Creates a derivation that begins at the engine's finalised block.
 *
 * Follows Holocene's rules for what this node's batcher can produce: calldata, ordered frames, one channel at a time,
 * singular batches. It executes nothing: a batch must equal the engine's block.
 *
 * @see OP specs, Holocene, derivation, "Frame Queue", "Channel Bank", "Batch Queue".
 */
export function createDerivation({
  engine,
  rollupConfig,
  logger,
}: {
  readonly engine: ChainEngine
  readonly rollupConfig: RollupConfig
  readonly logger: Logger
}): Derivation {
  const genesisL1 = rollupConfig.genesis.l1
  let derived = 0n
  let next = 0n
  let previous: Hex | undefined
  let channel: OpenChannel | undefined
  /** Which L2 block each L1 block brought the derivation to. */
  let milestones: { readonly l1: bigint; readonly l2: bigint }[] = []
  restart()

  function restart(): void {
    const finalized = engine.finalized()
    derived = finalized.number
    // a channel that holds the next block may have been opened this long before its last frame
    const origin = l1OriginOf(finalized, genesisL1).number
    const earliest = BigInt(genesisL1.number)
    next = origin - CHANNEL_TIMEOUT_BLOCKS > earliest ? origin - CHANNEL_TIMEOUT_BLOCKS : earliest
    previous = undefined
    channel = undefined
    milestones = []
  }

  function takePayload(payload: Uint8Array, at: bigint): void {
    let frames: readonly Frame.Frame[]
    try {
      frames = Frame.decode(payload)
    } catch (error) {
      logger.warn(
        { l1Block: at.toString(), reason: String(error) },
        'a batcher transaction is malformed and is dropped',
      )
      return
    }
    for (const frame of frames) takeFrame(frame, at)
  }

  function takeFrame(frame: Frame.Frame, at: bigint): void {
    if (channel !== undefined && at > channel.openedAt + CHANNEL_TIMEOUT_BLOCKS) channel = undefined
    if (frame.number === 0) channel = { openedAt: at, frames: [], sizeBytes: 0 }
    // a frame that does not continue the open channel is dropped
    const last = channel?.frames.at(-1)
    if (channel === undefined || channel.frames.length !== frame.number) return
    if (last !== undefined && last.channelId !== frame.channelId) return
    channel.frames.push(frame)
    channel.sizeBytes += frame.data.length
    if (!frame.isLast && channel.sizeBytes <= Channel.RLP_BYTES_MAX) return
    const { frames } = channel
    channel = undefined
    if (frame.isLast) takeChannel(Channel.join(frames), at)
  }

  function takeChannel(data: Uint8Array, at: bigint): void {
    for (const encoded of Channel.decode(data)) {
      let batch: Batch.Batch
      try {
        batch = Batch.decode(encoded, BigInt(rollupConfig.l2_chain_id))
      } catch (error) {
        logger.warn(
          { l1Block: at.toString(), reason: String(error) },
          'a batch is malformed and is dropped with what follows it',
        )
        return
      }
      if (batch.version !== 0) {
        logger.warn(
          { l1Block: at.toString() },
          'a span batch, which this node does not write, is passed over',
        )
        return
      }
      takeBatch(batch.singular, at)
    }
  }

  function takeBatch(batch: Batch.SingularBatch, at: bigint): void {
    const parent = engine.block(derived)!
    // told before: a batcher that was interrupted may tell blocks twice
    if (batch.timestamp <= parent.timestamp) return
    const block = engine.block(derived + 1n)
    if (block === undefined) throw new DerivationAheadError(derived + 1n, at)
    const difference = differenceOf(batch, block, at)
    if (difference !== undefined) throw new DerivationMismatchError(block, difference, at)
    derived = block.number
  }

  function differenceOf(batch: Batch.SingularBatch, block: BlockRecord, at: bigint): string | undefined {
    const origin = l1OriginOf(block, genesisL1)
    if (batch.parentHash !== block.parentHash) return 'parent hash'
    if (batch.timestamp !== block.timestamp) return 'timestamp'
    if (batch.epochNumber !== origin.number || batch.epochHash !== origin.hash) return 'L1 origin'
    if (origin.number + BigInt(rollupConfig.seq_window_size) < at)
      return 'sequencing window, which has passed'
    const sequenced = block.transactions.filter(({ type }) => type !== 0x7e)
    const equal =
      sequenced.length === batch.transactions.length &&
      sequenced.every(({ raw }, i) => Bytes.equals(raw, batch.transactions[i]!))
    return equal ? undefined : 'transactions'
  }

  return {
    next: () => next,
    derived: () => derived,
    derivedAt: (l1Number) => milestones.findLast(({ l1 }) => l1 <= l1Number)?.l2 ?? 0n,
    feed(block) {
      if (block.number !== next) throw new DerivationOrderError(next, block.number)
      if (previous !== undefined && block.parentHash !== previous) {
        restart()
        return false
      }
      const before = derived
      for (const payload of block.payloads) takePayload(payload, block.number)
      if (derived > before) milestones.push({ l1: block.number, l2: derived })
      previous = block.hash
      next = block.number + 1n
      return true
    },
  }
}

export class DerivationMismatchError extends BaseError {
  constructor(block: BlockRecord, difference: string, l1Number: bigint) {
    super({
      code: 'derivation.mismatch',
      message: `Expected L1 block ${l1Number} to tell L2 block ${block.number} as it was sequenced; they differ in the ${difference}. The chain must be derived again from L1 in an empty directory.`,
      context: { block: block.number.toString(), hash: block.hash, difference, l1Block: l1Number.toString() },
      severity: 'reset',
    })
  }
}

export class DerivationAheadError extends BaseError {
  constructor(number: bigint, l1Number: bigint) {
    super({
      code: 'derivation.ahead',
      message: `Expected to have sequenced L2 block ${number}, which L1 block ${l1Number} tells; this node does not have it. Another sequencer runs with this batcher's key, or the directory is older than the chain.`,
      context: { block: number.toString(), l1Block: l1Number.toString() },
      severity: 'reset',
    })
  }
}

export class DerivationOrderError extends BaseError {
  constructor(expected: bigint, got: bigint) {
    super({
      code: 'derivation.order',
      message: `Expected L1 block ${expected} next, got ${got}.`,
      context: { expected: expected.toString(), got: got.toString() },
    })
  }
}
