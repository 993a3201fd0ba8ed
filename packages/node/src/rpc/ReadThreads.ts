import { Worker } from 'node:worker_threads'
import { BaseError } from '@openledger/primitives'
import type { Genesis } from '@openledger/rollup'
import type { Logger } from '../node/Logger.ts'
import { Codes, RpcError } from './RpcError.ts'

/** What a thread says: that it follows the chain, something for the log, or the answer to its question. */
export type ReadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'log'; readonly fields: Readonly<Record<string, unknown>>; readonly message: string }
  | { readonly kind: 'answer'; readonly text: string }
  | { readonly kind: 'failure'; readonly reason: string }

export type ReadThreads = {
  /** Answers the text of a request or batch. @throws {RpcError | ReadThreadError} when nobody could in time. */
  readonly answer: (text: string) => Promise<string | undefined>
  readonly close: () => Promise<void>
}

export type ReadThreadsOptions = {
  /** The engine's. */
  readonly directory: string
  readonly genesis: Genesis
  /** Each keeps the part of the state that it is asked for in memory. */
  readonly count: number
  /** Questions that wait for a thread. */
  readonly queueMax?: number
  /** How long one may wait before it is refused. */
  readonly waitMaxMs?: number
  /** How long one may take before it is refused and its thread replaced. */
  readonly timeMaxMs?: number
  readonly logger: Logger
}

const QUEUE_MAX = 256
const WAIT_MAX_MS = 10_000
const START_MAX_MS = 60_000
const TIME_MAX_MS = 20_000
const WATCH_MS = 250

type Question = {
  readonly text: string
  readonly resolve: (answer: string) => void
  readonly reject: (error: unknown) => void
  /** When it came, and then when a thread began with it. */
  sinceMs: number
}
type Thread = { readonly worker: Worker; isReady: boolean; asked: Question | undefined }

/**
 * Creates threads that follow the chain in an engine's directory and answer what takes long, so that blocks,
 * transactions and plain reads wait for none of it. They start with the first question; each answers one at a time, in
 * the order in which they came.
 */
export function createReadThreads(options: ReadThreadsOptions): ReadThreads {
  const { directory, genesis, count, logger } = options
  const { queueMax = QUEUE_MAX, waitMaxMs = WAIT_MAX_MS, timeMaxMs = TIME_MAX_MS } = options
  const queue: Question[] = []
  const threads: Thread[] = []
  let isClosed = false

  const refuse = (question: Question, message: string): void =>
    question.reject(new RpcError({ rpcCode: Codes.limitExceeded, message }))
  const feed = (): void => {
    for (const thread of threads) {
      if (!thread.isReady || thread.asked !== undefined) continue
      const question = queue.shift()
      if (question === undefined) return
      question.sinceMs = performance.now()
      thread.asked = question
      thread.worker.postMessage(question.text)
    }
  }
  const start = (): Thread => {
    const worker = new Worker(new URL('./ReadThread.ts', import.meta.url), {
      workerData: { directory, genesis },
    })
    const thread: Thread = { worker, isReady: false, asked: undefined }
    worker.on('message', (message: ReadMessage) => {
      if (message.kind === 'log') return logger.error(message.fields, message.message)
      if (message.kind === 'ready') thread.isReady = true
      else {
        if (message.kind === 'answer') thread.asked?.resolve(message.text)
        else thread.asked?.reject(new ReadThreadError(message.reason))
        thread.asked = undefined
      }
      feed()
    })
    worker.once('error', (error) => logger.error({ error: String(error) }, 'a reading thread failed'))
    worker.once('exit', () => {
      thread.asked?.reject(new ReadThreadError('its thread ended'))
      const at = threads.indexOf(thread)
      if (!isClosed && at >= 0) threads[at] = start()
    })
    // a process that has nothing else to do may end
    worker.unref()
    return thread
  }

  const watch = setInterval(() => {
    const nowMs = performance.now()
    // who comes first waits for a thread to start, which on a busy machine takes its time
    const maxMs = threads.some(({ isReady }) => isReady) ? waitMaxMs : Math.max(waitMaxMs, START_MAX_MS)
    while (queue[0] !== undefined && nowMs - queue[0].sinceMs > maxMs) {
      refuse(queue.shift()!, `too many requests wait: no thread was free within ${maxMs} ms, try again`)
    }
    for (const thread of threads) {
      if (thread.asked === undefined || nowMs - thread.asked.sinceMs < timeMaxMs) continue
      refuse(
        thread.asked,
        `request timed out: expected an answer within ${timeMaxMs} ms, ask for less at once`,
      )
      thread.asked = undefined
      thread.isReady = false
      logger.warn({ timeMaxMs }, 'a reading thread took too long and is replaced')
      void thread.worker.terminate()
    }
  }, WATCH_MS)
  watch.unref()

  const answer = async (text: string): Promise<string | undefined> => {
    if (queue.length >= queueMax) {
      throw new RpcError({
        rpcCode: Codes.limitExceeded,
        message: `too many requests wait: expected at most ${queueMax}, try again in a moment`,
      })
    }
    while (threads.length < count) threads.push(start())
    const answered = await new Promise<string>((resolve, reject) => {
      queue.push({ text, resolve, reject, sinceMs: performance.now() })
      feed()
    })
    // notifications alone have none
    return answered === '' ? undefined : answered
  }

  return {
    answer,
    async close() {
      isClosed = true
      clearInterval(watch)
      await Promise.all(threads.map(({ worker }) => worker.terminate()))
    },
  }
}

/** Says that a thread failed, which is a fault of the node and not of who asked. */
export class ReadThreadError extends BaseError {
  constructor(reason: string) {
    super({
      code: 'rpc.read_thread',
      message: `Expected the reading thread to answer, but it failed: ${reason}. Ask again.`,
      context: { reason },
      severity: 'retry',
    })
  }
}
