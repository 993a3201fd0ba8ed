import { randomUUID } from 'node:crypto'
import { CheckpointFolder } from '@openledger/model'
import { BaseError, type Clock, type Hex } from '@openledger/primitives'
import { Abi, type Deployment, Http, ModelCard, type Sender, SignedRequest } from '@openledger/protocol'
import { type Blobs, type Database, eq, type Jobs, type Orm, schema } from '@openledger/store'
import type { PublicClient } from 'viem'
import type { z } from 'zod'
import { createExports } from './export/Exports.ts'
import { exportWhole, NotModelOwnerError } from './export/OwnModels.ts'
import { createIndexFiles, type IndexEvent } from './IndexFiles.ts'
import { JudgeMissingError, type JudgeOptions } from './JudgeEndpoint.ts'
import { createCheck } from './Measures.ts'
import * as Publication from './Publication.ts'
import {
  isOver,
  NotRunOwnerError,
  RunNotPausedError,
  RunOverError,
  requireFreeName,
  requireRoom,
  runRow,
  useOnce,
} from './RunRules.ts'
import { createRuns, type RunRow, type Runs, requireVersions, type TermsOf } from './Runs.ts'
import { estimate } from './TrainingEstimate.ts'
import { requireLicences } from './TrainingLicences.ts'
import { joinRecords } from './TrainingPlan.ts'
import { type QueueLimits, queueLimits } from './TrainingQueue.ts'
import { createTrainingWorker } from './TrainingWorker.ts'
import { recordsOf, type VersionRecord } from './VersionRecords.ts'

const { models, trainingRuns } = schema

type CreateRequest = z.output<typeof Http.createTrainingRunSchema>
type ExportRequest = z.output<typeof Http.exportModelSchema>
type RunRequest = SignedRequest.SignedRequest<{ id: string }>

export type ModelFactory = {
  /**
   * Queues a run that a wallet asked for.
   * @throws {CheckError} {JudgeMissingError} {LicenceRequiredError} {NameTakenError} {VersionNotFoundError} and the errors of `SignedRequest.verifyRequest`; nothing has changed.
   */
  readonly request: (
    request: CreateRequest,
    rawPayload: SignedRequest.SignedRequest['payload'],
  ) => Promise<Http.TrainingRun>
  /** Stops a run that its owner no longer wants. @throws {NotRunOwnerError} {RunOverError} */
  readonly cancel: (request: RunRequest) => Promise<Http.TrainingRun>
  /** Gives a run's place at a worker back and keeps where it stands. @throws {NotRunOwnerError} {RunOverError} */
  readonly pause: (request: RunRequest) => Promise<Http.TrainingRun>
  /**
   * Lets a paused run go on, or one that failed, from its last checkpoint and before any run that was not begun.
   * @throws {NotRunOwnerError} {RunNotPausedError} {NameTakenError} {TooManyRunsError}
   */
  readonly resume: (request: RunRequest) => Promise<Http.TrainingRun>
  /** Says what a run would do, before anyone signs it. @throws {VersionNotFoundError} */
  readonly estimate: (
    query: z.output<typeof Http.trainingEstimateQuerySchema>,
  ) => Promise<Http.TrainingEstimate>
  /** What a Datanet version holds, in its order: what a run trains on. @throws {VersionNotFoundError} */
  readonly records: (version: { datanetId: string; version: number }) => Promise<VersionRecord[]>
  readonly publication: (runId: string) => Promise<{ modelHash: Hex; owner: Hex }>
  readonly publish: (runId: string, signed: { deadline: number; signature: Hex }) => Promise<Http.Model>
  readonly run: Runs['get']
  readonly runs: Runs['list']
  readonly metrics: Runs['metrics']
  readonly models: () => Promise<Http.Model[]>
  /** @throws {ModelNotFoundError} */
  readonly model: (name: string) => Promise<Http.Model>
  /**
   * What serving needs to know of a model by its name; undefined when there is none.
   * @throws {IndexRebuildingError} {IndexLostError} when its answers cannot be attributed at the moment.
   */
  readonly serving: (name: string) => Promise<ServedModel | undefined>
  /**
   * Reads a blob that a model is served with; index files that are damaged are built again.
   * @throws {IndexRebuildingError} {BlobNotFoundError} {BlobCorruptError}
   */
  readonly file: (cid: string) => Promise<Uint8Array>
  /**
   * Makes the zip archive of a published model; who may have it is for the caller to decide.
   * @throws {ModelNotFoundError} {ExportBusyError} {ExportFailedError}
   */
  readonly exportModel: (name: string, format: Http.ExportFormat) => Promise<Uint8Array<ArrayBuffer>>
  /**
   * The same for the model's owner, who signed; also of a run that trained all weights.
   * @throws {NotModelOwnerError} {GateClosedError} and the errors of `exportModel`.
   */
  readonly exportOwn: (request: ExportRequest) => Promise<Uint8Array<ArrayBuffer>>
  /** Tells of every change of a run until the returned function is called. */
  readonly watch: (runId: string, listener: () => void) => () => void
  /**
   * Takes runs from the queue in this process, and holds the index files of published models against the chain. Other
   * processes on the same database may take runs as well.
   */
  readonly work: () => Promise<void>
}

