import { Worker } from 'node:worker_threads'
import { BaseError, type Hex } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import type { AttributionIndexes } from './AttributionIndexes.ts'
import type { JudgeOptions } from './JudgeEndpoint.ts'
import type { TrainingRecord } from './TrainingPlan.ts'
import type { Losses, TrainingCheckpoint, TrainingProgress } from './TrainingSteps.ts'

/** What one thread is started with. */
export type TrainingTask = {
  readonly baseDirectory: string
  readonly records: readonly TrainingRecord[]
  readonly config: Http.TrainingConfig
  readonly workers: number
  readonly resume?: TrainingCheckpoint
  /** The owner's newest model on the same Datanets, to be held against. */
  readonly previous?: { readonly name: string; readonly adapter: Uint8Array }
  /** Who compares answers, where the configuration asks for it. */
  readonly judge?: JudgeOptions | undefined
}

/** What was measured on records that were not learned, in nats. */
export type MeasuredLosses = Losses & { readonly baseValidationLoss: number; readonly baseTestLoss: number }

export type TrainingOutcome = MeasuredLosses & {
  /** The adapter, or all weights, as bytes, and its hash. */
  readonly learned: Uint8Array
  readonly hash: Hex
  /** What answers are attributed by; undefined for a whole model, whose answers nothing attributes. */
  readonly attribution:
    | {
        readonly indexes: AttributionIndexes
        /** Undefined where the configuration spends no retrainings on it. */
        readonly agreement: Http.Agreement | undefined
      }
    | undefined
  readonly evaluation: Http.Evaluation
}

export type FromThread = { readonly id: number } & (
  | {
      readonly kind: 'start'
      readonly baseHash: Hex
      readonly stepCount: number
      readonly baseValidationLoss: number
    }
  | { readonly kind: 'metric'; readonly metric: TrainingProgress }
  | ({ readonly kind: 'checkpoint' } & TrainingCheckpoint)
  | { readonly kind: 'indexing'; readonly done: number; readonly of: number }
  | ({ readonly kind: 'done' } & TrainingOutcome)
  | { readonly kind: 'failed'; readonly aborted: boolean; readonly message: string; readonly stack: string }
)

export type ToThread = { readonly kind: 'kept'; readonly id: number } | { readonly kind: 'abort' }

export type ThreadHooks = {
  readonly onStart: (facts: { baseHash: Hex; stepCount: number; baseValidationLoss: number }) => Promise<void>
  readonly onMetric: (metric: TrainingProgress) => Promise<void>
  readonly onCheckpoint: (checkpoint: TrainingCheckpoint) => Promise<void>
  readonly onIndexing: (done: number, of: number) => Promise<void>
  readonly signal: AbortSignal
}

/**
 * Runs a training in a thread of its own. The thread goes on only after a hook has kept what it was told.
 *
 * @throws {TrainingFailedError} with the thread's own words.
 * @throws {DOMException} `AbortError` when the signal aborts.
 */
export async function runTraining(task: TrainingTask, hooks: ThreadHooks): Promise<TrainingOutcome> {
  hooks.signal.throwIfAborted()
  const worker = new Worker(new URL('./trainingEntry.ts', import.meta.url), {
    workerData: task,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  const send = (message: ToThread) => worker.postMessage(message)
  const abort = () => send({ kind: 'abort' })
  hooks.signal.addEventListener('abort', abort)
  try {
    return await new Promise<TrainingOutcome>((resolve, reject) => {
      worker.on('error', (error: NodeJS.ErrnoException) =>
        reject(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? new TrainingFailedError(OUT_OF_MEMORY) : error),
      )
      worker.on('exit', (code) => reject(new TrainingFailedError(`its thread ended with code ${code}`)))
      worker.on('message', (message: FromThread) => {
        handle(message, hooks, resolve, reject).then(() => send({ kind: 'kept', id: message.id }), reject)
      })
    })
  } finally {
    hooks.signal.removeEventListener('abort', abort)
    await worker.terminate()
  }
}

async function handle(
  message: FromThread,
  hooks: ThreadHooks,
  resolve: (outcome: TrainingOutcome) => void,
  reject: (error: unknown) => void,
): Promise<void> {
  switch (message.kind) {
    case 'start':
      return hooks.onStart(message)
    case 'metric':
      return hooks.onMetric(message.metric)
    case 'checkpoint':
      return hooks.onCheckpoint(message)
    case 'indexing':
      return hooks.onIndexing(message.done, message.of)
    case 'done':
      return resolve(message)
    case 'failed':
      return reject(
        message.aborted
          ? hooks.signal.reason
          : new TrainingFailedError(reasonOf(message.message), message.stack),
      )
    default:
      message satisfies never
  }
}

const OUT_OF_MEMORY =
  'it ran out of memory. Shorten the sequences, lower the rank, or keep the base in 4 bits; or give the server more memory'

/** What ONNX Runtime and the system say when there is no memory left, in words that help. */
const reasonOf = (message: string): string =>
  /bad_alloc|bad allocation|Failed to allocate memory|Array buffer allocation failed/i.test(message)
    ? OUT_OF_MEMORY
    : message.replace(/\.$/, '')

export class TrainingFailedError extends BaseError {
  constructor(reason: string, stack?: string) {
    super({
      code: 'training.failed',
      message: `The training stopped: ${reason}. Change what it says and start a new run; the data is unchanged.`,
      context: { reason, ...(stack === undefined ? {} : { stack }) },
    })
  }
}
