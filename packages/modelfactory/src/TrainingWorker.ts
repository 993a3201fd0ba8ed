import type { Blobs, Database, Jobs } from '@openledger/store'
import type { JudgeOptions } from './JudgeEndpoint.ts'
import { createRuns } from './Runs.ts'
import { ClaimLostError, carryOut } from './TrainingJob.ts'
import * as TrainingQueue from './TrainingQueue.ts'

export type TrainingWorkerDeps = {
  readonly database: Database
  readonly blobs: Blobs
  readonly jobs: Jobs
  readonly baseDirectory: string
  /** Threads that share a training step; 0 trains on one. */
  readonly workers: number
  /** The model that compares answers for runs that ask for it; undefined means none. */
  readonly judge?: JudgeOptions | undefined
}

export type TrainingWorkerOptions = {
  readonly limits?: Partial<TrainingQueue.QueueLimits>
  /** Told of every change of a run. */
  readonly onChange?: (runId: string) => void
  /** Told once a run has been carried to its end here. */
  readonly onTrained?: (runId: string) => void
}

export type TrainingWorker = {
  /** Takes runs, one at a time, until the jobs are stopped. */
  readonly work: () => Promise<void>
  /** Says that there is a run to take; any worker on the database may hear it. */
  readonly call: (runId: string) => Promise<void>
  /** Stops a run at its next step if it runs in this process; other processes see it when they renew their claim. */
  readonly stop: (runId: string) => void
}

const QUEUE = 'training'
/** How often each worker looks for runs that vanished workers left. */
const LOOK_MS = 5_000

/**
 * Creates what carries out training runs; any number of processes on one database may have one.
 *
 * A job in the queue is a call, not a run: whoever hears it takes the run whose turn it is (`TrainingQueue.claimNext`), and
 * then the next, until none is left.
 */
export function createTrainingWorker(
  deps: TrainingWorkerDeps,
  { limits, onChange = () => {}, onTrained = () => {} }: TrainingWorkerOptions = {},
): TrainingWorker {
  const { database, jobs } = deps
  const runs = createRuns(database)
  const { runningMax } = { ...TrainingQueue.queueLimits, ...limits }
  const stops = new Map<string, AbortController>()
  const call = (runId: string) => jobs.enqueue(QUEUE, {}, { singletonKey: runId })
  const callAll = async (): Promise<void> => {
    for (const id of await TrainingQueue.waiting(database)) await call(id)
  }

  const train = async (claim: TrainingQueue.Claim, signal: AbortSignal): Promise<void> => {
    const stop = new AbortController()
    stops.set(claim.runId, stop)
    onChange(claim.runId)
    const alive = setInterval(() => {
      TrainingQueue.renew(database, claim).then(
        (isKept) => isKept || stop.abort(new ClaimLostError(claim.runId)),
        // a database that is away for a moment is asked again; if it stays away, another worker may take the run
        () => {},
      )
    }, TrainingQueue.RENEW_MS)
    try {
      if (await carryOut({ ...deps, runs, onChange }, claim, AbortSignal.any([signal, stop.signal])))
        onTrained(claim.runId)
    } catch (error) {
      // what its owner stopped, or another worker took, is not this one's any more
      if (!stop.signal.aborted && !(error instanceof ClaimLostError)) throw error
    } finally {
      clearInterval(alive)
      stops.delete(claim.runId)
      await TrainingQueue.release(database, claim)
    }
  }

  return {
    call,
    stop: (runId) => stops.get(runId)?.abort(new ClaimLostError(runId)),
    async work() {
      if (database.kind === 'embedded') await TrainingQueue.releaseAll(database)
      await jobs.work(QUEUE, async (_, { signal }) => {
        for (;;) {
          signal.throwIfAborted()
          const claim = await TrainingQueue.claimNext(database, { runningMax })
          if (claim === undefined) return
          await train(claim, signal)
        }
      })
      await callAll()
      const look = setInterval(() => {
        // the next look asks again
        callAll().catch(() => {})
      }, LOOK_MS)
      jobs.stopping.addEventListener('abort', () => clearInterval(look))
    },
  }
}
