import { CheckpointFolder, type Message, type Tokenizer, type Tool } from '@openledger/model'
import type { DecoderPrecision } from '@openledger/model/decoder/DecoderGraph'
import { BaseError, type Hex, Share } from '@openledger/primitives'
import { cidFromDigest } from '@openledger/store'
import { type AdapterReference, createAdapterCache } from './adapters/AdapterCache.ts'
import { createAdapterLease } from './adapters/AdapterLease.ts'
import type { AdapterMethods, AdapterWorkerData } from './adapters/AdapterWorker.ts'
import type { ByteCacheState } from './adapters/ByteCache.ts'
import { referenceOf } from './adapters/MergedAdapter.ts'
import type { AttributionReference } from './attribution/AttributionIndex.ts'
import type {
  AttributionHostMethods,
  AttributionMethods,
  AttributionWorkerData,
} from './attribution/AttributionWorker.ts'
import type { AttributedAnswer, AttributionRequest } from './attribution/Attributor.ts'
import { type Passage, PassagesError, placeOf, withPassages } from './attribution/Passages.ts'
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
import {
  createGeneration,
  type Generation,
  type GenerationFeed,
  type GenerationResult,
} from './engine/Generation.ts'
import { GREEDY, type SamplingOptions } from './engine/Sampler.ts'
import { createWorkerHost, type Logger, WorkerStoppedError } from './engine/WorkerHost.ts'
import { fromPlainError, type Methods } from './engine/WorkerLink.ts'
import { type AnswerForm, grammarOf } from './grammar/AnswerForm.ts'

/** What serving needs to know of a published model. */
export type ServedModel = Partial<AttributionReference> & {
  readonly adapterCid: string
  readonly adapterHash: Hex
  /** The base that the adapter was trained on; another one is refused. */
  readonly baseHash?: Hex
}

/** One of the models whose adapters make an answer together. */
export type WeightedModel = {
  readonly name: string
  /** What its adapter adds is multiplied by it, in millionths; negative takes away. */
  readonly weightPpm: number
}

export type GenerateRequest = {
  /** Name of a published model, or of the base. */
  readonly model: string
  /** Models that make the answer together, `model` among them; default that one alone. */
  readonly adapters?: readonly WeightedModel[]
  /** Who asks; callers share the engine fairly. */
  readonly caller: string
  /** Text to continue, a conversation, or tokens. */
  readonly prompt: string | readonly Message[] | readonly number[]
  /** Records that stand in front of the prompt, or of its last message from a person; what they do is attributed to them. */
  readonly passages?: readonly Passage[]
  /** Default: what the context leaves, at most 256. */
  readonly outputTokensMax?: number
  /** Texts that end the answer and are not part of it. */
  readonly stop?: readonly string[]
  /** Default greedy. */
  readonly sampling?: Partial<SamplingOptions>
  /** Alternatives reported with each token. */
  readonly topLogprobs?: number
  /** Functions that a conversation tells the model about; `form` says whether and how it may call them. */
  readonly tools?: readonly Tool[]
  /** What the answer is held to. */
  readonly form?: AnswerForm
  /** Others ask the same at the same time, so that the prompt is read once. */
  readonly isShared?: boolean
  /** W3C trace context that other engines are asked with. */
  readonly traceparent?: string
  /** Smaller goes first; default 0. */
  readonly priority?: number
  /** Ends the answer with what it is then; one that could not begin fails. */
  readonly withinMs?: number
}

