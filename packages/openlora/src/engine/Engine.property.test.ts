import * as Adapter from '@openledger/model/checkpoint/Adapter'
import { fromWeights } from '@openledger/model/checkpoint/Checkpoint'
import { loraTargets } from '@openledger/model/checkpoint/Config'
import { createDecoder, type Decoder } from '@openledger/model/decoder/Decoder'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { noise, noiseWeights, tinyConfig } from '../../test/tinyModel.ts'
import { createAdapterCache } from '../adapters/AdapterCache.ts'
import { createMergingSource } from '../adapters/AdapterLease.ts'
import { mergedOf, referenceOf, type WeightedReference } from '../adapters/MergedAdapter.ts'
import { share, view } from '../adapters/SharedAdapter.ts'
import { readHidden } from '../attribution/Inference.ts'
import { decodingDifference } from '../commitment/Commitment.ts'
import type { AnswerForm } from '../grammar/AnswerForm.ts'
import { createEngine, type EngineLimits } from './Engine.ts'
import type { EngineEvent, EngineRequest } from './EngineRequest.ts'
import { GREEDY } from './Sampler.ts'

const config = { ...tinyConfig, vocabularySize: 48, feedForwardSize: 64, contextMax: 128 }
const weights = noiseWeights(config)
/** Ranks, targets and scales differ. */
const adapters = Array.from({ length: 6 }, (_, i) => {
  const targets = i % 2 === 0 ? loraTargets : (['q_proj', 'v_proj'] as const)
  const empty = Adapter.create(config, { rank: [4, 8, 2][i % 3]!, alpha: 4 + 4 * i, targets, seed: i })
  const tensors = new Map(
    [...empty.tensors].map(([name, { a, b }], j) => [name, { a, b: noise(100 * i + j, b.length, 0.3) }]),
  )
  return Adapter.from({ ...empty, tensors })
})
const systemPrompts = [[], [...noise(1, 40, 23)].map((x) => Math.round(24 + x)), [7, 8, 9, 7, 8, 9, 7, 8]]

let whole: Decoder
let single: Decoder
beforeAll(async () => {
  const options = { context: 128, rankMax: 16 }
  whole = await createDecoder(fromWeights(config, weights), { ...options, rows: 3 })
  single = await createDecoder(fromWeights(config, weights), { ...options, rows: 1 })
})
afterAll(async () => {
  await whole.release()
  await single.release()
})

/** Each token is one character, so that text and tokens are one to one; the first is the end. */
const ALPHABET = '~^{}[]",:.-0123456789abcdefghijklmnopqrstuvwxyz|'
const tokenizer = {
  decode: (ids: readonly number[]) => ids.map((id) => ALPHABET[id]).join(''),
  encode: (text: string) => [...text].map((character) => ALPHABET.indexOf(character)),
  bytes: (id: number) => (id === 0 ? new Uint8Array() : Uint8Array.of(ALPHABET.charCodeAt(id))),
  eosId: config.eosId,
}
const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['kind', 'list'],
  properties: {
    kind: { enum: ['one', 'other'] },
    list: { type: 'array', items: { type: 'integer', minimum: -9, maximum: 40 }, maxItems: 3 },
  },
}
const forms: readonly AnswerForm[] = [{ json: { isStrict: true, schema } }, { json: { isStrict: false } }]

/** How far a token's log probability may be from what it is alone. */
const LOGPROB_TOLERANCE_NATS = 1e-4

type Plan = { readonly request: EngineRequest; readonly delay: number; readonly cancelAt: number | undefined }

/** Carries out a plan; a request is submitted, or cancelled, when so many tokens of all were made. */
async function carryOut(decoder: Decoder, plans: readonly Plan[], limits: Partial<EngineLimits>) {
  const cache = createAdapterCache(async ({ cid }) => share(adapters[Number(cid)]!), 20_000)
  const finished = new Map<number, EngineEvent>()
  const streamed = new Map<number, number[]>()
  const logprobs = new Map<number, number[]>()
  let tokens = 0
  let parkings = 0
  await new Promise<void>((resolve) => {
    const waiting = [...plans].sort((a, b) => a.delay - b.delay)
    const engine = createEngine(
      {
        decoder,
        tokenizer,
        adapters: createMergingSource({
          acquire: async (one) => view(await cache.acquire(one)),
          release: cache.release,
        }),
        clock: { nowMs: () => 0 },
        emit: (events) => {
          for (const event of events) {
            if (event.kind === 'token') {
              tokens++
              const ids = streamed.get(event.id) ?? []
              streamed.set(event.id, ids)
              if (event.delta.tokenId !== null) ids.push(event.delta.tokenId)
              logprobs.set(event.id, [...(logprobs.get(event.id) ?? []), event.delta.logprob])
              const plan = plans.find(({ request }) => request.id === event.id)!
              if (ids.length === plan.cancelAt) engine.cancel(event.id)
            } else {
              expect(finished.has(event.id)).toBe(false)
              finished.set(event.id, event)
            }
          }
          next()
        },
      },
      {
        waitingMax: 100,
        waitingPerCallerMax: 100,
        prefillTokensPerStepMax: 24,
        prefixBytesMax: 0,
        guessedStepTokensMax: 0,
        parkedBytesMax: 0,
        ...limits,
      },
    )
    function next(): void {
      parkings = engine.metrics().parkings
      if (finished.size === plans.length) resolve()
      const isIdle = (): boolean => engine.metrics().running + engine.metrics().waiting === 0
      // when nothing decodes, the next one comes whatever its delay
      while (waiting[0] !== undefined && (waiting[0].delay <= tokens || isIdle())) {
        engine.submit(waiting.shift()!.request)
      }
    }
    next()
  })
  return { finished, streamed, logprobs, evictions: cache.state().evictions, parkings }
}

