import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSession, gradients, Op, type Tensor } from '@openledger/tensor'
import { describe, expect, test } from 'vitest'
import {
  AdapterFolder,
  buildSequenceGraph,
  type Checkpoint,
  CheckpointFolder,
  collate,
  createGradients,
  createScorer,
  Llama,
  type Sequence,
  weightShapes,
} from './index.ts'

// made by scripts/vectors/llama.py with Hugging Face transformers and PEFT
const folder = join(import.meta.dirname, '../test/fixtures')
type Run = {
  ids: number[][]
  lossMask: number[][]
  logits: number[]
  loss: number
  gradients: Record<string, number[]>
}
const reference = JSON.parse(await readFile(join(folder, 'reference.json'), 'utf8')) as {
  files: Record<string, string>
  tied: Run
  untied: Run
  adapter: { logits: number[]; losses: number[]; perExampleGradients: Record<string, number[]>[] }
}

/** Largest difference, relative to the largest number of the reference. */
function distance(found: ArrayLike<number | bigint>, wanted: readonly number[]): number {
  expect(found.length).toBe(wanted.length)
  const scale = Math.max(1e-3, ...wanted.map(Math.abs))
  return Math.max(...wanted.map((value, i) => Math.abs(Number(found[i]) - value))) / scale
}

const sequencesOf = (run: Run): Sequence[] =>
  run.ids.map((ids, i) => ({ ids: Int32Array.from(ids), lossMask: Float32Array.from(run.lossMask[i]!) }))

async function forward(checkpoint: Checkpoint, run: Run) {
  const { config } = checkpoint
  const shapes = weightShapes(config)
  const size = { rows: run.ids.length, tokens: run.ids[0]!.length }
  const { graph, hidden, weights } = buildSequenceGraph(
    config,
    size,
    (graph) => Llama.constantWeights(graph, checkpoint.weights, shapes),
    () => () => undefined,
  )
  const logits = Llama.head(config, weights, hidden)
  const batch = collate(config, sequencesOf(run))
  const labels = BigInt64Array.from(
    run.ids.flatMap((ids) => [...ids.slice(1), 0]),
    BigInt,
  )
  const mask = run.lossMask.flatMap((row) => [...row.slice(1), 0])
  const total = batch.mask.reduce((sum, value) => sum + value, 0)
  const { loss } = Llama.crossEntropy(
    hidden,
    weights(Llama.headName(config)),
    graph.constant(labels, [labels.length]),
  )
  const weight = graph.constant(
    Float32Array.from(mask, (value) => value / total),
    [mask.length, 1],
  )
  const mean = Op.sum(Op.multiply(loss, weight), [0, 1])
  const outputs: Record<string, Tensor> = { logits, mean }
  const names = [...shapes.keys()]
  gradients(mean, names.map(weights)).forEach((slope, i) => {
    outputs[`slope of ${names[i]}`] = slope
  })
  const session = await createSession(outputs)
  return await session.run({ ids: Int32Array.from(run.ids.flat()) })
}

describe('the Llama family against Hugging Face transformers', () => {
  test('the stored vectors are the files they were made with', async () => {
    for (const [path, hash] of Object.entries(reference.files)) {
      const bytes = await readFile(join(folder, path))
      expect(createHash('sha256').update(bytes).digest('hex'), path).toBe(hash)
    }
  })

  test.each(['tied', 'untied'] as const)('logits, loss and every gradient agree: %s', async (name) => {
    const checkpoint = await CheckpointFolder.read(join(folder, name))
    const run = reference[name]
    const found = await forward(checkpoint, run)
    expect(distance(found.logits!.data, run.logits)).toBeLessThan(1e-5)
    expect(Number(found.mean!.data[0])).toBeCloseTo(run.loss, 5)
    for (const [key, wanted] of Object.entries(run.gradients)) {
      expect(distance(found[`slope of ${key}`]!.data, wanted), key).toBeLessThan(2e-5)
    }
  })

  test('a PEFT adapter gives PEFT losses, and its per-example gradients are PEFT gradients one by one', async () => {
    const checkpoint = await CheckpointFolder.read(join(folder, 'tied'))
    const adapter = await AdapterFolder.read(checkpoint.config, join(folder, 'adapter'))
    const sequences = sequencesOf(reference.tied)
    const engine = createGradients(checkpoint, adapter, { batchSize: 8 })
    const found = await engine.perExample(sequences)
    const scorer = createScorer(checkpoint, adapter)
    for (const [row, sequence] of sequences.entries()) {
      expect(-found[row]!.logLikelihood).toBeCloseTo(reference.adapter.losses[row]!, 4)
      const scores = await scorer.logProbabilities(sequence.ids)
      const scored = scores.reduce((sum, score, t) => sum + score * (t === 0 ? 0 : sequence.lossMask[t]!), 0)
      expect(-scored).toBeCloseTo(reference.adapter.losses[row]!, 4)
      let offset = 0
      for (const { name, size, rows, columns } of engine.blocks) {
        const slope = found[row]!.gradient.subarray(offset, offset + size)
        offset += size
        // PEFT keeps A and B transposed and gives the gradient of the loss, ours is of the likelihood
        const wanted =
          reference.adapter.perExampleGradients[row]![
            name.replace(/\.a$/, '.lora_A').replace(/\.b$/, '.lora_B')
          ]!
        const turned = Array.from(
          { length: size },
          (_, i) => -slope[(i % rows) * columns + Math.floor(i / rows)]!,
        )
        expect(distance(turned, wanted), `${row} ${name}`).toBeLessThan(2e-5)
      }
    }
    await engine.release()
    await scorer.release()
  })
})
