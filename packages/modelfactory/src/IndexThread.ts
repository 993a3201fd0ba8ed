import { Worker } from 'node:worker_threads'
import { BaseError, type Hex } from '@openledger/primitives'
import type { AttributionIndexes } from './AttributionIndexes.ts'
import type { TrainingRecord } from './TrainingPlan.ts'

/** What the indexes of a trained adapter follow from. */
export type IndexTask = {
  readonly baseDirectory: string
  /** The base that the adapter was trained on. */
  readonly baseHash: Hex
  readonly adapter: Uint8Array
  readonly adapterHash: Hex
  /** Those it was trained on, in their order; none that were kept out. */
  readonly records: readonly TrainingRecord[]
  readonly seed: number
}

export type FromIndexThread =
  | { readonly kind: 'progress'; readonly done: number }
  | { readonly kind: 'done'; readonly indexes: AttributionIndexes }
  | { readonly kind: 'failed'; readonly message: string }

/**
 * Builds an adapter's attribution indexes in a thread of its own, by the rules of the training that made it: what was trained
 * on this kind of machine gives the same bytes.
 *
 * @param onProgress - Told how many records have been through.
 * @throws {IndexBuildError} with the thread's own words.
 * @throws {DOMException} `AbortError` when the signal aborts.
 */
export async function buildInThread(
  task: IndexTask,
  { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress: (done: number) => void },
): Promise<AttributionIndexes> {
  signal.throwIfAborted()
  const worker = new Worker(new URL('./indexEntry.ts', import.meta.url), {
    workerData: task,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  let stop = () => {}
  try {
    return await new Promise<AttributionIndexes>((resolve, reject) => {
      stop = () => reject(signal.reason)
      signal.addEventListener('abort', stop)
      worker.on('error', reject)
      worker.on('exit', (code) => reject(new IndexBuildError(`its thread ended with code ${code}`)))
      worker.on('message', (message: FromIndexThread) => {
        if (message.kind === 'progress') onProgress(message.done)
        else if (message.kind === 'done') resolve(message.indexes)
        else reject(new IndexBuildError(message.message))
      })
    })
  } finally {
    signal.removeEventListener('abort', stop)
    await worker.terminate()
  }
}

export class IndexBuildError extends BaseError {
  constructor(reason: string) {
    super({
      code: 'model.index_build',
      message: `Expected attribution indexes from the adapter and its records, but ${reason.replace(/\.$/, '')}. Nothing was kept.`,
      context: { reason },
    })
  }
}
