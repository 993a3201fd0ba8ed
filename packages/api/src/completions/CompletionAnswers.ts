import { randomBytes } from 'node:crypto'
import { createToolCallReader, type TokenDelta } from '@openledger/openlora'
import type { Http } from '@openledger/protocol'
import type { Charged, Delivered } from './Answering.ts'

/**
 * How answers of OpenAI's interface are written, whole and in pieces.
 *
 * @see OpenAI API reference, "Chat completion object", "Chat completion chunk object", "Completion object".
 */
export type Format = {
  readonly kind: 'chat' | 'completion'
  readonly id: string
  readonly model: string
  /** Unix seconds. */
  readonly created: number
  /** Whether the caller asked for the probabilities of tokens. */
  readonly hasLogprobs: boolean
  /** Whether the answer may call tools, and whether the caller named the one it calls. */
  readonly tools: 'none' | 'some' | 'named'
  readonly includesUsage: boolean
  readonly tokenText: (tokenId: number) => string
  readonly tokenBytes: (tokenId: number) => Uint8Array
}

type Json = Record<string, unknown>

const envelope = ({ kind, id, model, created }: Format, isChunk: boolean): Json => ({
  id,
  object: kind === 'completion' ? 'text_completion' : isChunk ? 'chat.completion.chunk' : 'chat.completion',
  created,
  model,
})

const chunkOf = (format: Format, index: number, choice: Json, more: Json = {}): Json => ({
  ...envelope(format, true),
  choices: [{ index, logprobs: null, finish_reason: null, ...choice }],
  ...more,
  ...(format.includesUsage ? { usage: null } : {}),
})

/** Adds up what several answers to one prompt were charged for. */
export function usageOf(receipts: readonly Http.SignedReceipt[]): Json {
  // models that answered together have parts of the same tokens
  const tokens = receipts.map((receipt) => receipt.attribution.merge ?? receipt)
  const promptTokens = tokens.reduce((sum, { inputTokens }) => sum + inputTokens, 0)
  const completionTokens = tokens.reduce((sum, { outputTokens }) => sum + outputTokens, 0)
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  }
}

/** What a payer keeps to have the answer recomputed elsewhere, beside the receipt. */
export const extensionOf = (
  result: Delivered,
  { receipt, mergedReceipts }: Charged,
): Http.AnswerExtension => ({
  receipt,
  ...(mergedReceipts === undefined ? {} : { mergedReceipts: [...mergedReceipts] }),
  answer: result.text,
  promptTokenIds: [...result.promptIds],
  answerTokenIds: [...result.answerIds],
  ...(result.passages === undefined ? {} : { promptText: result.promptText, passages: [...result.passages] }),
})

const callId = (): string => `call_${randomBytes(12).toString('hex')}`

function reasonOf({ tools }: Format, { finishReason }: Delivered, hasCalls: boolean): string {
  if (finishReason === 'length') return 'length'
  return hasCalls && tools === 'some' ? 'tool_calls' : 'stop'
}

/** One answer that is finished and paid for. */
export type Finished = Charged & {
  readonly result: Delivered
  readonly deltas: readonly TokenDelta[]
}

/** Writes whole answers to one prompt, in order. */
export function toBody(format: Format, answers: readonly Finished[]): Json {
  const [first] = answers
  return {
    ...envelope(format, false),
    choices: answers.map((answer, index) => ({
      ...wholeChoice(format, answer, index),
      ...(answers.length > 1 ? { openledger: extensionOf(answer.result, answer) } : {}),
    })),
    usage: usageOf(answers.map(({ receipt }) => receipt)),
    openledger: extensionOf(first!.result, first!),
  }
}

function wholeChoice(format: Format, { result, deltas }: Finished, index: number): Json {
  const logprobs = format.hasLogprobs ? logprobsOf(format, deltas) : null
  if (format.kind === 'completion') {
    return { index, logprobs, finish_reason: reasonOf(format, result, false), text: result.text }
  }
  const { content, calls } = partsOf(format, result.text)
  const message = {
    role: 'assistant',
    content: calls.length > 0 && content === '' ? null : content,
    refusal: null,
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  }
  return { index, logprobs, finish_reason: reasonOf(format, result, calls.length > 0), message }
}

