import { BaseError } from '@openledger/primitives'

/** What the scheduler needs to know of a request. */
export type Schedulable = {
  readonly id: number
  /** Who asks; callers share the rows fairly. */
  readonly caller: string
}

export type SchedulerLimits = {
  /** Requests that decode together. */
  readonly rows: number
  /** Requests that may wait for a row, of all callers. */
  readonly waitingMax: number
  /** Requests that one caller may have waiting. */
  readonly waitingPerCallerMax: number
}

export type Scheduler<T extends Schedulable> = {
  /** @throws {QueueFullError} */
  readonly enqueue: (request: T) => void
  /**
   * Gives the next request that `isReady` and the row it gets, the lowest free one; `undefined` when no row is free
   * or nobody is ready.
   *
   * The caller with the fewest rows goes first; among equals the one served longest ago. Requests of one caller keep
   * their order, except that one that is not ready lets a later one pass.
   */
  readonly admit: (isReady: (request: T) => boolean) => { request: T; row: number } | undefined
  /** Takes a request out, waiting or running. Returns the row it frees, if it had one. */
  readonly remove: (id: number) => number | undefined
  /** Tells how long a request held its row, in milliseconds; feeds the waiting time that errors name. */
  readonly observe: (heldMs: number) => void
  readonly running: () => readonly { readonly request: T; readonly row: number }[]
  readonly waiting: () => readonly T[]
}

/** Weight of the newest observation in the mean time a request holds its row. */
const OBSERVATION_WEIGHT = 0.1
const FIRST_GUESS_MS = 1_000

/** Creates a scheduler of row slots; pure: it neither waits nor reads a clock. */
export function createScheduler<T extends Schedulable>(limits: SchedulerLimits): Scheduler<T> {
  const waitingByCaller = new Map<string, T[]>()
  const rows: (T | undefined)[] = new Array(limits.rows).fill(undefined)
  /** When a caller was last served, counted in admissions; dropped with the caller's last request. */
  const servedAt = new Map<string, number>()
  let admissions = 0
  let waitingCount = 0
  let meanHeldMs = FIRST_GUESS_MS

  const rowCount = (caller: string): number => rows.filter((request) => request?.caller === caller).length

  const forget = (caller: string): void => {
    if (!waitingByCaller.has(caller) && rowCount(caller) === 0) servedAt.delete(caller)
  }

  const retryAfterSeconds = (): number =>
    Math.max(1, Math.ceil((waitingCount / limits.rows) * (meanHeldMs / 1_000)))

  function takeWaiting(caller: string, at: number): T {
    const queue = waitingByCaller.get(caller)!
    const [request] = queue.splice(at, 1)
    if (queue.length === 0) waitingByCaller.delete(caller)
    waitingCount--
    return request!
  }

  return {
    enqueue(request) {
      const queue = waitingByCaller.get(request.caller) ?? []
      const isCallerFull = queue.length >= limits.waitingPerCallerMax
      if (isCallerFull || waitingCount >= limits.waitingMax) {
        throw new QueueFullError({ waitingCount, isCallerFull, retryAfterSeconds: retryAfterSeconds() })
      }
      queue.push(request)
      waitingByCaller.set(request.caller, queue)
      waitingCount++
    },
    admit(isReady) {
      const row = rows.indexOf(undefined)
      if (row < 0) return undefined
      const callers = [...waitingByCaller.keys()]
        .map((caller) => ({ caller, rows: rowCount(caller), servedAt: servedAt.get(caller) ?? -1 }))
        .sort((a, b) => a.rows - b.rows || a.servedAt - b.servedAt)
      for (const { caller } of callers) {
        const at = waitingByCaller.get(caller)!.findIndex(isReady)
        if (at < 0) continue
        const request = takeWaiting(caller, at)
        rows[row] = request
        servedAt.set(caller, admissions++)
        return { request, row }
      }
      return undefined
    },
    remove(id) {
      const row = rows.findIndex((request) => request?.id === id)
      if (row >= 0) {
        const { caller } = rows[row]!
        rows[row] = undefined
        forget(caller)
        return row
      }
      for (const [caller, queue] of waitingByCaller) {
        const at = queue.findIndex((request) => request.id === id)
        if (at < 0) continue
        takeWaiting(caller, at)
        forget(caller)
        return undefined
      }
      return undefined
    },
    observe(heldMs) {
      meanHeldMs += OBSERVATION_WEIGHT * (heldMs - meanHeldMs)
    },
    running: () => rows.flatMap((request, row) => (request === undefined ? [] : [{ request, row }])),
    waiting: () => [...waitingByCaller.values()].flat(),
  }
}

export class QueueFullError extends BaseError {
  constructor({
    waitingCount,
    isCallerFull,
    retryAfterSeconds,
  }: {
    waitingCount: number
    isCallerFull: boolean
    retryAfterSeconds: number
  }) {
    const whose = isCallerFull ? 'this caller has' : 'there are'
    super({
      code: 'openlora.queue_full',
      message: `Expected room in the queue, but ${whose} as many requests waiting as allowed (${waitingCount} in all); try again in ${retryAfterSeconds} s.`,
      context: { waitingCount, retryAfterSeconds },
      severity: 'retry',
    })
  }
}
