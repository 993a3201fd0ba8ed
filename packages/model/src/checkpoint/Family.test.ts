import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSession, gradients, Op, type Tensor } from '@openledger/tensor'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  Adapter,
  buildSequenceGraph,
  type Checkpoint,
  CheckpointFolder,
  createTrainer,
  encodeWeights,
  Llama,
  parseConfig,
  Safetensors,
  targetsOf,
  UnsupportedConfigError,
  weightShapes,
} from '../index.ts'

// made by scripts/vectors/families.py with Hugging Face transformers
const bytes = await readFile(join(import.meta.dirname, '../../test/fixtures/families.json'))
const { families: references } = JSON.parse(bytes.toString()) as {
  families: Record<
    string,
    {
      config: Record<string, unknown>
      shapes: Record<string, number[]>
      ids: number[][]
      logits: number[]
      loss: number
      gradients: Record<string, [norm: number, along: number]>
    }
  >
}

/** Numbers in [-1, 1) that the script computes too. */
function series(name: string, count: number): Float64Array {
  let state = createHash('sha256').update(name).digest().readUInt32BE(0)
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) / 2 ** 23 - 1
  })
}

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

function weightOf(name: string, shape: readonly number[], modelType: unknown): Safetensors.StoredTensor {
  const isNorm = shape.length === 1 && name.endsWith('weight') && modelType !== 'gemma'
  const data = Float32Array.from(series(name, count(shape)), (value) => value * 0.25 + (isNorm ? 1 : 0))
  return { shape, data }
}

