import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Quantised, quantise } from '@openledger/tensor'
import { describe, expect, test } from 'vitest'
import { tinyConfig } from '../../test/tinyConfig.ts'
import {
  Adapter,
  type Batch,
  createPreferenceTrainer,
  createTrainer,
  fromWeights,
  type LlamaConfig,
  loraTargets,
  pack,
  type Sequence,
  weightShapes,
} from '../index.ts'
import { drawMask } from './Dropout.ts'
import { createTrainingEngine, type TrainingTask } from './TrainingEngine.ts'

// made by scripts/vectors/training.py with Hugging Face PEFT
const bytes = await readFile(join(import.meta.dirname, '../../test/fixtures/training.json'))
const reference = JSON.parse(bytes.toString()) as {
  ids: number[]
  preference: { chosen: number[]; rejected: number[]; prompt: number; beta: number }
  dropout: { part: number; seed: number }
  kinds: Record<
    'lora' | 'rslora' | 'qlora' | 'dropout' | 'dpo',
    { loss: number; gradients: Record<string, [norm: number, along: number]> }
  >
}

const config: LlamaConfig = {
  ...tinyConfig,
  hiddenSize: 32,
  feedForwardSize: 64,
  heads: 4,
  keyValueHeads: 2,
  contextMax: 64,
  isHeadTied: false,
  eosId: 2,
}

/** Numbers in [-1, 1) that the script computes too. */
function series(name: string, count: number): Float64Array {
  let state = createHash('sha256').update(name).digest().readUInt32BE(0)
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) / 2 ** 23 - 1
  })
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
const base = fromWeights(
  config,
  new Map(
    [...weightShapes(config)].map(([name, shape]) => [
      name,
      Float32Array.from(series(name, product(shape)), (x) => x * 0.25 + (shape.length === 1 ? 1 : 0)),
    ]),
  ),
)

/** PEFT keeps both matrices with their outputs first. */
function transposed(data: ArrayLike<number>, rows: number): Float32Array {
  const columns = data.length / rows
  return Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!)
}

const rank = 4
function adapterOf(alpha: number): Adapter.Adapter {
  const fresh = Adapter.create(config, { rank, alpha, targets: loraTargets, seed: 1 })
  const quarter = (name: string, count: number) => series(name, count).map((value) => value * 0.25)
  return Adapter.from({
    ...fresh,
    tensors: new Map(
      [...fresh.tensors].map(([name, { a, b }]) => [
        name,
        {
          a: transposed(quarter(`${name}.lora_A`, a.length), rank),
          b: transposed(quarter(`${name}.lora_B`, b.length), b.length / rank),
        },
      ]),
    ),
  })
}

const sequence: Sequence = {
  ids: Int32Array.from(reference.ids),
  lossMask: new Float32Array(reference.ids.length).fill(1),
}

function taskOf(adapter: Adapter.Adapter, changes: { dropout?: number; isQuantised?: boolean }) {
  const frozen = new Map(base.weights)
  const quantised = new Map<string, Quantised>()
  for (const name of changes.isQuantised ? frozen.keys() : []) {
    if (!name.includes('_proj')) continue
    quantised.set(name, quantise(frozen.get(name)!))
    frozen.delete(name)
  }
  const parameters = [...adapter.tensors].flatMap(([name, { a, b }]) => [
    { name: `${name}.a`, shape: [a.length / rank, rank], values: Float32Array.from(a) },
    { name: `${name}.b`, shape: [rank, b.length / rank], values: Float32Array.from(b) },
  ])
  const lora = { rank, alpha: adapter.alpha, targets: adapter.targets, dropout: changes.dropout ?? 0 }
  return { config, parameters, frozen, quantised, lora } satisfies TrainingTask
}

async function run(task: TrainingTask, seed = 0) {
  const engine = createTrainingEngine(task, {})
  const [batch] = pack(config, [sequence], { tokensPerRun: 64, rowsMax: 1 })
  const result = await engine.run({ batch: batch!, divisor: 64, isTraining: true, seed })
  return { ...result, engine, batch: batch! }
}

function expectGradients(
  task: TrainingTask,
  slopes: readonly Float32Array[],
  expected: Record<string, [number, number]>,
) {
  expect(task.parameters.length).toBe(Object.keys(expected).length)
  task.parameters.forEach(({ name, shape }, i) => {
    const key = `${name.slice(0, -2)}.lora_${name.endsWith('.a') ? 'A' : 'B'}`
    const slope = transposed(slopes[i]!, shape[0]!)
    const direction = series(`along ${key}`, slope.length)
    const [norm, along] = expected[key]!
    expect(Math.abs(Math.hypot(...slope) - norm), key).toBeLessThan(1e-4)
    expect(
      Math.abs(slope.reduce((sum, value, j) => sum + value * direction[j]!, 0) - along),
      key,
    ).toBeLessThan(1e-4)
  })
}