/** A published model with the blobs that serve and attribute it. */
export type ServedModel = {
  readonly modelId: bigint
  readonly name: string
  readonly owner: Hex
  readonly inputPriceWei: bigint
  readonly outputPriceWei: bigint
  readonly influenceBps: number
  readonly spansBps: number
  /** Measured agreement of the attribution with retraining, as on chain; 0 where it was not measured. */
  readonly agreementPpm: number
  readonly adapterCid: string
  readonly adapterHash: Hex
  /** The base that the adapter was trained on; no other may serve it. */
  readonly baseHash: Hex
  readonly recordsCid: string
  readonly influenceCid: string
  readonly spansCid: string
  readonly attributionRoot: Hex
  /** Datanets it was trained on; the first one's commons takes what nothing explains. */
  readonly datanetIds: readonly bigint[]
}

export type ModelFactoryDeps = {
  readonly database: Database
  readonly blobs: Blobs
  readonly jobs: Jobs
  readonly publicClient: PublicClient
  readonly deployment: Deployment
  /** Relays publications; their owners sign them. */
  readonly sender: Sender
  readonly baseDirectory: string
  /** What exports call the base. */
  readonly baseName: string
  /** Threads that share a training step; 0 trains on one. */
  readonly workers: number
  /** The model that compares answers for runs that ask for it; undefined means none. */
  readonly judge?: JudgeOptions | undefined
  readonly clock: Clock
  /** Whether an account may train on all texts of a Datanet, whatever their licence. */
  readonly mayTrain: (account: Hex, datanetId: bigint) => Promise<boolean>
  readonly limits?: Partial<QueueLimits>
  /** Told of index files that are damaged, and of what becomes of them. */
  readonly onIndexEvent?: (event: IndexEvent) => void
}

