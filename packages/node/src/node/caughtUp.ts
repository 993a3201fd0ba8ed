import { setTimeout as delay } from 'node:timers/promises'
import type { Verifier } from '../verifier/Verifier.ts'
import type { Logger } from './Logger.ts'

const STALL_MS = 60_000
const POLL_MS = 100

/** Waits until the verifier has read all of L1; for nothing when it cannot, because a sequencer goes on without. */
export async function caughtUp(verifier: Verifier, logger: Logger): Promise<void> {
  let last = verifier.wanted()
  let movedAt = performance.now()
  while (!verifier.isCaughtUp()) {
    await delay(POLL_MS)
    const wanted = verifier.wanted()
    if (wanted !== last) movedAt = performance.now()
    last = wanted
    if (performance.now() - movedAt > STALL_MS) {
      logger.warn({ l1Block: wanted.toString() }, 'L1 cannot be read to its end; sequencing begins without')
      return
    }
  }
}
