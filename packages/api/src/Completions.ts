import { randomInt } from 'node:crypto'
import type { GenerateRequest, GenerationResult, SamplingOptions, TokenDelta } from '@openledger/openlora'
import type { Http } from '@openledger/protocol'
import { z } from 'zod'

/**
 * The requests and answers of OpenAI's interface, as far as a text model has use for them. Fields that would change
 * the answer and are not supported are refused rather than ignored; unknown ones are ignored.
 *
 * @see OpenAI API reference, "Chat completions" and "Completions".
 */

const only = <T extends string | number | boolean>(value: T, what: string) =>
  z.literal(value, `expected ${what}: nothing else is supported`).nullish()

const never = (what: string) => z.never(`expected no ${what}: it is not supported`).nullish()

/** What would change the answer and nobody here carries out; fields of vLLM and LoRAX among them. */
const refused = {
  functions: never('functions'),
  function_call: never('function_call'),
  audio: never('audio'),
  web_search_options: never('web_search_options'),
  reasoning_effort: never('reasoning_effort'),
  modalities: z.tuple([z.literal('text')], 'expected modalities to be text alone').nullish(),
  tool_choice: z.enum(['none', 'auto'], 'expected no tool choice: tools are not supported').nullish(),
  guided_json: never('guided_json'),
  guided_regex: never('guided_regex'),
  guided_choice: never('guided_choice'),
  guided_grammar: never('guided_grammar'),
  structured_outputs: never('structured_outputs'),
  use_beam_search: only(false, 'use_beam_search to be false'),
  min_p: only(0, 'min_p to be 0'),
  min_tokens: only(0, 'min_tokens to be 0'),
  ignore_eos: only(false, 'ignore_eos to be false'),
  prompt_logprobs: never('prompt_logprobs'),
  adapter_id: never('adapter_id; name the published model in `model`'),
  adapters: never('adapters; several cannot be merged in one request'),
  prompt_embeds: never('prompt_embeds'),
}

const common = {
  ...refused,
  model: z.string().min(1).max(128),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  n: only(1, 'n to be 1'),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
  max_tokens: z.number().int().min(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  seed: z.number().int().nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d{1,9}$/, 'expected token ids'), z.number().min(-100).max(100))
    .nullish(),
  user: z.string().max(512).nullish(),
  /** Beyond OpenAI's interface, as vLLM has them. */
  top_k: z.number().int().min(0).nullish(),
  repetition_penalty: z.number().gt(0).max(2).nullish(),
}

const messageSchema = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.union([z.string(), z.array(z.object({ type: z.literal('text'), text: z.string() })).min(1)]),
  name: z.string().nullish(),
})

export const chatRequestSchema = z.object({
  ...common,
  messages: z.array(messageSchema).min(1).max(256),
  max_completion_tokens: z.number().int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(20).nullish(),
  response_format: z
    .object({
      type: z.literal('text', 'expected text: answers are not held to a schema'),
    })
    .nullish(),
  tools: z.array(z.unknown()).max(0, 'expected no tools: they are not supported').nullish(),
})

export const completionRequestSchema = z.object({
  ...common,
  prompt: z.union([
    z.string(),
    z.tuple([z.string()]),
    z.array(z.number().int().nonnegative()).min(1),
    z.tuple([z.array(z.number().int().nonnegative()).min(1)]),
  ]),
  logprobs: z.number().int().min(0).max(20).nullish(),
  echo: only(false, 'echo to be false'),
  best_of: only(1, 'best_of to be 1'),
  suffix: only('', 'no suffix'),
})

export type ChatRequest = z.output<typeof chatRequestSchema>
export type CompletionRequest = z.output<typeof completionRequestSchema>

/** How many tokens `/v1/completions` answers with when nothing is said. */
const COMPLETION_TOKENS_DEFAULT = 16

/** Reads a chat request as what serving takes. @param caller - Who shares the engine with others. */
export function fromChat(request: ChatRequest, caller: string): GenerateRequest {
  const prompt = request.messages.map(({ role, content }) => ({
    role: role === 'developer' ? 'system' : role,
    content: typeof content === 'string' ? content : content.map((part) => part.text).join(''),
  }))
  const topLogprobs = request.logprobs ? (request.top_logprobs ?? 0) : 0
  return {
    model: request.model,
    caller,
    prompt,
    topLogprobs,
    ...optionsOf(request, request.max_completion_tokens ?? request.max_tokens ?? undefined),
  }
}

/** Reads a completion request as what serving takes. */
export function fromCompletion(request: CompletionRequest, caller: string): GenerateRequest {
  const first = Array.isArray(request.prompt) ? request.prompt[0] : request.prompt
  const prompt = typeof first === 'number' ? (request.prompt as number[]) : (first as string | number[])
  return {
    model: request.model,
    caller,
    prompt,
    topLogprobs: request.logprobs ?? 0,
    ...optionsOf(request, request.max_tokens ?? COMPLETION_TOKENS_DEFAULT),
  }
}

