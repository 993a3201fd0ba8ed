import { BaseError } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { and, type Blobs, type Database, desc, eq, inArray, schema } from '@openledger/store'
import type { JudgeOptions } from './JudgeEndpoint.ts'
import type { RunRow, Runs } from './Runs.ts'
import { joinRecords } from './TrainingPlan.ts'
import { type Claim, holds, TAKEN } from './TrainingQueue.ts'
import * as TrainingState from './TrainingState.ts'
import { runTraining, TrainingFailedError } from './TrainingThread.ts'
import { recordsOf } from './VersionRecords.ts'

const { models, trainingMetrics, trainingRuns } = schema

export type TrainingJobDeps = {
  readonly database: Database
  readonly blobs: Blobs
  readonly runs: Runs
  readonly baseDirectory: string
  readonly workers: number
  readonly judge?: JudgeOptions | undefined
  readonly onChange: (runId: string) => void
}

/**
 * Carries a claimed run to `trained`, from wherever it stands: what a killed worker had kept is not computed again.
 *
 * A failure of the training itself ends the run with its reason; anything else is thrown, so that the queue tries again.
 * @returns Whether it is trained now; false when it failed.
 * @throws {ClaimLostError} when the run was stopped, or another worker has taken it: nothing is written then.
 */
export async function carryOut(deps: TrainingJobDeps, claim: Claim, signal: AbortSignal): Promise<boolean> {
  const { database, blobs, runs, baseDirectory, workers, judge, onChange } = deps
  const { orm } = database
  const { runId } = claim
  const run = await runs.row(runId)
  const update = async (values: Partial<typeof trainingRuns.$inferInsert>, where = holds(claim)) => {
    const written = await orm.update(trainingRuns).set(values).where(where).returning({ id: trainingRuns.id })
    if (written.length === 0) throw new ClaimLostError(runId)
    onChange(runId)
  }
  const set = (values: Partial<typeof trainingRuns.$inferInsert>) => update(values)
  // the last steps of a run that was paused are told after the pause
  const isOwn = and(
    eq(trainingRuns.id, runId),
    eq(trainingRuns.claim, claim.number),
    inArray(trainingRuns.status, [...TAKEN, 'paused']),
  )
  try {
    const config = Http.trainingConfigSchema.parse(run.config)
    const versions = await Promise.all(run.datanets.map((each) => recordsOf(deps, each)))
    const list = joinRecords(versions, config.mixture)
    const previous = await previousOf(deps, run)
    const resume =
      run.checkpointCid === null ? undefined : TrainingState.decode(await blobs.get(run.checkpointCid))
    const outcome = await runTraining(
      {
        baseDirectory,
        records: list,
        config,
        workers,
        judge,
        ...(resume === undefined ? {} : { resume }),
        ...(previous === undefined ? {} : { previous }),
      },
      {
        signal,
        onStart: ({ baseHash, stepCount, baseValidationLoss }) =>
          set({ baseHash, stepCount, baseValidationLoss }),
        async onMetric({ stepCount, ...metric }) {
          const { step, trainingLoss, validationLoss } = metric
          // after a crash, the steps since the last checkpoint are taken, and told, again
          await orm
            .insert(trainingMetrics)
            .values({ runId, ...metric })
            .onConflictDoUpdate({ target: [trainingMetrics.runId, trainingMetrics.step], set: metric })
          // fewer steps than planned when it stops early
          const measured = validationLoss === null ? {} : { validationLoss }
          await update({ step, stepCount, trainingLoss, ...measured }, isOwn)
        },
        async onCheckpoint(checkpoint) {
          await update(
            { checkpointCid: await blobs.put(TrainingState.encode(checkpoint)), step: checkpoint.step },
            isOwn,
          )
        },
        onIndexing: () => set({ status: 'indexing' }),
      },
    )
    const { hash, attribution } = outcome
    const cid = await blobs.put(outcome.learned)
    await set({
      status: 'trained',
      evaluation: outcome.evaluation,
      baseValidationLoss: outcome.baseValidationLoss,
      baseTestLoss: outcome.baseTestLoss,
      validationLoss: outcome.validationLoss,
      testLoss: outcome.testLoss,
      ...(attribution === undefined
        ? { weightsCid: cid, weightsHash: hash }
        : {
            adapterCid: cid,
            adapterHash: hash,
            recordsCid: await blobs.put(attribution.indexes.records),
            influenceCid: await blobs.put(attribution.indexes.influence),
            spansCid: await blobs.put(attribution.indexes.spans),
            attributionRoot: attribution.indexes.root,
            agreement: attribution.agreement ?? null,
          }),
    })
    return true
  } catch (error) {
    const failure = failureOf(error)
    if (failure === undefined) throw error
    await set({ status: 'failed', failure: failure.message })
    return false
  }
}

/** What only a person can change ends a run; anything else may pass by itself. */
function failureOf(error: unknown): BaseError | undefined {
  if (error instanceof TrainingFailedError) return error
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return new DiskFullError()
  // a damaged checkpoint or record is not read as if it were whole
  return error instanceof BaseError && error.severity === 'fatal' ? error : undefined
}

/** The newest model of the same owner over one of the same Datanets and the same kind of base, with its adapter. */
async function previousOf(
  { database: { orm }, blobs }: TrainingJobDeps,
  run: RunRow,
): Promise<{ name: string; adapter: Uint8Array } | undefined> {
  const published = await orm
    .select({ name: models.name, cid: trainingRuns.adapterCid, datanets: trainingRuns.datanets })
    .from(models)
    .innerJoin(trainingRuns, eq(trainingRuns.id, models.trainingRunId))
    .where(eq(models.owner, run.owner))
    .orderBy(desc(models.id))
  const own = new Set(run.datanets.map(({ datanetId }) => datanetId))
  const found = published.find(({ datanets }) => datanets.some(({ datanetId }) => own.has(datanetId)))
  return found?.cid ? { name: found.name, adapter: await blobs.get(found.cid) } : undefined
}

export class DiskFullError extends BaseError {
  constructor() {
    super({
      code: 'training.disk_full',
      message:
        'Expected room for a checkpoint or an adapter, but the disk is full. What was kept before is whole: make room, and let the run go on.',
    })
  }
}

export class ClaimLostError extends BaseError {
  constructor(runId: string) {
    super({
      code: 'training_run.claim_lost',
      message: `Expected run ${runId} to be this worker's, but it was stopped or another worker has it. What it had kept is there; nothing more is written.`,
      context: { runId },
      severity: 'retry',
    })
  }
}
