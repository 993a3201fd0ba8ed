import { BaseError, type Hex } from '@openledger/primitives'
import { SignedRequest } from '@openledger/protocol'
import { and, eq, notInArray, type Orm, schema } from '@openledger/store'
import type { RunRow } from './Runs.ts'

const { trainingRuns, usedRequests } = schema

const OVER = ['trained', 'published', 'failed', 'cancelled'] as const

/** Reads the row of a run. @throws {RunOverError} when there is none. */
export async function runRow(orm: Orm, id: string): Promise<RunRow> {
  const [run] = await orm.select().from(trainingRuns).where(eq(trainingRuns.id, id))
  if (run === undefined) throw new RunOverError(id, 'unknown')
  return run
}

/** Marks a signed request as carried out. @throws {RequestReplayedError} when it was before. */
export async function useOnce(orm: Orm, digest: Hex, deadline: number): Promise<void> {
  const added = await orm.insert(usedRequests).values({ digest, deadline }).onConflictDoNothing().returning()
  if (added.length === 0) throw new SignedRequest.RequestReplayedError(digest)
}

/** Whether nothing happens to a run of this status by itself any more. */
export const isOver = (status: string): boolean => (OVER as readonly string[]).includes(status)

/** @throws {TooManyRunsError} when an owner has as many open runs as one may. */
export async function requireRoom(orm: Orm, owner: string, openRunsMax: number): Promise<void> {
  const open = await orm
    .select({ id: trainingRuns.id })
    .from(trainingRuns)
    .where(and(eq(trainingRuns.owner, owner), notInArray(trainingRuns.status, [...OVER])))
  if (open.length >= openRunsMax) throw new TooManyRunsError(open.length, openRunsMax)
}

/** @throws {NameTakenError} when another run or model has the name. */
export async function requireFreeName(orm: Orm, name: string): Promise<void> {
  const [taken] = await orm
    .select({ status: trainingRuns.status })
    .from(trainingRuns)
    .where(and(eq(trainingRuns.modelName, name), notInArray(trainingRuns.status, ['failed', 'cancelled'])))
  if (taken !== undefined) throw new NameTakenError(name)
}

export class NameTakenError extends BaseError {
  constructor(name: string) {
    super({
      code: 'model.name_taken',
      message: `Expected a free model name, but ${name} is taken by another run or model. Choose another; nothing was started.`,
      context: { name },
    })
  }
}

export class TooManyRunsError extends BaseError {
  constructor(open: number, max: number) {
    super({
      code: 'training_run.too_many',
      message: `Expected fewer than ${max} runs of one owner at a time, but ${open} wait, run or are paused. Wait for one, or cancel it.`,
      context: { open, max },
    })
  }
}

export class NotRunOwnerError extends BaseError {
  constructor(id: string, account: Hex) {
    super({
      code: 'training_run.not_owner',
      message: `Expected the owner of run ${id}, got ${account}. Only who started a run can stop it.`,
      context: { id, account },
    })
  }
}

export class RunOverError extends BaseError {
  constructor(id: string, status: string) {
    super({
      code: 'training_run.over',
      message: `Expected a run that waits or runs, but run ${id} is ${status}. There is nothing to stop.`,
      context: { id, status },
    })
  }
}

export class RunNotPausedError extends BaseError {
  constructor(id: string, status: string) {
    super({
      code: 'training_run.not_paused',
      message: `Expected a run that is paused or failed, but run ${id} is ${status}. There is nothing to resume.`,
      context: { id, status },
    })
  }
}
