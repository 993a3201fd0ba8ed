import { BaseError } from '@openledger/primitives'
import { expect, test } from 'vitest'
import { createGeneration } from '../engine/Generation.ts'
import { GREEDY } from '../engine/Sampler.ts'
import type { Prepared } from '../Prepared.ts'
import { type Backend, createRouter } from './Router.ts'

const prepared = (key: string): Prepared => ({
  request: { model: key, caller: 'a', prompt: 'p' },
  model: { adapterCid: key, adapterHash: `0x${key}` },
  promptIds: [1, 2],
  promptText: 'p',
  outputTokensMax: 4,
  sampling: GREEDY,
})

type Script = { failsAfter?: number; severity?: 'retry' | 'fatal'; isHeld?: boolean; isDown?: boolean }

/** A backend that says its name letter by letter, or breaks on the way. */
function createScripted(name: string, script: Script = {}) {
  const asked: string[] = []
  const held: (() => void)[] = []
  const backend: Backend = {
    name,
    isHealthy: async () => script.isDown !== true,
    generate({ request, promptIds, promptText }) {
      asked.push(request.model)
      const feed = createGeneration(() => {})
      const say = (): void => {
        for (let i = 0; i < name.length; i++) {
          if (i === script.failsAfter) {
            const severity = script.severity ?? 'retry'
            feed.fail(new BaseError({ code: 'engine.stopped', message: 'broke', severity }))
            return
          }
          feed.push({ text: name[i]!, tokenId: i, logprob: 0, top: [] })
        }
        feed.finish({
          text: name,
          answerIds: [...name].map((_, i) => i),
          promptIds,
          promptText,
          inputTokens: 2,
          outputTokens: name.length,
          finishReason: 'stop',
        })
      }
      if (script.isHeld) held.push(say)
      else setImmediate(say)
      return feed.generation
    },
  }
  return {
    backend,
    asked,
    release: () => {
      for (const say of held.splice(0)) say()
    },
  }
}

const keys = Array.from({ length: 300 }, (_, i) => i.toString(16).padStart(8, '0'))
const read = async (generation: ReturnType<Backend['generate']>) => {
  let text = ''
  for await (const delta of generation) text += delta.text
  return { text, result: await generation.result }
}

test('sends an adapter to the same backend each time, and moves only those of a backend that went', async () => {
  const all = ['a1', 'b2', 'c3', 'd4'].map((name) => createScripted(name))
  const router = createRouter(all.map(({ backend }) => backend))
  const homeOf = async (key: string) => (await read(router.generate(prepared(key)))).text
  const homes = new Map<string, string>()
  for (const key of keys) homes.set(key, await homeOf(key))
  for (const key of keys) expect(await homeOf(key)).toBe(homes.get(key))
  for (const { asked } of all) expect(asked.length / (2 * keys.length)).toBeGreaterThan(0.15)
  await router.drain('b2')
  for (const key of keys) {
    const home = await homeOf(key)
    if (homes.get(key) === 'b2') expect(home).not.toBe('b2')
    else expect(home).toBe(homes.get(key))
  }
  router.resume('b2')
  for (const key of keys) expect(await homeOf(key)).toBe(homes.get(key))
  router.close()
})

test('gives no backend more than its share when everybody asks for one adapter', async () => {
  const all = ['a', 'b', 'c', 'd'].map((name) => createScripted(name, { isHeld: true }))
  const router = createRouter(all.map(({ backend }) => backend))
  const answers = Array.from({ length: 40 }, () => read(router.generate(prepared('hot'))))
  const loads = router.state().map(({ running }) => running)
  expect(loads.reduce((sum, load) => sum + load)).toBe(40)
  expect(Math.max(...loads)).toBeLessThanOrEqual(Math.ceil((1.25 * 40) / 4))
  for (const { release } of all) release()
  await Promise.all(answers)
  expect(router.state().every(({ running }) => running === 0)).toBe(true)
  router.close()
})

test('tries another backend before the first token, and none after it: tokens are charged once', async () => {
  const down = createScripted('down', { failsAfter: 0 })
  const up = createScripted('up')
  const router = createRouter([down.backend, up.backend])
  for (const key of keys.slice(0, 20)) {
    const { text, result } = await read(router.generate(prepared(key)))
    expect([text, result.outputTokens]).toEqual(['up', 2])
  }
  // the first failure took it out of use
  expect(down.asked.length).toBe(1)
  const breaking = createScripted('breaking', { failsAfter: 3 })
  const spare = createScripted('spare')
  const broken = createRouter([breaking.backend, spare.backend])
  for (const key of keys.slice(0, 40)) {
    const before = spare.asked.length
    const generation = broken.generate(prepared(key))
    let text = ''
    await (async () => {
      for await (const delta of generation) text += delta.text
    })().catch(() => {})
    if (text === 'bre') expect(spare.asked.length).toBe(before)
    else expect(text).toBe('spare')
  }
  router.close()
  broken.close()
})

test('does not try again what the request is to blame for, and says when nobody is up', async () => {
  const strict = createScripted('strict', { failsAfter: 0, severity: 'fatal' })
  const other = createScripted('strict too', { failsAfter: 0, severity: 'fatal' })
  const router = createRouter([strict.backend, other.backend])
  await expect(read(router.generate(prepared('x')))).rejects.toThrow('broke')
  expect(strict.asked.length + other.asked.length).toBe(1)
  router.close()
  const dead = createScripted('dead', { failsAfter: 0 })
  const alone = createRouter([dead.backend])
  await expect(read(alone.generate(prepared('x')))).rejects.toThrow('broke')
  await expect(read(alone.generate(prepared('x')))).rejects.toMatchObject({ code: 'engine.no_backend' })
  alone.close()
})

test('takes a backend back when it is healthy again', async () => {
  const script: Script = { failsAfter: 0 }
  const one = createScripted('one', script)
  const router = createRouter([one.backend], { checkIntervalMs: 5 })
  await expect(read(router.generate(prepared('x')))).rejects.toThrow()
  delete script.failsAfter
  await expect.poll(() => router.state()[0]!.isUp).toBe(true)
  expect((await read(router.generate(prepared('x')))).text).toBe('one')
  router.close()
})
