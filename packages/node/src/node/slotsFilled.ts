import { setTimeout as delay } from 'node:timers/promises'
import { BaseError, type Clock } from '@openledger/primitives'
import type { ChainEngine } from '../engine/Engine.ts'
import type { Logger } from './Logger.ts'

/** A head so many blocks behind the clock counts as up to date. */
const BEHIND_BLOCKS_MAX = 5
const STALL_MS = 60_000
const POLL_MS = 100

/**
 * Waits until the slots that were missed while no node ran are filled: before that the chain's time is in the past, and
 * what is signed now may not be valid there yet.
 * @throws {NodeStalledError} when no block comes for a minute.
 */
export async function slotsFilled({
  engine,
  clock,
  blockTimeSeconds,
  lastError,
  logger,
}: {
  readonly engine: ChainEngine
  readonly clock: Clock
  readonly blockTimeSeconds: number
  readonly lastError: () => unknown
  readonly logger: Logger
}): Promise<void> {
  const behind = (): number =>
    Math.floor((clock.nowMs() / 1_000 - Number(engine.head().timestamp)) / blockTimeSeconds)
  if (behind() > BEHIND_BLOCKS_MAX) logger.info({ blocks: behind() }, 'filling the slots that were missed')
  let last = engine.head().number
  let movedAt = performance.now()
  while (behind() > BEHIND_BLOCKS_MAX) {
    await delay(POLL_MS)
    const { number } = engine.head()
    if (number !== last) movedAt = performance.now()
    last = number
    if (performance.now() - movedAt > STALL_MS) throw new NodeStalledError(number, lastError())
  }
}

export class NodeStalledError extends BaseError {
  constructor(number: bigint, cause: unknown) {
    super({
      code: 'node.stalled',
      message: `Expected a block after ${number} within ${STALL_MS / 1_000} s, none came: ${cause instanceof Error ? cause.message : 'the L1 makes no blocks'}`,
      context: { number: number.toString() },
      severity: 'retry',
      cause,
    })
  }
}
