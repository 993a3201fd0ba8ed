import { expect, test } from 'vitest'
import { listen } from './listen.ts'

test('ends with the last answer, not when its connection has been idle long enough', async () => {
  const last = Promise.withResolvers<void>()
  const body = new ReadableStream({
    async pull(controller) {
      controller.enqueue(new TextEncoder().encode('first '))
      await last.promise
      controller.enqueue(new TextEncoder().encode('last'))
      controller.close()
    },
  })
  const { port, close } = await listen(() => new Response(body), { host: '127.0.0.1', port: 0 })
  const response = await fetch(`http://127.0.0.1:${port}`)
  // the headers have promised to keep the connection
  expect(response.headers.get('connection')).toBe('keep-alive')
  const closed = close()
  last.resolve()
  expect(await response.text()).toBe('first last')
  await closed
}, 10_000)

test('keeps an idle connection longer than proxies and clients do', async () => {
  const { port, close } = await listen(() => new Response('here'), { host: '127.0.0.1', port: 0 })
  const response = await fetch(`http://127.0.0.1:${port}`)
  expect(Number(/timeout=(\d+)/.exec(response.headers.get('keep-alive') ?? '')?.[1])).toBeGreaterThan(60)
  await close()
})

test('says what to do about a port that is taken', async () => {
  const { port, close } = await listen(() => new Response(), { host: '127.0.0.1', port: 0 })
  await expect(listen(() => new Response(), { host: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'server.port_taken',
  })
  await close()
})
