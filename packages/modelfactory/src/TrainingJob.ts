import { Bytes, type Hex } from '@openledger/primitives'
import { Http, Manifest } from '@openledger/protocol'
import { and, type Blobs, type Database, eq, inArray, schema } from '@openledger/store'
import { type Runs, requireVersions } from './Runs.ts'
import type { TrainingCheckpoint } from './Training.ts'
import type { TrainingRecord } from './TrainingPlan.ts'
import { runTraining, TrainingFailedError } from './TrainingThread.ts'

const { records, trainingMetrics, trainingRuns } = schema

export type TrainingJobDeps = {
  readonly database: Database
  readonly blobs: Blobs
  readonly runs: Runs
  readonly baseDirectory: string
  readonly workers: number
  readonly onChange: (runId: string) => void
}

/**
 * Carries one run from `queued` to `trained`, from wherever it stands: what a killed worker had kept is not computed again.
 *
 * A failure of the training itself ends the run with its reason; anything else is thrown, so that the queue tries again.
 */
export async function carryOut(deps: TrainingJobDeps, runId: string, signal: AbortSignal): Promise<void> {
  const { database, blobs, runs, baseDirectory, workers, onChange } = deps
  const { orm } = database
  const run = await runs.row(runId)
  if (!['queued', 'running', 'indexing'].includes(run.status)) return
  const set = async (values: Partial<typeof trainingRuns.$inferInsert>) => {
    // a run that was cancelled meanwhile stays cancelled
    const open = inArray(trainingRuns.status, ['queued', 'running', 'indexing'])
    await orm
      .update(trainingRuns)
      .set(values)
      .where(and(eq(trainingRuns.id, runId), open))
    onChange(runId)
  }
  try {
    const list = await recordsOf(deps, run.datanets)
    const resume = run.checkpointCid === null ? undefined : unpack(await blobs.get(run.checkpointCid))
    const outcome = await runTraining(
      {
        baseDirectory,
        records: list,
        config: Http.trainingConfigSchema.parse(run.config),
        workers,
        ...(resume === undefined ? {} : { resume }),
      },
      {
        signal,
        onStart: ({ baseHash, stepCount, baseValidationLoss }) =>
          set({ status: 'running', baseHash, stepCount, baseValidationLoss }),
        async onMetric({ stepCount: _, ...metric }) {
          const { step, trainingLoss, validationLoss } = metric
          // after a crash, the steps since the last checkpoint are taken, and told, again
          await orm
            .insert(trainingMetrics)
            .values({ runId, ...metric })
            .onConflictDoUpdate({ target: [trainingMetrics.runId, trainingMetrics.step], set: metric })
          await set({ step, trainingLoss, ...(validationLoss === null ? {} : { validationLoss }) })
        },
        async onCheckpoint(checkpoint) {
          await set({ checkpointCid: await blobs.put(pack(checkpoint)) })
        },
        onIndexing: () => set({ status: 'indexing' }),
      },
    )
    const { indexes } = outcome
    await set({
      status: 'trained',
      adapterCid: await blobs.put(outcome.adapter),
      adapterHash: outcome.adapterHash,
      recordsCid: await blobs.put(indexes.records),
      influenceCid: await blobs.put(indexes.influence),
      spansCid: await blobs.put(indexes.spans),
      attributionRoot: indexes.root,
      agreement: outcome.agreement ?? null,
      baseValidationLoss: outcome.baseValidationLoss,
      validationLoss: outcome.validationLoss,
    })
  } catch (error) {
    if (!(error instanceof TrainingFailedError)) throw error
    await set({ status: 'failed', failure: error.message })
  }
}

/** Reads the records of versions in their order, each once, with the cluster of near duplicates it belongs to. */
async function recordsOf(
  { database: { orm }, blobs }: TrainingJobDeps,
  datanets: readonly { readonly datanetId: string; readonly version: number }[],
): Promise<TrainingRecord[]> {
  const seen = new Set<string>()
  const list: TrainingRecord[] = []
  for (const { manifestCid } of await requireVersions(orm, datanets)) {
    for (const { contributionId, index, recordId } of Manifest.decode(await blobs.get(manifestCid)).records) {
      if (seen.has(recordId)) continue
      seen.add(recordId)
      const [found] = await orm
        .select({ text: records.text, duplicateOf: records.duplicateOf })
        .from(records)
        .where(and(eq(records.contributionId, contributionId), eq(records.index, index)))
      list.push({
        recordId,
        contributionId,
        clusterId: (found!.duplicateOf ?? recordId) as Hex,
        text: found!.text,
      })
    }
  }
  return list
}

/** A checkpoint's bytes: the step as 4 bytes, little-endian, then the trainer's state. */
function pack({ step, state }: TrainingCheckpoint): Uint8Array {
  const head = new Uint8Array(4)
  new DataView(head.buffer).setUint32(0, step, true)
  return Bytes.concat(head, state)
}

const unpack = (bytes: Uint8Array): TrainingCheckpoint => ({
  step: new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true),
  state: bytes.slice(4),
})
