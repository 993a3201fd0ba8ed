import { parentPort, workerData } from 'node:worker_threads'
import { Adapter, CheckpointFolder, encodeWeights } from '@openledger/model'
import { measureAgreement } from './AgreementCard.ts'
import { buildIndexes } from './AttributionIndexes.ts'
import { evaluate, type Learned } from './Evaluation.ts'
import { trainFull } from './FullTraining.ts'
import { createJudge } from './JudgeEndpoint.ts'
import { trainAdapter } from './Training.ts'
import type { Parted } from './TrainingPlan.ts'
import type { TrainingCheckpoint, TrainingProgress } from './TrainingSteps.ts'
import type { FromThread, MeasuredLosses, ToThread, TrainingOutcome, TrainingTask } from './TrainingThread.ts'

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

const input = { checkpoint, tokenizer, ...task }
const hooks = {
  onStart: (facts: { stepCount: number; baseValidationLoss: number }) =>
    report({ kind: 'start', baseHash: checkpoint.baseHash, ...facts }),
  onMetric: (metric: TrainingProgress) => report({ kind: 'metric', metric }),
  onCheckpoint: (kept: TrainingCheckpoint) => report({ kind: 'checkpoint', ...kept }),
  nowMs: Date.now,
  signal,
}

try {
  await report({ kind: 'done', ...(await (task.config.method === 'full' ? trainWhole() : trainAndIndex())) })
} catch (error) {
  const { message, name, stack } = error as Error
  await report({ kind: 'failed', aborted: signal.aborted, message: message || name, stack: stack ?? '' })
} finally {
  port.close()
}

async function trainWhole(): Promise<TrainingOutcome> {
  const result = await trainFull(input, hooks)
  const whole = result.checkpoint
  return {
    learned: encodeWeights(whole.config, whole.weights, 'F32'),
    hash: whole.baseHash,
    attribution: undefined,
    evaluation: await evaluateLearned({ whole }, result, 1),
    ...lossesOf(result),
  }
}

async function trainAndIndex(): Promise<TrainingOutcome> {
  const result = await trainAdapter(input, hooks)
  const { adapter, training } = result
  await report({ kind: 'indexing', done: 0, of: training.length })
  const indexes = await buildIndexes(
    { checkpoint, tokenizer, adapter, records: training, seed: task.config.seed },
    {
      onProgress: (done) => {
        if (done % 50 === 0) void report({ kind: 'indexing', done, of: training.length })
      },
      signal,
    },
  )
  const isMeasured = task.config.agreementRetrainings > 0 && task.config.objective !== 'preference'
  const agreement = isMeasured
    ? await measureAgreement(
        { ...result, checkpoint, tokenizer, config: task.config, influence: indexes.influence },
        {
          onProgress: () => void report({ kind: 'indexing', done: training.length, of: training.length }),
          signal,
        },
      )
    : undefined
  return {
    learned: Adapter.encode(adapter),
    hash: adapter.hash,
    attribution: { indexes, agreement },
    evaluation: await evaluateLearned({ adapter }, result, result.scale),
    ...lossesOf(result),
  }
}

function evaluateLearned(learned: Learned, { training, validation, test }: Parted, scale: number) {
  const { config, previous, judge } = task
  return evaluate(
    {
      checkpoint,
      tokenizer,
      learned,
      training,
      validation,
      test,
      config,
      scale,
      ...(previous && {
        previous: { ...previous, adapter: Adapter.decode(checkpoint.config, previous.adapter) },
      }),
      ...(judge && { judge: createJudge(judge) }),
    },
    signal,
  )
}

function lossesOf({
  baseValidationLoss,
  baseTestLoss,
  validationLoss,
  testLoss,
}: MeasuredLosses): MeasuredLosses {
  return { baseValidationLoss, baseTestLoss, validationLoss, testLoss }
}
