import { randomUUID } from 'node:crypto'
import type { Context } from 'hono'
import { z } from 'zod'
import type { AnswerEvent, Answering, Serving } from './Answering.ts'
import * as Completions from './Completions.ts'
import type { Paywall } from './Paywall.ts'
import { openAiErrorOf } from './Problems.ts'
import type { Routes } from './Routes.ts'

/** No answer takes longer; one that does is ended and charged for what was delivered. */
const ANSWER_MS_MAX = 10 * 60 * 1000

/** Adds the OpenAI-compatible routes that cost money. */
export function addCompletionRoutes(
  routes: Routes,
  deps: {
    readonly answering: Answering
    readonly paywall: Paywall
    readonly serving: Pick<Serving, 'tokenizer'>
    readonly nowMs: () => number
    readonly onError: (error: unknown) => void
  },
): void {
  const { answering, paywall, serving, nowMs, onError } = deps

  async function sell(
    context: Context,
    kind: Completions.Format['kind'],
    request: Completions.ChatRequest | Completions.CompletionRequest,
    read: (caller: string) => ReturnType<typeof Completions.fromChat>,
  ): Promise<Response> {
    const quote = await answering.quote(read('unknown'))
    const { payer, headers } = await paywall.admit({
      url: context.req.url,
      description: `${kind === 'chat' ? 'Chat' : 'Text'} completion by ${request.model}`,
      maxWei: quote.maxWei,
      authorization: context.req.header('authorization'),
      paymentSignature: context.req.header('payment-signature'),
    })
    const { prepared } = quote
    const paid = {
      ...quote,
      prepared: { ...prepared, request: { ...prepared.request, caller: payer.account } },
    }
    const format: Completions.Format = {
      kind,
      id: `${kind === 'chat' ? 'chatcmpl' : 'cmpl'}-${randomUUID()}`,
      model: request.model,
      created: Math.floor(nowMs() / 1000),
      hasLogprobs: request.logprobs != null && request.logprobs !== false,
      tokenText: (tokenId) => serving.tokenizer.decode([tokenId]),
    }
    const left = new AbortController()
    context.req.raw.signal.addEventListener('abort', () => left.abort(), { once: true })
    const signal = AbortSignal.any([left.signal, AbortSignal.timeout(ANSWER_MS_MAX)])
    const isStreamed = request.stream === true
    const events = answering.answer(paid, payer, { signal, isStreamed })
    if (!isStreamed) return context.json(await whole(format, events), 200, headers)
    // the first event is waited for, so that what cannot start is an error and not a broken stream
    const first = await events.next()
    const includesUsage = request.stream_options?.include_usage === true
    const stream = toStream(write(format, first, events, includesUsage, onError), () => left.abort())
    return new Response(stream, {
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
        ...headers,
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

async function whole(
  format: Completions.Format,
  events: AsyncGenerator<AnswerEvent>,
): Promise<Record<string, unknown>> {
  const deltas: Parameters<typeof Completions.toBody>[2][number][] = []
  for await (const event of events) {
    if (event.kind === 'done') return Completions.toBody(format, event.result, deltas, event.receipt)
    deltas.push(event.delta)
  }
  // the caller has left: nobody reads this
  return {}
}

/** Writes the events of a stream; iterated to its end even when nobody reads, because its end charges. */
async function* write(
  format: Completions.Format,
  first: IteratorResult<AnswerEvent>,
  events: AsyncGenerator<AnswerEvent>,
  includesUsage: boolean,
  onError: (error: unknown) => void,
): AsyncGenerator<string> {
  const line = (chunk: unknown): string => `data: ${JSON.stringify(chunk)}\n\n`
  const start = Completions.firstChunk(format)
  if (start !== undefined) yield line(start)
  try {
    for (let next = first; !next.done; next = await events.next()) {
      const event = next.value
      if (event.kind === 'delta') {
        if (event.delta.text !== '' || format.hasLogprobs)
          yield line(Completions.deltaChunk(format, event.delta))
        continue
      }
      yield line(Completions.lastChunk(format, event.result, event.receipt))
      if (includesUsage) yield line(Completions.usageChunk(format, event.result))
    }
  } catch (error) {
    onError(error)
    yield line(openAiErrorOf(error))
  }
  yield 'data: [DONE]\n\n'
}

/** Turns written events into a body; a reader who leaves ends the making of the answer, not its accounting. */
function toStream(lines: AsyncGenerator<string>, onLeave: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let hasLeft = false
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await lines.next()
      if (hasLeft) return
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      hasLeft = true
      onLeave()
      while (!(await lines.next()).done);
    },
  })
}