/** A request whose price can be told: checked, tokenised, its model found. */
export type Prepared = {
  readonly request: GenerateRequest
  /** Undefined for the base model. */
  readonly model: ServedModel | undefined
  /** Where several make the answer together: all of them, in the order of the request. */
  readonly merged?: readonly { readonly model: ServedModel; readonly weightPpm: number }[]
  readonly promptIds: readonly number[]
  readonly promptText: string
  readonly outputTokensMax: number
  readonly sampling: SamplingOptions
}

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
   * @throws {ModelNotFoundError} {PinsFullError} {AdapterHashMismatchError}
   */
  readonly pin: (model: string) => Promise<{
    /** False when it was kept already. */
    readonly isNew: boolean
    readonly sizeBytes: number
  }>
  /** Lets an adapter leave memory again. @returns False when it was not kept. */
  readonly unpin: (model: string) => boolean
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
   * How the base is kept; default `f32`. `int4` answers several times as fast and a little differently, while attribution
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
const OUTPUT_TOKENS_DEFAULT = 256
const STOP_COUNT_MAX = 4
/** Models of one answer, and how much of each at most: an adapter a few times its strength only breaks the base. */
export const MERGED_MAX = 4
export const MERGE_WEIGHT_MAX = 4
/** Share of the adapters' memory that owners may keep theirs in; the rest is for whoever is asked. */
const PINNED_SHARE_MAX = 0.5
const STOP_LENGTH_MAX = 256
/** No tokenizer here makes tokens longer than this on average, so longer text is refused before it is read. */
const CHARACTERS_PER_TOKEN_MAX = 32

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
  const pins = new Map<string, { readonly reference: AdapterReference; sizeBytes: number }>()
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

  function readPrompt({ prompt: given, tools, passages = [] }: GenerateRequest): {
    promptText: string
    promptIds: readonly number[]
  } {
    if (typeof given !== 'string' && given.every((one) => typeof one === 'number')) {
      if (passages.length > 0) throw new PassagesError('a text or a conversation', 'tokens')
      const promptIds = given as readonly number[]
      const bad = promptIds.find((id) => !Number.isInteger(id) || id < 0 || id >= ready.vocabularySize)
      if (bad !== undefined) throw new PromptError(`token ids below ${ready.vocabularySize}`, `${bad}`)
      return { promptText: tokenizer.decode(promptIds), promptIds }
    }
    const prompt = withPassages(given as string | readonly Message[], passages)
    const promptText = typeof prompt === 'string' ? prompt : tokenizer.chat(prompt, tools)
    const charactersMax = ready.context * CHARACTERS_PER_TOKEN_MAX
    if (promptText.length > charactersMax) {
      throw new PromptError(`at most ${charactersMax} characters`, `${promptText.length}`)
    }
    // a document began with this token in training, and so does a prompt
    return { promptText, promptIds: [tokenizer.bosId, ...tokenizer.encode(promptText)] }
  }

  async function find(name: string): Promise<ServedModel> {
    const model = await lookup(name)
    if (model === undefined) throw new ModelNotFoundError(name)
    if (model.baseHash !== undefined && model.baseHash !== ready.baseHash) {
      throw new BaseMismatchError(name, model.baseHash, ready.baseHash)
    }
    return model
  }

  /** Finds the models that a request merges. */
  async function findMerged({ model, adapters = [] }: GenerateRequest): Promise<Prepared['merged']> {
    if (adapters.length === 0) return undefined
    const names = new Set(adapters.map(({ name }) => name))
    const isWeight = (ppm: number): boolean =>
      Number.isInteger(ppm) && ppm !== 0 && Math.abs(ppm) <= MERGE_WEIGHT_MAX * Number(Share.SCALE)
    const isSound =
      adapters.length <= MERGED_MAX &&
      names.size === adapters.length &&
      names.has(model) &&
      !names.has(baseName)
    if (!isSound || !adapters.every(({ weightPpm }) => isWeight(weightPpm))) {
      const expected = `at most ${MERGED_MAX} different published models, "model" among them, each with a weight other than 0 from -${MERGE_WEIGHT_MAX} to ${MERGE_WEIGHT_MAX} in whole millionths`
      throw new GenerationOptionError('adapters', expected, JSON.stringify(adapters).slice(0, 200))
    }
    return Promise.all(adapters.map(async ({ name, weightPpm }) => ({ model: await find(name), weightPpm })))
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
    async prepare(request) {
      const model = request.model === baseName ? undefined : await find(request.model)
      const merged = await findMerged(request)
      const { promptText, promptIds } = readPrompt(request)
      const room = ready.context - promptIds.length
      if (promptIds.length === 0 || promptText === '') throw new PromptError('at least one token', 'none')
      if (room < 1) throw new PromptError(`at most ${ready.context - 1} tokens`, `${promptIds.length}`)
      const { outputTokensMax = Math.min(room, OUTPUT_TOKENS_DEFAULT), stop = [] } = request
      if (!Number.isInteger(outputTokensMax) || outputTokensMax < 1) {
        throw new GenerationOptionError('outputTokensMax', 'a positive whole number', outputTokensMax)
      }
      if (stop.length > STOP_COUNT_MAX || stop.some((word) => word === '' || word.length > STOP_LENGTH_MAX)) {
        const expected = `at most ${STOP_COUNT_MAX} texts of 1 to ${STOP_LENGTH_MAX} characters`
        throw new GenerationOptionError('stop', expected, JSON.stringify(stop).slice(0, 100))
      }
      // before anyone pays: what cannot be attributed or held to is refused here
      if (request.passages?.length) placeOf({ promptText, passages: request.passages })
      if (request.form !== undefined) grammarOf(request.form)
      const { minTokens = 0 } = request.sampling ?? {}
      if (request.form !== undefined && minTokens > 0) {
        throw new GenerationOptionError('minTokens', '0 for an answer that a form ends', minTokens)
      }
      return {
        request,
        model,
        ...(merged === undefined ? {} : { merged }),
        promptIds,
        promptText,
        outputTokensMax: Math.min(outputTokensMax, room),
        sampling: { ...GREEDY, ...request.sampling },
      }
    },
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
      const model = name === baseName ? undefined : await lookup(name)
      if (model === undefined) throw new ModelNotFoundError(name)
      const kept = pins.get(name)
      if (kept !== undefined) {
        // its size is known once it is there
        const { memory } = await adapters.acquire(kept.reference)
        adapters.release(kept.reference)
        return { isNew: false, sizeBytes: memory.byteLength }
      }
      const pin = { reference: { cid: model.adapterCid, hash: model.adapterHash }, sizeBytes: 0 }
      pins.set(name, pin)
      try {
        pin.sizeBytes = (await adapters.acquire(pin.reference)).memory.byteLength
      } catch (error) {
        pins.delete(name)
        throw error
      }
      const pinnedBytes = [...pins.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      const pinnedBytesMax = adapterBytesMax * PINNED_SHARE_MAX
      if (pinnedBytes <= pinnedBytesMax) return { isNew: true, sizeBytes: pin.sizeBytes }
      pins.delete(name)
      adapters.release(pin.reference)
      throw new PinsFullError(pinnedBytesMax)
    },
    unpin(name) {
      const pin = pins.get(name)
      if (pin === undefined) return false
      pins.delete(name)
      adapters.release(pin.reference)
      return true
    },
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

/** The models whose adapters a prepared request runs with, and their weights; none for the base alone. */
const partsOf = ({ model, merged }: Prepared): NonNullable<Prepared['merged']> =>
  merged ?? (model === undefined ? [] : [{ model, weightPpm: Number(Share.SCALE) }])

const referenceOfParts = (parts: NonNullable<Prepared['merged']>) =>
  parts.length === 0
    ? undefined
    : referenceOf(
        parts.map(({ model, weightPpm }) => ({ cid: model.adapterCid, hash: model.adapterHash, weightPpm })),
      )

export type { Generation, GenerationResult }

export class ModelNotFoundError extends BaseError {
  constructor(name: string) {
    super({
      code: 'openlora.model_not_found',
      message: `Expected the name of a published model, got ${JSON.stringify(name.slice(0, 100))}. List the models to see their names.`,
      context: { name: name.slice(0, 100) },
    })
  }
}

export class PinsFullError extends BaseError {
  constructor(pinnedBytesMax: number) {
    super({
      code: 'openlora.pins_full',
      message: `Expected room among the adapters that are kept in memory, at most ${pinnedBytesMax} bytes, but they are full. It is served without; unload another, or raise adapterBytesMax.`,
      context: { pinnedBytesMax },
    })
  }
}

export class BaseMismatchError extends BaseError {
  constructor(name: string, expected: Hex, got: Hex) {
    super({
      code: 'engine.base_mismatch',
      message: `Expected the base ${expected} that ${name} was trained on, but ${got} is served. Serve that base, or train the model again.`,
      context: { name, expected, got },
    })
  }
}

export class PromptError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'openlora.prompt',
      message: `Expected a prompt of ${expected}, got ${got}. Change the prompt.`,
      context: { expected, got },
    })
  }
}

export class GenerationOptionError extends BaseError {
  constructor(name: string, expected: string, got: unknown) {
    super({
      code: 'openlora.generation_option',
      message: `Expected ${name} to be ${expected}, got ${String(got)}.`,
      context: { name, expected, got: String(got) },
    })
  }
}
