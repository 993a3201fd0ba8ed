import { CheckpointFolder, type Tokenizer } from '@openledger/model'
import type { DecoderPrecision } from '@openledger/model/decoder/DecoderGraph'
import type { Hex } from '@openledger/primitives'
import { cidFromDigest } from '@openledger/store'
import { createAdapterCache } from './adapters/AdapterCache.ts'
import { createAdapterLease } from './adapters/AdapterLease.ts'
import type { AdapterMethods, AdapterWorkerData } from './adapters/AdapterWorker.ts'
import type { ByteCacheState } from './adapters/ByteCache.ts'
import { referenceOf } from './adapters/MergedAdapter.ts'
import { createPins, type Pins } from './adapters/Pins.ts'
import type { AttributionReference } from './attribution/AttributionIndex.ts'
import type {
  AttributionHostMethods,
  AttributionMethods,
  AttributionWorkerData,
} from './attribution/AttributionWorker.ts'
import type { AttributedAnswer, AttributionRequest } from './attribution/Attributor.ts'
import type { ShownSpans } from './attribution/ShownSpans.ts'
import type { EngineLimits } from './engine/Engine.ts'
import type { EngineMetrics } from './engine/EngineMetrics.ts'
import type {
  EngineHostMethods,
  EngineMethods,
  EngineReady,
  EngineWorkerData,
} from './engine/EngineProtocol.ts'
import type { EngineEvent } from './engine/EngineRequest.ts'
import { createGeneration, type Generation, type GenerationFeed } from './engine/Generation.ts'
import { createWorkerHost, type Logger, WorkerStoppedError } from './engine/WorkerHost.ts'
import { fromPlainError, type Methods } from './engine/WorkerLink.ts'
import {
  createPreparing,
  type GenerateRequest,
  ModelNotFoundError,
  type Prepared,
  partsOf,
  type ServedModel,
} from './Prepared.ts'

export type OpenLora = {
  /**
   * Checks and tokenises a request without running it.
   * @throws {ModelNotFoundError} @throws {BaseMismatchError} @throws {PromptError} @throws {GenerationOptionError}
   * @throws {SchemaError}
   */
  readonly prepare: (request: GenerateRequest) => Promise<Prepared>
  /**
   * Makes an answer. Aborting the signal, or leaving the iteration, ends it within one step; the result then says
   * `cancelled` and holds what was made until then.
   */
  readonly generate: (prepared: Prepared, options?: { readonly signal?: AbortSignal }) => Generation
  /**
   * Says which training records shaped an answer, in shares that sum exactly, and commits to its computation.
   * @throws {AttributionIndexError} @throws {AdapterHashMismatchError}
   */
  readonly attribute: (request: AttributionRequest) => Promise<AttributedAnswer>
  /**
   * Shows what the spans of an answer are paid by, for whoever has neither the index nor the answer.
   * @param evidence - The bytes that the answer's receipt names.
   * @throws {EvidenceError} {SpanOpeningError} {AttributionIndexError}
   */
  readonly showSpans: (index: AttributionReference, evidence: Uint8Array) => Promise<ShownSpans>
  /**
   * Gives each prepared text a vector of length 1: the mean of its last hidden states under its model, for comparing texts.
   * @param prepared - Of one model.
   */
  readonly embed: (prepared: readonly Prepared[]) => Promise<readonly Float32Array[]>
  /**
   * Brings a published model's adapter into memory and keeps it there until `unpin`.
   * @throws {ModelNotFoundError} {BaseMismatchError} {PinsFullError} {AdapterHashMismatchError}
   */
  readonly pin: (model: string) => ReturnType<Pins['pin']>
  readonly unpin: Pins['unpin']
  readonly keepFor: Pins['keepFor']
  /** The adapters of what is pinned. */
  readonly pinned: Pins['list']
  readonly tokenizer: Tokenizer
  readonly baseName: string
  /** Hash of the base that is served, as models are published on it. */
  readonly baseHash: Hex
  readonly metrics: () => Promise<OpenLoraMetrics>
  readonly close: () => Promise<void>
}

export type OpenLoraMetrics = EngineMetrics & {
  readonly adapters: ByteCacheState
  readonly indexes: ByteCacheState
}

