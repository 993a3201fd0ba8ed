import { parentPort, workerData } from 'node:worker_threads'
import { BaseError } from '@openledger/primitives'
import { createTrainingEngine } from './TrainingEngine.ts'
import type { WorkerReply, WorkerRequest, WorkerStart } from './TrainingPool.ts'

const { task, options } = workerData as WorkerStart
const engine = createTrainingEngine(task, options)
const port = parentPort!

port.on('message', ({ id, part }: WorkerRequest) => {
  engine.run(part).then(
    (result) => {
      const reply: WorkerReply = { id, result }
      port.postMessage(
        reply,
        result.slopes.map(({ buffer }) => buffer as ArrayBuffer),
      )
    },
    (cause: unknown) => {
      const code = cause instanceof BaseError ? cause.code : 'trainer.worker_failed'
      const reply: WorkerReply = { id, failure: { code, message: String(cause) } }
      port.postMessage(reply)
    },
  )
})
