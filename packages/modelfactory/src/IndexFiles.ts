import { IndexBytesError, InfluenceIndex, SpanIndex } from '@openledger/attribution'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { Http, RecordTable } from '@openledger/protocol'
import { type Blobs, type Database, eq, or, schema } from '@openledger/store'
import { buildInThread } from './IndexThread.ts'
import type { RunRow } from './Runs.ts'
import { recordsFor } from './TrainingData.ts'
import { joinRecords, partRecords } from './TrainingPlan.ts'
import { recordsOf } from './VersionRecords.ts'

const { models, trainingRuns } = schema

/** Watches over the files that published models' answers are attributed with, and makes damaged ones again. */
export type IndexFiles = {
  /**
   * Reads a blob. Where it is damaged or gone and belongs to a published model's indexes, they are built again.
   * @throws {IndexRebuildingError} while that takes. @throws {BlobNotFoundError} {BlobCorruptError} of any other blob.
   */
  readonly get: (cid: string) => Promise<Uint8Array>
  /**
   * Passes where a model's answers can be attributed, as far as is known.
   * @throws {IndexRebuildingError} {IndexLostError}
   */
  readonly require: (modelId: bigint) => Promise<void>
  /** Holds the files of every published model against the chain, and builds again what differs. */
  readonly checkAll: () => Promise<void>
  /** Waits until nothing is being built. */
  readonly idle: () => Promise<void>
}

export type IndexFilesDeps = {
  readonly database: Database
  readonly blobs: Blobs
  readonly baseDirectory: string
  /** Gives a model's attribution root, as it stands on chain. */
  readonly rootOf: (modelId: bigint) => Promise<Hex>
  /** Ends a build under way; the next start begins it anew. */
  readonly signal: AbortSignal
  readonly onEvent?: (event: IndexEvent) => void
}

/** What happened to a model's indexes, for a log. */
export type IndexEvent = { readonly model: string } & (
  | { readonly kind: 'damaged' | 'lost'; readonly reason: string }
  | { readonly kind: 'building'; readonly records: number; readonly done: number }
  | { readonly kind: 'rebuilt' }
)

type Published = { readonly modelId: bigint; readonly name: string; readonly run: RunRow }

/**
 * Creates the watch over index files.
 *
 * What is built is kept only if it has the root on chain, so that a model answers as it was published or not at all. One build
 * runs at a time: each uses all threads.
 */
