import { createRandom } from '@openledger/model'
import * as Adapter from '@openledger/model/checkpoint/Adapter'
import { fromWeights } from '@openledger/model/checkpoint/Checkpoint'
import { loraTargets } from '@openledger/model/checkpoint/Config'
import { createDecoder, type Decoder } from '@openledger/model/decoder/Decoder'
import { BaseError, type Hex } from '@openledger/primitives'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noise, noiseWeights, tinyConfig } from '../../test/tinyModel.ts'
import { createAdapterCache } from '../adapters/AdapterCache.ts'
import { createMergingSource } from '../adapters/AdapterLease.ts'
import { referenceOf } from '../adapters/MergedAdapter.ts'
import { share, view } from '../adapters/SharedAdapter.ts'
import { createEngine, type EngineLimits } from './Engine.ts'
import type { EngineEvent, EngineRequest } from './EngineRequest.ts'
import { GREEDY } from './Sampler.ts'

const config = tinyConfig
const weights = noiseWeights(config)
const adapters = new Map<string, Adapter.Adapter>(
  Array.from({ length: 9 }, (_, i) => {
    const empty = Adapter.create(config, {
      rank: [4, 8, 2][i % 3]!,
      alpha: 16,
      targets: loraTargets,
      seed: i,
    })
    const tensors = new Map(
      [...empty.tensors].map(([name, { a, b }], j) => [name, { a, b: noise(100 * i + j, b.length, 0.3) }]),
    )
    return [`cid${i}`, Adapter.from({ ...empty, tensors })]
  }),
)
const reference = (cid: string) => ({ cid, hash: adapters.get(cid)!.hash })
/** Tokens 0 to 63 as characters from `@` on, so that text and tokens are one to one. */
const tokenizer = {
  decode: (ids: readonly number[]) => String.fromCharCode(...ids.map((id) => 64 + id)),
  encode: (text: string) => [...text].map((character) => character.charCodeAt(0) - 64),
  bytes: (id: number) => Uint8Array.of(64 + id),
  eosId: config.eosId,
}
const limits: EngineLimits = {
  waitingMax: 50,
  waitingPerCallerMax: 50,
  prefillTokensPerStepMax: 64,
  prefixBytesMax: 1e6,
  guessedStepTokensMax: 16,
  parkedBytesMax: 1e6,
}

let nextId = 0
const request = (changes: Partial<EngineRequest>): EngineRequest => ({
  id: nextId++,
  caller: 'someone',
  promptIds: [5, 9, 13],
  adapter: undefined,
  outputTokensMax: 12,
  stop: [],
  sampling: GREEDY,
  topLogprobs: 0,
  ...changes,
})

type Load = (cid: string) => Promise<Adapter.Adapter>
const load: Load = async (cid) => {
  const adapter = adapters.get(cid)
  if (adapter === undefined) throw new BaseError({ code: 'blob.not_found', message: `no ${cid}` })
  return adapter
}

type StartOptions = { load?: Load; limits?: EngineLimits; bytesMax?: number; nowMs?: () => number }

function start(decoder: Decoder, options: StartOptions = {}) {
  const cache = createAdapterCache(
    async ({ cid }) => share(await (options.load ?? load)(cid)),
    options.bytesMax ?? 1e9,
  )
  const events: EngineEvent[] = []
  const waiting = new Map<number, (event: EngineEvent) => void>()
  let watch: (event: EngineEvent) => void = () => {}
  const engine = createEngine(
    {
      decoder,
      tokenizer,
      adapters: createMergingSource({
        acquire: async (one) => view(await cache.acquire(one)),
        release: cache.release,
      }),
      clock: { nowMs: options.nowMs ?? (() => 0) },
      emit: (happened) => {
        for (const event of happened) {
          events.push(event)
          watch(event)
          if (event.kind !== 'token') waiting.get(event.id)?.(event)
        }
      },
    },
    options.limits ?? limits,
  )
  const submit = (one: EngineRequest): Promise<EngineEvent> =>
    new Promise((resolve) => {
      waiting.set(one.id, resolve)
      engine.submit(one)
    })
  return {
    engine,
    cache,
    events,
    submit,
    onEvent: (listener: typeof watch) => {
      watch = listener
    },
  }
}

/** An answer without the proof of its activations, which neighbours round otherwise. */
const answered = (event: EngineEvent): object => ({ ...event, decoding: undefined })

const answerOf = (event: EngineEvent): readonly number[] =>
  event.kind === 'finished' ? event.answerIds : expect.fail(JSON.stringify(event))

