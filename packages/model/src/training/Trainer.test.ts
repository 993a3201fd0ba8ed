import { describe, expect, test } from 'vitest'
import { tinyConfig } from '../../test/tinyConfig.ts'
import {
  Adapter,
  type Batch,
  createCheckpoint,
  createGradients,
  createRandom,
  createScorer,
  createTrainer,
  fromWeights,
  type LlamaConfig,
  loraTargets,
} from '../index.ts'

const config: LlamaConfig = {
  ...tinyConfig,
  heads: 4,
  keyValueHeads: 2,
  headSize: 4,
  contextMax: 64,
  eosId: 2,
}
const base = createCheckpoint(config, 5)

function batchOf(seed: number, lengths: readonly number[]): Batch {
  const random = createRandom(seed)
  const ids = lengths.map((length) => Int32Array.from({ length }, () => 3 + random.below(37)))
  return { ids, lossMask: ids.map(({ length }) => new Float32Array(length).fill(1)) }
}

/** An adapter whose B is not zero, so that it changes what the model says. */
function busyAdapter(seed: number, alpha = 8): Adapter.Adapter {
  const random = createRandom(seed)
  const fresh = Adapter.create(config, { rank: 4, alpha, targets: loraTargets, seed })
  const tensors = new Map(
    [...fresh.tensors].map(([name, { a, b }]) => [name, { a, b: b.map(() => random.normal() * 0.3) }]),
  )
  return Adapter.from({ ...fresh, tensors })
}

const scores = async (checkpoint: typeof base, adapter: Adapter.Adapter | undefined, ids: Int32Array) => {
  const scorer = createScorer(checkpoint, adapter)
  const found = await scorer.logProbabilities(ids)
  await scorer.release()
  return found
}

const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)))

