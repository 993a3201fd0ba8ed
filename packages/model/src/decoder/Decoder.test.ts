import { createGraph, createSession, dequantise, quantise, Reference, toEightBits } from '@openledger/tensor'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tinyConfig } from '../../test/tinyConfig.ts'
import type { Adapter } from '../checkpoint/Adapter.ts'
import { type LlamaConfig, linearName, linearSize, loraTargets, weightShapes } from '../checkpoint/Config.ts'
import * as Llama from '../Llama.ts'
import { createDecoder, type Decoder } from './Decoder.ts'

const config: LlamaConfig = {
  ...tinyConfig,
  vocabularySize: 97,
  hiddenSize: 48,
  feedForwardSize: 80,
  heads: 6,
  keyValueHeads: 2,
  contextMax: 160,
  isHeadTied: false,
  eosId: 2,
}

/** Logits of these models spread over about 10; products of another height round by this much at most. */
const TOLERANCE = 1e-4

function createNoise(seed: number): (count: number, spread: number) => Float32Array {
  let state = seed
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32 - 0.5
  }
  return (count, spread) => Float32Array.from({ length: count }, () => 2 * spread * next())
}

function createCheckpoint() {
  const noise = createNoise(1)
  const weights = new Map<string, Float32Array>()
  for (const [name, shape] of weightShapes(config)) {
    const count = shape.reduce((product, length) => product * length, 1)
    weights.set(name, shape.length === 1 ? noise(count, 0.3).map((x) => 1 + x) : noise(count, 0.4))
  }
  return { config, weights, baseHash: `0x${'00'.repeat(32)}` as const }
}

function createAdapter(
  seed: number,
  rank: number,
  targets: readonly (typeof loraTargets)[number][],
): Adapter {
  const noise = createNoise(seed)
  const tensors = new Map<string, { a: Float32Array; b: Float32Array }>()
  for (let layer = 0; layer < config.layers; layer++) {
    for (const target of targets) {
      const { input, output } = linearSize(config, target)
      tensors.set(linearName(layer, target), { a: noise(input * rank, 0.4), b: noise(rank * output, 0.4) })
    }
  }
  return { rank, alpha: 2 * rank, targets, tensors, hash: `0x${seed.toString(16).padStart(64, '0')}` }
}

const checkpoint = createCheckpoint()
const adapters: (Adapter | undefined)[] = [
  undefined,
  createAdapter(10, 8, loraTargets),
  createAdapter(11, 2, ['q_proj', 'v_proj']),
  createAdapter(12, 12, ['down_proj', 'o_proj', 'k_proj']),
  createAdapter(13, 8, loraTargets),
]

/** Logits `[ids, vocabulary]` of one sequence by a graph of another kind: merged weights, no cache, one softmax. */
async function forward(ids: readonly number[], adapter: Adapter | undefined, isExact = false) {
  const weights = new Map(checkpoint.weights)
  for (const [name, { a, b }] of adapter?.tensors ?? []) {
    const merged = weights.get(`model.${name}.weight`)!.slice()
    const { rank, alpha } = adapter!
    const output = b.length / rank
    const input = a.length / rank
    for (let o = 0; o < output; o++)
      for (let i = 0; i < input; i++)
        for (let r = 0; r < rank; r++)
          merged[o * input + i]! += (alpha / rank) * a[i * rank + r]! * b[r * output + o]!
    weights.set(`model.${name}.weight`, merged)
  }
  const tokens = ids.length
  const graph = createGraph()
  const lookup = Llama.constantWeights(graph, weights, weightShapes(config))
  const mask = new Float32Array(tokens * tokens)
  for (let i = 0; i < tokens; i++) mask.fill(-1e9, i * tokens + i + 1, (i + 1) * tokens)
  const parts: Llama.Parts = {
    weights: lookup,
    project: Llama.baseProject(lookup, config),
    attend: Llama.causalAttention(config, graph.constant(mask, [tokens, tokens])),
    positions: graph.constant(
      BigInt64Array.from(ids, (_, i) => BigInt(i)),
      [1, tokens],
    ),
    rotary: Llama.rotaryTables(graph, config),
  }
  const input = graph.input('ids', 'int64', [1, tokens])
  const hidden = Llama.transform(config, parts, Llama.embed(lookup, input))
  const logits = Llama.head(config, lookup, hidden)
  const feeds = { ids: BigInt64Array.from(ids, BigInt) }
  if (isExact) return Reference.evaluate({ logits }, feeds).logits.data
  const session = await createSession({ logits })
  const fetched = await session.run(feeds)
  await session.release()
  return fetched.logits.data as Float32Array
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length)
  let max = 0
  for (let i = 0; i < a.length; i++) max = Math.max(max, Math.abs(a[i]! - b[i]!))
  return max
}

