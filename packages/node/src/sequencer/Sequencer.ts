import { BaseError, type Clock, systemClock } from '@openledger/primitives'
import {
  activatedBy,
  buildAttributes,
  type DerivationConfig,
  L1Info,
  type L2Block,
  OriginOrderError,
  SEQUENCER_DRIFT_SECONDS_MAX,
  Transaction,
} from '@openledger/rollup'
import type { BlockRecord, ChainEngine, PayloadAttributes } from '../engine/Engine.ts'
import { createExclusive, type Exclusive } from '../node/Exclusive.ts'
import { type Logger, silentLogger } from '../node/Logger.ts'
import type { L1Block, L1View } from './L1View.ts'
import { type L1Origin, selectOrigin } from './Origin.ts'

export type SequencerOptions = {
  readonly engine: ChainEngine
  readonly l1: L1View
  readonly config: DerivationConfig
  /** The turn in which the head may be changed; its own when nobody else changes it. */
  readonly exclusively?: Exclusive
  readonly clock?: Clock
  readonly logger?: Logger
}

/** Builds the next block whenever its time has come. */
export type Sequencer = {
  start(): void
  /** Stops after the block in hand. */
  stop(): Promise<void>
  isActive(): boolean
  /**
   * Builds one block if its time has come.
   * @returns the block, or `undefined` when it is too early or the L1 is not far enough.
   */
  step(): Promise<BlockRecord | undefined>
  /** What last went wrong, until a block succeeds. */
  lastError(): unknown
}

/** So many L1 blocks before a sequencing window ends, blocks are left empty. @see op-node, recover mode. */
const EXPIRY_MARGIN_BLOCKS = 2n
/** How soon to look again when a block is due but could not be built. */
const RETRY_MS = 250
/** The longest sleep, so that a clock that was set is noticed. */
const SLEEP_MAX_MS = 1000

/**
 * Creates a sequencer that is not yet running.
 *
 * Every slot has its block, empty ones too: block n's timestamp is the genesis time plus n block times. After a pause
 * the missed slots are filled as fast as they execute. When the L1 replaces blocks that the L2 stands on, the L2 blocks
 * above are taken back and their transactions wait in the pool again.
 *
 * @see OP specs, derivation, "L2 Chain Derivation" and rollup-node, "Sequencing".
 */
