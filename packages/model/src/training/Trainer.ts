import { BaseError } from '@openledger/primitives'
import { BLOCK, type Quantised, quantise } from '@openledger/tensor'
import * as Adapter from '../checkpoint/Adapter.ts'
import type { Checkpoint } from '../checkpoint/Checkpoint.ts'
import { targetsOf, weightShapes } from '../checkpoint/Config.ts'
import * as Safetensors from '../checkpoint/Safetensors.ts'
import { type Packed, pack, type Sequence } from '../Sequence.ts'
import { type AdamWOptions, adamWDefaults, createAdamW, type Moments, normOf } from './AdamW.ts'
import { mixSeed } from './Dropout.ts'
import { createTrainingEngine, type Parameter, type PartResult, type TrainingTask } from './TrainingEngine.ts'
import { createTrainingPool } from './TrainingPool.ts'

/** Sequences of one optimiser step; `lossMask[i][t]` weighs the prediction of token `t` of sequence `i`. */
export type Batch = {
  readonly ids: readonly Int32Array[]
  readonly lossMask: readonly Float32Array[]
  /** Of each sequence that has any; see `Sequence`. */
  readonly softLabels?: readonly (Float32Array | undefined)[]
  /**
   * What the summed loss is divided by; default the sum of the masks. Kept while masks become zero, it takes sequences
   * out and leaves every other its weight.
   */
  readonly divisor?: number
}

