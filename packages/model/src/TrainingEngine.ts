import { type Graph, gradients, Op, type SessionOptions, type Tensor } from '@openledger/tensor'
import type { LlamaConfig, LoraTarget } from './Config.ts'
import { linearName, weightShapes } from './Config.ts'
import * as Llama from './Llama.ts'
import { buildSequenceGraph, type Packed } from './Sequence.ts'
import { createSessionCache, sessionOptions } from './SessionCache.ts'

/** A tensor that training moves; `values` may lie in shared memory and is read anew by each run. */
export type Parameter = {
  readonly name: string
  readonly shape: readonly number[]
  readonly values: Float32Array
}

/** What is computed: all weights as parameters, or the matrices of an adapter over a frozen base. */
export type TrainingTask = {
  readonly config: LlamaConfig
  readonly parameters: readonly Parameter[]
  /** The frozen base; undefined when all weights are trained. */
  readonly frozen?: ReadonlyMap<string, Float32Array>
  readonly lora?: { readonly rank: number; readonly alpha: number; readonly targets: readonly LoraTarget[] }
}

/** Sequences of one run, with the number that the sum of their losses is divided by. */
export type TrainingPart = {
  readonly batch: Packed
  readonly divisor: number
  readonly isTraining: boolean
}

/** The part's share of the mean loss, and of the gradient in the order of the parameters (empty unless training). */
export type PartResult = { readonly loss: number; readonly slopes: readonly Float32Array[] }

export type TrainingEngine = {
  readonly run: (part: TrainingPart) => Promise<PartResult>
  readonly release: () => Promise<void>
}

/** Shapes that keep a compiled graph each; every one holds the memory of its largest run. */
const sessionsMax = 3

/** Prepares loss and gradient on the calling thread. */
export function createTrainingEngine(task: TrainingTask, options: SessionOptions): TrainingEngine {
  const sessions = createSessionCache(sessionsMax, sessionOptions(options))
  return {
    run: async ({ batch, divisor, isTraining }) => {
      const { rows, tokens, ids, labels, mask, positions, segments } = batch
      const session = await sessions.get(`${rows}x${tokens}${isTraining ? '' : ' evaluate'}`, () =>
        build(task, rows, tokens, isTraining),
      )
      const feeds: Record<string, Float32Array | Int32Array | BigInt64Array> = {
        ids,
        labels,
        positions,
        segments,
        weight: mask.map((value) => value / divisor),
      }
      for (const { name, values } of task.parameters) feeds[name] = values
      for (const [name, values] of task.frozen ?? []) feeds[name] = values
      const results = await session.run(feeds)
      const slopes = isTraining
        ? task.parameters.map((_, i) => results[`gradient.${i}`]!.data as Float32Array)
        : []
      return { loss: results.loss!.data[0] as number, slopes }
    },
    release: sessions.release,
  }
}

function build(
  task: TrainingTask,
  rows: number,
  tokens: number,
  isTraining: boolean,
): Record<string, Tensor> {
  const { config, frozen } = task
  const shapes = weightShapes(config)
  const inputs = new Map<string, Tensor>()
  const inputsOf = (graph: Graph) => {
    for (const { name, shape } of task.parameters) {
      if (!inputs.has(name)) inputs.set(name, graph.input(name, 'float32', shape))
    }
    return inputs
  }
  const { graph, hidden, weights } = buildSequenceGraph(
    config,
    { rows, tokens, isPacked: true },
    (graph) => (frozen ? Llama.inputWeights(graph, shapes) : (name) => inputsOf(graph).get(name)!),
    (graph) => (layer, target) => {
      const { lora } = task
      if (!lora?.targets.includes(target)) return undefined
      const name = linearName(layer, target)
      const known = inputsOf(graph)
      return { a: known.get(`${name}.a`)!, b: known.get(`${name}.b`)!, scale: lora.alpha / lora.rank }
    },
  )
  const labels = graph.input('labels', 'int64', [rows * tokens])
  const weight = graph.input('weight', 'float32', [rows * tokens, 1])
  const { loss } = Llama.crossEntropy(hidden, weights(Llama.headName(config)), labels)
  const total = Op.sum(Op.multiply(loss, weight), [0, 1])
  if (!isTraining) return { loss: total }
  const slopes = gradients(
    total,
    task.parameters.map(({ name }) => inputs.get(name)!),
  )
  return Object.fromEntries([['loss', total], ...slopes.map((slope, i) => [`gradient.${i}`, slope])])
}
