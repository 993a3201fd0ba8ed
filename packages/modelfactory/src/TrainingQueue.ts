import { and, type Database, eq, inArray, isNull, lt, or, schema, sql } from '@openledger/store'

const { trainingRuns } = schema

/** A worker's right to a run. A later claim ends it: whatever is written under an older number is refused. */
export type Claim = { readonly runId: string; readonly number: number }

export type QueueLimits = {
  /** Runs of one account that may wait, be paused or run at once. */
  readonly openRunsMax: number
  /** Runs of one account that may run at once, over all workers. */
  readonly runningMax: number
}

export const queueLimits: QueueLimits = { openRunsMax: 4, runningMax: 2 }

/** What a run is while a worker has it. */
export const TAKEN = ['running', 'indexing'] as const
/** How long a worker may be silent before another takes its run. */
const LEASE = sql`now() + interval '10 seconds'`
/** How often a worker says that it lives. */
export const RENEW_MS = 2_500

const isAbandoned = and(
  inArray(trainingRuns.status, [...TAKEN]),
  or(isNull(trainingRuns.leaseUntil), lt(trainingRuns.leaseUntil, sql`now()`)),
)
const runningOfOwner = sql`(SELECT count(*) FROM training_runs AS other
  WHERE other.owner = training_runs.owner AND other.status IN ('running', 'indexing'))`
const lastTurnOfOwner = sql`(SELECT max(other.started_at) FROM training_runs AS other
  WHERE other.owner = training_runs.owner)`

/**
 * Takes the run whose turn it is, or none.
 *
 * What was begun goes first: a run whose worker vanished, then one that was paused. Then owners take turns: whose last turn is
 * longest ago is next. Among the runs of one owner the higher priority goes first, then the
 * older.
 */
export async function claimNext(
  database: Database,
  { runningMax }: Pick<QueueLimits, 'runningMax'>,
): Promise<Claim | undefined> {
  return database.transaction(async (orm) => {
    const [next] = await orm
      .select({ id: trainingRuns.id, claim: trainingRuns.claim, status: trainingRuns.status })
      .from(trainingRuns)
      .where(or(isAbandoned, and(eq(trainingRuns.status, 'queued'), lt(runningOfOwner, runningMax))))
      .orderBy(
        sql`${trainingRuns.status} = 'queued', ${trainingRuns.startedAt} IS NULL, ${lastTurnOfOwner} NULLS FIRST,
          ${trainingRuns.priority} DESC, ${trainingRuns.createdAt}, ${trainingRuns.id}`,
      )
      .limit(1)
    if (next === undefined) return undefined
    const number = next.claim + 1
    await orm
      .update(trainingRuns)
      .set({
        claim: number,
        leaseUntil: LEASE,
        startedAt: sql`coalesce(started_at, now())`,
        ...(next.status === 'queued' ? { status: 'running' } : {}),
      })
      .where(eq(trainingRuns.id, next.id))
    return { runId: next.id, number }
  })
}

/** Keeps a claim for a while longer; false when the run is over, paused or someone else's. */
export async function renew({ orm }: Database, claim: Claim): Promise<boolean> {
  const kept = await orm
    .update(trainingRuns)
    .set({ leaseUntil: LEASE })
    .where(holds(claim))
    .returning({ id: trainingRuns.id })
  return kept.length > 0
}

/** Gives a run back that is not over, so that the next worker need not wait. */
export async function release({ orm }: Database, claim: Claim): Promise<void> {
  await orm.update(trainingRuns).set({ leaseUntil: null }).where(holds(claim))
}

/** Gives back what a killed process had; for an embedded database, which has one process at a time. */
export async function releaseAll({ orm }: Database): Promise<void> {
  await orm
    .update(trainingRuns)
    .set({ leaseUntil: null })
    .where(inArray(trainingRuns.status, [...TAKEN]))
}

/** Lists what waits for a worker or was left by one. */
export async function waiting({ orm }: Database): Promise<string[]> {
  const rows = await orm
    .select({ id: trainingRuns.id })
    .from(trainingRuns)
    .where(or(isAbandoned, eq(trainingRuns.status, 'queued')))
  return rows.map(({ id }) => id)
}

/** Whether the run is still this worker's. */
export const holds = ({ runId, number }: Claim) =>
  and(eq(trainingRuns.id, runId), eq(trainingRuns.claim, number), inArray(trainingRuns.status, [...TAKEN]))
