import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BaseError } from '@openledger/primitives'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createDatabase, type Database } from './Database.ts'
import { createJobs, type Jobs } from './Jobs.ts'

let database: Database
let jobs: Jobs
const onError = vi.fn()
beforeEach(async () => {
  onError.mockClear()
  database = await createDatabase({ memory: true })
  jobs = await createJobs(database, { onError })
})
afterEach(async () => {
  await jobs.stop()
  await database.close()
})

test('a job reaches its handler with its payload, soon', async () => {
  const handler = vi.fn(async () => {})
  await jobs.work('greet', handler)
  const start = performance.now()
  await jobs.enqueue('greet', { name: 'Ada' })
  await vi.waitFor(() => expect(handler).toHaveBeenCalled(), { timeout: 10_000, interval: 5 })
  expect(handler).toHaveBeenCalledWith({ name: 'Ada' }, { signal: expect.any(AbortSignal) })
  expect(performance.now() - start).toBeLessThan(2_000)
})

test('jobs queued before anyone works are not lost', async () => {
  await jobs.enqueue('later', { n: 1 })
  const handler = vi.fn(async () => {})
  await jobs.work('later', handler)
  await vi.waitFor(() => expect(handler).toHaveBeenCalledOnce(), { timeout: 10_000 })
})

test('a handler that throws is called again; one that throws something final is not', async () => {
  const flaky = vi.fn(async () => {
    if (flaky.mock.calls.length < 3) throw new Error('not yet')
  })
  const hopeless = vi.fn(async () => {
    throw new BaseError({ code: 'test.final', message: 'never' })
  })
  await jobs.work('flaky', flaky)
  await jobs.work('hopeless', hopeless)
  await jobs.enqueue('hopeless', {})
  await jobs.enqueue('flaky', {})
  await vi.waitFor(() => expect(flaky).toHaveBeenCalledTimes(3), { timeout: 20_000 })
  expect(hopeless).toHaveBeenCalledOnce()
  expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: 'test.final' }), { queue: 'hopeless' })
})

test('of jobs with one key, one runs and one waits', async () => {
  let release = () => {}
  const handler = vi.fn(() => new Promise<void>((resolve) => (release = resolve)))
  await jobs.work('keyed', handler, { concurrency: 3 })
  await jobs.enqueue('keyed', {}, { singletonKey: 'a' })
  await vi.waitFor(() => expect(handler).toHaveBeenCalledOnce(), { timeout: 10_000 })
  for (let i = 0; i < 5; i++) await jobs.enqueue('keyed', {}, { singletonKey: 'a' })
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect(handler).toHaveBeenCalledOnce()
  release()
  await vi.waitFor(() => expect(handler).toHaveBeenCalledTimes(2), { timeout: 10_000 })
  release()
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect(handler).toHaveBeenCalledTimes(2)
})

test('stopping aborts what runs, and the next start takes it up', async () => {
  const first = vi.fn(
    (_: object, { signal }: { signal: AbortSignal }) =>
      new Promise<void>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  await jobs.work('long', first)
  await jobs.enqueue('long', { n: 7 })
  await vi.waitFor(() => expect(first).toHaveBeenCalledOnce(), { timeout: 10_000 })
  await jobs.stop()
  jobs = await createJobs(database)
  const second = vi.fn(async () => {})
  await jobs.work('long', second)
  await vi.waitFor(() => expect(second).toHaveBeenCalledOnce(), { timeout: 10_000 })
  expect(second).toHaveBeenCalledWith({ n: 7 }, expect.anything())
})

test('a job whose process was killed with kill -9 is taken up by the next', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'openledger-jobs-'))
  try {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../test/writer.ts'), 'job', directory])
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')

    const reopened = await createDatabase({ directory })
    const next = await createJobs(reopened)
    const handler = vi.fn(async () => {})
    await next.work('forever', handler)
    await vi.waitFor(() => expect(handler).toHaveBeenCalledOnce(), { timeout: 10_000 })
    expect(handler).toHaveBeenCalledWith({ greeting: 'still here' }, expect.anything())
    await next.stop()
    await reopened.close()
  } finally {
    await rm(directory, { recursive: true })
  }
})
