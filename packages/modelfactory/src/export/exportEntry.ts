import { parentPort, workerData } from 'node:worker_threads'
import type { BaseError } from '@openledger/primitives'
import type { ExportAnswer, ExportTask } from './Exports.ts'
import { modelFiles, ownModelFiles } from './ModelFiles.ts'
import { zip } from './Zip.ts'

/** The thread that one export is made in: merging and packing take seconds that a server's own thread does not have. */
const { format, ...model } = workerData as ExportTask
const port = parentPort!
try {
  const bytes = zip(await ('weights' in model ? ownModelFiles(model, format) : modelFiles(model, format)))
  port.postMessage({ bytes } satisfies ExportAnswer, [bytes.buffer])
} catch (error) {
  const { code = 'export.failed', message } = error as BaseError
  port.postMessage({ failure: { code, message } } satisfies ExportAnswer)
}
