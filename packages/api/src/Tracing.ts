import { randomBytes } from 'node:crypto'
import type { AnswerEvent, Answering } from './completions/Answering.ts'

export type Tracing = {
  /** Tells of each answer as a span: how long, how many tokens, when the first came. */
  readonly traced: (answering: Answering) => Answering
  /** Sends what is left. */
  readonly close: () => Promise<void>
}

const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})/
/** Spans that wait to be sent; more are dropped rather than kept from answers. */
const SPANS_MAX = 2_048
const SEND_INTERVAL_MS = 2_000
const SEND_MS_MAX = 5_000

/** Gives a request's `traceparent` as it is passed on; undefined where it is none. */
export const traceparentOf = (header: string | undefined): string | undefined =>
  header !== undefined && TRACEPARENT.test(header) ? header.slice(0, 55) : undefined

type Attribute = { readonly key: string; readonly value: Record<string, unknown> }

const text = (key: string, value: string): Attribute => ({ key, value: { stringValue: value } })
const whole = (key: string, value: number): Attribute => ({ key, value: { intValue: String(value) } })
const nanos = (ms: number): string => `${BigInt(Math.round(ms * 1e3)) * 1_000n}`

/**
 * Creates the tracing of one server.
 *
 * @param url - Collector that takes OTLP over HTTP in JSON at `/v1/traces`; undefined keeps it off.
 * @see W3C Trace Context, "traceparent header"; OpenTelemetry, "OTLP/HTTP" and "Semantic conventions for generative client AI spans".
 */
export function createTracing(options: {
  readonly url: string | undefined
  readonly nowMs: () => number
  readonly onError: (error: Error) => void
}): Tracing {
  const { url, nowMs, onError } = options
  if (url === undefined) return { traced: (answering) => answering, close: async () => {} }
  let spans: Record<string, unknown>[] = []

  async function send(): Promise<void> {
    if (spans.length === 0) return
    const sent = spans
    spans = []
    const resource = { attributes: [text('service.name', 'openledger')] }
    const scopeSpans = [{ scope: { name: 'openledger' }, spans: sent }]
    try {
      const response = await fetch(`${url}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ resourceSpans: [{ resource, scopeSpans }] }),
        signal: AbortSignal.timeout(SEND_MS_MAX),
      })
      if (!response.ok) throw new Error(`the collector answered ${response.status}`)
    } catch (error) {
      onError(error as Error)
    }
  }
  const sending = setInterval(() => void send(), SEND_INTERVAL_MS)
  sending.unref()

  async function* tracedAnswer(
    events: AsyncGenerator<AnswerEvent>,
    traceparent: string | undefined,
    model: string,
  ): AsyncGenerator<AnswerEvent> {
    // whoever asked is the parent
    const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? []
    const isSampled = flags === undefined || (Number.parseInt(flags, 16) & 1) === 1
    const startMs = nowMs()
    let firstMs: number | undefined
    let done: (AnswerEvent & { kind: 'done' }) | undefined
    let failure: Error | undefined
    try {
      for await (const event of events) {
        firstMs ??= nowMs()
        if (event.kind === 'done') done = event
        yield event
      }
    } catch (error) {
      failure = error as Error
      throw error
    } finally {
      if (spans.length < SPANS_MAX && isSampled) {
        spans.push({
          traceId: traceId ?? randomBytes(16).toString('hex'),
          spanId: randomBytes(8).toString('hex'),
          ...(spanId === undefined ? {} : { parentSpanId: spanId }),
          name: `answer ${model}`,
          kind: 2,
          startTimeUnixNano: nanos(startMs),
          endTimeUnixNano: nanos(nowMs()),
          attributes: [
            text('gen_ai.operation.name', 'chat'),
            text('gen_ai.request.model', model),
            ...(done === undefined
              ? []
              : [
                  whole('gen_ai.usage.input_tokens', done.receipt.inputTokens),
                  whole('gen_ai.usage.output_tokens', done.receipt.outputTokens),
                  whole('openledger.receipt.sequence', done.receipt.sequence),
                ]),
          ],
          events:
            firstMs === undefined
              ? []
              : [{ name: 'gen_ai.first_token', timeUnixNano: nanos(firstMs), attributes: [] }],
          status: failure === undefined ? {} : { code: 2, message: failure.message.slice(0, 200) },
        })
      }
    }
  }

  return {
    traced: (answering) => ({
      ...answering,
      answer(quote, payer, options) {
        const { model, traceparent } = quote.prepared.request
        return tracedAnswer(answering.answer(quote, payer, options), traceparent, model)
      },
    }),
    async close() {
      clearInterval(sending)
      await send()
    },
  }
}
