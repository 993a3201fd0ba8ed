import { randomBytes } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { Batch, Blob, bytesToHex, Channel, Frame, SpanBatch } from '@openledger/rollup'
import type { Hex, LocalAccount } from 'viem'
import type { RollupConfig } from '../deployment/RollupConfig.ts'
import type { BlockRecord, ChainEngine } from '../engine/Engine.ts'
import type { KzgService } from '../l1/Blobs.ts'
import type { L1 } from '../l1/L1.ts'
import { createL1Sender, type L1Call } from '../l1/L1Sender.ts'
import { l1OriginOf } from '../node/L1Origin.ts'
import type { Logger } from '../node/Logger.ts'
import { createLoop, type Loop } from '../node/Loop.ts'
import type { Verifier } from '../verifier/Verifier.ts'
import { createBacklog, DEFAULT_THROTTLE, limitsAt, NO_LIMITS, type Throttle } from './Backlog.ts'

const POLL_MS = 250
/** Transaction bytes of one channel; more blocks go into the next one. */
const CHANNEL_BYTES_MAX = 1_500_000
/** So many empty blocks still decode in no time. */
const CHANNEL_BLOCKS_MAX = 5_000
/** Call data of one L1 transaction: pools take 128 KiB. */
const FRAME_BYTES_MAX = 100_000
/** Of one L1 transaction, as pools take them. */
const BLOBS_MAX = 6
const BLOB_GAS = 131_072n
/** EIP-7623, per non-zero byte. */
const CALLDATA_GAS = 40n

/**
 * Where batches go: into call data, into blobs where the L1 has them, or into whichever costs less when they are sent.
 */
export type BatchData = 'calldata' | 'blobs' | 'cheaper'

/** What of a block goes to L1. */
export type BatchBlock = Pick<BlockRecord, 'number' | 'hash' | 'parentHash' | 'timestamp' | 'size'> & {
  readonly transactions: readonly { readonly type: number; readonly raw: Uint8Array; readonly input: Hex }[]
}

/** A sequencer's blocks. */
export type BlockSource = {
  readonly head: () => BatchBlock
  readonly block: (number: bigint) => BatchBlock | undefined
  readonly limitData?: ChainEngine['limitData']
}

export type BatcherOptions = {
  readonly engine: BlockSource
  readonly l1: L1
  /** Says what L1 tells already. */
  readonly verifier: Pick<Verifier, 'wanted' | 'derived'>
  readonly rollupConfig: RollupConfig
  readonly account: LocalAccount
  /** Time between two channels while blocks come regularly. */
  readonly intervalSeconds: number
  /** `span` puts the blocks of a channel into one batch, which takes less room; `singular` each into its own. */
  readonly batches?: 'span' | 'singular'
  readonly batchData?: BatchData
  /** When blocks are made smaller because L1 does not take them as fast as they are built. */
  readonly throttle?: Throttle
  readonly kzg: KzgService
  readonly logger: Logger
}

/**
 * Publishes the sequenced blocks on L1.
 *
 * What was published is decided by L1 alone, so a restart neither repeats nor forgets a block: first the verifier reads
 * everything of the batcher that is in a block, then the next block that L1 has not told is sent.
 *
 * @see OP specs, derivation, "Batch Submission".
 */