export type OpenLoraDependencies = {
  readonly blobs: { readonly get: (cid: string) => Promise<Uint8Array> }
  /** Finds a published model by name. */
  readonly lookup: (name: string) => Promise<ServedModel | undefined>
  readonly logger: Logger
}

export type OpenLoraOptions = {
  /** Hugging Face folder of the base model. */
  readonly baseDirectory: string
  /** Name under which the base is served without an adapter. */
  readonly baseName: string
  readonly threads?: number
  /**
   * How the base is kept; default `f32`. `int8` answers several times as fast and a little differently, `int4` in half its memory; attribution
   * reads the answer with the exact base.
   */
  readonly precision?: DecoderPrecision
  readonly limits?: Partial<OpenLoraLimits>
}

export type OpenLoraLimits = EngineLimits & {
  /** Requests that decode together. */
  readonly rows: number
  /** Tokens of prompt and answer together; at most the model's own context. */
  readonly context: number
  readonly rankMax: number
  /** Memory for adapters that nobody uses at the moment. */
  readonly adapterBytesMax: number
  /** Memory for attribution indexes that nobody uses at the moment. */
  readonly indexBytesMax: number
}

const DEFAULT_LIMITS: OpenLoraLimits = {
  rows: 16,
  context: 1_024,
  rankMax: 64,
  adapterBytesMax: 512 * 2 ** 20,
  indexBytesMax: 512 * 2 ** 20,
  waitingMax: 256,
  waitingPerCallerMax: 32,
  prefillTokensPerStepMax: 512,
  prefixBytesMax: 128 * 2 ** 20,
  guessedStepTokensMax: 16,
  parkedBytesMax: 256 * 2 ** 20,
}
/** Share of the adapters' memory that owners may keep theirs in; the rest is for whoever is asked. */
const PINNED_SHARE_MAX = 0.5

