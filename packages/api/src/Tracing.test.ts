import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import type { AnswerEvent, Answering, Quote } from './completions/Answering.ts'
import { createTracing, traceparentOf } from './Tracing.ts'

const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
const unsampled = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00'

async function* answer(quote: Quote): AsyncGenerator<AnswerEvent> {
  yield { kind: 'delta', delta: { text: 'a', tokenId: 1, logprob: 0, top: [] } }
  if (quote.prepared.request.model === 'broken') throw new Error('it broke')
  const receipt = { inputTokens: 3, outputTokens: 1, sequence: 7 }
  yield { kind: 'done', receipt, result: {} } as unknown as AnswerEvent
}
const quoteOf = (model: string, traceparent?: string) =>
  ({ prepared: { request: { model, ...(traceparent === undefined ? {} : { traceparent }) } } }) as Quote

test('answers are spans of the trace that asked for them, sent to the collector', async () => {
  const received: string[] = []
  const collector = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    received.push(`${request.url} ${body}`)
    response.end('{}')
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  let nowMs = 1_000
  const tracing = createTracing({
    url: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    nowMs: () => (nowMs += 5),
    onError: (error) => expect.fail(error.message),
  })
  const traced = tracing.traced({ answer } as unknown as Answering)
  for (const [model, header] of [
    ['m', parent],
    ['broken', undefined],
    ['m', unsampled],
  ] as const) {
    try {
      for await (const _ of traced.answer(quoteOf(model, header), {} as never, {} as never));
    } catch {
      expect(model).toBe('broken')
    }
  }
  await tracing.close()
  collector.close()
  expect(received).toHaveLength(1)
  const [path, ...rest] = received[0]!.split(' ')
  expect(path).toBe('/v1/traces')
  const { resourceSpans } = JSON.parse(rest.join(' '))
  const { spans } = resourceSpans[0].scopeSpans[0]
  expect(spans).toHaveLength(2)
  expect(spans[0]).toMatchObject({
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    parentSpanId: '00f067aa0ba902b7',
    name: 'answer m',
    startTimeUnixNano: '1005000000',
    status: {},
  })
  expect(spans[0].attributes).toContainEqual({
    key: 'gen_ai.usage.input_tokens',
    value: { intValue: '3' },
  })
  expect(spans[0].events[0].name).toBe('gen_ai.first_token')
  expect(spans[1]).toMatchObject({ name: 'answer broken', status: { code: 2, message: 'it broke' } })
  expect(spans[1].parentSpanId).toBeUndefined()
})

test('a header that is none is not passed on', () => {
  expect(traceparentOf(parent)).toBe(parent)
  for (const wrong of [
    undefined,
    '',
    'x',
    parent.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
  ]) {
    expect(traceparentOf(wrong)).toBeUndefined()
  }
})
