import { expect, test } from 'vitest'
import { tinyConfig } from '../../test/tinyConfig.ts'
import { createRandom } from '../Random.ts'
import { createScorer } from '../Scorer.ts'
import { createGradients } from '../training/Gradients.ts'
import * as Adapter from './Adapter.ts'
import { createCheckpoint, fromWeights } from './Checkpoint.ts'
import { type LlamaConfig, loraTargets } from './Config.ts'
import * as Merge from './Merge.ts'

const config: LlamaConfig = { ...tinyConfig, padId: 2 }
const random = createRandom(3)
const checkpoint = fromWeights(
  config,
  new Map(
    [...createCheckpoint(config, 1).weights].map(([name, data]) => [
      name,
      data.map((value) => value + 0.1 * random.normal()),
    ]),
  ),
)
const ids = Int32Array.from({ length: 20 }, (_, i) => 3 + ((i * i + 5 * i) % 37))

/** Ranks, scales and targets differ; the second leaves layers alone that the first changes, and the other way round. */
const parts: readonly Merge.MergePart[] = [
  { rank: 4, alpha: 6, targets: ['q_proj', 'v_proj', 'down_proj'] as const, weight: 0.7 },
  { rank: 2, alpha: 8, targets: loraTargets.filter((target) => target !== 'v_proj'), weight: -0.4 },
  { rank: 3, alpha: 3, targets: ['o_proj'] as const, weight: 1.5 },
].map(({ weight, ...options }, seed) => {
  const empty = Adapter.create(config, { ...options, seed })
  const tensors = new Map(
    [...empty.tensors].map(([name, { a, b }]) => [name, { a, b: b.map(() => 0.2 * random.normal()) }]),
  )
  return { adapter: Adapter.from({ ...empty, tensors }), weight }
})
const hash = `0x${'07'.repeat(32)}` as const

test('scores as the base does whose weights have the weighted sum of all changes in them', async () => {
  const summed = parts.reduce<ReadonlyMap<string, Float32Array>>(
    (weights, { adapter, weight }) =>
      Adapter.merge(weights, { ...adapter, alpha: weight * adapter.alpha, hash }),
    checkpoint.weights,
  )
  const expected = await createScorer(fromWeights(config, summed), undefined).logProbabilities(ids)
  const merged = Merge.concatenate(parts, hash)
  expect(merged).toMatchObject({ rank: 9, alpha: 9, targets: loraTargets, hash })
  const found = await createScorer(checkpoint, merged).logProbabilities(ids)
  const base = await createScorer(checkpoint, undefined).logProbabilities(ids)
  const apart = (other: Float32Array): number =>
    Math.max(...expected.map((nats, i) => Math.abs(nats - other[i]!)))
  expect(apart(found)).toBeLessThan(1e-4)
  expect(apart(base)).toBeGreaterThan(0.1)
})

test('takes each part’s own gradient out of that of the whole, as finite differences have it', async () => {
  const sequence = { ids, lossMask: new Float32Array(ids.length).fill(1 / ids.length) }
  const gradients = createGradients(checkpoint, { ...parts[0]!.adapter, hash }, { batchSize: 1 })
  const whole = gradients.withAdapter(Merge.concatenate(parts, hash))
  const [at] = await whole.perExample([sequence])
  for (const [index, { adapter }] of parts.entries()) {
    const { blocks } = gradients.withAdapter({ ...adapter, hash })
    const own = Merge.partOfGradient({ gradient: at!.gradient, blocks: whole.blocks }, blocks, parts, index)
    const direction = own.map(() => random.normal())
    /** Log-likelihood with this part's matrices moved along the direction. */
    const moved = async (step: number): Promise<number> => {
      let from = 0
      const along = (data: Float32Array): Float32Array => {
        const start = from
        from += data.length
        return data.map((value, i) => value + step * direction[start + i]!)
      }
      const tensors = new Map(
        [...adapter.tensors].map(([name, { a, b }]) => [name, { a: along(a), b: along(b) }]),
      )
      const others = parts.map((part, i) =>
        i === index ? { ...part, adapter: { ...adapter, tensors } } : part,
      )
      const [example] = await gradients.withAdapter(Merge.concatenate(others, hash)).perExample([sequence])
      return example!.logLikelihood
    }
    const step = 2e-3
    const slope = ((await moved(step)) - (await moved(-step))) / (2 * step)
    const found = own.reduce((sum, value, i) => sum + value * direction[i]!, 0)
    expect(Math.abs(found - slope)).toBeLessThan(0.01 * Math.abs(slope) + 1e-3)
  }
})