function optionsOf(
  request: ChatRequest | CompletionRequest,
  outputTokensMax: number | undefined,
): Pick<GenerateRequest, 'outputTokensMax' | 'stop' | 'sampling'> {
  const stop = typeof request.stop === 'string' ? [request.stop] : (request.stop ?? [])
  const sampling: Partial<SamplingOptions> = {
    temperature: request.temperature ?? 1,
    topP: request.top_p ?? 1,
    topK: request.top_k ?? 0,
    presencePenalty: request.presence_penalty ?? 0,
    frequencyPenalty: request.frequency_penalty ?? 0,
    repetitionPenalty: request.repetition_penalty ?? 1,
    logitBias: Object.entries(request.logit_bias ?? {}).map(([id, bias]) => [Number(id), bias] as const),
    seed: request.seed ?? randomInt(2 ** 31),
  }
  return { stop, sampling, ...(outputTokensMax === undefined ? {} : { outputTokensMax }) }
}

/** How answers are written: as a chat or as a completion. */
export type Format = {
  readonly kind: 'chat' | 'completion'
  readonly id: string
  readonly model: string
  /** Unix seconds. */
  readonly created: number
  /** Whether the caller asked for the probabilities of tokens. */
  readonly hasLogprobs: boolean
  readonly tokenText: (tokenId: number) => string
}

const envelope = ({ kind, id, model, created }: Format, isChunk: boolean) => ({
  id,
  object: kind === 'completion' ? 'text_completion' : isChunk ? 'chat.completion.chunk' : 'chat.completion',
  created,
  model,
})

export const usageOf = ({ inputTokens, outputTokens }: GenerationResult) => ({
  prompt_tokens: inputTokens,
  completion_tokens: outputTokens,
  total_tokens: inputTokens + outputTokens,
})

const reasonOf = ({ finishReason }: GenerationResult): 'stop' | 'length' =>
  finishReason === 'length' ? 'length' : 'stop'

/** Writes a whole answer. */
export function toBody(
  format: Format,
  result: GenerationResult,
  deltas: readonly TokenDelta[],
  receipt: Http.SignedReceipt,
): Record<string, unknown> {
  const logprobs = format.hasLogprobs ? logprobsOf(format, deltas) : null
  const choice = { index: 0, logprobs, finish_reason: reasonOf(result) }
  return {
    ...envelope(format, false),
    choices: [
      format.kind === 'chat'
        ? { ...choice, message: { role: 'assistant', content: result.text, refusal: null } }
        : { ...choice, text: result.text },
    ],
    usage: usageOf(result),
    openledger: extensionOf(result, receipt),
  }
}

/** What a payer keeps to have the answer recomputed elsewhere, beside the receipt. */
const extensionOf = (result: GenerationResult, receipt: Http.SignedReceipt): Http.AnswerExtension => ({
  receipt,
  answer: result.text,
  promptTokenIds: [...result.promptIds],
  answerTokenIds: [...result.answerIds],
})

/** Writes the first chunk of a stream, which says who speaks; completions have none. */
export const firstChunk = (format: Format): Record<string, unknown> | undefined =>
  format.kind === 'chat'
    ? {
        ...envelope(format, true),
        choices: [
          { index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null },
        ],
      }
    : undefined

/** Writes one token of a stream. */
export function deltaChunk(format: Format, delta: TokenDelta): Record<string, unknown> {
  const logprobs = format.hasLogprobs ? logprobsOf(format, [delta]) : null
  const choice = { index: 0, logprobs, finish_reason: null }
  return {
    ...envelope(format, true),
    choices: [
      format.kind === 'chat'
        ? { ...choice, delta: { content: delta.text } }
        : { ...choice, text: delta.text },
    ],
  }
}

/** Writes the chunk that ends a stream and carries the receipt. */
export function lastChunk(
  format: Format,
  result: GenerationResult,
  receipt: Http.SignedReceipt,
): Record<string, unknown> {
  const choice = { index: 0, logprobs: null, finish_reason: reasonOf(result) }
  return {
    ...envelope(format, true),
    choices: [format.kind === 'chat' ? { ...choice, delta: {} } : { ...choice, text: '' }],
    openledger: extensionOf(result, receipt),
  }
}

/** Writes the chunk that only counts tokens, for those who asked with `stream_options.include_usage`. */
export const usageChunk = (format: Format, result: GenerationResult): Record<string, unknown> => ({
  ...envelope(format, true),
  choices: [],
  usage: usageOf(result),
})

function logprobsOf({ kind, tokenText }: Format, deltas: readonly TokenDelta[]): Record<string, unknown> {
  const tokens = deltas.flatMap((delta) => {
    const { tokenId, logprob, top } = delta
    return tokenId === null ? [] : [{ token: tokenText(tokenId), logprob, top }]
  })
  if (kind === 'chat') {
    const written = (token: string, logprob: number) => ({
      token,
      logprob,
      bytes: [...new TextEncoder().encode(token)],
    })
    return {
      content: tokens.map(({ token, logprob, top }) => ({
        ...written(token, logprob),
        top_logprobs: top.map((other) => written(tokenText(other.tokenId), other.logprob)),
      })),
      refusal: null,
    }
  }
  let offset = 0
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) =>
      Object.fromEntries(top.map((other) => [tokenText(other.tokenId), other.logprob])),
    ),
    text_offset: tokens.map(({ token }) => {
      offset += token.length
      return offset - token.length
    }),
  }
}
