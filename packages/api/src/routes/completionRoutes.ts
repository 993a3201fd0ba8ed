import { randomUUID } from 'node:crypto'
import type { TokenDelta } from '@openledger/openlora'
import { BaseError } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import type { Context } from 'hono'
import { z } from 'zod'
import { type AnswerEvent, type Answering, choicesOf, type Serving } from '../completions/Answering.ts'
import * as CompletionAnswers from '../completions/CompletionAnswers.ts'
import * as Completions from '../completions/Completions.ts'
import type { Admission, Paywall } from '../completions/Paywall.ts'
import { DrainingError } from '../Draining.ts'
import { openAiErrorOf } from '../Problems.ts'
import { traceparentOf } from '../Tracing.ts'
import type { Routes } from './Routes.ts'

/** No answer takes longer; one that does is ended and charged for what was delivered. */
const ANSWER_MS_MAX = 10 * 60 * 1000
/** An answer that was ended is read to its end within this time. */
const LAST_WORDS_MS = 2_000

/** Adds the OpenAI-compatible routes that cost money. */
export function addCompletionRoutes(
  routes: Routes,
  deps: {
    readonly answering: Answering
    readonly paywall: Paywall
    readonly serving: Pick<Serving, 'tokenizer'>
    readonly nowMs: () => number
    readonly onError: (error: unknown) => void
    /** Ends all answers, as if their callers had left. */
    readonly signal: AbortSignal
  },
): void {
  const { answering, paywall, serving, nowMs, onError, signal: ending } = deps

  async function sell(
    context: Context,
    kind: CompletionAnswers.Format['kind'],
    request: Completions.ChatRequest | Completions.CompletionRequest,
    read: (caller: string) => ReturnType<typeof Completions.fromChat>,
  ): Promise<Response> {
    const quotes = choicesOf(await answering.quote(read('unknown'), request.passages ?? []), request.n ?? 1)
    const { payer, headers, payment } = await paywall.admit({
      url: context.req.url,
      description: `${kind === 'chat' ? 'Chat' : 'Text'} completion by ${request.model}`,
      maxWei: quotes.reduce((sum, { maxWei }) => sum + maxWei, 0n),
      // one payment pays one receipt
      isMetered: quotes.length === 1,
      authorization: context.req.header('authorization'),
      paymentSignature: context.req.header('payment-signature'),
    })
    const isNamed = 'tool_choice' in request && typeof request.tool_choice === 'object'
    const format: CompletionAnswers.Format = {
      kind,
      id: `${kind === 'chat' ? 'chatcmpl' : 'cmpl'}-${randomUUID()}`,
      model: request.model,
      created: Math.floor(nowMs() / 1000),
      hasLogprobs: request.logprobs != null && request.logprobs !== false,
      tools: quotes[0]!.prepared.request.form?.tools === undefined ? 'none' : isNamed ? 'named' : 'some',
      includesUsage: request.stream_options?.include_usage === true,
      tokenText: (tokenId) => serving.tokenizer.decode([tokenId]),
      tokenBytes: serving.tokenizer.bytes,
    }
    const left = new AbortController()
    const { signal: gone } = context.req.raw
    const signal = AbortSignal.any([gone, left.signal, ending, AbortSignal.timeout(ANSWER_MS_MAX)])
    const isStreamed = request.stream === true
    const answers = quotes.map((quote) => {
      const { prepared } = quote
      const traceparent = traceparentOf(context.req.header('traceparent'))
      const request = {
        ...prepared.request,
        caller: payer.account,
        ...(traceparent === undefined ? {} : { traceparent }),
      }
      const own = { ...prepared, request }
      // what is paid for afterwards is given out afterwards
      const options = { signal, isStreamed: isStreamed && payment === undefined }
      return answering.answer({ ...quote, prepared: own }, payer, options)
    })
    const made = merged(answers, () => left.abort())
    const events = payment === undefined ? made : paidFirst(made, payment)
    if (!isStreamed) {
      const body = await whole(format, events, answers.length)
      if (body === undefined) throw ending.aborted ? new DrainingError() : new AnswerCutError()
      return context.json(body, 200, { ...headers, ...payment?.headers() })
    }
    // the first event is waited for, so that what cannot start is an error and not a broken stream
    const first = await events.next()
    if (payment !== undefined && first.done) throw ending.aborted ? new DrainingError() : new AnswerCutError()
    const stream = toStream(write(format, first, events, answers.length, onError), signal, () => left.abort())
    return new Response(stream, {
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
        ...headers,
        ...payment?.headers(),
      },
    })
  }

  routes.post(
    '/v1/chat/completions',
    {
      tag: 'OpenAI',
      summary: 'Answer a conversation. Needs an API key, or a payment by x402.',
      body: Completions.chatRequestSchema,
      response: z.looseObject({}),
    },
    ({ context, body }) => sell(context, 'chat', body, (caller) => Completions.fromChat(body, caller)),
  )
  routes.post(
    '/v1/completions',
    {
      tag: 'OpenAI',
      summary: 'Continue a text. Needs an API key, or a payment by x402.',
      body: Completions.completionRequestSchema,
      response: z.looseObject({}),
    },
    ({ context, body }) =>
      sell(context, 'completion', body, (caller) => Completions.fromCompletion(body, caller)),
  )
}