/** Parts an answer into what is said and what is called. */
function partsOf({ tools }: Format, text: string) {
  if (tools === 'none') return { content: text, calls: [] }
  const reader = createToolCallReader()
  const calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[] = []
  let content = ''
  for (const event of [...reader.push(text), ...reader.flush()]) {
    if (event.kind === 'content') content += event.text
    else if (event.kind === 'arguments') calls.at(-1)!.function.arguments += event.text
    else calls.push({ id: callId(), type: 'function', function: { name: event.name, arguments: '' } })
  }
  return { content, calls }
}

/** Writes the chunk that begins an answer and says who speaks; completions have none. */
export const firstChunk = (format: Format, index: number): Json | undefined =>
  format.kind === 'chat'
    ? chunkOf(format, index, { delta: { role: 'assistant', content: '', refusal: null } })
    : undefined

/** Writes one answer of a stream. */
export type ChoiceWriter = {
  /** Gives the chunks of one token; none while nothing is certain. */
  readonly delta: (delta: TokenDelta) => Json[]
  /** Gives the chunks that end the answer; the last carries its receipt. */
  readonly end: (result: Delivered, charged: Charged) => Json[]
}

export function createChoiceWriter(format: Format, index: number): ChoiceWriter {
  const reader = format.tools === 'none' ? undefined : createToolCallReader()
  let hasCalls = false

  function partsOfDelta(text: string): Json[] {
    if (format.kind === 'completion') return [{ text }]
    if (reader === undefined) return [{ delta: { content: text } }]
    return reader.push(text).map(deltaOf)
  }

  function deltaOf(event: ReturnType<ReturnType<typeof createToolCallReader>['push']>[number]): Json {
    if (event.kind === 'content') return { delta: { content: event.text } }
    if (event.kind === 'arguments') {
      return { delta: { tool_calls: [{ index: event.index, function: { arguments: event.text } }] } }
    }
    hasCalls = true
    const call = { index: event.index, id: callId(), type: 'function' }
    return { delta: { tool_calls: [{ ...call, function: { name: event.name, arguments: '' } }] } }
  }

  return {
    delta(delta) {
      const parts = delta.text === '' ? [] : partsOfDelta(delta.text)
      if (!format.hasLogprobs) return parts.map((part) => chunkOf(format, index, part))
      // the token's probabilities go with its first part, or alone
      const [first = format.kind === 'chat' ? { delta: {} } : { text: '' }, ...rest] = parts
      const logprobs = logprobsOf(format, [delta])
      return [{ ...first, logprobs }, ...rest].map((part) => chunkOf(format, index, part))
    },
    end(result, charged) {
      const left = (reader?.flush() ?? []).map((event) => chunkOf(format, index, deltaOf(event)))
      const last = format.kind === 'chat' ? { delta: {} } : { text: '' }
      const reason = { finish_reason: reasonOf(format, result, hasCalls) }
      return [
        ...left,
        chunkOf(format, index, { ...last, ...reason }, { openledger: extensionOf(result, charged) }),
      ]
    },
  }
}

/** Writes the chunk that only counts tokens, for those who asked with `stream_options.include_usage`. */
export const usageChunk = (format: Format, receipts: readonly Http.SignedReceipt[]): Json => ({
  ...envelope(format, true),
  choices: [],
  usage: usageOf(receipts),
})

function logprobsOf(format: Format, deltas: readonly TokenDelta[]): Json {
  const { kind, tokenText, tokenBytes } = format
  const tokens = deltas.flatMap(({ tokenId, logprob, top }) =>
    tokenId === null ? [] : [{ tokenId, logprob, top }],
  )
  if (kind === 'chat') {
    const written = ({ tokenId, logprob }: { tokenId: number; logprob: number }) => ({
      token: tokenText(tokenId),
      logprob,
      // part of a character has bytes, but no text of its own
      bytes: [...tokenBytes(tokenId)],
    })
    return {
      content: tokens.map((token) => ({ ...written(token), top_logprobs: token.top.map(written) })),
      refusal: null,
    }
  }
  let offset = 0
  const texts = tokens.map(({ tokenId }) => tokenText(tokenId))
  return {
    tokens: texts,
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) =>
      Object.fromEntries(top.map((other) => [tokenText(other.tokenId), other.logprob])),
    ),
    text_offset: texts.map((text) => {
      offset += text.length
      return offset - text.length
    }),
  }
}