describe('training', () => {
  test('a tiny model learns a batch by heart, and so does an adapter', async () => {
    const batch = batchOf(1, [12, 12, 9])
    // a frozen head of fresh weights could say nothing loudly: give the adapter one that can
    const loud = new Map(base.weights)
    loud.set(
      'model.embed_tokens.weight',
      base.weights.get('model.embed_tokens.weight')!.map((value) => value * 25),
    )
    const bases = { full: base, lora: fromWeights(config, loud) }
    for (const mode of ['full', 'lora'] as const) {
      const adapter = Adapter.create(config, { rank: 8, alpha: 16, targets: loraTargets, seed: 3 })
      const trainer = createTrainer(bases[mode], { mode, adapter })
      const first = await trainer.step(batch, 0.02)
      if (mode === 'full') expect(first.loss).toBeCloseTo(Math.log(40), 0)
      for (let step = 0; step < 150; step++) await trainer.step(batch, 0.02)
      const { loss, tokens } = await trainer.evaluate(batch)
      expect(tokens).toBe(30)
      expect(loss, mode).toBeLessThan(mode === 'full' ? 0.1 : 1)
      await trainer.release()
    }
  })

  test('an interrupted run continues bit for bit', async () => {
    const options = { mode: 'lora', adapter: busyAdapter(2) } as const
    const whole = createTrainer(base, options)
    const before = createTrainer(base, options)
    for (let step = 0; step < 6; step++) await whole.step(batchOf(step, [10, 20]), 0.01)
    for (let step = 0; step < 3; step++) await before.step(batchOf(step, [10, 20]), 0.01)
    const saved = before.state()
    const after = createTrainer(base, options)
    after.restore(saved)
    for (let step = 3; step < 6; step++) await after.step(batchOf(step, [10, 20]), 0.01)
    expect(after.adapter().hash).toBe(whole.adapter().hash)
    expect(Buffer.compare(after.state(), whole.state())).toBe(0)
    for (const trainer of [whole, before, after]) await trainer.release()
  })

  test('a state of another shape is refused and changes nothing', async () => {
    const trainer = createTrainer(base, { mode: 'lora', adapter: busyAdapter(2) })
    const other = createTrainer(base, { mode: 'full' })
    const hash = trainer.adapter().hash
    expect(() => trainer.restore(other.state())).toThrow('state of a trainer of the same model')
    expect(() => trainer.restore(trainer.state().subarray(0, 1000))).toThrow('safetensors')
    expect(trainer.adapter().hash).toBe(hash)
    expect(() => trainer.weights()).toThrow('mode full')
  })

  test('worker threads and accumulated parts give the step that one run gives', async () => {
    const batch = batchOf(4, [30, 30, 17, 30, 22])
    const whole = createTrainer(base, { mode: 'full' })
    const pooled = createTrainer(base, { mode: 'full', rowsMax: 2, workers: 2 })
    for (let step = 0; step < 3; step++) {
      const wanted = await whole.step(batch, 0.001)
      const found = await pooled.step(batch, 0.001)
      expect(found.loss).toBeCloseTo(wanted.loss, 5)
      expect(found.gradientNorm).toBeCloseTo(wanted.gradientNorm, 4)
    }
    expect((await pooled.evaluate(batch)).loss).toBeCloseTo((await whole.evaluate(batch)).loss, 4)
    await pooled.release()
    await whole.release()
  })

  test('sequences that share a row do not see each other, in loss or gradient', async () => {
    const adapter = busyAdapter(6)
    const batch = batchOf(7, [9, 30, 14, 5, 21, 2])
    const trainer = createTrainer(base, { mode: 'lora', adapter, optimizer: { gradientNormMax: 0 } })
    // one row each, and one gradient each
    const apart = createGradients(base, adapter, { batchSize: 1 })
    const sequences = batch.ids.map((ids, i) => ({ ids, lossMask: batch.lossMask[i]! }))
    const each = await apart.perExample(sequences)
    const tokens = batch.ids.reduce((sum, ids) => sum + ids.length - 1, 0)
    const sum = each.reduce(
      (total, { gradient }) => total.map((value, i) => value + gradient[i]! / tokens),
      new Float64Array(each[0]!.gradient.length),
    )
    const { loss, gradientNorm } = await trainer.step(batch, 0)
    expect(loss).toBeCloseTo(-each.reduce((total, { logLikelihood }) => total + logLikelihood, 0) / tokens, 5)
    expect(gradientNorm).toBeCloseTo(Math.hypot(...sum), 5)
    await trainer.release()
    await apart.release()
  })

  test('the number of worker threads does not change a single bit', async () => {
    const states = []
    for (const workers of [0, 1, 3]) {
      const trainer = createTrainer(base, { mode: 'full', rowsMax: 2, workers })
      for (let step = 0; step < 3; step++) await trainer.step(batchOf(step, [30, 30, 17, 30, 22]), 0.01)
      states.push(Buffer.from(trainer.state()).toString('base64'))
      await trainer.release()
    }
    expect(new Set(states).size).toBe(1)
  })

  test('a batch without counted tokens, a token out of range and an overlong sequence are refused', async () => {
    const trainer = createTrainer(base, { mode: 'full' })
    const ids = [Int32Array.of(1, 3, 4)]
    await expect(trainer.step({ ids, lossMask: [new Float32Array(3)] }, 0.1)).rejects.toThrow('counted token')
    const lossMask = [Float32Array.of(0, 1, 1)]
    await expect(trainer.step({ ids: [Int32Array.of(1, 40, 4)], lossMask }, 0.1)).rejects.toThrow('below 40')
    await expect(trainer.step(batchOf(1, [66]), 0.1)).rejects.toThrow('2 to 65')
  })

  test('a learning rate that breaks the numbers is reported, not saved', async () => {
    const trainer = createTrainer(base, { mode: 'full' })
    await expect(async () => {
      for (let step = 0; step < 20; step++) await trainer.step(batchOf(step, [12]), 1e38)
    }).rejects.toMatchObject({ code: 'trainer.not_finite' })
  })
})

