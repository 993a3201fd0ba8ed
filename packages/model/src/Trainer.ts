import { BaseError } from '@openledger/primitives'
import { type Graph, gradients, Op, type Tensor } from '@openledger/tensor'
import { type AdamWOptions, adamWDefaults, type Moments, updateAdamW } from './AdamW.ts'
import * as Adapter from './Adapter.ts'
import type { Checkpoint } from './Checkpoint.ts'
import { type LoraTarget, linearName, linearSize, weightShapes } from './Config.ts'
import * as Llama from './Llama.ts'
import * as Safetensors from './Safetensors.ts'
import { bucket, buildSequenceGraph, type Collated, collate, type Sequence } from './Sequence.ts'
import { createSessionCache, sessionOptions } from './SessionCache.ts'

/** Sequences of one optimiser step; `lossMask[i][t]` weighs the prediction of token `t` of sequence `i`. */
export type Batch = { readonly ids: readonly Int32Array[]; readonly lossMask: readonly Float32Array[] }

export type TrainerOptions = {
  /** What is trained: an adapter over the frozen base, or all weights. */
  readonly mode: 'lora' | 'full'
  /** The adapter to start from; needed for `lora`. Rank and targets stay as they are. */
  readonly adapter?: Adapter.Adapter
  /** Sequences in one run of the graph; larger batches accumulate. Default 16. */
  readonly rowsMax?: number
  readonly threads?: number
  readonly spinning?: boolean
  readonly optimizer?: Partial<AdamWOptions>
}

/** What one step did. */
export type StepResult = {
  /** Mean over the counted tokens, before the step, in nats. */
  readonly loss: number
  readonly gradientNorm: number
  /** Sum of the loss mask. */
  readonly tokens: number
}

export type Trainer = {
  /**
   * Takes one optimiser step. Runs on the calling thread: keep a trainer in a worker.
   * @throws {NotFiniteError} when loss or gradient overflow; the weights are then as before the call.
   */
  readonly step: (batch: Batch, learningRate: number) => Promise<StepResult>
  /** Computes the mean loss without changing anything. */
  readonly evaluate: (batch: Batch) => Promise<{ readonly loss: number; readonly tokens: number }>
  /** Copies the adapter as it is now. @throws {ModeError} in `full` mode. */
  readonly adapter: () => Adapter.Adapter
  /** Copies all weights as they are now. @throws {ModeError} in `lora` mode. */
  readonly weights: () => Map<string, Float32Array>
  /** Encodes weights, moments and step count; `restore` continues bit for bit as if never stopped. */
  readonly state: () => Uint8Array<ArrayBuffer>
  /** @throws {StateError} when the state is of another model, mode or adapter shape. */
  readonly restore: (state: Uint8Array) => void
  readonly release: () => Promise<void>
}

type Trained = Moments & { readonly name: string; readonly shape: readonly number[] }

/** Batches of at most this many lengths keep a compiled graph each. */
const sessionsMax = 8