/** Creates the factory over a database, a queue and a chain. */
export function createModelFactory(deps: ModelFactoryDeps): ModelFactory {
  const { database, publicClient, deployment, clock } = deps
  const { orm } = database
  const runs = createRuns(database)
  // read once, and only when someone asks
  let base: ReturnType<typeof readBase> | undefined
  const exports = createExports()
  const listeners = new Map<string, Set<() => void>>()
  const tell = (runId: string) => {
    for (const listener of listeners.get(runId) ?? []) listener()
  }
  const worker = createTrainingWorker(deps, { limits: deps.limits ?? {}, onChange: tell })
  const { openRunsMax } = { ...queueLimits, ...deps.limits }
  const verify = (action: Action, request: SignedRequest.SignedRequest) =>
    SignedRequest.verifyRequest(action, request, {
      client: publicClient,
      chainId: deployment.l2ChainId,
      nowSeconds: Math.floor(clock.nowMs() / 1_000),
    })
  const indexFiles = createIndexFiles({
    ...deps,
    signal: deps.jobs.stopping,
    ...(deps.onIndexEvent === undefined ? {} : { onEvent: deps.onIndexEvent }),
    rootOf: async (modelId) =>
      (
        await publicClient.readContract({
          address: deployment.l2.models,
          abi: Abi.modelsAbi,
          functionName: 'get',
          args: [modelId],
        })
      ).attributionRoot,
  })
  const termsOf: TermsOf = async (modelId) => {
    const { l2 } = deployment
    const [terms, stakedWei] = await Promise.all([
      publicClient.readContract({
        address: l2.models,
        abi: Abi.modelsAbi,
        functionName: 'get',
        args: [modelId],
      }),
      publicClient.readContract({
        address: l2.staking,
        abi: Abi.stakingAbi,
        functionName: 'totalStakeOf',
        args: [modelId],
      }),
    ])
    return {
      owner: terms.owner.toLowerCase() as Hex,
      inputPriceWei: terms.inputPriceWei.toString(),
      outputPriceWei: terms.outputPriceWei.toString(),
      isRetired: terms.retiredAt !== 0n,
      stakedWei: stakedWei.toString(),
    }
  }
  const model = async (name: string): Promise<Http.Model> => {
    const [found] = await runs.models(termsOf, name)
    if (found === undefined) throw new ModelNotFoundError(name)
    return found
  }

  const exportModel: ModelFactory['exportModel'] = async (name, format) => {
    const published = await model(name)
    const run = await runs.get(published.trainingRunId)
    return exports.make({
      name,
      format,
      baseDirectory: deps.baseDirectory,
      baseName: deps.baseName,
      adapter: await deps.blobs.get(published.adapterCid),
      adapterHash: published.adapterHash,
      card: ModelCard.write(published, run),
    })
  }

  /** Carries out what a run's owner asks of it. */
  const change = async (
    verb: 'cancel' | 'pause' | 'resume',
    request: RunRequest,
    apply: (orm: Orm, run: RunRow) => Promise<void>,
  ): Promise<Http.TrainingRun> => {
    const digest = await verify(`${verb}TrainingRun`, request)
    const { id } = request.payload
    await database.transaction(async (orm) => {
      const run = await runRow(orm, id)
      if (run.owner !== request.account) throw new NotRunOwnerError(id, request.account)
      await useOnce(orm, digest, request.deadline)
      await apply(orm, run)
    })
    tell(id)
    return runs.get(id)
  }

  return {
    async request(request, rawPayload) {
      const { payload, account, deadline } = request
      payload.config.checks.forEach(createCheck)
      if (payload.config.isJudged && deps.judge === undefined) throw new JudgeMissingError()
      const digest = await verify('createTrainingRun', { ...request, payload: rawPayload })
      await requireLicences(deps, payload.datanets, account)
      const id = randomUUID()
      await database.transaction(async (orm) => {
        await useOnce(orm, digest, deadline)
        await requireVersions(orm, payload.datanets)
        await requireFreeName(orm, payload.modelName)
        await requireRoom(orm, account, openRunsMax)
        await orm.insert(trainingRuns).values({
          id,
          modelName: payload.modelName,
          owner: account,
          datanets: payload.datanets,
          config: payload.config,
          inputPriceWei: BigInt(payload.inputPriceWei),
          outputPriceWei: BigInt(payload.outputPriceWei),
          influenceBps: payload.influenceBps,
          priority: payload.priority,
          status: 'queued',
        })
      })
      await worker.call(id)
      return runs.get(id)
    },
    cancel: async (request) => {
      const run = await change('cancel', request, async (orm, { id, status }) => {
        if (isOver(status)) throw new RunOverError(id, status)
        await orm.update(trainingRuns).set({ status: 'cancelled' }).where(eq(trainingRuns.id, id))
      })
      worker.stop(run.id)
      return run
    },
    pause: async (request) => {
      const run = await change('pause', request, async (orm, { id, status }) => {
        if (isOver(status)) throw new RunOverError(id, status)
        await orm.update(trainingRuns).set({ status: 'paused' }).where(eq(trainingRuns.id, id))
      })
      worker.stop(run.id)
      return run
    },
    resume: async (request) => {
      const run = await change('resume', request, async (orm, { id, status, modelName, owner, datanets }) => {
        await requireLicences(deps, datanets, owner as Hex)
        if (status === 'failed') {
          await requireFreeName(orm, modelName)
          await requireRoom(orm, owner, openRunsMax)
        } else if (status !== 'paused') throw new RunNotPausedError(id, status)
        await orm.update(trainingRuns).set({ status: 'queued', failure: null }).where(eq(trainingRuns.id, id))
      })
      await worker.call(run.id)
      return run
    },
    async estimate({ datanets, ...settings }) {
      const versions = await Promise.all(datanets.map((each) => recordsOf(deps, each)))
      const records = joinRecords(
        versions,
        datanets.map(({ weight }) => weight),
      )
      base ??= readBase(deps.baseDirectory)
      const known = await base
      const config = Http.trainingConfigSchema.parse(settings)
      const open = new Set(versions.flat().flatMap(({ recordId, isOpen }) => (isOpen ? recordId : [])))
      return estimate(deps, { ...known, workers: deps.workers }, records, config, (id) => open.has(id))
    },
    records: (version) => recordsOf(deps, version),
    async publication(runId) {
      const run = await runs.row(runId)
      return { modelHash: Publication.modelHashOf(Publication.modelInputOf(run)), owner: run.owner as Hex }
    },
    async publish(runId, signed) {
      await Publication.publish({ ...deps, runs }, runId, signed)
      tell(runId)
      return model((await runs.row(runId)).modelName)
    },
    run: runs.get,
    runs: runs.list,
    metrics: runs.metrics,
    models: () => runs.models(termsOf),
    model,
    async serving(name) {
      const [found] = await orm
        .select({ model: models, run: trainingRuns })
        .from(models)
        .innerJoin(trainingRuns, eq(trainingRuns.id, models.trainingRunId))
        .where(eq(models.name, name))
      if (found === undefined) return undefined
      await indexFiles.require(found.model.id)
      return toServed(found.model, found.run)
    },
    file: indexFiles.get,
    exportModel,
    async exportOwn(request) {
      const { name, format } = request.payload
      const digest = await verify('exportModel', request)
      const whole = await exportWhole({ ...deps, runs, exports }, { name, format, account: request.account })
      if (whole !== undefined) {
        await useOnce(orm, digest, request.deadline)
        return whole
      }
      const { owner } = await model(name)
      if (owner !== request.account) throw new NotModelOwnerError(name, request.account)
      await useOnce(orm, digest, request.deadline)
      return exportModel(name, format)
    },
    watch(runId, listener) {
      const set = listeners.get(runId) ?? new Set()
      listeners.set(runId, set.add(listener))
      return () => {
        set.delete(listener)
        if (set.size === 0) listeners.delete(runId)
      }
    },
    async work() {
      await worker.work()
      // while it looks, whoever asks finds what is damaged himself
      indexFiles.checkAll().catch(() => {})
    },
  }
}