export function createIndexFiles(deps: IndexFilesDeps): IndexFiles {
  const { database, blobs, baseDirectory, rootOf, signal, onEvent = () => {} } = deps
  const { orm } = database
  const troubles = new Map<bigint, IndexRebuildingError | IndexLostError>()
  let last: Promise<void> = Promise.resolve()

  const published = () =>
    orm
      .select({ modelId: models.id, name: models.name, run: trainingRuns })
      .from(models)
      .innerJoin(trainingRuns, eq(trainingRuns.id, models.trainingRunId))

  /** Says what is wrong with a model's files; nothing when they are what was published. */
  async function faultOf({ modelId, run }: Published): Promise<string | undefined> {
    const expected = await rootOf(modelId)
    try {
      // one after the other: they are the largest things here
      const table = await blobs.get(run.recordsCid!)
      const influenceRoot = InfluenceIndex.rootIn(await blobs.get(run.influenceCid!))
      const spansRoot = SpanIndex.rootIn(await blobs.get(run.spansCid!))
      const tableHash = Bytes.toHex(Bytes.sha256(table))
      const root = RecordTable.attributionRoot({ influenceRoot, spansRoot, tableHash })
      return root === expected ? undefined : `their root is ${root}, and on chain it is ${expected}`
    } catch (error) {
      if (isDamage(error) || error instanceof IndexBytesError) return error.message
      throw error
    }
  }

  async function build({ modelId, name, run }: Published): Promise<void> {
    const config = Http.trainingConfigSchema.parse(run.config)
    const versions = await Promise.all(run.datanets.map((each) => recordsOf(deps, each)))
    const { training } = partRecords(recordsFor(config.objective, joinRecords(versions, config.mixture)))
    const tell = (done: number) => onEvent({ model: name, kind: 'building', records: training.length, done })
    const indexes = await buildInThread(
      {
        baseDirectory,
        baseHash: run.baseHash as Hex,
        adapter: await blobs.get(run.adapterCid!),
        adapterHash: run.adapterHash as Hex,
        records: training,
        seed: config.seed,
      },
      { signal, onProgress: tell },
    )
    const expected = await rootOf(modelId)
    if (indexes.root !== expected) throw new IndexDiffersError(expected, indexes.root)
    const kept = {
      recordsCid: await blobs.put(indexes.records),
      influenceCid: await blobs.put(indexes.influence),
      spansCid: await blobs.put(indexes.spans),
    }
    await orm.update(trainingRuns).set(kept).where(eq(trainingRuns.id, run.id))
  }

  /** Puts a build into the queue unless the model's stands there already. */
  function rebuild(model: Published, reason: string): void {
    const { modelId, name } = model
    if (troubles.get(modelId) instanceof IndexRebuildingError) return
    onEvent({ model: name, kind: 'damaged', reason })
    troubles.set(modelId, new IndexRebuildingError(name))
    last = last
      .then(() => build(model))
      .then(
        () => {
          troubles.delete(modelId)
          onEvent({ model: name, kind: 'rebuilt' })
        },
        (error: Error) => {
          if (signal.aborted) return
          troubles.set(modelId, new IndexLostError(name, error.message))
          onEvent({ model: name, kind: 'lost', reason: error.message })
        },
      )
  }

  return {
    async get(cid) {
      try {
        return await blobs.get(cid)
      } catch (error) {
        if (!isDamage(error)) throw error
        const { recordsCid, influenceCid, spansCid } = trainingRuns
        const [model] = await published().where(
          or(eq(recordsCid, cid), eq(influenceCid, cid), eq(spansCid, cid)),
        )
        if (model === undefined) throw error
        const known = troubles.get(model.modelId)
        if (known instanceof IndexLostError) throw known
        rebuild(model, error.message)
        throw new IndexRebuildingError(model.name)
      }
    },
    async require(modelId) {
      const trouble = troubles.get(modelId)
      if (trouble instanceof IndexLostError) {
        // somebody may have put them back from a copy
        const [model] = await published().where(eq(models.id, modelId))
        if (model !== undefined && (await faultOf(model)) === undefined) {
          troubles.delete(modelId)
          return
        }
      }
      if (trouble !== undefined) throw trouble
    },
    async checkAll() {
      for (const model of await published()) {
        if (signal.aborted) return
        const fault = await faultOf(model)
        if (fault !== undefined) rebuild(model, fault)
      }
    },
    async idle() {
      for (let seen: unknown; seen !== last; ) {
        seen = last
        await last
      }
    },
  }
}

const isDamage = (error: unknown): error is BaseError =>
  error instanceof BaseError && (error.code === 'blob.not_found' || error.code === 'blob.corrupt')

export class IndexRebuildingError extends BaseError {
  constructor(name: string) {
    super({
      code: 'model.index_rebuilding',
      message: `Expected whole attribution indexes of ${name}, but a file of them is damaged. They are being built again from its adapter and its Datanet versions; ask again in a minute. Nothing was charged.`,
      context: { name },
      severity: 'retry',
    })
  }
}

export class IndexDiffersError extends BaseError {
  constructor(expected: Hex, got: Hex) {
    super({
      code: 'model.index_differs',
      message: `Expected indexes with the root on chain, ${expected}, but adapter and records gave ${got} on this machine.`,
      context: { expected, got },
    })
  }
}

export class IndexLostError extends BaseError {
  constructor(name: string, reason: string) {
    super({
      code: 'model.index_lost',
      message: `Expected attribution indexes of ${name}, but a file of them is damaged and they could not be built again: ${reason} Put the files back from a copy, or publish the model again. Nothing was charged.`,
      context: { name, reason },
    })
  }
}