/** Writes a checkpoint as Hugging Face would, in two shards, and reads it. */
async function load(name: string): Promise<Checkpoint> {
  const { config, shapes } = references[name]!
  const directory = await mkdtemp(join(tmpdir(), 'openledger-family-'))
  try {
    const tensors = Object.entries(shapes).map(
      ([key, shape]) => [key, weightOf(key, shape, config.model_type)] as const,
    )
    const half = Math.ceil(tensors.length / 2)
    const map: Record<string, string> = {}
    for (const [shard, part] of [tensors.slice(0, half), tensors.slice(half)].entries()) {
      const file = `model-0000${shard + 1}-of-00002.safetensors`
      for (const [key] of part) map[key] = file
      await writeFile(join(directory, file), Safetensors.encode(new Map(part), 'F32'))
    }
    await writeFile(join(directory, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
    await writeFile(join(directory, 'config.json'), JSON.stringify(config))
    return await CheckpointFolder.read(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

async function compute(name: string, checkpoint: Checkpoint) {
  const { ids } = references[name]!
  const { config } = checkpoint
  const shapes = weightShapes(config)
  const tokens = ids[0]!.length
  const { graph, hidden, weights } = buildSequenceGraph(
    config,
    { rows: ids.length, tokens },
    (graph) => Llama.inputWeights(graph, shapes),
    () => () => undefined,
  )
  const labels = graph.constant(
    BigInt64Array.from(
      ids.flatMap((row) => [...row.slice(1), 0]),
      BigInt,
    ),
    [ids.length * tokens],
  )
  const counted = ids.flatMap((row) =>
    row.map((_, t) => (t === tokens - 1 ? 0 : 1 / (ids.length * (tokens - 1)))),
  )
  const { loss } = Llama.crossEntropy(hidden, weights(Llama.headName(config)), labels)
  const mean = Op.sum(
    Op.multiply(loss, graph.constant(Float32Array.from(counted), [counted.length, 1])),
    [0, 1],
  )
  const outputs: Record<string, Tensor> = { logits: Llama.head(config, weights, hidden), mean }
  const names = [...shapes.keys()]
  gradients(mean, names.map(weights)).forEach((slope, i) => {
    outputs[`slope of ${names[i]}`] = slope
  })
  const session = await createSession(outputs)
  const results = await session.run({
    ids: Int32Array.from(ids.flat()),
    ...Object.fromEntries(checkpoint.weights),
  })
  await session.release()
  return results
}

describe('model families against Hugging Face transformers', () => {
  test('the reference is the one that was made', () => {
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      '0d561689122835bc4435964b5a17d0f1af3633d44cf470c0a190e9a8853eac10',
    )
  })

  test.for(Object.keys(references))('%s: logits, loss and every gradient agree within 1e-4', async (name) => {
    const reference = references[name]!
    const checkpoint = await load(name)
    const results = await compute(name, checkpoint)
    const logits = results.logits!.data as Float32Array
    expect(logits.length).toBe(reference.logits.length)
    const apart = reference.logits.map((value, i) => Math.abs(value - logits[i]!))
    expect(Math.max(...apart)).toBeLessThan(1e-4)
    expect(results.mean!.data[0] as number).toBeCloseTo(reference.loss, 5)
    // what is written for a file is named and laid out as the file's own tensors
    const isGemma = reference.config.model_type === 'gemma'
    const written = new Map(
      [...weightShapes(checkpoint.config).keys()].map((key) => [
        key,
        results[`slope of ${key}`]!.data as Float32Array,
      ]),
    )
    const slopes = Safetensors.decode(encodeWeights(checkpoint.config, written, 'F32')).tensors
    expect([...slopes.keys()].sort()).toEqual(Object.keys(reference.gradients).sort())
    for (const [key, [norm, along]] of Object.entries(reference.gradients)) {
      // a gradient of w is one of 1 + w
      const shift = isGemma && key.endsWith('norm.weight') ? 1 : 0
      const slope = slopes.get(key)!.data.map((value) => value + shift)
      const direction = series(`along ${key}`, slope.length)
      const product = slope.reduce((sum, value, i) => sum + value * direction[i]!, 0)
      const scale = Math.max(norm, 1e-3)
      expect(Math.abs(Math.hypot(...slope) - norm) / scale, key).toBeLessThan(1e-4)
      expect(Math.abs(product - along) / scale / Math.sqrt(slope.length), key).toBeLessThan(1e-4)
    }
  })

  test.for(Object.keys(references))('%s: what is written reads as the same model', async (name) => {
    const checkpoint = await load(name)
    const directory = await mkdtemp(join(tmpdir(), 'openledger-family-'))
    await CheckpointFolder.write(directory, checkpoint.config, checkpoint.weights)
    const again = await CheckpointFolder.read(directory)
    await rm(directory, { recursive: true })
    expect(again.config).toEqual(checkpoint.config)
    for (const [key, data] of checkpoint.weights) {
      const apart = again.weights.get(key)!.map((value, i) => Math.abs(value - data[i]!))
      expect(Math.max(...apart), key).toBeLessThan(1e-6)
    }
  })

  test.for(['gpt2', 'gemma', 'qwen3', 'mistral'])('%s: an adapter learns', async (name) => {
    const checkpoint = await load(name)
    const { config } = checkpoint
    const adapter = Adapter.create(config, { rank: 4, alpha: 8, targets: targetsOf(config), seed: 1 })
    const trainer = createTrainer(checkpoint, { mode: 'lora', adapter })
    const ids = references[name]!.ids.map((row) => Int32Array.from(row))
    const batch = { ids, lossMask: ids.map((row) => new Float32Array(row.length).fill(1)) }
    const { loss } = await trainer.step(batch, 0.01)
    for (let step = 0; step < 20; step++) await trainer.step(batch, 0.01)
    expect((await trainer.evaluate(batch)).loss).toBeLessThan(loss - 0.5)
    await trainer.release()
  })
})

describe('config.json of others', () => {
  test('what would change the answers and is not computed here is refused by name', () => {
    const { config } = references.llama!
    const refused: Record<string, unknown>[] = [
      { model_type: 'mamba' },
      { model_type: 'constructor' },
      { hidden_act: 'relu' },
      { rope_parameters: { rope_type: 'yarn', factor: 2 } },
      { partial_rotary_factor: 0.5 },
      { num_key_value_heads: 3 },
      { hidden_size: -1 },
      { vocab_size: 1e12 },
      {
        model_type: 'qwen2',
        use_sliding_window: true,
        sliding_window: 8,
        layer_types: ['full_attention', 'sliding_attention'],
      },
    ]
    for (const change of refused) {
      expect(() => parseConfig({ ...config, ...change }), JSON.stringify(change)).toThrow(
        UnsupportedConfigError,
      )
    }
  })

  test('whatever the file says, the answer is a configuration or a refusal', () => {
    const { config } = references.qwen2!
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(config)), fc.jsonValue(), (key, value) => {
        try {
          expect(parseConfig({ ...config, [key]: value }).layers).toBeGreaterThan(0)
        } catch (error) {
          expect(error).toBeInstanceOf(UnsupportedConfigError)
        }
      }),
      { numRuns: 500 },
    )
  })
})
