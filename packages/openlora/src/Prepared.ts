import type { Message, Tokenizer, Tool } from '@openledger/model'
import { BaseError, type Hex, Share } from '@openledger/primitives'
import type { AttributionReference } from './attribution/AttributionIndex.ts'
import { type Passage, PassagesError, placeOf, withPassages } from './attribution/Passages.ts'
import { GREEDY, type SamplingOptions } from './engine/Sampler.ts'
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

const OUTPUT_TOKENS_DEFAULT = 256
const STOP_COUNT_MAX = 4
/** Models of one answer, and how much of each at most: an adapter a few times its strength only breaks the base. */
export const MERGED_MAX = 4
export const MERGE_WEIGHT_MAX = 4
const STOP_LENGTH_MAX = 256
/** No tokenizer here makes tokens longer than this on average, so longer text is refused before it is read. */
const CHARACTERS_PER_TOKEN_MAX = 32

export type PreparingDependencies = {
  /** Finds a published model by name. */
  readonly lookup: (name: string) => Promise<ServedModel | undefined>
  readonly tokenizer: Tokenizer
  readonly baseName: string
  /** What is served: the base by its hash, its vocabulary, and the tokens of prompt and answer together. */
  readonly served: { readonly baseHash: Hex; readonly vocabularySize: number; readonly context: number }
}

/** Creates what checks requests, finds their models and makes tokens of their prompts; nothing runs. */
export function createPreparing({ lookup, tokenizer, baseName, served }: PreparingDependencies) {
  function readPrompt({ prompt: given, tools, passages = [] }: GenerateRequest): {
    promptText: string
    promptIds: readonly number[]
  } {
    if (typeof given !== 'string' && given.every((one) => typeof one === 'number')) {
      if (passages.length > 0) throw new PassagesError('a text or a conversation', 'tokens')
      const promptIds = given as readonly number[]
      const bad = promptIds.find((id) => !Number.isInteger(id) || id < 0 || id >= served.vocabularySize)
      if (bad !== undefined) throw new PromptError(`token ids below ${served.vocabularySize}`, `${bad}`)
      return { promptText: tokenizer.decode(promptIds), promptIds }
    }
    const prompt = withPassages(given as string | readonly Message[], passages)
    const promptText = typeof prompt === 'string' ? prompt : tokenizer.chat(prompt, tools)
    const charactersMax = served.context * CHARACTERS_PER_TOKEN_MAX
    if (promptText.length > charactersMax) {
      throw new PromptError(`at most ${charactersMax} characters`, `${promptText.length}`)
    }
    // a document began with this token in training, and so does a prompt
    return { promptText, promptIds: [tokenizer.bosId, ...tokenizer.encode(promptText)] }
  }

  /** @throws {ModelNotFoundError} {BaseMismatchError} */
  async function find(name: string): Promise<ServedModel> {
    const model = await lookup(name)
    if (model === undefined) throw new ModelNotFoundError(name)
    if (model.baseHash !== undefined && model.baseHash !== served.baseHash) {
      throw new BaseMismatchError(name, model.baseHash, served.baseHash)
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

  async function prepare(request: GenerateRequest): Promise<Prepared> {
    const model = request.model === baseName ? undefined : await find(request.model)
    const merged = await findMerged(request)
    const { promptText, promptIds } = readPrompt(request)
    const room = served.context - promptIds.length
    if (promptIds.length === 0 || promptText === '') throw new PromptError('at least one token', 'none')
    if (room < 1) throw new PromptError(`at most ${served.context - 1} tokens`, `${promptIds.length}`)
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
  }

  return { prepare, find }
}

/** The models whose adapters a prepared request runs with, and their weights; none for the base alone. */
export const partsOf = ({ model, merged }: Prepared): NonNullable<Prepared['merged']> =>
  merged ?? (model === undefined ? [] : [{ model, weightPpm: Number(Share.SCALE) }])

export class ModelNotFoundError extends BaseError {
  constructor(name: string) {
    super({
      code: 'openlora.model_not_found',
      message: `Expected the name of a published model, got ${JSON.stringify(name.slice(0, 100))}. List the models to see their names.`,
      context: { name: name.slice(0, 100) },
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