export type TrainerOptions = {
  /** What is trained: an adapter over the frozen base, or all weights. */
  readonly mode: 'lora' | 'full'
  /** The adapter to start from; needed for `lora`. Rank and targets stay as they are. */
  readonly adapter?: Adapter.Adapter
  /** Keeps the linear layers of the frozen base in 4 bits (QLoRA): five bits a weight with its scale. For `lora`. */
  readonly isQuantised?: boolean
  /** Part of the input channels that an adapter's layers do not see of a token in training; 0 to 0.9. For `lora`. */
  readonly dropout?: number
  /** Whether sequences may bring soft labels. For `lora`. */
  readonly learnsSoftLabels?: boolean
  /** What the dropped channels are drawn from, with the number of the step. */
  readonly seed?: number
  /** Rows of packed sequences in one run of the graph; larger batches accumulate. Default 16. */
  readonly rowsMax?: number
  /**
   * Tokens in one run of the graph, which decide how much memory training takes beside its weights; larger batches
   * accumulate. A row is never cut. Default 512.
   */
  readonly tokensPerRun?: number
  /**
   * Threads that each compute parts of a batch; 0 computes on the calling thread. Cores stay busy beside other programs,
   * where `threads` inside operations wait for each other. Their number does not change a bit of what is trained.
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
  /** Sums the log-likelihood of the counted tokens of each sequence, in nats, without changing anything. */
  readonly logLikelihoods: (batch: Omit<Batch, 'divisor'>) => Promise<Float64Array>
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

type Trained = Moments & Pick<Parameter, 'name' | 'shape'>

/** Prepares training on a checkpoint. The checkpoint's own arrays are never changed. */
export function createTrainer(checkpoint: Checkpoint, options: TrainerOptions): Trainer {
  const { config } = checkpoint
  const { mode, rowsMax = 16, tokensPerRun = 512, workers = 0, dropout = 0, seed = 0 } = options
  if (!(dropout >= 0 && dropout <= 0.9)) throw new DropoutError(dropout)
  const optimizer = { ...adamWDefaults, ...options.optimizer }
  const shapes = weightShapes(config)
  const start = mode === 'lora' ? options.adapter : undefined
  if (mode === 'lora' && !start) throw new ModeError('an adapter to train')
  const untrained = start ? pairsOf(start) : weightsOf(checkpoint, shapes)
  const adamW = createAdamW(
    untrained.map(({ values, shape }) => ({ values, isDecayed: shape.length > 1 })),
    optimizer,
  )
  const trained = untrained.map(({ name, shape }, i): Trained => ({ name, shape, ...adamW.moments[i]! }))
  const task: TrainingTask = {
    config,
    parameters: trained.map(({ name, shape, values }): Parameter => ({ name, shape, values })),
    ...(start
      ? {
          ...frozenBase(checkpoint, { isShared: workers > 0, isQuantised: options.isQuantised ?? false }),
          lora: {
            rank: start.rank,
            alpha: start.alpha,
            targets: start.targets,
            dropout,
            learnsSoftLabels: options.learnsSoftLabels ?? false,
          },
        }
      : {}),
  }
  const engine =
    workers > 0 ? createTrainingPool(task, workers, options) : createTrainingEngine(task, options)
  let steps = 0

  const partsOf = (batch: Batch): { parts: Packed[]; tokens: number; divisor: number } => {
    const sequences = batch.ids.map((ids, i): Sequence => {
      const softLabels = batch.softLabels?.[i]
      return { ids, lossMask: batch.lossMask[i]!, ...(softLabels ? { softLabels } : {}) }
    })
    const parts = sequences.length === 0 ? [] : pack(config, sequences, { tokensPerRun, rowsMax })
    let tokens = 0
    for (const { mask } of parts) for (const value of mask) tokens += value
    if (batch.divisor !== undefined && batch.divisor > 0) return { parts, tokens, divisor: batch.divisor }
    if (!(tokens > 0)) throw new EmptyBatchError()
    return { parts, tokens, divisor: tokens }
  }

  /** Adds up in the order of the parts, whichever thread is first, so that equal runs stay equal to the bit. */
  const runAll = async (
    parts: readonly Packed[],
    divisor: number,
    isTraining: boolean,
    onLosses: (part: Packed, losses: Float32Array) => void = () => {},
  ): Promise<Pick<PartResult, 'loss' | 'slopes'>> => {
    const pending: Promise<PartResult>[] = []
    let started = 0
    let ended = 0
    let total: { loss: number; slopes: readonly Float32Array[] } | undefined
    // no more in flight than there are threads: each result is as large as the gradient
    const inFlight = Math.max(1, workers)
    try {
      while (started < parts.length || pending.length > 0) {
        while (started < parts.length && pending.length < inFlight) {
          const drawn = mixSeed(seed, steps, started)
          pending.push(engine.run({ batch: parts[started++]!, divisor, isTraining, seed: drawn }))
        }
        const { loss, slopes, losses } = await pending.shift()!
        onLosses(parts[ended++]!, losses)
        if (total) {
          total.loss += loss
          for (const [i, slope] of total.slopes.entries()) addInto(slope, slopes[i]!)
        } else total = { loss, slopes }
      }
    } finally {
      await Promise.allSettled(pending)
    }
    return total!
  }

  const step: Trainer['step'] = async (batch, learningRate) => {
    const { parts, tokens, divisor } = partsOf(batch)
    const { loss, slopes } = await runAll(parts, divisor, true)
    if (!Number.isFinite(loss)) throw new NotFiniteError('loss', steps + 1)
    const gradientNorm = normOf(slopes)
    if (!Number.isFinite(gradientNorm)) throw new NotFiniteError('gradient', steps + 1)
    steps++
    adamW.step(slopes, gradientNorm, steps, learningRate)
    return { loss, gradientNorm, tokens }
  }

  const evaluate: Trainer['evaluate'] = async (batch) => {
    const { parts, tokens, divisor } = partsOf(batch)
    return { loss: (await runAll(parts, divisor, false)).loss, tokens }
  }

  const logLikelihoods: Trainer['logLikelihoods'] = async (batch) => {
    const { parts } = partsOf({ ...batch, divisor: 1 })
    const sums = new Float64Array(batch.ids.length)
    await runAll(parts, 1, false, ({ owners }, losses) => {
      for (let i = 0; i < losses.length; i++) if (owners[i]! >= 0) sums[owners[i]!]! -= losses[i]!
    })
    return sums
  }

  return {
    step,
    evaluate,
    logLikelihoods,
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

/**
 * The base as training reads it: one copy for all threads, its linear layers in 4 bits where that is asked for and their
 * inputs come in whole blocks.
 */
function frozenBase(
  { config, weights }: Checkpoint,
  { isShared, isQuantised }: { readonly isShared: boolean; readonly isQuantised: boolean },
): Pick<TrainingTask, 'frozen' | 'quantised'> {
  const linears = new Set(
    Adapter.linearsOf(config, targetsOf(config))
      .filter(({ input }) => isQuantised && input % BLOCK === 0)
      .map(({ name }) => `model.${name}.weight`),
  )
  const frozen = new Map<string, Float32Array>()
  const quantised = new Map<string, Quantised>()
  for (const [name, data] of weights) {
    if (!linears.has(name)) {
      frozen.set(name, isShared ? shared(data) : data)
      continue
    }
    const { packed, scales } = quantise(data)
    quantised.set(
      name,
      isShared ? { packed: sharedBytes(packed), scales: shared(scales) } : { packed, scales },
    )
  }
  return { frozen, quantised }
}

const weightsOf = (checkpoint: Checkpoint, shapes: ReadonlyMap<string, readonly number[]>): Parameter[] =>
  [...shapes].map(([name, shape]) => ({ name, shape, values: checkpoint.weights.get(name)! }))

const pairsOf = ({ tensors, rank }: Adapter.Adapter): Parameter[] =>
  [...tensors].flatMap(([name, { a, b }]) => [
    { name: `${name}.a`, shape: [a.length / rank, rank], values: a },
    { name: `${name}.b`, shape: [rank, b.length / rank], values: b },
  ])

/** Copies into memory that training threads share. */
function shared(values: Float32Array): Float32Array {
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength))
  copy.set(values)
  return copy
}

function sharedBytes(values: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(values.byteLength))
  copy.set(values)
  return copy
}

function addInto(target: Float32Array, part: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += part[i]!
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

export class ModeError extends BaseError {
  constructor(needed: string) {
    super({
      code: 'trainer.wrong_mode',
      message: `Expected ${needed} for this call of the trainer, got none. Create the trainer so.`,
    })
  }
}

export class DropoutError extends BaseError {
  constructor(dropout: number) {
    super({
      code: 'trainer.dropout',
      message: `Expected a dropout from 0 to 0.9, got ${dropout}. Choose one; 0 drops nothing.`,
      context: { dropout },
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
