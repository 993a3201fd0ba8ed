import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { followRun } from './TrainingEvents.ts'

type ModelFactory = Parameters<typeof followRun>[0]

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** The stream of a run that nothing changes in this process, as when another one trains it. */
async function follow(statusOf: () => string): Promise<Response> {
  const modelFactory = {
    watch: () => () => {},
    metrics: async () => [],
    run: async () => ({ status: statusOf() }),
  } as unknown as ModelFactory
  const app = new Hono().get('/', (context) =>
    streamSSE(context, (stream) => followRun(modelFactory, 'a', stream)),
  )
  return app.request('/')
}

test('a run that waits is not a silent connection', async () => {
  let status = 'queued'
  const response = await follow(() => status)
  const text = response.text()
  await vi.advanceTimersByTimeAsync(50_000)
  status = 'cancelled'
  await vi.advanceTimersByTimeAsync(5_000)
  const events = (await text).split('\n\n').slice(0, -1)
  expect(events[0]).toBe('event: run\ndata: {"status":"queued"}')
  expect(events.slice(1, -1)).toEqual([': still here', ': still here', ': still here'])
  expect(events.at(-1)).toBe('event: run\ndata: {"status":"cancelled"}')
})