const argmax = (values: Float32Array): number => values.indexOf(Math.max(...values))
const prompt = (seed: number, length: number): number[] =>
  Array.from(createNoise(seed)(length, 0.5), (x) => Math.floor((x + 0.5) * 96.99))

describe('createDecoder', () => {
  let decoder: Decoder
  beforeAll(async () => {
    decoder = await createDecoder(checkpoint, { rows: 5, context: 160, rankMax: 16, runTokensMax: 48 })
  })
  afterAll(() => decoder.release())

  test('agrees with the double-precision reference on a prompt and on the tokens after it', async () => {
    const ids = prompt(3, 9)
    const exact = Float32Array.from(await forward(ids, adapters[1], true))
    decoder.setAdapter(0, adapters[1])
    const [first] = await decoder.extend([{ row: 0, ids: ids.slice(0, 6), logitsFrom: 0 }])
    expect(distance(first!, exact.subarray(0, 6 * 97))).toBeLessThan(TOLERANCE)
    for (let i = 6; i < 9; i++) {
      const [logits] = await decoder.step([ids[i]])
      expect(distance(logits!, exact.subarray(i * 97, (i + 1) * 97))).toBeLessThan(TOLERANCE)
    }
    decoder.free(0)
  })

  test('decodes as a full forward pass does, across every growth of the cache and every split of the prompt', async () => {
    const ids = prompt(4, 150)
    const whole = await forward(ids, adapters[3])
    decoder.setAdapter(2, adapters[3])
    const [first] = await decoder.extend([{ row: 2, ids: ids.slice(0, 100), logitsFrom: 30 }])
    expect(distance(first!, whole.subarray(30 * 97, 100 * 97))).toBeLessThan(TOLERANCE)
    for (let i = 100; i < 150; i++) {
      const logits = (await decoder.step([undefined, undefined, ids[i]]))[2]!
      expect(distance(logits, whole.subarray(i * 97, (i + 1) * 97))).toBeLessThan(TOLERANCE)
    }
    expect(decoder.length(2)).toBe(150)
    decoder.free(2)
  })

  test('gives every row of a mixed batch what it gets alone, while others join and leave', async () => {
    const noise = createNoise(77)
    const draw = (below: number): number => Math.floor((noise(1, 0.5)[0]! + 0.5) * below * 0.9999)
    type Running = { adapter: Adapter | undefined; ids: number[]; logits: Float32Array; left: number }
    const rows: (Running | undefined)[] = new Array(5).fill(undefined)
    const finished: Running[] = []
    let seed = 1_000
    for (let round = 0; round < 60; round++) {
      for (let row = 0; row < 5; row++) {
        if (rows[row] !== undefined || draw(3) > 0) continue
        const ids = prompt(seed++, 1 + draw(60))
        const adapter = adapters[draw(5)]
        decoder.setAdapter(row, adapter)
        rows[row] = { adapter, ids, logits: await decoder.prefill(row, ids), left: 1 + draw(20) }
      }
      const tokens = rows.map((running) => (running === undefined ? undefined : argmax(running.logits)))
      const stepped = await decoder.step(tokens)
      for (const [row, running] of rows.entries()) {
        if (running === undefined) continue
        running.ids.push(tokens[row]!)
        running.logits = stepped[row]!
        if (--running.left > 0) continue
        finished.push(running)
        decoder.free(row)
        rows[row] = undefined
      }
    }
    expect(finished.length).toBeGreaterThan(15)
    let worst = 0
    for (const { adapter, ids, logits } of finished.slice(0, 16)) {
      const alone = Float32Array.from((await forward(ids, adapter)).subarray(-97))
      worst = Math.max(worst, distance(logits, alone))
      expect(argmax(logits)).toBe(argmax(alone))
    }
    expect(worst).toBeLessThan(TOLERANCE)
  })

  test('reads several prompts of different lengths in one run', async () => {
    for (let row = 0; row < 5; row++) {
      decoder.free(row)
      decoder.setAdapter(row, adapters[row])
    }
    const prompts = [7, 31, 1, 60, 12].map((length, row) => prompt(50 + row, length))
    const logits = await decoder.extend(prompts.map((ids, row) => ({ row, ids })))
    for (const [row, ids] of prompts.entries()) {
      expect(distance(logits[row]!, (await forward(ids, adapters[row])).subarray(-97))).toBeLessThan(
        TOLERANCE,
      )
    }
    for (let row = 0; row < 5; row++) decoder.free(row)
  })

  test('gives the hidden states that its logits are made of', async () => {
    const ids = prompt(9, 60)
    decoder.setAdapter(1, adapters[2])
    const [output] = await decoder.extendWithHidden([{ row: 1, ids, logitsFrom: 30 }])
    const { logits, hidden } = output!
    const head = checkpoint.weights.get('lm_head.weight')!
    const width = decoder.hiddenSize
    expect([logits.length, hidden.length]).toEqual([30 * 97, 30 * width])
    const product = Float32Array.from(logits, (_, at) => {
      const [token, id] = [Math.floor(at / 97), at % 97]
      let sum = 0
      for (let i = 0; i < width; i++) sum += hidden[token * width + i]! * head[id * width + i]!
      return sum
    })
    expect(distance(logits, product)).toBeLessThan(TOLERANCE)
    decoder.free(1)
  })

  test('names the likeliest tokens and their log-probabilities, with and without copying logits', async () => {
    const ids = prompt(9, 60)
    decoder.setAdapter(1, adapters[2])
    const [full] = await decoder.extendWithHidden([{ row: 1, ids, logitsFrom: 30 }])
    const rows = Array.from({ length: 30 }, (_, i) => full!.logits.subarray(97 * i, 97 * (i + 1)))
    expect([...full!.likeliest]).toEqual(rows.map(argmax))
    const expected = rows.map(
      (row) => Math.max(...row) - Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0)),
    )
    expect(distance(full!.logprobs, expected)).toBeLessThan(TOLERANCE)
    decoder.free(1)
    decoder.setAdapter(1, adapters[2])
    const entry = { row: 1, ids, logitsFrom: 30, isLikeliestEnough: true }
    const [few] = await decoder.extendWithHidden([entry])
    expect(few).toEqual({ ...full, logits: new Float32Array() })
    decoder.free(1)
  })

  test('gives rows of one adapter, read once for all of them, what each gets alone', async () => {
    const prompts = [9, 14, 23].map((length, i) => prompt(70 + i, length))
    for (const adapter of [adapters[1], undefined]) {
      // rows apart, and another object of the same adapter
      for (const row of [0, 2, 4]) decoder.setAdapter(row, adapter && { ...adapter })
      const places = prompts.map((ids, i) => ({ row: 2 * i, ids: ids.slice(0, -1) }))
      await decoder.extend(places)
      const logits = await decoder.extend(prompts.map((ids, i) => ({ row: 2 * i, ids: ids.slice(-1) })))
      for (const [i, ids] of prompts.entries()) {
        expect(distance(logits[i]!, (await forward(ids, adapter)).subarray(-97))).toBeLessThan(TOLERANCE)
      }
      for (const row of [0, 2, 4]) decoder.free(row)
    }
  })

  test('goes on from a copied start, and after forgetting its end, as if it had read the rest alone', async () => {
    const ids = prompt(8, 70)
    const whole = await forward(ids, adapters[4])
    decoder.setAdapter(3, adapters[4])
    await decoder.prefill(3, ids.slice(0, 60))
    const snapshot = decoder.snapshot(3, 50)
    decoder.truncate(3, 40)
    const [rest] = await decoder.extend([{ row: 3, ids: ids.slice(40) }])
    expect(distance(rest!, whole.subarray(-97))).toBeLessThan(TOLERANCE)
    decoder.setAdapter(0, adapters[4])
    decoder.restore(0, snapshot, 33)
    const [restored] = await decoder.extend([{ row: 0, ids: ids.slice(33) }])
    expect(distance(restored!, whole.subarray(-97))).toBeLessThan(TOLERANCE)
    expect(() => decoder.truncate(0, 71)).toThrow(expect.objectContaining({ code: 'model.row' }))
    expect(() => decoder.restore(0, snapshot, 10)).toThrow(expect.objectContaining({ code: 'model.row' }))
    expect(() => decoder.snapshot(1, 1)).toThrow(expect.objectContaining({ code: 'model.row' }))
    decoder.free(0)
    decoder.free(3)
  })

  test('reads empty rows far apart together with one that goes on, and each gets what it gets alone', async () => {
    const [a, b, c] = [prompt(21, 30), prompt(22, 26), prompt(23, 9)]
    for (const [row, adapter] of [
      [0, 1],
      [2, 3],
      [4, 2],
    ] as const) {
      decoder.setAdapter(row, adapters[adapter])
    }
    await decoder.prefill(2, c.slice(0, 5))
    const logits = await decoder.extend([
      { row: 4, ids: a },
      { row: 2, ids: c.slice(5) },
      { row: 0, ids: b },
    ])
    for (const [i, [ids, adapter]] of (
      [
        [a, adapters[2]],
        [c, adapters[3]],
        [b, adapters[1]],
      ] as const
    ).entries()) {
      expect(distance(logits[i]!, (await forward(ids, adapter)).subarray(-97))).toBeLessThan(TOLERANCE)
    }
    for (const row of [0, 2, 4]) decoder.free(row)
  })

  test('leaves no trace of an adapter that computed nonsense', async () => {
    const ids = prompt(5, 20)
    decoder.setAdapter(1, adapters[1])
    const clean = await decoder.prefill(1, ids)
    decoder.free(1)
    const broken = createAdapter(14, 8, loraTargets)
    for (const { b } of broken.tensors.values()) b.fill(Number.NaN)
    decoder.setAdapter(1, broken)
    expect((await decoder.prefill(1, ids)).every(Number.isNaN)).toBe(true)
    decoder.setAdapter(0, adapters[1])
    expect(distance(await decoder.prefill(0, ids), clean)).toBe(0)
    const [beside] = await decoder.step([5, 5])
    expect(beside!.every(Number.isFinite)).toBe(true)
    decoder.free(0)
    decoder.free(1)
    decoder.setAdapter(1, adapters[1])
    expect(distance(await decoder.prefill(1, ids), clean)).toBe(0)
    decoder.free(1)
  })

  test('reads the same under an adapter after the base alone and a wider adapter had its row', async () => {
    const ids = prompt(6, 20)
    const readUnder = async (adapter: Adapter | undefined): Promise<Float32Array> => {
      decoder.setAdapter(2, adapter)
      const logits = await decoder.prefill(2, ids)
      decoder.free(2)
      return logits
    }
    const [first, base] = [await readUnder(adapters[1]), await readUnder(undefined)]
    await readUnder(createAdapter(11, 16, loraTargets))
    expect(await readUnder(undefined)).toEqual(base)
    expect(await readUnder(adapters[1])).toEqual(first)
    expect(first).not.toEqual(base)
  })

  test('refuses what does not fit', async () => {
    const wrong = { ...createAdapter(9, 8, ['q_proj']), rank: 4 }
    expect(() => decoder.setAdapter(0, wrong)).toThrow(
      expect.objectContaining({ code: 'model.adapter_shape' }),
    )
    const wide = createAdapter(9, 32, ['q_proj'])
    expect(() => decoder.setAdapter(0, wide)).toThrow(
      expect.objectContaining({ code: 'model.adapter_rank', context: { rankMax: 16, rank: 32 } }),
    )
    await expect(decoder.prefill(0, prompt(1, 161))).rejects.toMatchObject({ code: 'model.row' })
    await expect(decoder.prefill(5, [1])).rejects.toMatchObject({ code: 'model.row' })
    await expect(decoder.prefill(0, [])).rejects.toMatchObject({ code: 'model.row' })
    expect(decoder.length(0)).toBe(0)
  })
})

