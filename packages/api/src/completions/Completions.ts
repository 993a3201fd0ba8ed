import { randomInt } from 'node:crypto'
import {
  type AnswerForm,
  type GenerateRequest,
  MERGE_WEIGHT_MAX,
  MERGED_MAX,
  type SamplingOptions,
} from '@openledger/openlora'
import { Share } from '@openledger/primitives'
import { hashSchema } from '@openledger/protocol/Scalars'
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

/** What would change the answer and nobody here carries out; fields of vLLM, LoRAX and llama.cpp among them. */
const refused = {
  functions: never('functions'),
  function_call: never('function_call'),
  audio: never('audio'),
  web_search_options: never('web_search_options'),
  reasoning_effort: never('reasoning_effort'),
  modalities: z.tuple([z.literal('text')], 'expected modalities to be text alone').nullish(),
  guided_json: never('guided_json'),
  guided_regex: never('guided_regex'),
  guided_choice: never('guided_choice'),
  guided_grammar: never('guided_grammar'),
  structured_outputs: never('structured_outputs'),
  use_beam_search: only(false, 'use_beam_search to be false'),
  prompt_logprobs: never('prompt_logprobs'),
  adapter_id: never('adapter_id; name the published model in `model`'),
  merged_adapters: never('merged_adapters; name published models and weights in `adapters`'),
  lora: never('lora; name published models and weights in `adapters`'),
  prompt_embeds: never('prompt_embeds'),
}

/** Answers to one prompt. */
const CHOICES_MAX = 16
const TOOLS_MAX = 128
/** Each beyond the sixth costs two more readings of the answer when it is attributed. */
export const PASSAGES_MAX = 32
/** Where `service_tier: "flex"` stands: behind all that is asked without. */
const FLEX_PRIORITY = 10

const toPpm = (weight: number): number => Math.round(weight * Number(Share.SCALE))

const common = {
  ...refused,
  model: z.string().min(1).max(128),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  n: z.number().int().min(1).max(CHOICES_MAX).nullish(),
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
  min_p: z.number().min(0).max(1).nullish(),
  min_tokens: z.number().int().min(0).nullish(),
  ignore_eos: z.boolean().nullish(),
  /** Smaller goes first; below 0 would be taken from others. */
  priority: z.number().int().min(0).max(100).nullish(),
  service_tier: z.enum(['auto', 'default', 'flex', 'priority', 'scale']).nullish(),
  /** Ours: the answer ends with what it is then. */
  within_ms: z.number().int().min(1).max(600_000).nullish(),
  repetition_penalty: z.number().gt(0).max(2).nullish(),
  /** Ours: ids of records that stand in front of the prompt, in this order; each is paid for what it does to the answer. */
  passages: z.array(hashSchema).max(PASSAGES_MAX).nullish(),
  /** Ours: published models whose adapters answer together, `model` among them. */
  adapters: z
    .array(
      z.object({
        name: z.string().min(1).max(128),
        weight: z
          .number()
          .min(-MERGE_WEIGHT_MAX)
          .max(MERGE_WEIGHT_MAX)
          .refine((weight) => toPpm(weight) !== 0, 'expected a weight other than 0'),
      }),
    )
    .min(1)
    .max(MERGED_MAX)
    .nullish(),
}

const contentSchema = z.union([
  z.string(),
  z.array(z.object({ type: z.literal('text'), text: z.string() })).min(1),
])
const name = z.string().nullish()
const toolName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'expected 1 to 64 letters, digits, _ and -')
/** The text of a JSON object. */
const argumentsSchema = z.string().refine((text) => {
  try {
    return typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}, 'expected the text of a JSON object')

const messageSchema = z.discriminatedUnion('role', [
  z.object({ role: z.enum(['system', 'developer', 'user']), content: contentSchema, name }),
  z.object({
    role: z.literal('assistant'),
    content: contentSchema.nullish(),
    name,
    tool_calls: z
      .array(
        z.object({
          id: z.string().max(128),
          type: z.literal('function'),
          function: z.object({ name: toolName, arguments: argumentsSchema }),
        }),
      )
      .max(TOOLS_MAX)
      .nullish(),
  }),
  z.object({ role: z.literal('tool'), content: contentSchema, tool_call_id: z.string().max(128) }),
])

const schemaObject = z.record(z.string(), z.unknown())

const toolSchema = z.object({
  type: z.literal('function', 'expected a function: other tools are not supported'),
  function: z.object({
    name: toolName,
    description: z.string().max(4_096).nullish(),
    parameters: schemaObject.nullish(),
    strict: z.boolean().nullish(),
  }),
})

const responseFormatSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z.object({
      name: toolName,
      description: z.string().nullish(),
      schema: schemaObject.nullish(),
      strict: z.boolean().nullish(),
    }),
  }),
])

