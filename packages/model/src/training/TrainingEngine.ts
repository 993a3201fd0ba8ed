import { BaseError } from '@openledger/primitives'
import {
  BLOCK,
  type Graph,
  gradients,
  Op,
  type Quantised,
  type SessionOptions,
  type Tensor,
} from '@openledger/tensor'
import type { LlamaConfig, LoraTarget } from '../checkpoint/Config.ts'
import { linearName, linearSize, weightShapes } from '../checkpoint/Config.ts'
import { createSessionCache, sessionOptions } from '../decoder/SessionCache.ts'
import * as Llama from '../Llama.ts'
import { buildSequenceGraph, type Packed } from '../Sequence.ts'
import { drawMask, mixSeed } from './Dropout.ts'

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
  /** Weights of linear layers in 4 bits, by their names; not among `frozen`. */
  readonly quantised?: ReadonlyMap<string, Quantised>
  readonly lora?: {
    readonly rank: number
    readonly alpha: number
    readonly targets: readonly LoraTarget[]
    /** Part of the channels that each adapter does not see of a token in training. */
    readonly dropout: number
    /** Whether sequences may bring soft labels. */
    readonly learnsSoftLabels?: boolean
  }
}

/** Sequences of one run, with the number that the sum of their losses is divided by. */
export type TrainingPart = {
  readonly batch: Packed
  readonly divisor: number
  readonly isTraining: boolean
  /** What the dropped channels are drawn from. */
  readonly seed: number
}

/**
 * The part's share of the mean loss; in training the gradient in the order of the parameters, otherwise the losses of all
 * labels, weighed.
 */
export type PartResult = {
  readonly loss: number
  readonly slopes: readonly Float32Array[]
  readonly losses: Float32Array
}

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
    run: async ({ batch, divisor, isTraining, seed }) => {
      const { rows, tokens, ids, labels, mask, positions, segments, softLabels } = batch
      const learnsSoftLabels = task.lora?.learnsSoftLabels ?? false
      if (softLabels !== undefined && !learnsSoftLabels) throw new SoftLabelsError()
      const session = await sessions.get(`${rows}x${tokens}${isTraining ? '' : ' evaluate'}`, () =>
        build(task, rows, tokens, isTraining),
      )
      const feeds: Record<string, Float32Array | Int32Array | BigInt64Array | Uint8Array> = {
        ids,
        labels,
        positions,
        segments,
        weight: mask.map((value) => value / divisor),
        ...(learnsSoftLabels
          ? { softLabels: softLabels ?? new Float32Array(rows * tokens * task.config.hiddenSize) }
          : {}),
      }
      for (const { name, values } of task.parameters) feeds[name] = values
      for (const [name, values] of task.frozen ?? []) feeds[name] = values
      for (const [name, { packed, scales }] of task.quantised ?? []) {
        feeds[`${name}.packed`] = packed
        feeds[`${name}.scales`] = scales
      }
      if (isTraining) {
        for (const [i, { name, width }] of dropped(task).entries()) {
          feeds[name] = drawMask(rows * tokens * width, task.lora!.dropout, mixSeed(seed, i))
        }
      }
      const results = await session.run(feeds)
      const slopes = isTraining
        ? task.parameters.map((_, i) => results[`gradient.${i}`]!.data as Float32Array)
        : []
      const losses = isTraining ? new Float32Array(0) : (results.losses!.data as Float32Array)
      return { loss: results.loss!.data[0] as number, slopes, losses }
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
  const masks = new Map<string, Tensor>()
  const masksOf = (graph: Graph) => {
    if (masks.size === 0) {
      for (const { name, width } of dropped(task))
        masks.set(name, graph.input(name, 'float32', [rows, tokens, width]))
    }
    return masks
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
      const pair = { a: known.get(`${name}.a`)!, b: known.get(`${name}.b`)!, scale: lora.alpha / lora.rank }
      const place = isTraining ? dropoutPlace(task, layer, target) : undefined
      return place === undefined ? pair : { ...pair, mask: masksOf(graph).get(place)! }
    },
    (graph) => (x, name) => {
      const shape = task.quantised?.has(name) ? shapes.get(name)! : undefined
      if (shape === undefined) return undefined
      const blocks = [shape[0]!, shape[1]! / BLOCK]
      return Op.matmulQuantised(
        x,
        graph.input(`${name}.packed`, 'uint8', [...blocks, BLOCK / 2]),
        graph.input(`${name}.scales`, 'float32', blocks),
        1,
      )
    },
  )
  const labels = graph.input('labels', 'int64', [rows * tokens])
  const weight = graph.input('weight', 'float32', [rows * tokens, 1])
  const softLabels = task.lora?.learnsSoftLabels
    ? graph.input('softLabels', 'float32', [rows * tokens, config.hiddenSize])
    : undefined
  const { loss } = Llama.crossEntropy(hidden, weights(Llama.headName(config)), labels, softLabels)
  const losses = Op.multiply(loss, weight)
  const total = Op.sum(losses, [0, 1])
  if (!isTraining) return { loss: total, losses }
  const slopes = gradients(
    total,
    task.parameters.map(({ name }) => inputs.get(name)!),
  )
  return Object.fromEntries([['loss', total], ...slopes.map((slope, i) => [`gradient.${i}`, slope])])
}

/** Layers that share their input see the same channels of it: one mask for queries, keys and values, one for gate and up. */
const INPUTS: Readonly<Record<LoraTarget, LoraTarget>> = {
  q_proj: 'q_proj',
  k_proj: 'q_proj',
  v_proj: 'q_proj',
  o_proj: 'o_proj',
  gate_proj: 'gate_proj',
  up_proj: 'gate_proj',
  down_proj: 'down_proj',
}

function dropoutPlace({ lora }: TrainingTask, layer: number, target: LoraTarget): string | undefined {
  return lora === undefined || lora.dropout === 0 ? undefined : `dropout.${layer}.${INPUTS[target]}`
}

/** Lists the inputs of an adapter that are dropped from, in an order that does not change. */
function dropped(task: TrainingTask): { name: string; width: number }[] {
  const { config, lora } = task
  const places = new Map<string, number>()
  for (let layer = 0; layer < config.layers; layer++) {
    for (const target of lora?.targets ?? []) {
      const name = dropoutPlace(task, layer, target)
      if (name !== undefined) places.set(name, linearSize(config, target).input)
    }
  }
  return [...places].map(([name, width]) => ({ name, width }))
}

export class SoftLabelsError extends BaseError {
  constructor() {
    super({
      code: 'trainer.soft_labels',
      message:
        'Expected sequences without soft labels, got some with them. Create the trainer in mode lora with learnsSoftLabels.',
    })
  }
}
