import { Worker } from 'node:worker_threads'
import { BaseError } from '@openledger/primitives'
import type { SessionOptions } from '@openledger/tensor'
import type { PartResult, TrainingEngine, TrainingPart, TrainingTask } from './TrainingEngine.ts'

/** What a worker is started with, and what it is sent. */
export type WorkerStart = { readonly task: TrainingTask; readonly options: SessionOptions }
export type WorkerRequest = { readonly id: number; readonly part: TrainingPart }
export type WorkerReply = { readonly id: number } & (
  | { readonly result: PartResult }
  | { readonly failure: { readonly code: string; readonly message: string } }
)

type Pending = {
  readonly request: WorkerRequest
  readonly resolve: (result: PartResult) => void
  readonly reject: (cause: unknown) => void
}

/**
 * Runs parts of batches in worker threads, one at a time in each, whichever is free.
 *
 * Threads that work on parts of their own meet once per step; threads inside one operation meet at each operation, and
 * then a busy neighbour on one core stops both. The parameters must lie in shared memory.
 */
export function createTrainingPool(
  task: TrainingTask,
  workers: number,
  options: SessionOptions,
): TrainingEngine {
  const queue: Pending[] = []
  let alive = workers
  let lastLoss: unknown
  const onLost = (cause: unknown): void => {
    alive--
    lastLoss = cause
    if (alive > 0) return
    for (const { reject } of queue.splice(0)) reject(lostError(cause))
  }
  const threads = Array.from({ length: workers }, () => startThread({ task, options }, queue, onLost))
  let nextId = 0
  return {
    run: (part) =>
      new Promise((resolve, reject) => {
        if (alive === 0) return reject(lostError(lastLoss))
        queue.push({ request: { id: nextId++, part }, resolve, reject })
        for (const thread of threads) thread.takeNext()
      }),
    release: async () => {
      for (const { worker } of threads) await worker.terminate()
    },
  }
}

const lostError = (cause: unknown) => new TrainingWorkerError(String(cause), 'trainer.worker_lost')

function startThread(start: WorkerStart, queue: Pending[], onLost: (cause: unknown) => void) {
  const worker = new Worker(new URL('./trainingWorker.ts', import.meta.url), { workerData: start })
  worker.unref()
  let current: Pending | undefined
  let isLost = false

  const takeNext = (): void => {
    if (current || isLost) return
    current = queue.shift()
    if (!current) return
    // the process stays alive for work that someone waits for, not for idle threads
    worker.ref()
    worker.postMessage(current.request)
  }
  worker.on('message', (reply: WorkerReply) => {
    const { resolve, reject } = current!
    current = undefined
    worker.unref()
    if ('result' in reply) resolve(reply.result)
    else reject(new TrainingWorkerError(reply.failure.message, reply.failure.code))
    takeNext()
  })
  const lose = (cause: unknown): void => {
    if (isLost) return
    isLost = true
    current?.reject(lostError(cause))
    current = undefined
    onLost(cause)
  }
  worker.on('error', lose)
  worker.on('exit', (code) => lose(`exit code ${code}`))
  return { worker, takeNext }
}

export class TrainingWorkerError extends BaseError {
  constructor(reason: string, code: string) {
    super({
      code,
      message: `Expected a training thread to finish its part, but it failed: ${reason}`,
      severity: 'reset',
    })
  }
}