const partOf = (at: number, weightPpm: number): WeightedReference => ({
  cid: String(at),
  hash: adapters[at]!.hash,
  weightPpm,
})
const place = fc.integer({ min: 0, max: adapters.length - 1 })
const weighted = fc
  .record({ at: place, weightPpm: fc.constantFrom(500_000, 1_300_000, -400_000) })
  .map(({ at, weightPpm }) => partOf(at, weightPpm))

const plan = fc.record({
  system: fc.integer({ min: 0, max: systemPrompts.length - 1 }),
  own: fc.array(fc.integer({ min: 1, max: 47 }), { minLength: 1, maxLength: 30 }),
  repeats: fc.integer({ min: 1, max: 2 }),
  // none for the base, and now and then two in one row
  merge: fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.tuple(place.map((at) => partOf(at, 1_000_000))) },
    { weight: 2, arbitrary: fc.tuple(weighted, weighted) },
  ),
  outputTokensMax: fc.integer({ min: 8, max: 48 }),
  isSampled: fc.boolean(),
  priority: fc.integer({ min: 0, max: 2 }),
  form: fc.option(fc.integer({ min: 0, max: forms.length - 1 }), { nil: undefined }),
  delay: fc.integer({ min: 0, max: 40 }),
  cancelAt: fc.option(fc.integer({ min: 1, max: 12 }), { freq: 4, nil: undefined }),
})

const partsOf = (reference: EngineRequest['adapter']): readonly WeightedReference[] => {
  if (reference === undefined) return []
  return 'parts' in reference ? reference.parts : [{ ...reference, weightPpm: 1_000_000 }]
}

test('every row gets exactly the tokens it gets alone, under joins, leaves, preemptions, evictions, shared starts, guesses and forms', async () => {
  let evictions = 0
  let parkings = 0
  let furthest = 0
  await fc.assert(
    fc.asyncProperty(fc.array(plan, { minLength: 6, maxLength: 16 }), async (drawn) => {
      const plans = drawn.map(
        (
          { system, own, repeats, merge, outputTokensMax, isSampled, priority, form, delay, cancelAt },
          id,
        ): Plan => ({
          delay,
          cancelAt,
          request: {
            id,
            caller: `caller${id % 3}`,
            stop: [],
            topLogprobs: 0,
            outputTokensMax,
            promptIds: [...systemPrompts[system]!, ...Array.from({ length: repeats }, () => own).flat()],
            adapter: merge.length === 0 ? undefined : referenceOf(merge),
            ...(form === undefined ? {} : { form: forms[form]! }),
            isShared: true,
            priority,
            sampling: isSampled ? { ...GREEDY, temperature: 1, topP: 0.95, seed: id } : GREEDY,
          },
        }),
      )
      const many = await carryOut(whole, plans, {
        prefixBytesMax: 60_000,
        guessedStepTokensMax: 16,
        parkedBytesMax: 1e6,
      })
      parkings += many.parkings
      evictions += many.evictions
      for (const { request, cancelAt } of plans) {
        const alone = await carryOut(single, [{ request, delay: 0, cancelAt: undefined }], {})
        const expected = alone.finished.get(request.id)!
        const found = many.finished.get(request.id)!
        if (found.kind !== 'finished' || expected.kind !== 'finished') expect.fail('a request failed')
        expect(many.streamed.get(request.id) ?? []).toEqual(found.answerIds)
        const expectedLogprobs = alone.logprobs.get(request.id) ?? []
        for (const [i, logprob] of (many.logprobs.get(request.id) ?? []).entries()) {
          const apart = Math.abs(logprob - (expectedLogprobs[i] ?? logprob))
          furthest = Math.max(furthest, apart)
        }
        if (found.finishReason === 'cancelled') {
          expect(cancelAt).toBeDefined()
          expect(expected.answerIds.slice(0, found.answerIds.length)).toEqual(found.answerIds)
        } else expect({ ...found, decoding: {} }).toEqual({ ...expected, decoding: {} })
        // what it proves of its activations holds for who reads it alone
        if (found.answerIds.length === 0) continue
        const parts = partsOf(request.adapter)
        const adapter = mergedOf(
          parts,
          parts.map(({ cid }) => adapters[Number(cid)]!),
        )
        const hidden = await readHidden(single, adapter, request.promptIds, found.answerIds)
        expect(decodingDifference(found.decoding, hidden, found.answerIds.length)).toBeUndefined()
      }
    }),
    { numRuns: 20, seed: 20_261_121 },
  )
  expect(evictions).toBeGreaterThan(0)
  expect(parkings).toBeGreaterThan(10)
  // products of another height are rounded otherwise
  expect(furthest).toBeLessThan(LOGPROB_TOLERANCE_NATS)
})
