import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { BaseError } from '@openledger/primitives'
import { afterEach, describe, expect, test } from 'vitest'
import type { AdapterReference } from '../adapters/AdapterCache.ts'
import { PinsFullError } from '../adapters/Pins.ts'
import { createGeneration } from '../engine/Generation.ts'
import { GREEDY } from '../engine/Sampler.ts'
import type { Prepared } from '../Prepared.ts'
import { createReplicaBackend } from './ReplicaBackend.ts'
import { createReplicaServer } from './ReplicaServer.ts'
import { type Backend, createRouter } from './Router.ts'

const secret = 'between us'
const baseHash = `0x${'11'.repeat(32)}` as const
const prepared = (model: string): Prepared => ({
  request: { model, caller: 'a', prompt: 'p' },
  model: { adapterCid: model, adapterHash: baseHash },
  promptIds: [1, 2],
  promptText: 'p',
  outputTokensMax: 4,
  sampling: GREEDY,
})

/** An engine that counts to three, waits for `go` before the last, and breaks where it is told to. */
function scripted(script: { breaksAt?: number; isHeld?: boolean } = {}) {
  const cancelled: string[] = []
  let go = (): void => {}
  const released = new Promise<void>((resolve) => {
    go = resolve
  })
  const generate: Backend['generate'] = (one, { signal } = {}) => {
    const feed = createGeneration(() => {})
    const { promptIds, promptText } = one
    signal?.addEventListener('abort', () => {
      cancelled.push(one.request.model)
      go()
    })
    void (async () => {
      const ids: number[] = []
      for (const id of [10, 11, 12]) {
        if (script.breaksAt === ids.length) {
          feed.fail(new BaseError({ code: 'engine.stopped', message: 'it broke', severity: 'retry' }))
          return
        }
        if (script.isHeld && id === 12) await released
        ids.push(id)
        feed.push({ text: `${id} `, tokenId: id, logprob: -1, top: [] })
        await new Promise((resolve) => setImmediate(resolve))
      }
      feed.finish({
        text: '10 11 12 ',
        answerIds: ids,
        promptIds,
        promptText,
        inputTokens: 2,
        outputTokens: 3,
        finishReason: 'stop',
      })
    })()
    return feed.generation
  }
  const kept: AdapterReference[] = []
  const keepFor = async (reference: AdapterReference): Promise<void> => {
    if (reference.cid === 'huge') throw new PinsFullError(100)
    kept.push(reference)
  }
  return { openLora: { generate, baseHash, keepFor }, cancelled, kept, go: () => go() }
}

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

/** Serves a replica over a real socket. */
async function serve(openLora: Parameters<typeof createReplicaServer>[0]) {
  const replica = createReplicaServer(openLora, { secret })
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const response = await replica.fetch(
      new Request(`http://replica${incoming.url}`, {
        method: incoming.method!,
        headers: incoming.headers as Record<string, string>,
        ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
      }),
    )
    outgoing.writeHead(response.status, Object.fromEntries(response.headers))
    const reader = response.body?.getReader()
    outgoing.on('close', () => void reader?.cancel().catch(() => {}))
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true }
      if (done) break
      outgoing.write(value)
    }
    outgoing.end()
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, replica, server, backend: createReplicaBackend({ url, secret, baseHash }) }
}

const read = async (generation: ReturnType<Backend['generate']>) => {
  let text = ''
  for await (const delta of generation) text += delta.text
  return { text, result: await generation.result }
}

