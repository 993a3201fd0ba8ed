import { randomUUID } from 'node:crypto'
import { BaseError } from '@openledger/primitives'
import { type Db, PgBoss } from 'pg-boss'
import type { Database } from './Database.ts'

/** Work that survives the process: queued in the database, taken up by any worker, repeated when a worker vanishes. */
export type Jobs = {
  /**
   * Queues work. Among jobs with the same `singletonKey` at most one waits and at most one runs: asking again while one
   * waits changes nothing, so a handler must look at the state of things, not at how often it was asked.
   */
  readonly enqueue: <Payload extends object>(
    queue: string,
    payload: Payload,
    options?: { readonly singletonKey?: string },
  ) => Promise<void>
  /**
   * Takes jobs of a queue. A handler that throws is called again later, unless the error is a `BaseError` of severity
   * `fatal`; one whose process died is called again by the next, so handlers pick up what they find half done.
   */
  readonly work: <Payload extends object>(
    queue: string,
    handler: (payload: Payload, context: { readonly signal: AbortSignal }) => Promise<void>,
    options?: { readonly concurrency?: number },
  ) => Promise<void>
  /** Aborts when stopping begins. */
  readonly stopping: AbortSignal
  /** Aborts the signals of running handlers and waits for them; what they leave undone is taken up after the next start. */
  readonly stop: () => Promise<void>
}

export type JobsOptions = {
  /** Told of every failed attempt and of trouble in the queue itself. */
  readonly onError?: (error: unknown, context: { readonly queue?: string }) => void
}

const QUEUE = {
  // at most one job of a key waits and at most one runs
  policy: 'stately',
  retryLimit: 20,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 60,
  // a worker that lives says so every few seconds; one that stays silent has lost its job
  heartbeatSeconds: 15,
  expireInSeconds: 23 * 3_600,
  deleteAfterSeconds: 86_400,
  notify: true,
} as const

const POLL_SECONDS = 0.5
const SUPERVISE_SECONDS = 5
const STOP_TIMEOUT_MS = 15_000

/** Starts the queue on the database; its tables live in a schema of their own, `pgboss`. */
export async function createJobs(
  database: Database,
  { onError = () => {} }: JobsOptions = {},
): Promise<Jobs> {
  const boss = new PgBoss({
    db: toBossDatabase(database),
    backend: database.kind === 'embedded' ? 'pglite' : 'postgres',
    useListenNotify: database.listen !== undefined,
    schedule: false,
    superviseIntervalSeconds: SUPERVISE_SECONDS,
    monitorIntervalSeconds: SUPERVISE_SECONDS,
  })
  boss.on('error', (error) => onError(error, {}))
  await database.whileOthersWait(() => boss.start())
  if (database.kind === 'embedded') await releaseAbandoned(database, boss)

  const created = new Map<string, Promise<void>>()
  const ensureQueue = (queue: string): Promise<void> => {
    const known = created.get(queue) ?? boss.createQueue(queue, QUEUE)
    created.set(queue, known)
    return known
  }
  const stopping = new AbortController()

  return {
    enqueue: async (queue, payload, { singletonKey = randomUUID() } = {}) => {
      await ensureQueue(queue)
      await boss.send(queue, payload, { singletonKey })
    },
    work: async (queue, handler, { concurrency = 1 } = {}) => {
      await ensureQueue(queue)
      await boss.work(
        queue,
        {
          localConcurrency: concurrency,
          pollingIntervalSeconds: POLL_SECONDS,
          // a repeat that falls due notifies nobody
          notifyPollingIntervalSeconds: 2 * POLL_SECONDS,
          perJobResults: true,
        },
        async ([job]) => {
          const { id, data, signal } = job!
          try {
            await handler(data as Parameters<typeof handler>[0], {
              signal: AbortSignal.any([signal, stopping.signal]),
            })
            return [{ id, status: 'completed' as const }]
          } catch (error) {
            if (!stopping.signal.aborted) onError(error, { queue })
            const final = error instanceof BaseError && error.severity === 'fatal' && !stopping.signal.aborted
            return [
              { id, status: final ? ('deadletter' as const) : ('failed' as const), output: String(error) },
            ]
          }
        },
      )
    },
    stopping: stopping.signal,
    stop: async () => {
      stopping.abort(new JobsStoppingError())
      await boss.stop({ graceful: true, timeout: STOP_TIMEOUT_MS })
    },
  }
}

/** An embedded database has one process: jobs that run when it starts belong to one that was killed. */
async function releaseAbandoned(database: Database, boss: PgBoss): Promise<void> {
  const { rows } = await database.run(`SELECT name, id FROM pgboss.job WHERE state = 'active'`)
  for (const { name, id } of rows) {
    await boss.fail(name as string, id as string, { reason: 'the process that ran it was killed' })
  }
}

const toBossDatabase = ({ run, listen }: Database): Db => ({
  executeSql: (text, values) => run(text, values),
  ...(listen && {
    listen: async (channel, onNotification, onReconnect) => {
      const close = await listen(channel, onNotification)
      onReconnect()
      return { close }
    },
  }),
})

export class JobsStoppingError extends BaseError {
  constructor() {
    super({
      code: 'jobs.stopping',
      message: 'The server is stopping; the job is taken up again when it starts.',
      severity: 'retry',
    })
  }
}