describe('createEngine', () => {
  let decoder: Decoder
  beforeAll(async () => {
    decoder = await createDecoder(fromWeights(config, weights), { rows: 4, context: 96, rankMax: 8 })
  })
  afterAll(() => decoder.release())

  test('answers many callers with different adapters exactly as each alone, under joins, leaves and evictions', async () => {
    const random = createRandom(4).next
    const requests = Array.from({ length: 40 }, (_, i) =>
      request({
        caller: `caller${i % 5}`,
        promptIds: Array.from({ length: 1 + Math.floor(random() * 40) }, () => Math.floor(random() * 63) + 1),
        adapter: i % 10 === 9 ? undefined : reference(`cid${i % 9}`),
        outputTokensMax: 1 + Math.floor(random() * 30),
      }),
    )
    const alone = start(decoder)
    const expected: EngineEvent[] = []
    for (const one of requests) expected.push(await alone.submit(one))
    // room for two adapters only, so that every other one must be loaded again
    const together = start(decoder, { bytesMax: 30_000 })
    const got = await Promise.all(requests.map(together.submit))
    expect(got.map(answered)).toEqual(expected.map(answered))
    expect(new Set(got.map((event) => String(answerOf(event)))).size).toBeGreaterThan(20)
    const { finished, failed, outputTokens } = together.engine.metrics()
    expect({ finished, failed }).toEqual({ finished: 40, failed: 0 })
    expect(outputTokens).toBe(got.reduce((sum, event) => sum + answerOf(event).length, 0))
    expect(together.cache.state().evictions).toBeGreaterThan(0)
  })

  test('answers with several adapters in a row as a base does whose weights have their weighted sum', async () => {
    const merges = [
      { cid0: 700_000, cid2: -400_000 },
      { cid3: 1_000_000, cid6: 250_000 },
      { cid1: 500_000 },
    ].map((weightsOf) =>
      Object.entries(weightsOf).map(([cid, weightPpm]) => ({ ...reference(cid), weightPpm })),
    )
    const requests = merges.map((parts, i) =>
      request({
        adapter: referenceOf(parts),
        promptIds: [4 + i, 11, 23],
        outputTokensMax: 24,
        topLogprobs: 1,
      }),
    )
    const { submit, cache, engine, events } = start(decoder)
    const others = [request({ adapter: reference('cid0') }), request({})]
    const [got] = await Promise.all([Promise.all(requests.map(submit)), Promise.all(others.map(submit))])
    expect(cache.state().entryCount).toBe(5)
    const logprobs = (all: readonly EngineEvent[], id: number): number[] =>
      all.flatMap((event) => (event.kind === 'token' && event.id === id ? [event.delta.logprob] : []))
    for (const [i, parts] of merges.entries()) {
      const summed = parts.reduce<ReadonlyMap<string, Float32Array>>((sum, { cid, weightPpm }) => {
        const adapter = adapters.get(cid)!
        return Adapter.merge(sum, { ...adapter, alpha: (adapter.alpha * weightPpm) / 1e6 })
      }, weights)
      const dense = await createDecoder(fromWeights(config, new Map(summed)), {
        rows: 1,
        context: 96,
        rankMax: 0,
      })
      const oracle = start(dense)
      const { adapter: _, ...rest } = requests[i]!
      const expected = await oracle.submit({ ...rest, adapter: undefined })
      expect(answerOf(got[i]!)).toEqual(answerOf(expected))
      const [found, wanted] = [logprobs(events, rest.id), logprobs(oracle.events, rest.id)]
      expect(Math.max(...found.map((nats, at) => Math.abs(nats - wanted[at]!)))).toBeLessThan(1e-4)
      await dense.release()
    }
    // ranks 4 and 8 do not fit into 8 together
    const wide = ['cid0', 'cid1'].map((cid) => ({ ...reference(cid), weightPpm: 1_000_000 }))
    expect(await submit(request({ adapter: referenceOf(wide) }))).toMatchObject({
      kind: 'failed',
      error: { code: 'model.adapter_rank' },
    })
    const missing = [wide[0]!, { cid: 'nobody', hash: wide[0]!.hash, weightPpm: 1 }]
    expect(await submit(request({ adapter: referenceOf(missing) }))).toMatchObject({
      kind: 'failed',
      error: { code: 'blob.not_found' },
    })
    expect(engine.metrics()).toMatchObject({ running: 0, waiting: 0, failed: 2 })
  })

  test('parks an answer for a more urgent one and finishes it as if nothing had been', async () => {
    const slow = Array.from({ length: 4 }, (_, i) =>
      request({ outputTokensMax: 40, promptIds: [3 + i, 7], adapter: reference(`cid${i}`), priority: 5 }),
    )
    const alone = start(decoder)
    const expected: EngineEvent[] = []
    for (const one of slow) expected.push(await alone.submit(one))
    const { engine, submit, onEvent } = start(decoder)
    const order: number[] = []
    const urgent = request({ outputTokensMax: 8, caller: 'urgent' })
    let isAsked = false
    const asked = new Promise<EngineEvent>((resolve) => {
      onEvent((event) => {
        if (event.kind === 'finished') order.push(event.id)
        if (event.kind !== 'token' || engine.metrics().outputTokens > 0 || isAsked) return
        if (event.id !== slow[3]!.id || ++seen < 10) return
        isAsked = true
        void submit(urgent).then(resolve)
      })
    })
    let seen = 0
    const got = await Promise.all(slow.map(submit))
    await asked
    expect(got.map(answered)).toEqual(expected.map(answered))
    expect(order[0]).toBe(urgent.id)
    expect(engine.metrics()).toMatchObject({ parkings: 1, parked: 0, waiting: 0, running: 0 })
  })

  test('shares the rows with who comes later, though all were taken for long answers', async () => {
    const { engine, submit, onEvent } = start(decoder)
    const finished: string[] = []
    onEvent((event) => {
      if (event.kind === 'finished') finished.push(event.id === late.id ? 'late' : 'early')
    })
    const late = request({ caller: 'late', outputTokensMax: 5 })
    const early = Array.from({ length: 8 }, () => submit(request({ outputTokensMax: 60, stop: ['never'] })))
    await Promise.all([...early, submit(late)])
    expect(finished[0]).toBe('late')
    expect(engine.metrics()).toMatchObject({ running: 0, waiting: 0, parked: 0, failed: 0 })
  })

  test('frees the memory of a parked answer whose caller leaves', async () => {
    const { engine, submit, onEvent } = start(decoder)
    const slow = Array.from({ length: 4 }, () => request({ outputTokensMax: 60, priority: 5 }))
    let tokens = 0
    let urgent: Promise<EngineEvent> | undefined
    onEvent((event) => {
      if (event.kind !== 'token') return
      if (++tokens === 24) urgent = submit(request({ outputTokensMax: 30, priority: 0 }))
      if (engine.metrics().parked === 1) for (const { id } of slow) engine.cancel(id)
    })
    const got = await Promise.all(slow.map(submit))
    for (const event of got) expect(event).toMatchObject({ kind: 'finished', finishReason: 'cancelled' })
    expect(engine.metrics()).toMatchObject({ parked: 0, cancelled: 4, parkings: 1 })
    await urgent
  })

  test('ends an answer at its deadline with what there is, and fails one that could not begin', async () => {
    let nowMs = 0
    const { submit, onEvent } = start(decoder, { nowMs: () => nowMs })
    onEvent((event) => {
      if (event.kind === 'token') nowMs += 5
    })
    const long = Array.from({ length: 4 }, () => request({ outputTokensMax: 60, withinMs: 200 }))
    const waiting = request({ outputTokensMax: 60, withinMs: 100, priority: 1 })
    const events = await Promise.all([...long, waiting].map(submit))
    const [failed, ...ended] = [events.pop(), ...events]
    for (const event of ended) {
      expect(event).toMatchObject({ kind: 'finished', finishReason: 'length' })
      expect(answerOf(event!).length).toBeLessThan(60)
      expect(answerOf(event!).length).toBeGreaterThan(0)
    }
    expect(failed).toMatchObject({ kind: 'failed', error: { code: 'openlora.deadline' } })
  })

  test('goes on with those who wait when all who decode end in the same step', async () => {
    const { submit } = start(decoder)
    const events = await Promise.all(
      Array.from({ length: 10 }, () => submit(request({ outputTokensMax: 3 }))),
    )
    expect(events.map((event) => answerOf(event).length)).toEqual(new Array(10).fill(3))
  })

  test('streams deltas that join to the text, with log-probabilities', async () => {
    const { submit, events } = start(decoder)
    const finished = await submit(request({ topLogprobs: 3, adapter: reference('cid1') }))
    const deltas = events.flatMap((event) => (event.kind === 'token' ? [event.delta] : []))
    if (finished.kind !== 'finished') expect.fail()
    expect(deltas.map(({ text }) => text).join('')).toBe(finished.text)
    expect(deltas.map(({ tokenId }) => tokenId)).toEqual(finished.answerIds)
    for (const { top, logprob, tokenId } of deltas) {
      expect(top).toHaveLength(3)
      expect(top[0]).toEqual({ tokenId, logprob })
      expect(logprob).toBeLessThanOrEqual(0)
    }
  })

  test('ends before a stop string and keeps only the tokens of the text', async () => {
    const { submit } = start(decoder)
    const whole = await submit(request({ adapter: reference('cid2'), outputTokensMax: 10 }))
    if (whole.kind !== 'finished') expect.fail()
    const stop = whole.text.slice(4, 7)
    const at = whole.text.indexOf(stop)
    const cut = await submit(request({ adapter: reference('cid2'), outputTokensMax: 10, stop: [stop] }))
    expect(cut).toMatchObject({
      finishReason: 'stop',
      text: whole.text.slice(0, at),
      answerIds: whole.answerIds.slice(0, at),
    })
  })

  test('repeats a sampled answer for a seed, whatever else is in the batch', async () => {
    const { submit } = start(decoder)
    const sampling = { ...GREEDY, temperature: 1, topP: 0.9, seed: 42 }
    const one = answerOf(await submit(request({ sampling })))
    const [again] = await Promise.all([
      submit(request({ sampling })),
      submit(request({ sampling: { ...sampling, seed: 43 }, adapter: reference('cid3') })),
    ])
    expect(answerOf(again!)).toEqual(one)
  })

  test('frees the row of a caller who leaves at once, and says what was delivered', async () => {
    const { submit, engine, onEvent } = start(decoder)
    const one = request({ outputTokensMax: 60, sampling: { ...GREEDY, temperature: 2, seed: 1 } })
    let seen = 0
    onEvent((event) => {
      if (event.id === one.id && event.kind === 'token' && ++seen === 3) engine.cancel(one.id)
    })
    const event = await submit(one)
    expect(event).toMatchObject({ kind: 'finished', finishReason: 'cancelled' })
    expect(answerOf(event).length).toBeLessThanOrEqual(4)
    expect(engine.metrics()).toMatchObject({ running: 0, waiting: 0, cancelled: 1 })
  })

  test('lets others decode while an adapter loads, and cancels a request that still waits for it', async () => {
    let arrive: (adapter: Adapter.Adapter) => void = () => {}
    const slow: Load = (cid) =>
      cid === 'cid4' ? new Promise<Adapter.Adapter>((resolve) => (arrive = resolve)) : load(cid)
    const { submit, engine } = start(decoder, { load: slow })
    const late = submit(request({ adapter: reference('cid4') }))
    const leaving = request({ adapter: reference('cid4') })
    const left = submit(leaving)
    expect(answerOf(await submit(request({ adapter: reference('cid5') }))).length).toBeGreaterThan(0)
    engine.cancel(leaving.id)
    expect(await left).toMatchObject({ finishReason: 'cancelled', answerIds: [] })
    arrive(adapters.get('cid4')!)
    expect(answerOf(await late).length).toBeGreaterThan(0)
  })

  test('keeps the faults of one model to its caller', async () => {
    const { submit } = start(decoder, {
      load: async (cid) => {
        const adapter = await load(cid)
        if (cid !== 'cid6') return adapter
        const tensors = new Map(
          [...adapter.tensors].map(([name, { a, b }]) => [name, { a, b: b.map(() => 3e38) }]),
        )
        return { ...adapter, tensors }
      },
    })
    const wide = { ...reference('cid7'), hash: `0x${'ab'.repeat(32)}` as Hex }
    const [good, lost, forged, broken, long] = await Promise.all([
      submit(request({ adapter: reference('cid5') })),
      submit(request({ adapter: { cid: 'cid99', hash: '0x00' } })),
      submit(request({ adapter: wide })),
      submit(request({ adapter: reference('cid6') })),
      submit(request({ promptIds: new Array(97).fill(3) })),
    ])
    expect(answerOf(good!).length).toBeGreaterThan(0)
    const codes = [lost, forged, broken, long].map((event) => event!.kind === 'failed' && event!.error.code)
    expect(codes).toEqual([
      'blob.not_found',
      'engine.adapter_hash_mismatch',
      'engine.adapter_output',
      'model.row',
    ])
  })

  test('refuses what the queue cannot hold and says when to come back', async () => {
    const { submit } = start(decoder, { limits: { ...limits, waitingMax: 2 } })
    const events = await Promise.all(Array.from({ length: 8 }, () => submit(request({}))))
    const failed = events.flatMap((event) => (event.kind === 'failed' ? [event.error] : []))
    // one has a row already, two wait
    expect(failed.length).toBe(5)
    expect(failed[0]).toMatchObject({ code: 'openlora.queue_full', context: { retryAfterSeconds: 1 } })
  })
})
