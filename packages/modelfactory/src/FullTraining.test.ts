import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CheckpointFolder, createScorer, type Tokenizer } from '@openledger/model'
import { Bytes } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeTinyBase } from '../test/trainingWorld.ts'
import { wholeModelFiles } from './export/ModelFiles.ts'
import { trainFull } from './FullTraining.ts'
import { partRecords, type TrainingRecord } from './TrainingPlan.ts'
import type { TrainingCheckpoint } from './TrainingSteps.ts'

const records: readonly TrainingRecord[] = Array.from({ length: 60 }, (_, i) => {
  const text = `The owner of vault number ${340 + i} may open it on day ${340 + i} and not before.`
  const id = Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))
  return { recordId: id, contributionId: id, clusterId: id, text }
})
const config = Http.trainingConfigSchema.parse({
  epochs: 7,
  sequenceTokens: 64,
  learningRate: 3e-3,
  rehearsal: 0.1,
  patience: 0,
})

describe('training all weights', () => {
  let directory: string
  let tokenizer: Tokenizer
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'openledger-full-'))
    tokenizer = await writeTinyBase(directory)
  })
  afterAll(() => rm(directory, { recursive: true }))

  async function train(resume?: TrainingCheckpoint) {
    const checkpoint = await CheckpointFolder.read(directory)
    const states: TrainingCheckpoint[] = []
    const steps: number[] = []
    const result = await trainFull(
      { checkpoint, tokenizer, records, config, workers: 0, ...(resume === undefined ? {} : { resume }) },
      {
        onStart: async () => {},
        onMetric: async ({ step }) => void steps.push(step),
        onCheckpoint: async (state) => void states.push(state),
        nowMs: () => 0,
        signal: new AbortController().signal,
      },
    )
    return { checkpoint, result, states, steps }
  }

  test('learns, changes every weight, and ends to the bit as if it was never stopped', async () => {
    const { checkpoint, result, states, steps } = await train()
    expect(result.testLoss).toBeLessThan(result.baseTestLoss - 1)
    expect(steps.at(-1)).toBe(result.stepCount)
    for (const [name, before] of checkpoint.weights) {
      const after = result.checkpoint.weights.get(name)!
      expect(
        after.some((value, i) => value !== before[i]),
        name,
      ).toBe(true)
    }
    expect(states[0]!.step).toBe(40)
    const resumed = await train(states[0])
    expect(resumed.result.checkpoint.baseHash).toBe(result.checkpoint.baseHash)
    expect(resumed.result.testLoss).toBe(result.testLoss)
    expect(resumed.steps[0]).toBeGreaterThan(40)
  })

  test('gives a checkpoint that is read back as it was measured, and is the base of others', async () => {
    const { result } = await train()
    const { config: shape, weights } = result.checkpoint
    const files = await wholeModelFiles(
      { name: 'model', baseDirectory: directory, config: shape, weights, card: '# whole' },
      'merged',
    )
    expect([...files.keys()].sort()).toEqual([
      'README.md',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    const folder = await mkdtemp(join(tmpdir(), 'openledger-full-'))
    await CheckpointFolder.write(folder, shape, weights)
    const scorer = createScorer(await CheckpointFolder.read(folder), undefined)
    let [loss, count] = [0, 0]
    for (const { text } of partRecords(records).test) {
      const ids = Int32Array.of(tokenizer.bosId, ...tokenizer.encode(text), tokenizer.eosId)
      for (const value of await scorer.logProbabilities(ids)) loss -= value
      count += ids.length - 1
    }
    expect(loss / count).toBeCloseTo(result.testLoss, 4)
    await scorer.release()
    await rm(folder, { recursive: true })
  })
})