describe('adapters', () => {
  const ids = batchOf(9, [20]).ids[0]!

  test('a new adapter changes nothing', async () => {
    const adapter = Adapter.create(config, { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj'], seed: 1 })
    expect(distance(await scores(base, adapter, ids), await scores(base, undefined, ids))).toBeLessThan(1e-6)
  })

  test('merged weights score as the adapter does', async () => {
    const adapter = busyAdapter(7)
    const merged = fromWeights(config, Adapter.merge(base.weights, adapter))
    const wanted = await scores(base, adapter, ids)
    expect(distance(await scores(merged, undefined, ids), wanted)).toBeLessThan(1e-4)
    expect(distance(await scores(base, undefined, ids), wanted)).toBeGreaterThan(0.01)
  })

  test('bytes round trip and equal adapters have equal hashes', () => {
    const adapter = busyAdapter(7)
    const decoded = Adapter.decode(config, Adapter.encode(adapter))
    expect(decoded).toEqual(adapter)
    expect(busyAdapter(7).hash).toBe(adapter.hash)
    expect(busyAdapter(8).hash).not.toBe(adapter.hash)
  })

  test('an adapter of another base is refused', () => {
    const bytes = Adapter.encode(busyAdapter(7))
    expect(() => Adapter.decode({ ...config, hiddenSize: 20 }, bytes)).toThrow('as the base model needs')
    expect(() => Adapter.decode({ ...config, layers: 1 }, bytes)).toThrow('belongs to no target')
    expect(() => Adapter.decode({ ...config, layers: 3 }, bytes)).toThrow('is missing')
  })
})

describe('per-example gradients', () => {
  const adapter = busyAdapter(11)
  const { ids, lossMask } = batchOf(12, [9, 33, 21, 40, 9])
  const sequences = ids.map((row, i) => ({ ids: row, lossMask: lossMask[i]! }))

  test('an example has the same gradient alone and among others', async () => {
    const engine = createGradients(base, adapter, { batchSize: 4 })
    const together = await engine.perExample(sequences)
    for (const [i, sequence] of sequences.entries()) {
      const [alone] = await engine.perExample([sequence])
      expect(distance(alone!.gradient, together[i]!.gradient)).toBeLessThan(1e-4)
      expect(alone!.logLikelihood).toBeCloseTo(together[i]!.logLikelihood, 4)
    }
    await engine.release()
  })

  test('another adapter over the same base has its own gradients', async () => {
    const engine = createGradients(base, adapter, { batchSize: 4 })
    const other = busyAdapter(13)
    const shared = await engine.withAdapter(other).perExample(sequences.slice(0, 1))
    const fresh = createGradients(base, other, { batchSize: 4 })
    expect(shared).toEqual(await fresh.perExample(sequences.slice(0, 1)))
    await engine.release()
    await fresh.release()
  })

  test('sampled labels follow the seed, and their score averages to zero as a score function must', async () => {
    const engine = createGradients(base, adapter, { batchSize: 32 })
    const copies = Array.from({ length: 32 }, () => sequences[0]!)
    const seedsOf = (pass: number) => copies.map((_, i) => 1_000 * pass + i)
    const first = await engine.perExample(copies, 'sampled', seedsOf(1))
    expect(await engine.perExample(copies, 'sampled', seedsOf(1))).toEqual(first)
    // whoever is computed beside it changes no sequence's draw
    const [beside] = await engine.perExample(copies.slice(0, 2).reverse(), 'sampled', [1_001, 1_000])
    const close = beside!.gradient.every((value, i) => Math.abs(value - first[1]!.gradient[i]!) < 1e-4)
    expect(close).toBe(true)
    let draws = [...first]
    for (let seed = 2; seed <= 16; seed++)
      draws = [...draws, ...(await engine.perExample(copies, 'sampled', seedsOf(seed)))]
    const size = draws[0]!.gradient.length
    const mean = new Float64Array(size)
    let energy = 0
    for (const { gradient } of draws) {
      gradient.forEach((value, i) => {
        mean[i]! += value / draws.length
        energy += (value * value) / draws.length
      })
    }
    const meanEnergy = mean.reduce((sum, value) => sum + value * value, 0)
    // the squared norm of a mean of n independent draws around zero is about energy / n
    expect(meanEnergy / (energy / draws.length)).toBeGreaterThan(0.3)
    expect(meanEnergy / (energy / draws.length)).toBeLessThan(3)
    await engine.release()
  })
})
