import { BaseError } from '@openledger/primitives'
import { type AdamWOptions, adamWDefaults, type Moments, updateAdamW } from './AdamW.ts'
import * as Adapter from './Adapter.ts'
import type { Checkpoint } from './Checkpoint.ts'
import { weightShapes } from './Config.ts'
import * as Safetensors from './Safetensors.ts'
import { bucket, type Collated, collate, type Sequence } from './Sequence.ts'
import { createTrainingEngine, type Parameter, type TrainingTask } from './TrainingEngine.ts'
import { createTrainingPool } from './TrainingPool.ts'

/** Sequences of one optimiser step; `lossMask[i][t]` weighs the prediction of token `t` of sequence `i`. */
export type Batch = { readonly ids: readonly Int32Array[]; readonly lossMask: readonly Float32Array[] }

export type TrainerOptions = {
  /** What is trained: an adapter over the frozen base, or all weights. */
  readonly mode: 'lora' | 'full'
  /** The adapter to start from; needed for `lora`. Rank and targets stay as they are. */
  readonly adapter?: Adapter.Adapter
  /** Sequences in one run of the graph; larger batches accumulate. Default 16. */
  readonly rowsMax?: number
  /**
   * Threads that each compute parts of a batch; 0 computes on the calling thread. With w workers and `rowsMax` a w-th of
   * the batch, cores stay busy beside other programs, where `threads` inside operations wait for each other.
   */
  readonly workers?: number
  /** Threads inside operations, in each worker. Default 1. */
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

/** Prepares training on a checkpoint. The checkpoint's own arrays are never changed. */
export function createTrainer(checkpoint: Checkpoint, options: TrainerOptions): Trainer {
  const { config } = checkpoint
  const { mode, rowsMax = 16, workers = 0 } = options
  const optimizer = { ...adamWDefaults, ...options.optimizer }
  const shapes = weightShapes(config)
  const start = mode === 'lora' ? options.adapter : undefined
  if (mode === 'lora' && !start) throw new ModeError('an adapter to train')
  const trained = start ? trainedPairs(start) : trainedWeights(checkpoint, shapes)
  const task: TrainingTask = {
    config,
    parameters: trained.map(({ name, shape, values }): Parameter => ({ name, shape, values })),
    ...(start
      ? {
          // one copy for all threads
          frozen:
            workers > 0
              ? new Map([...checkpoint.weights].map(([name, data]) => [name, shared(data)]))
              : checkpoint.weights,
          lora: { rank: start.rank, alpha: start.alpha, targets: start.targets },
        }
      : {}),
  }
  const engine =
    workers > 0 ? createTrainingPool(task, workers, options) : createTrainingEngine(task, options)
  let steps = 0

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

  const runAll = (parts: readonly Collated[], divisor: number, isTraining: boolean) =>
    Promise.all(parts.map((batch) => engine.run({ batch, divisor, isTraining })))

  const step: Trainer['step'] = async (batch, learningRate) => {
    const { parts, tokens } = partsOf(batch)
    const results = await runAll(parts, tokens, true)
    // added in the order of the parts, whichever thread was first, so that equal runs stay equal
    const slopes = results[0]!.slopes
    let loss = results[0]!.loss
    for (const result of results.slice(1)) {
      loss += result.loss
      for (const [i, slope] of slopes.entries()) addInto(slope, result.slopes[i]!)
    }
    if (!Number.isFinite(loss)) throw new NotFiniteError('loss', steps + 1)
    if (!slopes.every((slope) => Number.isFinite(squareSum(slope))))
      throw new NotFiniteError('gradient', steps + 1)
    steps++
    const gradientNorm = updateAdamW(trained, slopes, steps, learningRate, optimizer)
    return { loss, gradientNorm, tokens }
  }

  const evaluate: Trainer['evaluate'] = async (batch) => {
    const { parts, tokens } = partsOf(batch)
    const results = await runAll(parts, tokens, false)
    return { loss: results.reduce((sum, { loss }) => sum + loss, 0), tokens }
  }

  return {
    step,
    evaluate,
    adapter: () => {
      if (!start) throw new ModeError('mode lora')
      const values = new Map(trained.map((tensor) => [tensor.name, tensor.values]))
      const tensors = new Map<string, Adapter.AdapterPair>()
      for (const name of start.tensors.keys()) {
        tensors.set(name, {
          a: Float32Array.from(values.get(`${name}.a`)!),
          b: Float32Array.from(values.get(`${name}.b`)!),
        })
      }
      return Adapter.from({ rank: start.rank, alpha: start.alpha, targets: start.targets, tensors })
    },
    weights: () => {
      if (start) throw new ModeError('mode full')
      return new Map(trained.map(({ name, values }) => [name, Float32Array.from(values)]))
    },
    state: () => encodeState(trained, steps),
    restore: (bytes) => {
      steps = restoreState(trained, bytes)
    },
    release: engine.release,
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
  values: shared(values),
  mean: new Float32Array(values.length),
  square: new Float32Array(values.length),
  isDecayed: shape.length > 1,
})

/** Copies into shared memory, where training threads read the values of the moment. */
function shared(values: Float32Array): Float32Array {
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength))
  copy.set(values)
  return copy
}

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
