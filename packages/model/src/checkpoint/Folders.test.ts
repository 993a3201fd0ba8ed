import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  Adapter,
  AdapterFolder,
  CheckpointFolder,
  learningRateAt,
  parseConfig,
  Safetensors,
} from '../index.ts'

const fixtures = join(import.meta.dirname, '../../test/fixtures')
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openledger-model-'))
})
afterAll(() => rm(folder, { recursive: true }))

describe('checkpoint folders', () => {
  test('what is written is read back, in half precision up to its rounding', async () => {
    const { config, weights, baseHash } = await CheckpointFolder.read(join(fixtures, 'tied'))
    await CheckpointFolder.write(join(folder, 'full'), config, weights)
    const full = await CheckpointFolder.read(join(folder, 'full'))
    expect(full.config).toEqual(config)
    expect(full.weights).toEqual(weights)
    expect(full.baseHash).toMatch(/^0x[0-9a-f]{64}$/)
    expect(full.baseHash).not.toBe(baseHash)
    await CheckpointFolder.write(join(folder, 'half'), config, weights, 'F16')
    const half = await CheckpointFolder.read(join(folder, 'half'))
    for (const [name, data] of half.weights)
      expect(data).toEqual(Float32Array.from(Float16Array.from(weights.get(name)!)))
  })

  test('shards are read by their index, and only from the folder itself', async () => {
    const whole = await CheckpointFolder.read(join(fixtures, 'tied'))
    const tensors = Safetensors.decode(await readFile(join(fixtures, 'tied/model.safetensors'))).tensors
    const names = [...tensors.keys()]
    await CheckpointFolder.write(folder, whole.config, whole.weights)
    await rm(join(folder, 'model.safetensors'))
    const shardOf = (name: string) => `model-0000${names.indexOf(name) % 2}-of-2.safetensors`
    for (const shard of new Set(names.map(shardOf))) {
      const part = new Map([...tensors].filter(([name]) => shardOf(name) === shard))
      await writeFile(join(folder, shard), Safetensors.encode(part))
    }
    const index = (map: Record<string, string>) =>
      writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
    await index(Object.fromEntries(names.map((name) => [name, shardOf(name)])))
    expect((await CheckpointFolder.read(folder)).weights).toEqual(whole.weights)
    await index({ a: '../../secret.safetensors' })
    await expect(CheckpointFolder.read(folder)).rejects.toThrow('names no valid shards')
  })

  test('a folder that is not a plain Llama is refused with the reason', async () => {
    await expect(CheckpointFolder.read(join(folder, 'nowhere'))).rejects.toThrow('config.json cannot be read')
    const fields = JSON.parse(await readFile(join(fixtures, 'tied/config.json'), 'utf8'))
    const refused = (change: object, reason: string) =>
      expect(() => parseConfig({ ...fields, ...change })).toThrow(reason)
    refused({ model_type: 'bert' }, 'model_type is "bert"')
    refused({ rope_parameters: { rope_type: 'yarn', factor: 2 } }, 'rope_scaling')
    refused({ hidden_act: 'relu' }, 'hidden_act is "relu"')
    refused({ hidden_size: -4 }, 'hidden_size is -4')
    refused({ num_key_value_heads: 3 }, 'do not divide')
    expect(() => parseConfig(null)).toThrow('not an object')
  })
})

describe('adapter folders', () => {
  test("PEFT's own folder is read, and ours has the same tensors", async () => {
    const { config } = await CheckpointFolder.read(join(fixtures, 'tied'))
    const adapter = await AdapterFolder.read(config, join(fixtures, 'adapter'))
    expect([adapter.rank, adapter.alpha, adapter.targets.length]).toEqual([3, 6, 7])
    await AdapterFolder.write(join(folder, 'adapter'), adapter, 'tied')
    expect(await AdapterFolder.read(config, join(folder, 'adapter'))).toEqual(adapter)
    const theirs = Safetensors.decode(await readFile(join(fixtures, 'adapter/adapter_model.safetensors')))
    expect(Safetensors.decode(Adapter.encode(adapter)).tensors).toEqual(theirs.tensors)
  })

  test('kinds that a plain LoRA would serve wrongly are refused, rsLoRA is folded into alpha', () => {
    const plain = { peft_type: 'LORA', r: 4, lora_alpha: 8, target_modules: ['q_proj'] }
    expect(AdapterFolder.parsePeftConfig({ ...plain, use_rslora: true }).alpha).toBe(16)
    for (const change of [
      { peft_type: 'IA3' },
      { use_dora: true },
      { bias: 'all' },
      { modules_to_save: ['lm_head'] },
      { rank_pattern: { q_proj: 8 } },
      { target_modules: '.*proj' },
      { r: '4' },
    ]) {
      expect(() => AdapterFolder.parsePeftConfig({ ...plain, ...change })).toThrow(Adapter.AdapterError)
    }
  })
})

test('the learning rate rises, falls as its kind says, and never reaches zero', () => {
  const schedule = { learningRateMax: 1, stepsTotal: 110, warmUpSteps: 10 }
  expect(learningRateAt(4, { ...schedule, kind: 'linear' })).toBe(0.5)
  expect(learningRateAt(60, { ...schedule, kind: 'linear' })).toBe(0.5)
  expect(learningRateAt(60, { ...schedule, kind: 'cosine' })).toBeCloseTo(0.5, 10)
  expect(learningRateAt(35, { ...schedule, kind: 'cosine' })).toBeCloseTo((1 + Math.SQRT1_2) / 2, 10)
  expect(learningRateAt(500, { ...schedule, kind: 'cosine' })).toBe(0.01)
  expect(learningRateAt(500, { ...schedule, kind: 'constant' })).toBe(1)
})
