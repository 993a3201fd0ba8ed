import { BaseError, type Hex } from '@openledger/primitives'
import { type Crypto, plainCrypto } from '../Crypto.ts'
import * as Batch from '../codec/Batch.ts'
import * as Channel from '../codec/Channel.ts'
import * as Rlp from '../codec/Rlp.ts'
import { MalformedSpanError, UnreadableTransactionError } from '../codec/SpanBatch.ts'
import * as SystemConfig from '../codec/SystemConfig.ts'
import { type BlockInputs, buildAttributes } from './Attributes.ts'
import type { KnownBlock, Verdict } from './BatchRules.ts'
import { createBatchStage } from './BatchStage.ts'
import type { L1Block, L1Input, L1Log, L2Block } from './Block.ts'
import { createChannelAssembler } from './ChannelAssembler.ts'
import type { DerivationConfig } from './Config.ts'
import { createFrameQueue } from './FrameQueue.ts'
import * as Retrieval from './Retrieval.ts'

/** Everything that decides the next L2 block, as L1 tells it. */
export type DerivedBlock = {
  readonly attributes: BlockInputs
  /** The sequencer's transactions, encoded; they follow the deposits. */
  readonly transactions: readonly Uint8Array[]
  /** The L1 block that had to be read to tell this one. */
  readonly derivedFrom: L1Block
}

/**
 * The L2 chain as a function of the L1: takes L1 blocks in order, gives what each next L2 block is made of.
 *
 * It holds no L2 chain and does no I/O. The caller executes what {@link Derivation.next} gives and passes the resulting
 * block as the next parent.
 */
export type Derivation = {
  /** The newest L1 block that was taken. */
  readonly origin: () => L1Block | undefined
  /** Number of the L1 block to feed next. */
  readonly wanted: () => bigint
  /** Names the blobs that {@link Derivation.feed} needs with this block. */
  readonly blobHashes: (input: Pick<L1Input, 'transactions' | 'logs'>) => readonly Hex[]
  /**
   * Takes the next L1 block. Call it when {@link Derivation.next} has nothing more to give.
   * @throws {L1DiscontinuityError} when it does not follow the one before: start again at a block that L1 still has.
   * @throws {Retrieval.MissingBlobError}
   */
  readonly feed: (input: L1Input) => void
  /** Tells the block after `parent`, or `undefined` when the next L1 block is needed for that. */
  readonly next: (parent: L2Block) => DerivedBlock | undefined
  /** Drops the rest of the channel: the transactions of the block told last could not be executed. */
  readonly invalidate: () => void
}

export type DerivationOptions = {
  readonly config: DerivationConfig
  /** Where reading begins: far enough before the safe block's origin that an open channel is not missed. */
  readonly start: {
    readonly number: bigint
    /** As it stands after the L1 block with that number. */
    readonly systemConfig: SystemConfig.SystemConfig
    /**
     * The L1 block after which the safe block was the newest that L1 had told. Up to it only frames are taken: what their
     * batches came to is known, and a batch that was refused then, because it came too early, would be valid now.
     */
    readonly toldBy?: bigint
  }
  /** Answers for safe blocks of the L2 that a span may tell again. */
  readonly known: (number: bigint) => KnownBlock | undefined
  /** Decompresses brotli as far as it can be read; without it such channels hold nothing. */
  readonly brotli?: (bytes: Uint8Array, sizeBytesMax: number) => Uint8Array
  readonly crypto?: Crypto
  /** Hears of what L1 told and the rules refused. */
  readonly onRefused?: (verdict: Verdict, l1: L1Block) => void
}

/** An L1 block that L2 blocks may still stand on. */
type Epoch = {
  readonly block: L1Block
  readonly systemConfig: SystemConfig.SystemConfig
  readonly logs: readonly L1Log[]
}

/**
 * Creates a derivation by Holocene's rules.
 * @see OP specs, derivation, "L2 Chain Derivation Pipeline"; Holocene, derivation.
 */
