import { describe, expect, test } from 'vitest'
import { createWorkerHost } from './WorkerHost.ts'
import type { Methods } from './WorkerLink.ts'

type Remote = { readonly [name: string]: { readonly in: unknown; readonly out: unknown } } & {
  readonly double: { readonly in: number; readonly out: number }
}

/** A worker that doubles numbers, asks its host for a blob first, and dies of 13. */
const source = `
import { parentPort } from 'node:worker_threads'
parentPort.on('message', ({ kind, id, argument, result, error }) => {
  if (argument === 13) process.exit(3)
  if (argument === -1)
    parentPort.postMessage({ kind: 'error', id, error: { code: 'a.b', message: 'no', context: { at: 1 }, severity: 'retry' } })
  else if (kind === 'call') parentPort.postMessage({ kind: 'result', id, result: 2 * argument })
})
parentPort.postMessage({ kind: 'send', method: 'ready', argument: 'hello' })
`

function start(code: string) {
  const deaths: Error[] = []
  const host = createWorkerHost<Methods, Remote, string>({
    file: new URL(`data:text/javascript,${encodeURIComponent(code)}`),
    data: undefined,
    handlers: {},
    logger: { info: () => {}, error: () => {} },
    onDeath: (error) => deaths.push(error),
  })
  return { host, deaths }
}

describe('createWorkerHost', () => {
  test('calls a thread and passes its errors on', async () => {
    const { host } = start(source)
    const { link, ready } = await host.live()
    expect(ready).toBe('hello')
    expect(await Promise.all([link.call('double', 2), link.call('double', 3)])).toEqual([4, 6])
    await expect(link.call('double', -1)).rejects.toMatchObject({
      code: 'a.b',
      context: { at: 1 },
      severity: 'retry',
    })
    await host.close()
    await expect(host.live()).rejects.toMatchObject({ code: 'engine.stopped' })
  })

  test('fails what waits on a thread that dies, and starts another', async () => {
    const { host, deaths } = start(source)
    const { link } = await host.live()
    const stopped = { code: 'engine.stopped', severity: 'retry', context: { exitCode: 3 } }
    await expect(link.call('double', 13)).rejects.toMatchObject(stopped)
    expect(deaths).toEqual([expect.objectContaining(stopped)])
    await expect(link.call('double', 1)).rejects.toMatchObject(stopped)
    const next = await host.live()
    expect(await next.link.call('double', 5)).toBe(10)
    await host.close()
    expect(deaths).toHaveLength(1)
  })

  test('says why a thread did not start', async () => {
    const { host } = start('process.exit(7)')
    await expect(host.live()).rejects.toMatchObject({ context: { exitCode: 7 } })
    await host.close()
  })
})
