import { parentPort, workerData } from 'node:worker_threads'
import { Adapter, CheckpointFolder } from '@openledger/model'
import { measureAgreement } from './AgreementCard.ts'
import { buildIndexes } from './AttributionIndexes.ts'
import { evaluate } from './Evaluation.ts'
import { createJudge } from './JudgeEndpoint.ts'
import { trainAdapter } from './Training.ts'
import type { FromThread, ToThread, TrainingTask } from './TrainingThread.ts'

/**
 * The thread that one training runs in, so that the server's own thread never waits for it. It computes and reports; keeping
 * anything is the other side's.
 */
const port = parentPort!
const task = workerData as TrainingTask
const controller = new AbortController()
const acknowledged = new Map<number, () => void>()
let nextId = 0

/** Says something and waits until the other side has kept it. */
function report(
  message: FromThread extends infer M ? (M extends unknown ? Omit<M, 'id'> : never) : never,
): Promise<void> {
  const id = nextId++
  return new Promise((resolve) => {
    acknowledged.set(id, resolve)
    port.postMessage({ ...message, id })
  })
}

port.on('message', (message: ToThread) => {
  if (message.kind === 'abort') return controller.abort()
  acknowledged.get(message.id)?.()
  acknowledged.delete(message.id)
})

const checkpoint = await CheckpointFolder.read(task.baseDirectory)
const tokenizer = await CheckpointFolder.readTokenizer(task.baseDirectory)
const { signal } = controller

try {
  const result = await trainAdapter(
    { checkpoint, tokenizer, ...task },
    {
      onStart: (facts) => report({ kind: 'start', baseHash: checkpoint.baseHash, ...facts }),
      onMetric: (metric) => report({ kind: 'metric', metric }),
      onCheckpoint: (kept) => report({ kind: 'checkpoint', ...kept }),
      nowMs: Date.now,
      signal,
    },
  )
  await report({ kind: 'indexing', done: 0, of: result.training.length })
  const indexes = await buildIndexes(
    { checkpoint, tokenizer, adapter: result.adapter, records: result.training, seed: task.config.seed },
    {
      onProgress: (done) => {
        if (done % 50 === 0) void report({ kind: 'indexing', done, of: result.training.length })
      },
      signal,
    },
  )
  const { training, validation, test, rehearsal, scale } = result
  const agreement =
    task.config.agreementRetrainings === 0 || task.config.objective === 'preference'
      ? undefined
      : await measureAgreement(
          {
            checkpoint,
            tokenizer,
            adapter: result.adapter,
            training,
            test,
            rehearsal,
            scale,
            config: task.config,
            influence: indexes.influence,
          },
          {
            onProgress: () => void report({ kind: 'indexing', done: training.length, of: training.length }),
            signal,
          },
        )
  const previous = task.previous && {
    name: task.previous.name,
    adapter: Adapter.decode(checkpoint.config, task.previous.adapter),
  }
  const evaluation = await evaluate(
    {
      checkpoint,
      tokenizer,
      adapter: result.adapter,
      training,
      validation,
      test,
      config: task.config,
      scale,
      ...(previous === undefined ? {} : { previous }),
      ...(task.judge === undefined ? {} : { judge: createJudge(task.judge) }),
    },
    signal,
  )
  await report({
    kind: 'done',
    adapter: Adapter.encode(result.adapter),
    adapterHash: result.adapter.hash,
    indexes,
    agreement,
    evaluation,
    baseValidationLoss: result.baseValidationLoss,
    baseTestLoss: result.baseTestLoss,
    validationLoss: result.validationLoss,
    testLoss: result.testLoss,
  })
} catch (error) {
  const { message, name, stack } = error as Error
  await report({ kind: 'failed', aborted: signal.aborted, message: message || name, stack: stack ?? '' })
} finally {
  port.close()
}
