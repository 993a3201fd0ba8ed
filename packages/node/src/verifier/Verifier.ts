import { BaseError, type Hex } from '@openledger/primitives'
import {
  CHANNEL_TIMEOUT_BLOCKS,
  type Crypto,
  createDerivation,
  type Derivation,
  type DerivationConfig,
  type DerivedBlock,
  type KnownBlock,
  L1DiscontinuityError,
  type L2Block,
} from '@openledger/rollup'
import type { BlockRecord, ChainEngine } from '../engine/Engine.ts'
import type { L1Contents, L1Reader } from '../l1/L1Reader.ts'
import type { Exclusive } from '../node/Exclusive.ts'
import { l1OriginOf } from '../node/L1Origin.ts'
import type { Logger } from '../node/Logger.ts'
import { createLoop, type Loop } from '../node/Loop.ts'
import { decompressBrotli } from './Brotli.ts'
import { systemConfigOf } from './derivationConfig.ts'
import { differenceOf } from './differenceOf.ts'

/** Reads L1, derives the L2 from it, and has the engine hold what was derived. */
export type Verifier = Loop & {
  /** The L1 block that is read next. */
  readonly wanted: () => bigint
  /** The newest L2 block that L1 has told since reading began, or was final before. */
  readonly derived: () => bigint
  /** Whether everything was read that L1 had when it was last asked. */
  readonly isCaughtUp: () => boolean
}

export type VerifierOptions = {
  readonly engine: ChainEngine
  readonly l1: L1Reader
  readonly config: DerivationConfig
  /** What EIP-1559 parameters of zero stand for on this chain, 8 bytes. */
  readonly defaultEip1559Params: Hex
  /** Fetches blobs and checks them against their hashes. */
  readonly blobs: (contents: L1Contents, hashes: readonly Hex[]) => Promise<ReadonlyMap<Hex, Uint8Array>>
  /** The turn in which the head may be changed. */
  readonly exclusively: Exclusive
  readonly crypto: Crypto
  /** Keeps the marks through a restart; without it a batcher that publishes out of order is read otherwise after one. */
  readonly memory?: { readonly read: () => readonly Mark[]; readonly write: (marks: readonly Mark[]) => void }
  readonly logger: Logger
}

/** After this L1 block that L2 block was the newest told, and became final. */
export type Mark = { readonly l1: bigint; readonly l2Hash: Hex }

const POLL_MS = 250
/** While L1 stands still, only every so many rounds ask it what is final. */
const QUIET_ROUNDS = 8
/** How many L1 blocks one round reads before it looks at the rest of its work. */
const ROUND_BLOCKS_MAX = 256
/** How many L1 blocks are fetched while one is worked on. */
const AHEAD_BLOCKS = 16