describe('an engine of ours in another process', () => {
  test('keeps in memory what is kept here, as long as it is named', async () => {
    const there = scripted()
    const { backend, url } = await serve(there.openLora)
    const pinned = [
      { cid: 'huge', hash: baseHash },
      { cid: 'small', hash: baseHash },
    ]
    const failures: unknown[] = []
    const router = createRouter(
      [{ ...scripted().openLora, name: 'local', isHealthy: async () => true }, backend],
      {
        checkIntervalMs: 10,
        pinned: () => pinned,
        onKeepFailure: (...failure) => failures.push(failure),
      },
    )
    await expect.poll(() => there.kept.length).toBeGreaterThan(1)
    router.close()
    expect(there.kept.every(({ cid }) => cid === 'small')).toBe(true)
    expect(failures[0]).toEqual([url, expect.objectContaining({ code: 'openlora.pins_full' })])
    const stranger = createReplicaBackend({ url, secret: 'guessed', baseHash })
    await expect(stranger.keep!(pinned)).rejects.toMatchObject({ code: 'engine.replica_secret' })
  })

  test('answers as it does here, to whoever knows the secret and wants its base', async () => {
    const { backend, url } = await serve(scripted().openLora)
    const { text, result } = await read(backend.generate(prepared('m')))
    expect(text).toBe('10 11 12 ')
    expect(result).toMatchObject({ answerIds: [10, 11, 12], outputTokens: 3, finishReason: 'stop' })
    expect(await backend.isHealthy()).toBe(true)
    const other = createReplicaBackend({ url, secret, baseHash: `0x${'22'.repeat(32)}` })
    expect(await other.isHealthy()).toBe(false)
    const stranger = createReplicaBackend({ url, secret: 'guessed', baseHash })
    await expect(read(stranger.generate(prepared('m')))).rejects.toMatchObject({
      code: 'engine.replica_secret',
    })
  })

  test('frees its row when the caller leaves here, and says what was delivered', async () => {
    const { openLora, cancelled } = scripted({ isHeld: true })
    const { backend } = await serve(openLora)
    const left = new AbortController()
    const generation = backend.generate(prepared('m'), { signal: left.signal })
    const texts: string[] = []
    for await (const delta of generation) {
      texts.push(delta.text)
      if (texts.length === 2) left.abort()
    }
    expect(await generation.result).toMatchObject({ answerIds: [10, 11], finishReason: 'cancelled' })
    await expect.poll(() => cancelled).toEqual(['m'])
  })

  test('is drained: finishes what it has while the router goes to another', async () => {
    const first = scripted({ isHeld: true })
    const one = await serve(first.openLora)
    const two = await serve(scripted().openLora)
    const names = [one.backend, two.backend]
    const router = createRouter(names)
    // a model whose place is the first replica
    let model = 0
    for (; ; model++) {
      const generation = router.generate({
        ...prepared(`m${model}`),
        model: { adapterCid: 'x', adapterHash: `0x${String(model).padStart(64, '0')}` },
      })
      const asked = router.state().find(({ name }) => name === one.url)!.running
      if (asked > 0) {
        const drained = one.replica.drain()
        const later = await Promise.all(
          Array.from({ length: 4 }, (_, i) => read(router.generate(prepared(`later${i}`)))),
        )
        expect(later.map(({ text }) => text)).toEqual(Array(4).fill('10 11 12 '))
        first.go()
        await drained
        expect((await read(generation)).text).toBe('10 11 12 ')
        break
      }
      await read(generation)
    }
    expect(await one.backend.isHealthy()).toBe(false)
    router.close()
  })

  test('that breaks before its first token is replaced, after it is not: no token is charged twice', async () => {
    const good = await serve(scripted().openLora)
    for (const breaksAt of [0, 2]) {
      const bad = await serve(scripted({ breaksAt }).openLora)
      let charged = 0
      const outcomes: string[] = []
      const router = createRouter([bad.backend, good.backend], { loadFactor: 100 })
      for (let i = 0; i < 8; i++) {
        const generation = router.generate({
          ...prepared(`m${i}`),
          model: { adapterCid: 'x', adapterHash: `0x${String(i).padStart(64, '7')}` },
        })
        let tokens = 0
        try {
          for await (const _ of generation) tokens++
          outcomes.push('whole')
        } catch {
          outcomes.push('broken')
        }
        charged += tokens
      }
      // broken ones gave out two tokens and no more; all others exactly three
      const broken = outcomes.filter((outcome) => outcome === 'broken').length
      expect(charged).toBe(3 * (8 - broken) + 2 * broken)
      expect(broken).toBe(breaksAt === 0 ? 0 : router.state()[0]!.requests)
      router.close()
    }
  })

  test('that dies in the middle fails its answer, and one that is silent is given up', async () => {
    const held = scripted({ isHeld: true })
    const { backend, server } = await serve(held.openLora)
    const generation = backend.generate(prepared('m'))
    const broken = expect(read(generation)).rejects.toMatchObject({ code: 'engine.backend_unreachable' })
    await new Promise((resolve) => setTimeout(resolve, 100))
    server.closeAllConnections()
    await broken
    const { url } = await serve(scripted({ isHeld: true }).openLora)
    const impatient = createReplicaBackend({ url, secret, baseHash, silenceMsMax: 300 })
    await expect(read(impatient.generate(prepared('n')))).rejects.toMatchObject({
      code: 'engine.backend_unreachable',
    })
    held.go()
  })
})