/** Starts serving: one base model, any number of adapters over it, in a thread of its own. */
export async function createOpenLora(
  { blobs, lookup, logger }: OpenLoraDependencies,
  { baseDirectory, baseName, threads = 2, precision = 'f32', limits: given }: OpenLoraOptions,
): Promise<OpenLora> {
  const limits = { ...DEFAULT_LIMITS, ...given }
  const tokenizer = await CheckpointFolder.readTokenizer(baseDirectory)
  type Pending = { readonly feed: GenerationFeed; readonly prepared: Prepared; readonly end: () => void }
  const pending = new Map<number, Pending>()
  let nextId = 0

  const { rows, context, rankMax, adapterBytesMax, indexBytesMax, ...engineLimits } = limits
  const data: EngineWorkerData = {
    baseDirectory,
    rows,
    context,
    rankMax,
    threads,
    precision,
    limits: engineLimits,
  }
  const decoding = createWorkerHost<Methods, AdapterMethods, undefined>({
    file: new URL('./adapters/AdapterWorker.ts', import.meta.url),
    data: { baseDirectory } satisfies AdapterWorkerData,
    handlers: {},
    logger,
    onDeath: () => {},
  })
  const adapters = createAdapterCache(async ({ cid, hash }) => {
    const bytes = await blobs.get(cid)
    // what was read by its CID was hashed then
    const isChecked = cid === cidFromDigest(hash)
    return (await decoding.live()).link.call('decode', { bytes, hash, isChecked })
  }, adapterBytesMax)
  const pins = createPins(adapters, adapterBytesMax * PINNED_SHARE_MAX)
  const { releaseAll, ...lease } = createAdapterLease(adapters)
  const { releaseAll: releaseAttributed, ...attributionLease } = createAdapterLease(adapters)
  const attributing = createWorkerHost<AttributionHostMethods, AttributionMethods, undefined>({
    file: new URL('./attribution/AttributionWorker.ts', import.meta.url),
    data: { baseDirectory, context, rankMax, threads, indexBytesMax } satisfies AttributionWorkerData,
    handlers: { fetchBlob: (cid) => blobs.get(cid), ...attributionLease },
    logger,
    onDeath: releaseAttributed,
  })
  const host = createWorkerHost<EngineHostMethods, EngineMethods, EngineReady>({
    file: new URL('./engine/EngineWorker.ts', import.meta.url),
    data,
    handlers: { events: (events) => events.forEach(onEvent), ...lease },
    logger,
    onDeath: (error) => {
      releaseAll()
      for (const id of [...pending.keys()]) fail(id, error)
    },
  })
  const [{ ready }] = await Promise.all([host.live(), attributing.live(), decoding.live()])
  const { prepare, find } = createPreparing({ lookup, tokenizer, baseName, served: ready })

  function fail(id: number, error: Error): void {
    const one = pending.get(id)
    pending.delete(id)
    one?.end()
    one?.feed.fail(error)
  }

  function onEvent(event: EngineEvent): void {
    const one = pending.get(event.id)
    if (one === undefined) return
    switch (event.kind) {
      case 'token':
        one.feed.push(event.delta)
        return
      case 'failed':
        fail(event.id, fromPlainError(event.error))
        return
      case 'finished': {
        pending.delete(event.id)
        one.end()
        const { promptIds, promptText } = one.prepared
        const { answerIds, text, finishReason, decoding } = event
        const counts = { inputTokens: promptIds.length, outputTokens: answerIds.length }
        one.feed.finish({ text, answerIds, promptIds, promptText, ...counts, finishReason, decoding })
        return
      }
      default:
        event satisfies never
    }
  }

  const attribute = async (request: AttributionRequest): Promise<AttributedAnswer> =>
    (await attributing.live()).link.call('attribute', request)

  /** Loads what the answer will be attributed with while it is made. */
  function prefetch({ influenceCid, spansCid, recordsCid, attributionRoot }: ServedModel): void {
    if (!influenceCid || !spansCid || !recordsCid || !attributionRoot) return
    attributing.live().then(
      ({ link }) => link.send('prefetch', { influenceCid, spansCid, recordsCid, attributionRoot }),
      () => {},
    )
  }

  return {
    tokenizer,
    baseName,
    baseHash: ready.baseHash,
    prepare,
    generate(prepared, { signal } = {}) {
      const id = nextId++
      const { request, promptIds, outputTokensMax, sampling } = prepared
      const parts = partsOf(prepared)
      const cancel = (): void => {
        void host.live().then(
          ({ link }) => link.send('cancel', id),
          () => {},
        )
      }
      for (const { model } of parts) prefetch(model)
      const feed = createGeneration(cancel)
      signal?.addEventListener('abort', cancel, { once: true })
      pending.set(id, { feed, prepared, end: () => signal?.removeEventListener('abort', cancel) })
      host.live().then(
        ({ link }) => {
          link.send('submit', {
            id,
            caller: request.caller,
            promptIds,
            outputTokensMax,
            sampling,
            adapter: referenceOfParts(parts),
            stop: request.stop ?? [],
            topLogprobs: request.topLogprobs ?? 0,
            ...(request.form === undefined ? {} : { form: request.form }),
            isShared: request.isShared ?? false,
            priority: request.priority ?? 0,
            ...(request.withinMs === undefined ? {} : { withinMs: request.withinMs }),
          })
          if (signal?.aborted) cancel()
        },
        (error: Error) => fail(id, error),
      )
      return feed.generation
    },
    attribute,
    showSpans: async (index, evidence) =>
      (await attributing.live()).link.call('showSpans', { index, evidence }),
    async embed(prepared) {
      const model = prepared[0]?.model
      return (await attributing.live()).link.call('embed', {
        adapter: model && { cid: model.adapterCid, hash: model.adapterHash },
        inputs: prepared.map(({ promptIds }) => promptIds),
      })
    },
    async pin(name) {
      if (name === baseName) throw new ModelNotFoundError(name)
      const { adapterCid: cid, adapterHash: hash } = await find(name)
      return pins.pin(name, { cid, hash })
    },
    unpin: pins.unpin,
    keepFor: pins.keepFor,
    pinned: pins.list,
    metrics: async () => ({
      ...(await (await host.live()).link.call('metrics', undefined)),
      adapters: adapters.state(),
      indexes: await (await attributing.live()).link.call('indexes', undefined),
    }),
    close: async () => {
      for (const id of [...pending.keys()]) fail(id, new WorkerStoppedError(0))
      await Promise.all([host.close(), attributing.close(), decoding.close()])
    },
  }
}

const referenceOfParts = (parts: ReturnType<typeof partsOf>) =>
  parts.length === 0
    ? undefined
    : referenceOf(
        parts.map(({ model, weightPpm }) => ({ cid: model.adapterCid, hash: model.adapterHash, weightPpm })),
      )