/** Prepares training on a checkpoint. The checkpoint's own arrays are never changed. */
export function createTrainer(checkpoint: Checkpoint, options: TrainerOptions): Trainer {
  const { config } = checkpoint
  const { mode, rowsMax = 16 } = options
  const optimizer = { ...adamWDefaults, ...options.optimizer }
  const shapes = weightShapes(config)
  const start = mode === 'lora' ? options.adapter : undefined
  if (mode === 'lora' && !start) throw new ModeError('an adapter to train')
  const trained = start ? trainedPairs(start) : trainedWeights(checkpoint, shapes)
  const sessions = createSessionCache(sessionsMax, sessionOptions(options))
  let steps = 0

  const inputsIn = (graph: Graph) => {
    const known = new Map<string, Tensor>()
    return (name: string, shape: readonly number[]): Tensor => {
      const tensor = known.get(name) ?? graph.input(name, 'float32', shape)
      known.set(name, tensor)
      return tensor
    }
  }

  const build = (rows: number, tokens: number, isTraining: boolean): Record<string, Tensor> => {
    const fedBy = new Map<Graph, ReturnType<typeof inputsIn>>()
    const feed = (graph: Graph) => {
      const known = fedBy.get(graph) ?? inputsIn(graph)
      fedBy.set(graph, known)
      return known
    }
    const { graph, hidden, weights } = buildSequenceGraph(
      config,
      { rows, tokens },
      (graph) =>
        start
          ? Llama.constantWeights(graph, checkpoint.weights, shapes)
          : (name) => feed(graph)(name, shapes.get(name)!),
      (graph) => (layer, target) => start && pairInputs(start, feed(graph), layer, target),
    )
    const labels = graph.input('labels', 'int64', [rows * tokens])
    const weight = graph.input('weight', 'float32', [rows * tokens, 1])
    const { loss } = Llama.crossEntropy(hidden, weights(Llama.headName(config)), labels)
    const total = Op.sum(Op.multiply(loss, weight), [0, 1])
    if (!isTraining) return { loss: total }
    const feeds = feed(graph)
    const slopes = gradients(
      total,
      trained.map(({ name, shape }) => feeds(name, shape)),
    )
    return Object.fromEntries([['loss', total], ...slopes.map((slope, i) => [`gradient.${i}`, slope])])

    function pairInputs(
      adapter: Adapter.Adapter,
      input: (name: string, shape: readonly number[]) => Tensor,
      layer: number,
      target: LoraTarget,
    ): Llama.LoraPair | undefined {
      if (!adapter.targets.includes(target)) return undefined
      const size = linearSize(config, target)
      const name = linearName(layer, target)
      return {
        a: input(`${name}.a`, [size.input, adapter.rank]),
        b: input(`${name}.b`, [adapter.rank, size.output]),
        scale: adapter.alpha / adapter.rank,
      }
    }
  }

  const runPart = async (part: Collated, tokens: number, isTraining: boolean) => {
    const key = `${part.rows}x${part.tokens}${isTraining ? '' : ' evaluate'}`
    const session = await sessions.get(key, () => build(part.rows, part.tokens, isTraining))
    const feeds: Record<string, Float32Array | Int32Array | BigInt64Array> = {
      ids: part.ids,
      labels: part.labels,
      weight: part.mask.map((value) => value / tokens),
    }
    for (const { name, values } of trained) feeds[name] = values
    return await session.run(feeds)
  }

  const partsOf = (batch: Batch): { parts: Collated[]; tokens: number } => {
    const sequences = batch.ids.map((ids, i): Sequence => ({ ids, lossMask: batch.lossMask[i]! }))
    const parts: Collated[] = []
    for (let from = 0; from < sequences.length; from += rowsMax) {
      parts.push(collate(config, sequences.slice(from, from + rowsMax)))
    }
    let tokens = 0
    for (const { mask } of parts) for (const value of mask) tokens += value
    if (!(tokens > 0)) throw new EmptyBatchError()
    return { parts, tokens }
  }

  const step: Trainer['step'] = async (batch, learningRate) => {
    const { parts, tokens } = partsOf(batch)
    let loss = 0
    let slopes: Float32Array[] | undefined
    for (const part of parts) {
      const results = await runPart(part, tokens, true)
      loss += results.loss!.data[0] as number
      const found = trained.map((_, i) => results[`gradient.${i}`]!.data as Float32Array)
      if (slopes) for (const [i, slope] of slopes.entries()) addInto(slope, found[i]!)
      else slopes = found
    }
    if (!Number.isFinite(loss)) throw new NotFiniteError('loss', steps + 1)
    if (!slopes!.every((slope) => Number.isFinite(squareSum(slope))))
      throw new NotFiniteError('gradient', steps + 1)
    steps++
    const gradientNorm = updateAdamW(trained, slopes!, steps, learningRate, optimizer)
    return { loss, gradientNorm, tokens }
  }

  const evaluate: Trainer['evaluate'] = async (batch) => {
    const { parts, tokens } = partsOf(batch)
    let loss = 0
    for (const part of parts) loss += (await runPart(part, tokens, false)).loss!.data[0] as number
    return { loss, tokens }
  }

  return {
    step,
    evaluate,
    adapter: () => {
      if (!start) throw new ModeError('mode lora')
      const values = new Map(trained.map((tensor) => [tensor.name, tensor.values]))
      const tensors = new Map<string, Adapter.AdapterPair>()
      for (const name of start.tensors.keys()) {
        tensors.set(name, { a: values.get(`${name}.a`)!.slice(), b: values.get(`${name}.b`)!.slice() })
      }
      return Adapter.from({ rank: start.rank, alpha: start.alpha, targets: start.targets, tensors })
    },
    weights: () => {
      if (start) throw new ModeError('mode full')
      return new Map(trained.map(({ name, values }) => [name, values.slice()]))
    },
    state: () => encodeState(trained, steps),
    restore: (bytes) => {
      steps = restoreState(trained, bytes)
    },
    release: sessions.release,
  }
}

