import { describe, expect, test } from 'vitest'
import { tinyConfig } from '../../test/tinyConfig.ts'
import * as Adapter from '../checkpoint/Adapter.ts'
import { createCheckpoint, fromWeights } from '../checkpoint/Checkpoint.ts'
import { loraTargets } from '../checkpoint/Config.ts'
import { createRandom } from '../Random.ts'
import { createScorer } from '../Scorer.ts'
import type { Sequence } from '../Sequence.ts'
import { withSoftLabels } from './SoftLabels.ts'
import { createTrainer } from './Trainer.ts'

const VOCABULARY = 10
const config = { ...tinyConfig, vocabularySize: VOCABULARY, layers: 1 }
const random = createRandom(8)
const fresh = createCheckpoint(config, 3)
// far from uniform, so that labels which ignored the teacher would be seen
const teacher = fromWeights(
  config,
  new Map(
    [...fresh.weights].map(([name, values]) => [
      name,
      name === 'model.embed_tokens.weight' ? values.map((value) => value * 40) : values,
    ]),
  ),
)
const start = Adapter.create(config, { rank: 2, alpha: 4, targets: loraTargets, seed: 5 })
const student = Adapter.from({
  ...start,
  tensors: new Map(
    [...start.tensors].map(([name, { a, b }]) => [name, { a, b: b.map(() => random.normal() * 0.4) }]),
  ),
})
const sequences = [7, 5, 9].map((length): Sequence => {
  const ids = Int32Array.from({ length }, (_, t) => (t === 0 ? 1 : 2 + random.below(8)))
  return { ids, lossMask: Float32Array.from(ids, (_, t) => (t === 0 ? 0 : 1)) }
})
const batchOf = (list: readonly Sequence[]) => ({
  ids: list.map(({ ids }) => ids),
  lossMask: list.map(({ lossMask }) => lossMask),
  softLabels: list.map(({ softLabels }) => softLabels),
})

/** `log p(v | tokens before t)` for every token `v` of the vocabulary, by asking for each in turn. */
async function distributionAt(adapter: Adapter.Adapter | undefined, ids: Int32Array, t: number) {
  const scorer = createScorer(teacher, adapter)
  const found: number[] = []
  for (let token = 0; token < VOCABULARY; token++) {
    const scores = await scorer.logProbabilities(Int32Array.of(...ids.subarray(0, t), token))
    found.push(scores[t]!)
  }
  await scorer.release()
  return found
}

describe('soft labels', () => {
  test('make the loss the cross-entropy against all that the teacher finds likely', async () => {
    let expected = 0
    let count = 0
    for (const { ids } of sequences) {
      for (let t = 1; t < ids.length; t++) {
        const [wanted, got] = [
          await distributionAt(undefined, ids, t),
          await distributionAt(student, ids, t),
        ] as const
        expected -= wanted.reduce((sum, each, token) => sum + Math.exp(each) * got[token]!, 0)
        count++
      }
    }
    const trainer = createTrainer(teacher, { mode: 'lora', adapter: student, learnsSoftLabels: true })
    const labelled = await withSoftLabels(teacher, sequences)
    const { loss } = await trainer.evaluate(batchOf(labelled))
    expect(loss).toBeCloseTo(expected / count, 5)
    const { loss: hard } = await trainer.evaluate(batchOf(sequences))
    expect(Math.abs(hard - loss)).toBeGreaterThan(0.01)
    await trainer.release()
  })

  test('have no slope where the student is the teacher, whatever tokens were drawn, beside others that have', async () => {
    const trainer = createTrainer(teacher, { mode: 'lora', adapter: start, learnsSoftLabels: true })
    const labelled = await withSoftLabels(teacher, sequences)
    expect((await trainer.step(batchOf(labelled), 0)).gradientNorm).toBeLessThan(1e-5)
    expect((await trainer.step(batchOf(sequences), 0)).gradientNorm).toBeGreaterThan(0.01)
    const mixed = [labelled[0]!, sequences[1]!, labelled[2]!]
    const alone = createTrainer(teacher, { mode: 'lora', adapter: start })
    const counted = 6 + 4 + 8
    const { gradientNorm } = await alone.step({ ...batchOf([sequences[1]!]), divisor: counted }, 0)
    expect((await trainer.step(batchOf(mixed), 0)).gradientNorm).toBeCloseTo(gradientNorm, 5)
    await trainer.release()
    await alone.release()
  })

  test('lead a student to the teacher by gradients that point downhill', async () => {
    const trainer = createTrainer(teacher, { mode: 'lora', adapter: student, learnsSoftLabels: true })
    const batch = batchOf(await withSoftLabels(teacher, sequences))
    const own = createTrainer(teacher, { mode: 'lora', adapter: start, learnsSoftLabels: true })
    const { loss: entropy } = await own.evaluate(batch)
    const before = (await trainer.evaluate(batch)).loss - entropy
    for (let step = 0; step < 80; step++) await trainer.step(batch, 0.02)
    expect((await trainer.evaluate(batch)).loss - entropy).toBeLessThan(before / 20)
    await trainer.release()
    await own.release()
  })

  test('are refused by a trainer that was not made for them', async () => {
    const trainer = createTrainer(teacher, { mode: 'lora', adapter: student })
    await expect(trainer.step(batchOf(await withSoftLabels(teacher, sequences)), 0.1)).rejects.toMatchObject({
      code: 'trainer.soft_labels',
    })
    await trainer.release()
    await expect(withSoftLabels(teacher, sequences, { signal: AbortSignal.abort() })).rejects.toThrow('abort')
  })
})