/** The weights that rounding a matrix to 8 bits leaves. */
function roundedToEightBits(weights: Float32Array, rows: number): Float32Array {
  const { codes, scales } = toEightBits(weights, rows)
  const columns = weights.length / rows
  return weights.map(
    (_, i) => codes[(i % columns) * rows + Math.floor(i / columns)]! * scales[Math.floor(i / columns)]!,
  )
}

test.each([
  ['int4', (weights: Float32Array) => dequantise(quantise(weights))],
  ['int8', roundedToEightBits],
] as const)(
  'a decoder in %s is the model of the rounded weights, but for rounding its activations to 8 bits',
  async (precision, round) => {
    const wide: LlamaConfig = { ...config, hiddenSize: 64, heads: 4, headSize: 16, feedForwardSize: 96 }
    const noise = createNoise(3)
    const weights = new Map<string, Float32Array>()
    const rounded = new Map<string, Float32Array>()
    for (const [name, shape] of weightShapes(wide)) {
      const count = shape.reduce((product, length) => product * length, 1)
      const data = shape.length === 1 ? new Float32Array(count).fill(1) : noise(count, 0.2)
      weights.set(name, data)
      const isRounded = name.includes('_proj') || name === 'lm_head.weight'
      rounded.set(name, isRounded ? round(data, shape[0]!) : data)
    }
    const baseHash = `0x${'00'.repeat(32)}` as const
    const options = { rows: 2, context: 64, rankMax: 0 }
    const inBits = await createDecoder({ config: wide, weights, baseHash }, { ...options, precision })
    const exact = await createDecoder({ config: wide, weights: rounded, baseHash }, options)
    const ids = prompt(6, 12)
    // a part of a prompt, of which no logits are wanted, and the rest
    await inBits.extend([{ row: 0, ids: ids.slice(0, 5), logitsFrom: 5 }])
    const [[found], wanted] = [
      await inBits.extend([{ row: 0, ids: ids.slice(5) }]),
      await exact.prefill(0, ids),
    ]
    const spread = Math.sqrt(wanted.reduce((sum, value) => sum + value ** 2, 0) / wanted.length)
    expect(distance(found!, wanted)).toBeLessThan(0.1 * spread)
    await inBits.release()
    await exact.release()
  },
)

test('a decoder without adapters is the base model', async () => {
  const decoder = await createDecoder(checkpoint, { rows: 2, context: 64, rankMax: 0 })
  const ids = prompt(6, 12)
  const whole = await forward(ids, undefined)
  expect(distance(await decoder.prefill(1, ids), whole.subarray(-97))).toBeLessThan(TOLERANCE)
  expect(() => decoder.setAdapter(0, adapters[1])).toThrow(
    expect.objectContaining({ code: 'model.adapter_rank' }),
  )
  await decoder.release()
})