type ChoiceEvent = { readonly index: number; readonly event: AnswerEvent }

/**
 * Joins answers that are made side by side. When one fails, the others are left, and iterated to their end, because that
 * charges for what was delivered of them.
 */
async function* merged(
  answers: readonly AsyncGenerator<AnswerEvent>[],
  leave: () => void,
): AsyncGenerator<ChoiceEvent, void, undefined> {
  const next = async (index: number) => ({ index, result: await answers[index]!.next() })
  const open = new Map(answers.map((_, index) => [index, next(index)]))
  try {
    while (open.size > 0) {
      const { index, result } = await Promise.race(open.values())
      if (result.done) open.delete(index)
      else {
        open.set(index, next(index))
        yield { index, event: result.value }
      }
    }
  } finally {
    if (open.size > 0) {
      leave()
      await Promise.allSettled(
        [...open].map(async ([index, pending]) => {
          let { result } = await pending
          while (!result.done) result = await answers[index]!.next()
        }),
      )
    }
  }
}

/** Gives events out once all are there: the receipt among them says that the payment was taken. */
async function* paidFirst(
  events: AsyncGenerator<ChoiceEvent, void, undefined>,
  { drop }: NonNullable<Admission['payment']>,
): AsyncGenerator<ChoiceEvent, void, undefined> {
  try {
    yield* await Array.fromAsync(events)
  } finally {
    // does nothing once it was taken
    await drop()
  }
}

async function whole(
  format: CompletionAnswers.Format,
  events: AsyncGenerator<ChoiceEvent>,
  count: number,
): Promise<Record<string, unknown> | undefined> {
  const deltas = Array.from({ length: count }, (): TokenDelta[] => [])
  const finished: CompletionAnswers.Finished[] = []
  for await (const { index, event } of events) {
    if (event.kind === 'delta') deltas[index]!.push(event.delta)
    else finished[index] = { ...event, deltas: deltas[index]! }
  }
  // it was ended before it was whole, and costs nothing
  if (Object.keys(finished).length < count) return undefined
  return CompletionAnswers.toBody(format, finished)
}

/** Writes the events of a stream; iterated to its end even when nobody reads, because its end charges. */
async function* write(
  format: CompletionAnswers.Format,
  first: IteratorResult<ChoiceEvent>,
  events: AsyncGenerator<ChoiceEvent>,
  count: number,
  onError: (error: unknown) => void,
): AsyncGenerator<string> {
  const line = (chunk: unknown): string => `data: ${JSON.stringify(chunk)}\n\n`
  const writers = Array.from({ length: count }, (_, index) =>
    CompletionAnswers.createChoiceWriter(format, index),
  )
  const receipts: Http.SignedReceipt[] = []
  for (let index = 0; index < count; index++) {
    const start = CompletionAnswers.firstChunk(format, index)
    if (start !== undefined) yield line(start)
  }
  try {
    for (let next = first; !next.done; next = await events.next()) {
      const { index, event } = next.value
      const writer = writers[index]!
      if (event.kind === 'done') receipts.push(event.receipt)
      const chunks = event.kind === 'delta' ? writer.delta(event.delta) : writer.end(event.result, event)
      for (const chunk of chunks) yield line(chunk)
    }
    if (format.includesUsage) yield line(CompletionAnswers.usageChunk(format, receipts))
  } catch (error) {
    onError(error)
    yield line(openAiErrorOf(error))
  }
  yield 'data: [DONE]\n\n'
}

/**
 * Turns written events into a body. A reader who leaves ends the making of the answer, not its accounting; one who does not
 * read on when the answer is over by `signal` has left.
 */
function toStream(
  lines: AsyncGenerator<string>,
  signal: AbortSignal,
  onLeave: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let isOver = false
  async function leave(): Promise<void> {
    isOver = true
    onLeave()
    while (!(await lines.next()).done);
  }
  return new ReadableStream({
    start(controller) {
      const giveUp = (): void => {
        if (isOver) return
        controller.error(new AnswerCutError())
        void leave()
      }
      signal.addEventListener('abort', () => setTimeout(giveUp, LAST_WORDS_MS), { once: true })
    },
    async pull(controller) {
      const { done, value } = await lines.next()
      if (isOver) return
      if (done) {
        isOver = true
        controller.close()
      } else controller.enqueue(encoder.encode(value))
    },
    cancel: leave,
  })
}

export class AnswerCutError extends BaseError {
  constructor() {
    super({
      code: 'request.cut',
      message: `Expected an answer within ${ANSWER_MS_MAX / 60_000} minutes and a caller who waits for it, but it was ended before it was whole. Nothing is charged; ask for fewer tokens, or stream.`,
      context: {},
    })
  }
}