export function createDerivation(options: DerivationOptions): Derivation {
  const { config, start, crypto = plainCrypto, onRefused = () => {} } = options
  const frames = createFrameQueue()
  const channels = createChannelAssembler()
  let epochs: Epoch[] = []
  let newest: Epoch | undefined
  /** Data of the newest L1 block that was not read yet, and the channel in hand. */
  const data: Uint8Array[] = []
  let channel: Uint8Array[] = []

  const stage = createBatchStage({
    config,
    known: options.known,
    batches: {
      next: nextBatch,
      flush: () => {
        channel = []
      },
    },
    onRefused: (verdict) => onRefused(verdict, newest!.block),
  })

  const configAfter = (logs: readonly L1Log[]): SystemConfig.SystemConfig => {
    // the start's configuration holds after its block already
    if (newest === undefined) return start.systemConfig
    return logs
      .filter(({ address }) => address.toLowerCase() === config.systemConfigAddress.toLowerCase())
      .reduce(SystemConfig.applyUpdate, newest.systemConfig)
  }
  const sourcesOf = ({ transactions, logs }: Pick<L1Input, 'transactions' | 'logs'>): Retrieval.Source[] =>
    Retrieval.sourcesOf(transactions, {
      inbox: config.batchInbox,
      batcher: configAfter(logs).batcherAddress,
    })

  function nextChannel(): boolean {
    for (;;) {
      const frame = frames.next()
      if (frame === undefined) {
        const piece = data.shift()
        if (piece === undefined) return false
        frames.load(piece)
        continue
      }
      const complete = channels.add(frame, newest!.block.number)
      if (complete === undefined) continue
      channel = Channel.decode(complete, options.brotli === undefined ? {} : { brotli: options.brotli })
      return true
    }
  }

  function nextBatch(): Batch.Batch | undefined {
    for (;;) {
      const encoded = channel.shift()
      if (encoded === undefined) {
        if (!nextChannel()) return undefined
        continue
      }
      try {
        return Batch.decode(encoded, config.l2ChainId)
      } catch (error) {
        const isSpanAlone = error instanceof UnreadableTransactionError
        if (!isSpanAlone && !isMalformed(error)) throw error
        onRefused({ status: 'drop', reason: (error as Error).message }, newest!.block)
        if (!isSpanAlone) channel = []
      }
    }
  }

  const wanted = (): bigint => (newest === undefined ? start.number : newest.block.number + 1n)

  return {
    origin: () => newest?.block,
    wanted,
    blobHashes: (input) =>
      sourcesOf(input).flatMap((source) => (source.kind === 'blob' ? [source.versionedHash] : [])),
    feed(input) {
      const { block, logs } = input
      const follows = newest === undefined || block.parentHash === newest.block.hash
      if (block.number !== wanted() || !follows)
        throw new L1DiscontinuityError(wanted(), newest?.block, block)
      // nothing is changed before everything is there
      const read = Retrieval.read(sourcesOf(input), input.blobs)
      newest = { block, logs, systemConfig: configAfter(logs) }
      epochs.push(newest)
      data.push(...read)
    },
    next(parent) {
      epochs = epochs.filter(({ block }) => block.number >= parent.origin.number)
      if (newest === undefined) return undefined
      if (newest.block.number <= (start.toldBy ?? -1n)) {
        while (nextBatch() !== undefined);
        return undefined
      }
      const base = epochs[0]?.block
      if (base !== undefined && base.number === parent.origin.number && base.hash !== parent.origin.hash) {
        throw new L1DiscontinuityError(parent.origin.number, parent.origin, base)
      }
      const batch = stage.next(
        parent,
        epochs.map(({ block }) => block),
      )
      if (batch === undefined) return undefined
      const epoch = epochs.find(({ block }) => block.number === batch.epochNumber)!
      return {
        attributes: buildAttributes(
          config,
          { parent, origin: epoch.block, systemConfig: epoch.systemConfig, logs: epoch.logs },
          crypto,
        ),
        transactions: batch.transactions,
        derivedFrom: newest.block,
      }
    },
    invalidate: stage.flush,
  }
}

const isMalformed = (error: unknown): boolean =>
  error instanceof Batch.MalformedBatchError ||
  error instanceof MalformedSpanError ||
  error instanceof Rlp.MalformedRlpError

export class L1DiscontinuityError extends BaseError {
  constructor(
    wanted: bigint,
    before: { readonly number: bigint; readonly hash: Hex } | undefined,
    got: L1Block,
  ) {
    super({
      code: 'derivation.l1_discontinuity',
      message: `Expected L1 block ${wanted} on ${before?.hash ?? 'any block'}, got ${got.number} (${got.hash}) on ${got.parentHash}: L1 was reorganised.`,
      context: { wanted: wanted.toString(), got: got.number.toString(), hash: got.hash },
      severity: 'reset',
    })
  }
}