export function createSequencer(options: SequencerOptions): Sequencer {
  const { engine, l1, config, clock = systemClock, logger = silentLogger } = options
  const { exclusively = createExclusive() } = options
  const blockTime = config.blockTimeSeconds
  let lastError: unknown
  let isActive = false
  let running: Promise<void> = Promise.resolve()
  let wake: () => void = () => {}
  /** The L1 block that the head stands on, so that blocks of one epoch ask the L1 only for the next. */
  let currentOrigin: L1Block | undefined

  const originOf = (block: BlockRecord): L1Origin => {
    if (block.number === 0n) {
      return { ...config.genesis.l1, sequenceNumber: 0n }
    }
    const { raw } = block.transactions[0]!
    return L1Info.decode(Transaction.decode(raw).data)
  }

  const loadOrigin = async (origin: L1Origin): Promise<L1Block> => {
    if (currentOrigin?.hash === origin.hash) return currentOrigin
    const block = await l1.block(origin.number)
    if (block === undefined) throw new L1BehindError(origin.number)
    if (block.hash !== origin.hash) throw new L1ReorganisedError(origin, block.hash)
    currentOrigin = block
    return block
  }

  const prepare = async (head: BlockRecord): Promise<PayloadAttributes | undefined> => {
    const parentOrigin = originOf(head)
    const current = await loadOrigin(parentOrigin)
    const timestamp = head.timestamp + blockTime
    const l1Head = await l1.head()
    if (l1Head.number === current.number && l1Head.hash !== current.hash) {
      throw new L1ReorganisedError(parentOrigin, l1Head.hash)
    }
    const next = l1Head.number > current.number ? await l1.block(current.number + 1n) : undefined
    const selected = selectOrigin({
      timestamp,
      current,
      next,
      maxDriftSeconds: SEQUENCER_DRIFT_SECONDS_MAX,
    })
    if (selected.status === 'reorganised') throw new L1ReorganisedError(parentOrigin, next!.parentHash)
    if (selected.status === 'wait') return undefined
    const { origin } = selected
    const isNewEpoch = origin.number !== parentOrigin.number
    const parent: L2Block = {
      number: head.number,
      hash: head.hash,
      timestamp: head.timestamp,
      origin: parentOrigin,
      sequenceNumber: parentOrigin.sequenceNumber,
    }
    const attributes = buildAttributes(config, {
      parent,
      origin,
      systemConfig: await l1.systemConfig(origin),
      logs: isNewEpoch ? await l1.receiptsDeposits(origin.hash) : [],
    })
    currentOrigin = origin
    // batches of an origin whose window is about to pass may come too late: such a block has to be what it becomes then
    const isExpiring = origin.number + config.sequencingWindowBlocks <= l1Head.number + EXPIRY_MARGIN_BLOCKS
    const isActivation = activatedBy(config, timestamp).length > 0
    return { ...attributes, noTxPool: selected.noTxPool || isExpiring || isActivation }
  }

  /** Goes back to the newest block whose origin the L1 still has. */
  const reset = async (): Promise<void> => {
    currentOrigin = undefined
    let block = engine.head()
    while (block.number > 0n) {
      const origin = originOf(block)
      if ((await l1.block(origin.number))?.hash === origin.hash) break
      block = engine.block(block.number - 1n)!
    }
    const from = engine.head().number
    await engine.rewind(block.number)
    logger.warn(
      { from: from.toString(), to: block.number.toString() },
      'the L1 reorganised: L2 blocks taken back',
    )
  }

  const step = async (): Promise<BlockRecord | undefined> => {
    const head = engine.head()
    if (clock.nowMs() < Number(head.timestamp + blockTime) * 1000) return undefined
    try {
      const attributes = await prepare(head)
      if (attributes === undefined) return undefined
      return await exclusively(async () => {
        // while L1 was asked, the verifier may have put another block here
        if (engine.head().hash !== head.hash) return undefined
        return await engine.build(attributes)
      })
    } catch (error) {
      if (!(error instanceof L1ReorganisedError) && !(error instanceof OriginOrderError)) throw error
      await exclusively(reset)
      return undefined
    }
  }

  const run = async (): Promise<void> => {
    while (isActive) {
      let delayMs = RETRY_MS
      try {
        const block = await step()
        const dueMs = Number(engine.head().timestamp + blockTime) * 1000
        if (block !== undefined) lastError = undefined
        if (block !== undefined || clock.nowMs() < dueMs) delayMs = Math.max(0, dueMs - clock.nowMs())
      } catch (error) {
        lastError = error
        logger.error({ error }, 'the next block could not be built')
      }
      if (isActive) await sleep(Math.min(delayMs, SLEEP_MAX_MS))
    }
  }

  const sleep = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  return {
    start() {
      if (isActive) return
      isActive = true
      running = running.then(run)
    },
    async stop() {
      isActive = false
      wake()
      await running
    },
    isActive: () => isActive,
    step,
    lastError: () => lastError,
  }
}

export class L1BehindError extends BaseError {
  constructor(number: bigint) {
    super({
      code: 'sequencer.l1_behind',
      message: `Expected the L1 to have block ${number}, which the L2 stands on. Wait for the L1 to catch up, or point the node at the right L1.`,
      context: { number: number.toString() },
      severity: 'retry',
    })
  }
}

export class L1ReorganisedError extends BaseError {
  constructor(origin: L1Origin, got: string) {
    super({
      code: 'sequencer.l1_reorganised',
      message: `Expected L1 block ${origin.number} to be ${origin.hash}, which the L2 stands on, the L1 now has ${got}. The L2 must be derived again from the L1.`,
      context: { number: origin.number.toString(), expected: origin.hash, got },
      severity: 'reset',
    })
  }
}
