import { Worker } from 'node:worker_threads'
import { BaseError } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import type { ExportedModel, ExportedWhole } from './ModelFiles.ts'

export type ExportTask = (ExportedModel | ExportedWhole) & { readonly format: Http.ExportFormat }

export type ExportAnswer =
  | { readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly failure: { readonly code: string; readonly message: string } }

export type Exports = {
  /**
   * Makes the archive of a model in a thread of its own, one after the other.
   * @throws {ExportBusyError} {ExportFailedError}
   */
  readonly make: (task: ExportTask) => Promise<Uint8Array<ArrayBuffer>>
}

/** Exports that may wait: each holds a base and its copy in memory only when it is its turn. */
const WAITING_MAX = 4

/** Starts with nothing waiting. */
export function createExports(): Exports {
  let waiting = 0
  let last: Promise<unknown> = Promise.resolve()
  return {
    async make(task) {
      if (waiting > WAITING_MAX) throw new ExportBusyError(waiting)
      waiting++
      const mine = last.then(() => inThread(task))
      last = mine.catch(() => undefined)
      try {
        return await mine
      } finally {
        waiting--
      }
    },
  }
}

async function inThread(task: ExportTask): Promise<Uint8Array<ArrayBuffer>> {
  const worker = new Worker(new URL('./exportEntry.ts', import.meta.url), {
    workerData: task,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  try {
    const answer = await new Promise<ExportAnswer>((resolve, reject) => {
      worker.on('message', resolve)
      worker.on('error', (error) => reject(new ExportFailedError('export.failed', error.message)))
      worker.on('exit', (code) =>
        reject(
          new ExportFailedError(
            'export.failed',
            `Expected the export’s thread to answer, but it ended with code ${code}. Ask again.`,
          ),
        ),
      )
    })
    if ('failure' in answer) throw new ExportFailedError(answer.failure.code, answer.failure.message)
    return answer.bytes
  } finally {
    await worker.terminate()
  }
}

export class ExportBusyError extends BaseError {
  constructor(waiting: number) {
    super({
      code: 'export.busy',
      message: `Expected at most ${WAITING_MAX} exports to wait, but ${waiting} do. Ask again in a minute.`,
      context: { waiting },
      severity: 'retry',
    })
  }
}

/** What the thread said, under its own code. */
export class ExportFailedError extends BaseError {
  constructor(code: string, message: string) {
    super({ code, message })
  }
}
