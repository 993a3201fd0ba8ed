import { Worker } from 'node:worker_threads'
import { BaseError } from '@openledger/primitives'
import {
  createWorkerLink,
  type Handlers,
  type Methods,
  type PlainError,
  type WorkerLink,
} from './WorkerLink.ts'

/** Takes structured log lines: fields first, then a constant message. Any pino logger is one. */
export type Logger = {
  readonly info: (fields: Readonly<Record<string, unknown>>, message: string) => void
  readonly error: (fields: Readonly<Record<string, unknown>>, message: string) => void
}

/** What every worker tells its host by itself. */
export type StartMethods<Ready> = {
  readonly ready: { readonly in: Ready; readonly out: unknown }
  readonly startFailed: { readonly in: PlainError; readonly out: unknown }
}

export type WorkerHost<Remote extends Methods, Ready> = {
  /** Gives the running worker, once it is ready; starts another one if the last one died. */
  readonly live: () => Promise<{ readonly link: WorkerLink<Remote>; readonly ready: Ready }>
  readonly close: () => Promise<void>
}

/**
 * Keeps one worker thread running.
 *
 * A worker that dies fails what waits on it, with an error that says to try again; the next call starts a new one.
 *
 * @param file - Module that the thread runs. @param data - What it finds as `workerData`.
 */
export function createWorkerHost<Local extends Methods, Remote extends Methods, Ready>({
  file,
  data,
  handlers,
  logger,
  onDeath,
}: {
  readonly file: URL
  readonly data: unknown
  readonly handlers: Handlers<Local>
  readonly logger: Logger
  readonly onDeath: (error: Error) => void
}): WorkerHost<Remote, Ready> {
  type Live = { readonly worker: Worker; readonly link: WorkerLink<Remote>; readonly ready: Ready }
  let current: Promise<Live> | undefined
  let isClosed = false

  function start(): Promise<Live> {
    const worker = new Worker(file, { workerData: data })
    const starting = new Promise<Live>((resolve, reject) => {
      const link = createWorkerLink<Local & StartMethods<Ready>, Remote>(worker, {
        ...handlers,
        ready: (ready: Ready) => resolve({ worker, link, ready }),
        startFailed: (error: PlainError) => reject(new BaseError(error)),
      } as unknown as Handlers<Local & StartMethods<Ready>>)
      worker.on('error', (cause) =>
        logger.error({ error: String(cause), file: file.pathname }, 'worker failed'),
      )
      worker.on('exit', (exitCode) => {
        if (current === starting) current = undefined
        const error = new WorkerStoppedError(exitCode)
        link.fail(error)
        reject(error)
        if (!isClosed) onDeath(error)
      })
    })
    // whoever waits for the start hears of its failure; nobody may be waiting
    starting.catch(() => {})
    return starting
  }

  return {
    live() {
      if (isClosed) return Promise.reject(new WorkerStoppedError(0))
      current ??= start()
      return current
    },
    async close() {
      isClosed = true
      const live = await current?.catch(() => undefined)
      await live?.worker.terminate()
    },
  }
}

export class WorkerStoppedError extends BaseError {
  constructor(exitCode: number) {
    super({
      code: 'engine.stopped',
      message: `Expected the engine to go on, but it stopped (exit code ${exitCode}). Nothing was charged; send the request again.`,
      context: { exitCode },
      severity: 'retry',
    })
  }
}