describe('kinds of training against PEFT', () => {
  test('the reference is the one that was made', () => {
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      '77f5bafab55d6c58b5b1c87840397762ca2fc8b861a463fe7beda135cf6f72b7',
    )
  })

  const { part, seed } = reference.dropout
  test.for([
    { kind: 'lora', alpha: 6, changes: {} },
    { kind: 'rslora', alpha: 6 * Math.sqrt(rank), changes: {} },
    { kind: 'qlora', alpha: 6, changes: { isQuantised: true } },
    { kind: 'dropout', alpha: 6, changes: { dropout: part } },
  ] as const)('$kind: loss and every gradient agree within 1e-4', async ({ kind, alpha, changes }) => {
    const task = taskOf(adapterOf(alpha), changes)
    const { loss, slopes, engine } = await run(task, seed)
    expect(Math.abs(loss - reference.kinds[kind].loss)).toBeLessThan(1e-5)
    expectGradients(task, slopes, reference.kinds[kind].gradients)
    await engine.release()
  })

  test('dpo: the loss agrees, and so does the gradient that the first step follows', async () => {
    const { chosen, rejected, prompt, beta } = reference.preference
    const toSequence = (ids: readonly number[]): Sequence => ({
      ids: Int32Array.from(ids),
      lossMask: Float32Array.from(ids, (_, t) => (t < prompt ? 0 : 1)),
    })
    const pair = { chosen: toSequence(chosen), rejected: toSequence(rejected) }
    const quiet = createTrainer(base, {
      mode: 'lora',
      adapter: Adapter.create(config, { rank, alpha: 6, targets: loraTargets, seed: 1 }),
    })
    // an adapter that changes nothing yet is the reference model
    const references = await createPreferenceTrainer(quiet, beta).margins([pair])
    await quiet.release()
    const adapter = adapterOf(6)
    const options = { mode: 'lora', adapter, optimizer: { gradientNormMax: 0 } } as const
    const trainer = createTrainer(base, options)
    const preferences = createPreferenceTrainer(trainer, beta)
    const expected = reference.kinds.dpo
    expect(await preferences.evaluate([pair], references)).toMatchObject({
      loss: expect.closeTo(expected.loss, 5),
    })
    // the first moment after one step is a tenth of the gradient
    await preferences.step([pair], references, 0)
    const task = taskOf(adapter, {})
    const { Safetensors } = await import('../index.ts')
    const { tensors } = Safetensors.decode(trainer.state())
    const slopes = task.parameters.map(({ name }) =>
      tensors.get(`${name}#mean`)!.data.map((value) => value * 10),
    )
    expectGradients(task, slopes, expected.gradients)
    await trainer.release()
  })
})

describe('kinds of training against finite differences', () => {
  test.for([
    ['4-bit base', { isQuantised: true }],
    ['dropout', { dropout: 0.3 }],
  ] as const)('%s: the gradient is that of the loss', async ([, changes]) => {
    const task = taskOf(adapterOf(6), changes)
    const { slopes, engine, batch } = await run(task, 77)
    const lossAt = async () => (await engine.run({ batch, divisor: 64, isTraining: true, seed: 77 })).loss
    for (const [i, { values }] of task.parameters.entries()) {
      const at = (i * 37) % values.length
      const before = values[at]!
      values[at] = before + 2 ** -6
      const up = await lossAt()
      values[at] = before - 2 ** -6
      const down = await lossAt()
      values[at] = before
      expect(Math.abs((up - down) * 2 ** 5 - slopes[i]![at]!)).toBeLessThan(2e-3)
    }
    await engine.release()
  })
})

describe('a dropout mask', () => {
  test('keeps the mean, drops the part asked for, and is the same for the same seed', () => {
    const mask = drawMask(200_001, 0.2, 9)
    expect(mask).toEqual(drawMask(200_001, 0.2, 9))
    expect(mask).not.toEqual(drawMask(200_001, 0.2, 10))
    expect(mask.reduce((a, b) => a + b, 0) / mask.length).toBeCloseTo(1, 2)
    expect(mask.filter((value) => value === 0).length / mask.length).toBeCloseTo(0.2, 2)
    expect(new Set(drawMask(1_000, 0, 1))).toEqual(new Set([1]))
  })
})

describe('a trainer over a 4-bit base', () => {
  test('trains the same whatever the number of threads, and goes on to the bit', async () => {
    const batch: Batch = { ids: [sequence.ids], lossMask: [sequence.lossMask] }
    const adapter = adapterOf(6)
    const train = async (workers: number, state?: Uint8Array) => {
      const trainer = createTrainer(base, {
        mode: 'lora',
        adapter,
        workers,
        tokensPerRun: 64,
        isQuantised: true,
        dropout: 0.1,
        seed: 3,
      })
      if (state) trainer.restore(state)
      const states: Uint8Array[] = []
      for (let step = 0; step < 2; step++) {
        await trainer.step(
          { ids: [...batch.ids, ...batch.ids], lossMask: [...batch.lossMask, ...batch.lossMask] },
          1e-3,
        )
        states.push(trainer.state())
      }
      await trainer.release()
      return { hash: trainer.adapter().hash, states }
    }
    const alone = await train(0)
    expect((await train(2)).hash).toBe(alone.hash)
    const [first] = alone.states
    const again = await train(0, first)
    expect(again.states[0]).toEqual(alone.states[1])
  })
})