/** Shape and tokenizer of the base, without its weights. */
async function readBase(directory: string) {
  const [config, tokenizer] = await Promise.all([
    CheckpointFolder.readConfig(directory),
    CheckpointFolder.readTokenizer(directory),
  ])
  return { config, tokenizer }
}

type Action = `${'create' | 'cancel' | 'pause' | 'resume'}TrainingRun` | 'exportModel'

const toServed = (model: typeof models.$inferSelect, run: RunRow): ServedModel => ({
  modelId: model.id,
  name: model.name,
  owner: model.owner as Hex,
  inputPriceWei: model.inputPriceWei,
  outputPriceWei: model.outputPriceWei,
  influenceBps: model.influenceBps,
  spansBps: model.spansBps,
  agreementPpm: run.agreement?.['agreementPpm'] ?? 0,
  adapterCid: run.adapterCid!,
  adapterHash: run.adapterHash as Hex,
  baseHash: run.baseHash as Hex,
  recordsCid: run.recordsCid!,
  influenceCid: run.influenceCid!,
  spansCid: run.spansCid!,
  attributionRoot: run.attributionRoot as Hex,
  datanetIds: run.datanets.map(({ datanetId }) => BigInt(datanetId)),
})

export class ModelNotFoundError extends BaseError {
  constructor(name: string) {
    super({
      code: 'model.not_found',
      message: `Expected the name of a published model, got ${JSON.stringify(name.slice(0, 80))}. GET /v1/models lists them.`,
      context: { name: name.slice(0, 80) },
    })
  }
}