export const chatRequestSchema = z
  .object({
    ...common,
    messages: z.array(messageSchema).min(1).max(256),
    max_completion_tokens: z.number().int().min(1).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.number().int().min(0).max(20).nullish(),
    response_format: responseFormatSchema.nullish(),
    tools: z.array(toolSchema).max(TOOLS_MAX).nullish(),
    tool_choice: z
      .union([
        z.enum(['none', 'auto', 'required']),
        z.object({ type: z.literal('function'), function: z.object({ name: toolName }) }),
      ])
      .nullish(),
    parallel_tool_calls: z.boolean().nullish(),
  })
  .superRefine(({ tools, tool_choice: choice }, { addIssue }) => {
    const names = (tools ?? []).map((tool) => tool.function.name)
    const refuse = (field: string, message: string): void =>
      addIssue({ code: 'custom', path: [field], message })
    if (new Set(names).size < names.length) refuse('tools', 'expected tools of different names')
    if (choice === 'required' && names.length === 0) refuse('tool_choice', 'expected tools to choose from')
    if (typeof choice === 'object' && choice !== null && !names.includes(choice.function.name)) {
      refuse('tool_choice', 'expected the name of one of the tools')
    }
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

const textOf = (content: z.output<typeof contentSchema> | null | undefined): string =>
  typeof content === 'string' ? content : (content ?? []).map((part) => part.text).join('')

/** Reads a chat request as what serving takes. @param caller - Who shares the engine with others. */
export function fromChat(request: ChatRequest, caller: string): GenerateRequest {
  const prompt = request.messages.map((message) => ({
    role: message.role === 'developer' ? 'system' : message.role,
    content: textOf(message.content),
    ...(message.role !== 'assistant' || !message.tool_calls
      ? {}
      : { toolCalls: message.tool_calls.map((call) => call.function) }),
  }))
  const topLogprobs = request.logprobs ? (request.top_logprobs ?? 0) : 0
  const tools = toolsOf(request)
  const form = formOf(request, tools)
  return {
    model: request.model,
    caller,
    prompt,
    topLogprobs,
    ...optionsOf(request, request.max_completion_tokens ?? request.max_tokens ?? undefined),
    ...(tools.length === 0 ? {} : { tools }),
    ...(form === undefined ? {} : { form }),
  }
}

/** Tools that the model is told of: none where it may call none. */
const toolsOf = ({ tools, tool_choice: choice }: ChatRequest) =>
  choice === 'none'
    ? []
    : (tools ?? []).map(({ function: { name: own, description, parameters, strict } }) => ({
        name: own,
        isStrict: strict ?? false,
        ...(description == null ? {} : { description }),
        ...(parameters == null ? {} : { parameters }),
      }))

function formOf(request: ChatRequest, tools: ReturnType<typeof toolsOf>): AnswerForm | undefined {
  const { response_format: format, tool_choice: choice } = request
  const schema = format?.type === 'json_schema' ? format.json_schema : undefined
  const json = format == null || format.type === 'text' ? undefined : schemaOf(schema)
  const chosen = typeof choice === 'object' && choice !== null ? choice.function.name : undefined
  const callable = tools
    .filter((tool) => chosen === undefined || tool.name === chosen)
    .map(({ description: _, ...tool }) => tool)
  if (json === undefined && callable.length === 0) return undefined
  return {
    ...(json === undefined ? {} : { json }),
    ...(callable.length === 0
      ? {}
      : {
          tools: {
            callable,
            isRequired: choice === 'required' || chosen !== undefined,
            isParallel: (request.parallel_tool_calls ?? true) && chosen === undefined,
          },
        }),
  }
}

const schemaOf = (format: { schema?: unknown; strict?: boolean | null | undefined } | undefined) => ({
  isStrict: format?.strict ?? false,
  ...(format?.schema == null ? {} : { schema: format.schema as Record<string, unknown> }),
})

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
): Pick<GenerateRequest, 'adapters' | 'outputTokensMax' | 'stop' | 'sampling' | 'priority' | 'withinMs'> {
  const stop = typeof request.stop === 'string' ? [request.stop] : (request.stop ?? [])
  const sampling: Partial<SamplingOptions> = {
    temperature: request.temperature ?? 1,
    topP: request.top_p ?? 1,
    topK: request.top_k ?? 0,
    minP: request.min_p ?? 0,
    minTokens: request.ignore_eos ? Number.MAX_SAFE_INTEGER : (request.min_tokens ?? 0),
    presencePenalty: request.presence_penalty ?? 0,
    frequencyPenalty: request.frequency_penalty ?? 0,
    repetitionPenalty: request.repetition_penalty ?? 1,
    logitBias: Object.entries(request.logit_bias ?? {}).map(([id, bias]) => [Number(id), bias] as const),
    seed: request.seed ?? randomInt(2 ** 31),
  }
  return {
    stop,
    sampling,
    ...(request.adapters == null
      ? {}
      : { adapters: request.adapters.map(({ name, weight }) => ({ name, weightPpm: toPpm(weight) })) }),
    priority: request.priority ?? (request.service_tier === 'flex' ? FLEX_PRIORITY : 0),
    ...(request.within_ms == null ? {} : { withinMs: request.within_ms }),
    ...(outputTokensMax === undefined ? {} : { outputTokensMax }),
  }
}