function trainedWeights(checkpoint: Checkpoint, shapes: ReadonlyMap<string, readonly number[]>): Trained[] {
  return [...shapes].map(([name, shape]) => withMoments(name, shape, checkpoint.weights.get(name)!))
}

function trainedPairs({ tensors, rank }: Adapter.Adapter): Trained[] {
  return [...tensors].flatMap(([name, { a, b }]) => [
    withMoments(`${name}.a`, [a.length / rank, rank], a),
    withMoments(`${name}.b`, [rank, b.length / rank], b),
  ])
}

const withMoments = (name: string, shape: readonly number[], values: Float32Array): Trained => ({
  name,
  shape,
  values: values.slice(),
  mean: new Float32Array(values.length),
  square: new Float32Array(values.length),
  isDecayed: shape.length > 1,
})

function addInto(target: Float32Array, part: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += part[i]!
}

function squareSum(values: Float32Array): number {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i]! * values[i]!
  return total
}

function encodeState(trained: readonly Trained[], steps: number): Uint8Array<ArrayBuffer> {
  const tensors = new Map<string, Safetensors.StoredTensor>()
  for (const { name, shape, values, mean, square } of trained) {
    tensors.set(`${name}#values`, { shape, data: values })
    tensors.set(`${name}#mean`, { shape, data: mean })
    tensors.set(`${name}#square`, { shape, data: square })
  }
  return Safetensors.encode(tensors, 'F32', { steps: String(steps) })
}

function restoreState(trained: readonly Trained[], bytes: Uint8Array): number {
  const { tensors, metadata } = Safetensors.decode(bytes)
  const steps = Number(metadata.steps)
  const fits = trained.every(({ name, shape }) =>
    ['values', 'mean', 'square'].every(
      (part) => tensors.get(`${name}#${part}`)?.shape.join() === shape.join(),
    ),
  )
  if (!fits || tensors.size !== 3 * trained.length || !Number.isSafeInteger(steps) || steps < 0) {
    throw new StateError()
  }
  for (const { name, values, mean, square } of trained) {
    values.set(tensors.get(`${name}#values`)!.data)
    mean.set(tensors.get(`${name}#mean`)!.data)
    square.set(tensors.get(`${name}#square`)!.data)
  }
  return steps
}

/** Counts the inputs that a batch is computed with, padding included: what speed is measured in. */
export const computedTokens = (batch: Batch, tokensMax: number): number => {
  const longest = Math.max(...batch.ids.map((ids) => ids.length - 1))
  return batch.ids.length * bucket(longest, tokensMax)
}

export class ModeError extends BaseError {
  constructor(needed: string) {
    super({
      code: 'trainer.wrong_mode',
      message: `Expected ${needed} for this call of the trainer, got none. Create the trainer so.`,
    })
  }
}

export class EmptyBatchError extends BaseError {
  constructor() {
    super({
      code: 'trainer.empty_batch',
      message: 'Expected at least one counted token in the batch, got none. Leave such batches out.',
    })
  }
}

export class NotFiniteError extends BaseError {
  constructor(what: 'loss' | 'gradient', step: number) {
    super({
      code: 'trainer.not_finite',
      message: `Expected a finite ${what} in step ${step}, got an overflow. Lower the learning rate or clean the records.`,
      context: { what, step },
      severity: 'reset',
    })
  }
}

export class StateError extends BaseError {
  constructor() {
    super({
      code: 'trainer.wrong_state',
      message:
        'Expected the state of a trainer of the same model, mode and adapter shape, got another. Restore it where it was saved.',
    })
  }
}
