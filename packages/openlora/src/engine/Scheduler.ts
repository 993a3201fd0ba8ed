import { BaseError } from '@openledger/primitives'

/** What the scheduler needs to know of a request. */
export type Schedulable = {
  readonly id: number
  /** Who asks; callers share the rows fairly. */
  readonly caller: string
  /** Which adapter; adapters share the rows of a caller, and those of all callers, fairly. */
  readonly adapterKey?: string
  /** Smaller goes first; default 0. */
  readonly priority?: number
  /** When it must be done, on the clock of whoever asks; earlier goes first among those of one caller. */
  readonly deadlineMs?: number
}

export type SchedulerLimits = {
  /** Requests that decode together. */
  readonly rows: number
  /** Requests that may wait for a row, of all callers. */
  readonly waitingMax: number
  /** Requests that one caller may have waiting. */
  readonly waitingPerCallerMax: number
  /** Rows that are given to later requests, at most, while the oldest ready one of a caller waits. */
  readonly passesMax: number
}

export type Scheduler<T extends Schedulable> = {
  /** @throws {QueueFullError} */
  readonly enqueue: (request: T) => void
  /**
   * Gives the next request that `isReady` and the row it gets, the lowest free one; `undefined` when no row is free
   * or nobody is ready.
   *
   * The most urgent go first; among them those of the caller with the fewest rows, then of the adapter with the fewest,
   * then of the caller served longest ago. A caller's own requests go by deadline and arrival.
   *
   * Waiting ends all that: the oldest ready request of a caller that later ones have passed `passesMax` times is overdue,
   * goes before whatever came later, and never gives way again. So a request before which `n` of its caller's are ready is
   * passed by at most `(n + 1) * passesMax` later ones, however urgent they are; only the oldest counts, because a caller
   * who sends many would otherwise wait himself ahead of everybody.
   */
  readonly admit: (isReady: (request: T) => boolean) => { request: T; row: number } | undefined
  /**
   * When all rows are taken, gives the request that should make room for one which waits: a less urgent one, or one of a
   * caller who has at least two rows more than the caller who waits, or, where that one is overdue, one that came later.
   * Nobody gives way to whom he would take the row from again.
   */
  readonly giveWay: (isReady: (request: T) => boolean, canGiveWay: (request: T) => boolean) => T | undefined
  /** Puts a running request back among those who wait, at its old place. @returns The row it frees. */
  readonly park: (id: number) => number
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
  /** With the order of arrival and the later ones that went before it, which parking keeps. */
  type Place = { readonly request: T; readonly arrival: number; passes: number }
  const waitingByCaller = new Map<string, Place[]>()
  const rows: (Place | undefined)[] = new Array(limits.rows).fill(undefined)
  /** When a caller was last served, counted in admissions; dropped with the caller's last request. */
  const servedAt = new Map<string, number>()
  let arrivals = 0
  let admissions = 0
  let waitingCount = 0
  let meanHeldMs = FIRST_GUESS_MS

  const count = (isCounted: (request: T) => boolean): number =>
    rows.filter((place) => place !== undefined && isCounted(place.request)).length
  const rowCount = (caller: string): number => count((request) => request.caller === caller)

  const forget = (caller: string): void => {
    if (!waitingByCaller.has(caller) && rowCount(caller) === 0) servedAt.delete(caller)
  }

  const retryAfterSeconds = (): number =>
    Math.max(1, Math.ceil((waitingCount / limits.rows) * (meanHeldMs / 1_000)))

  function takeWaiting(caller: string, id: number): Place {
    const queue = waitingByCaller.get(caller)!
    const [place] = queue.splice(
      queue.findIndex(({ request }) => request.id === id),
      1,
    )
    if (queue.length === 0) waitingByCaller.delete(caller)
    waitingCount--
    return place!
  }

  function addWaiting(place: Place): void {
    const { caller } = place.request
    waitingByCaller.set(caller, [...(waitingByCaller.get(caller) ?? []), place])
    waitingCount++
  }

  const isOverdue = ({ passes }: Place): boolean => passes >= limits.passesMax

  /** Of each caller, who came first of those that are ready. */
  const oldest = (isReady: (request: T) => boolean): Place[] =>
    [...waitingByCaller.values()].flatMap((queue) => {
      const ready = queue.filter(({ request }) => isReady(request))
      return ready.length === 0
        ? []
        : [ready.reduce((first, one) => (one.arrival < first.arrival ? one : first))]
    })

  /** The next of those who are ready, whether or not a row is free. */
  function next(isReady: (request: T) => boolean): Place | undefined {
    const overdue = oldest(isReady).filter(isOverdue)
    if (overdue.length > 0) return overdue.reduce((first, one) => (one.arrival < first.arrival ? one : first))
    const rowsOfAdapter = new Map<string, number>()
    for (const place of rows) {
      const key = place?.request.adapterKey ?? ''
      if (place !== undefined) rowsOfAdapter.set(key, (rowsOfAdapter.get(key) ?? 0) + 1)
    }
    const adapterRows = ({ adapterKey = '' }: T): number => rowsOfAdapter.get(adapterKey) ?? 0
    const own = (a: Place, b: Place): number =>
      urgency(a.request) - urgency(b.request) ||
      deadline(a.request) - deadline(b.request) ||
      adapterRows(a.request) - adapterRows(b.request) ||
      a.arrival - b.arrival
    const first = [...waitingByCaller].flatMap(([caller, queue]) => {
      const ready = queue.filter(({ request }) => isReady(request))
      if (ready.length === 0) return []
      const place = ready.reduce((best, one) => (own(one, best) < 0 ? one : best))
      return [{ place, rows: rowCount(caller), servedAt: servedAt.get(caller) ?? -1 }]
    })
    const [found] = first.sort(
      (a, b) =>
        urgency(a.place.request) - urgency(b.place.request) ||
        a.rows - b.rows ||
        adapterRows(a.place.request) - adapterRows(b.place.request) ||
        a.servedAt - b.servedAt,
    )
    return found?.place
  }

  return {
    enqueue(request) {
      const queued = waitingByCaller.get(request.caller)?.length ?? 0
      const isCallerFull = queued >= limits.waitingPerCallerMax
      if (isCallerFull || waitingCount >= limits.waitingMax) {
        throw new QueueFullError({ waitingCount, isCallerFull, retryAfterSeconds: retryAfterSeconds() })
      }
      addWaiting({ request, arrival: arrivals++, passes: 0 })
    },
    admit(isReady) {
      const row = rows.indexOf(undefined)
      if (row < 0) return undefined
      const found = next(isReady)
      if (found === undefined) return undefined
      const { request, arrival } = found
      for (const place of oldest(isReady)) if (place.arrival < arrival) place.passes++
      rows[row] = takeWaiting(request.caller, request.id)
      servedAt.set(request.caller, admissions++)
      return { request, row }
    },
    giveWay(isReady, canGiveWay) {
      if (rows.includes(undefined)) return undefined
      const first = next(isReady)
      if (first === undefined) return undefined
      const waiting = first.request
      const own = rowCount(waiting.caller)
      const able = rows.flatMap((place) => {
        if (place === undefined || isOverdue(place) || !canGiveWay(place.request)) return []
        const { request, arrival } = place
        const isLessUrgent = urgency(request) > urgency(waiting)
        const others = rowCount(request.caller)
        const isRich = urgency(request) === urgency(waiting) && others >= own + 2
        const mustGiveWay = isOverdue(first) ? arrival > first.arrival : isLessUrgent || isRich
        return mustGiveWay ? [{ request, arrival, others }] : []
      })
      // the least urgent, then of the richest caller, then the latest, who loses least
      const [found] = able.sort(
        (a, b) => urgency(b.request) - urgency(a.request) || b.others - a.others || b.arrival - a.arrival,
      )
      return found?.request
    },
    park(id) {
      const row = rows.findIndex((place) => place?.request.id === id)
      addWaiting(rows[row]!)
      rows[row] = undefined
      return row
    },
    remove(id) {
      const row = rows.findIndex((place) => place?.request.id === id)
      if (row >= 0) {
        const { caller } = rows[row]!.request
        rows[row] = undefined
        forget(caller)
        return row
      }
      for (const [caller, queue] of waitingByCaller) {
        if (!queue.some(({ request }) => request.id === id)) continue
        takeWaiting(caller, id)
        forget(caller)
        return undefined
      }
      return undefined
    },
    observe(heldMs) {
      meanHeldMs += OBSERVATION_WEIGHT * (heldMs - meanHeldMs)
    },
    running: () =>
      rows.flatMap((place, row) => (place === undefined ? [] : [{ request: place.request, row }])),
    waiting: () => [...waitingByCaller.values()].flatMap((queue) => queue.map(({ request }) => request)),
  }
}

const urgency = ({ priority = 0 }: Schedulable): number => priority
/** Far away rather than infinite, so that differences are numbers. */
const deadline = ({ deadlineMs = Number.MAX_SAFE_INTEGER }: Schedulable): number => deadlineMs

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