/**
 * Starts a verifier. It begins at the engine's finalised block; blocks that the engine holds already are compared with
 * what L1 tells, and replaced where they differ, because L1 decides.
 *
 * @see OP specs, rollup-node, "Derivation"; derivation, "Engine Queue" and "Resetting the Pipeline".
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const { engine, l1, config, exclusively, crypto, logger } = options
  let derivation: Derivation | undefined
  let safe: L2Block = refOf(engine.finalized())
  /** Told by L1 and not held by the engine yet: the derivation tells it once, and the engine may have to be asked again. */
  let derived: DerivedBlock | undefined
  /** Which L2 block each L1 block, read to its end, brought the derivation to. */
  let milestones: { readonly l1: bigint; readonly l2: bigint }[] = []
  let marks: readonly Mark[] = options.memory?.read() ?? []
  let fetched = new Map<bigint, Promise<L1Contents | undefined>>()
  let isCaughtUp = false
  /** The L1 head at which L1 was last asked what is final, everything before it read. */
  let settledAt: bigint | undefined
  let quietRounds = 0

  function refOf(block: BlockRecord): L2Block {
    const { number, hash, sequenceNumber } = l1OriginOf(block, {
      number: Number(config.genesis.l1.number),
      hash: config.genesis.l1.hash,
    })
    return {
      number: block.number,
      hash: block.hash,
      timestamp: block.timestamp,
      origin: { number, hash },
      sequenceNumber,
    }
  }

  function known(number: bigint): KnownBlock | undefined {
    const block = engine.block(number)
    if (block === undefined) return undefined
    return {
      ...refOf(block),
      transactions: block.transactions.filter(({ type }) => type !== 0x7e).map(({ raw }) => raw),
    }
  }

  /** Begins to read where a channel that holds the next block may have been opened at the earliest. */
  function begin(): Derivation {
    safe = refOf(engine.finalized())
    derived = undefined
    settledAt = undefined
    milestones = []
    fetched = new Map()
    let block = engine.finalized()
    const earliest = safe.origin.number - CHANNEL_TIMEOUT_BLOCKS
    while (block.number > config.genesis.l2.number && refOf(block).origin.number > earliest) {
      const before = engine.block(block.number - 1n)
      if (before === undefined) break
      block = before
    }
    // an engine elsewhere may not show blocks so old; their configuration is then taken to be that of the oldest shown
    const reached = refOf(block).origin.number
    const first = config.genesis.l1.number
    const mark = marks.findLast(({ l2Hash }) => l2Hash === safe.hash)
    const number = block.number === config.genesis.l2.number || reached <= earliest ? reached : earliest
    return createDerivation({
      config,
      start: {
        number: number > first ? number : first,
        systemConfig: systemConfigOf(block, config),
        ...(mark === undefined ? {} : { toldBy: mark.l1 }),
      },
      known,
      brotli: decompressBrotli,
      crypto,
      onRefused: (verdict, { number }) =>
        logger.debug({ l1Block: number.toString(), ...verdict }, 'L1 tells a batch that is not taken'),
    })
  }

  /** Goes back to the newest block whose origin L1 still has, and reads again from the finalised one. */
  async function reset(): Promise<void> {
    derivation = undefined
    const hashes = new Map<bigint, Hex | undefined>()
    const isCanonical = async ({ origin }: L2Block): Promise<boolean> => {
      if (!hashes.has(origin.number)) hashes.set(origin.number, await l1.hashOf(origin.number))
      return hashes.get(origin.number) === origin.hash
    }
    await exclusively(async () => {
      const from = engine.head()
      let block = from
      while (block.number > 0n && !(await isCanonical(refOf(block)))) block = engine.block(block.number - 1n)!
      if (block.number < from.number) await engine.rewind(block.number)
      engine.setSafe(engine.finalized().number)
      logger.warn(
        { from: from.number.toString(), to: block.number.toString() },
        'L1 was reorganised; reading again from the finalised block',
      )
    })
  }

  /** Has the engine hold the block after the safe one as L1 tells it. */
  async function adopt(derived: DerivedBlock, current: Derivation): Promise<BlockRecord> {
    const existing = engine.block(safe.number + 1n)
    if (existing !== undefined) {
      const difference = differenceOf(existing, safe, derived, options.defaultEip1559Params)
      if (difference === undefined) return existing
      if (wasReduced(existing, derived)) {
        current.invalidate()
        return existing
      }
      logger.warn(
        { block: existing.number.toString(), difference, l1Block: derived.derivedFrom.number.toString() },
        'L1 tells another block than this node has; L1 decides',
      )
      await engine.rewind(safe.number)
    }
    if (engine.head().hash !== safe.hash) throw new SafeBlockMissingError(safe, engine.head())
    const attributes = { ...derived.attributes, noTxPool: true }
    try {
      return await engine.build({ ...attributes, transactions: derived.transactions })
    } catch (error) {
      if (derived.transactions.length === 0 || !isInvalidPayload(error)) throw error
      logger.warn(
        { block: (safe.number + 1n).toString(), reason: (error as Error).message },
        'the block that L1 tells cannot be executed; it holds its deposits only',
      )
      current.invalidate()
      return await engine.build(attributes)
    }
  }

  /** Whether this block was found safe before without its transactions, because they could not be executed. */
  const wasReduced = (existing: BlockRecord, derived: DerivedBlock): boolean =>
    existing.number <= engine.safe().number &&
    differenceOf(existing, safe, { ...derived, transactions: [] }, options.defaultEip1559Params) === undefined

  async function drain(current: Derivation, signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        derived ??= current.next(safe)
        if (derived === undefined) {
          const last = milestones.at(-1)?.l2 ?? engine.finalized().number
          if (safe.number !== last) milestones.push({ l1: current.origin()!.number, l2: safe.number })
          return
        }
        const next = derived
        safe = refOf(await exclusively(() => adopt(next, current)))
        derived = undefined
      }
    } finally {
      if (safe.number > engine.safe().number) engine.setSafe(safe.number)
    }
  }

  function fetch(number: bigint, limit: bigint): Promise<L1Contents | undefined> {
    for (let ahead = number; ahead <= limit && ahead < number + BigInt(AHEAD_BLOCKS); ahead++) {
      if (fetched.has(ahead)) continue
      const contents = l1.read(ahead)
      // whoever takes it hears of the failure
      contents.catch(() => fetched.delete(ahead))
      fetched.set(ahead, contents)
    }
    return fetched.get(number)!
  }

  /** @returns whether there was a block to read. */
  async function readOne(current: Derivation, limit: bigint): Promise<boolean> {
    const number = current.wanted()
    if (number > limit) return false
    const contents = await fetch(number, limit)
    fetched.delete(number)
    if (contents === undefined) return false
    const hashes = current.blobHashes(contents)
    const blobs = hashes.length === 0 ? NO_BLOBS : await options.blobs(contents, hashes)
    current.feed({ ...contents, blobs })
    return true
  }

  async function finalize(): Promise<void> {
    const finalizedL1 = await l1.finalized()
    const reached = milestones.findLast(({ l1: number }) => number <= finalizedL1)
    if (reached === undefined || reached.l2 <= engine.finalized().number) return
    // two of them: the process may end between this line and the next
    marks = [...marks.slice(-1), { l1: reached.l1, l2Hash: engine.block(reached.l2)!.hash }]
    options.memory?.write(marks)
    engine.setFinalized(reached.l2)
    milestones = milestones.filter(({ l2 }) => l2 > reached.l2)
  }

  async function round(signal: AbortSignal): Promise<void> {
    derivation ??= begin()
    const current = derivation
    const limit = await l1.head()
    try {
      const origin = current.origin()
      if (origin !== undefined && current.wanted() > limit && origin.number <= limit) {
        // the newest block may have been replaced by one of the same height
        if ((await l1.hashOf(origin.number)) !== origin.hash) return await reset()
      }
      await drain(current, signal)
      for (let count = 0; count < ROUND_BLOCKS_MAX && !signal.aborted; count++) {
        if (!(await readOne(current, limit))) {
          isCaughtUp = true
          break
        }
        await drain(current, signal)
      }
    } catch (error) {
      if (error instanceof L1DiscontinuityError) return await reset()
      throw error
    }
    // what is final moves with the head, so a quiet L1 is asked less often
    if (limit === settledAt && ++quietRounds % QUIET_ROUNDS !== 0) return
    await finalize()
    settledAt = current.wanted() > limit ? limit : undefined
  }

  const loop = createLoop({ name: 'verifier', intervalMs: POLL_MS, logger, round })
  return {
    ...loop,
    wanted: () => derivation?.wanted() ?? 0n,
    derived: () => safe.number,
    isCaughtUp: () => isCaughtUp,
  }
}

const NO_BLOBS: ReadonlyMap<Hex, Uint8Array> = new Map()

/** The codes of errors for which a block's own transactions are to blame. */
const INVALID_PAYLOAD = /^transaction\.|^rlp\.|^engine\.invalid_payload$/
const isInvalidPayload = (error: unknown): boolean =>
  error instanceof BaseError && INVALID_PAYLOAD.test(error.code)

export class SafeBlockMissingError extends BaseError {
  constructor(safe: L2Block, head: BlockRecord) {
    super({
      code: 'verifier.safe_block_missing',
      message: `Expected the engine's head to be ${safe.number} (${safe.hash}), on which the next block is derived; it is ${head.number} (${head.hash}).`,
      context: { safe: safe.number.toString(), head: head.number.toString() },
      severity: 'retry',
    })
  }
}