export function createBatcher(options: BatcherOptions): Loop {
  const { engine, l1, verifier, rollupConfig, account, intervalSeconds, logger } = options
  const { client } = l1
  const inbox = rollupConfig.batch_inbox_address
  /** The last block sent, and the L1 block by which L1 must have told it. */
  let sent: { readonly l2: bigint; readonly l1: bigint } | undefined
  let lastSentAt = Number.NEGATIVE_INFINITY
  /** The L1 height by which everything that an earlier process sent is in a block, or gone. */
  let settledAt: bigint | undefined

  async function publish(signal: AbortSignal): Promise<void> {
    const first = (sent?.l2 ?? verifier.derived()) + 1n
    const blocks = nextBlocks(first)
    const last = blocks.at(-1)
    if (last === undefined) return
    const data = Channel.encode(encodeBatches(blocks), deflateSync)
    const asBlobs = await takesBlobs(data.length)
    const frames = Frame.split(
      bytesToHex(randomBytes(16)),
      data,
      asBlobs ? Blob.DATA_BYTES_MAX - 1 : FRAME_BYTES_MAX,
    )
    const calls = asBlobs ? toBlobCalls(frames) : frames.map(toCall)
    lastSentAt = performance.now()
    const receipts = await createL1Sender({ l1, account, signal, logger }).send(calls)
    const includedBy = receipts.reduce((max, { blockNumber }) => (blockNumber > max ? blockNumber : max), 0n)
    sent = { l2: last.number, l1: includedBy }
    logger.debug(
      {
        firstBlock: first.toString(),
        lastBlock: last.number.toString(),
        frames: calls.length,
        bytes: data.length,
        l1Block: includedBy.toString(),
      },
      'blocks published on L1',
    )
  }

  /** Call data of one L1 transaction for each frame. */
  const toCall = (frame: Frame.Frame): L1Call => ({ to: inbox, data: bytesToHex(Frame.encode([frame])) })

  /** One blob for each frame, several in a transaction. */
  function toBlobCalls(frames: readonly Frame.Frame[]): L1Call[] {
    const calls: L1Call[] = []
    for (let at = 0; at < frames.length; at += BLOBS_MAX) {
      const group = frames.slice(at, at + BLOBS_MAX).map((frame) => Frame.encode([frame]))
      calls.push({ to: inbox, data: '0x', sidecar: (provenBy) => options.kzg.sidecarOf(group, provenBy) })
    }
    return calls
  }

  async function takesBlobs(sizeBytes: number): Promise<boolean> {
    const { batchData = 'calldata' } = options
    if (batchData === 'calldata') return false
    const block = await client.getBlock()
    // an L1 without blobs is fallen back from
    if (block.excessBlobGas === undefined || block.excessBlobGas === null) return false
    if (batchData === 'blobs') return true
    const blobGas = BigInt(Math.ceil(sizeBytes / Blob.DATA_BYTES_MAX)) * BLOB_GAS
    const blobCost = blobGas * (await client.getBlobBaseFee())
    return blobCost < BigInt(sizeBytes) * CALLDATA_GAS * (block.baseFeePerGas ?? 0n)
  }

  function encodeBatches(blocks: readonly BatchBlock[]): Uint8Array[] {
    const batches = blocks.map((block) => toBatch(block, rollupConfig))
    if (options.batches === 'singular') return batches.map(Batch.encodeSingular)
    const parent = engine.block(blocks[0]!.number - 1n)!
    const { number } = l1OriginOf(parent, rollupConfig.genesis.l1)
    return [Batch.encodeSpan(SpanBatch.fromBlocks(batches, number, BigInt(rollupConfig.genesis.l2_time)))]
  }

  function nextBlocks(first: bigint): BatchBlock[] {
    const head = engine.head().number
    const blocks: BatchBlock[] = []
    let sizeBytes = 0n
    for (let number = first; number <= head && blocks.length < CHANNEL_BLOCKS_MAX; number++) {
      const block = engine.block(number)!
      sizeBytes += block.size
      if (blocks.length > 0 && sizeBytes > CHANNEL_BYTES_MAX) break
      blocks.push(block)
    }
    return blocks
  }

  const backlog = createBacklog(engine)
  let isThrottled = false
  function throttle(): void {
    const bytes = backlog.bytes(verifier.derived())
    const limits = limitsAt(bytes, options.throttle ?? DEFAULT_THROTTLE)
    const wasThrottled = isThrottled
    isThrottled = limits !== NO_LIMITS
    engine.limitData?.(limits)
    if (isThrottled === wasThrottled) return
    const fields = { backlogBytes: bytes }
    if (isThrottled)
      logger.warn(fields, 'L1 takes blocks more slowly than they are built; making smaller ones')
    else logger.info(fields, 'L1 keeps up again')
  }

  async function round(signal: AbortSignal): Promise<void> {
    throttle()
    if (settledAt === undefined) {
      await createL1Sender({ l1, account, signal, logger }).drain()
      settledAt = await client.getBlockNumber({ cacheTime: 0 })
    }
    if (verifier.wanted() <= settledAt) return
    if (sent !== undefined && verifier.wanted() > sent.l1) {
      if (verifier.derived() < sent.l2) {
        logger.warn({ lastBlock: sent.l2.toString() }, 'L1 does not tell what was sent; sending it again')
      }
      sent = undefined
    }
    const behind = engine.head().number - verifier.derived()
    const due = performance.now() - lastSentAt >= 1_000 * intervalSeconds || behind > CHANNEL_BLOCKS_MAX
    if (sent === undefined && due) await publish(signal)
  }

  return createLoop({ name: 'batcher', intervalMs: POLL_MS, logger, round })
}

/** A block as L1 must tell it: everything that cannot be derived from L1 itself. */
function toBatch(block: BatchBlock, rollupConfig: RollupConfig): Batch.SingularBatch {
  const origin = l1OriginOf(block, rollupConfig.genesis.l1)
  return {
    parentHash: block.parentHash,
    epochNumber: origin.number,
    epochHash: origin.hash,
    timestamp: block.timestamp,
    transactions: block.transactions.filter(({ type }) => type !== 0x7e).map(({ raw }) => raw),
  }
}
