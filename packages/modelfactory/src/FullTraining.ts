import { type Checkpoint, createTrainer, fromWeights, type Tokenizer } from '@openledger/model'
import type { Http } from '@openledger/protocol'
import { createLearner } from './Learner.ts'
import { rehearse } from './Rehearsal.ts'
import { rateAt, type TrainingProgress } from './Training.ts'
import { recordsFor } from './TrainingData.ts'
import { partRecords, planBatches, type TrainingRecord } from './TrainingPlan.ts'

/** Where a full training stands, to go on with: the trainer's state after `step` steps. */
export type FullTrainingState = {
  readonly step: number
  readonly state: Uint8Array
}

export type FullTrainingHooks = {
  readonly onMetric: (metric: Omit<TrainingProgress, 'tokensPerSecond'>) => Promise<void>
  /** Called now and then; what it kept is what `resume` gets after a crash. */
  readonly onState: (state: FullTrainingState) => Promise<void>
  readonly signal: AbortSignal
}

export type FullTrainingResult = {
  /** The base with all its weights trained. */
  readonly checkpoint: Checkpoint
  readonly stepCount: number
  readonly trainingCount: number
  readonly testCount: number
  readonly baseTestLoss: number
  readonly testLoss: number
}

const STATE_STEPS = 40
const VALIDATION_COUNT = 6

/**
 * Trains all weights of a small model on records, with the same data, order, schedule and measures as a run that makes an
 * adapter (`trainAdapter`).
 *
 * What comes of it is a model of its own, not an addition to the base: it is served as the base of a server, and its answers are
 * attributed by nothing until adapters are trained over it. Memory is 16 bytes a weight beside what a run of the graph keeps.
 * A training that goes on from a state ends with the same weights to the bit.
 *
 * @throws {DOMException} `AbortError` when `hooks.signal` aborts. @throws {PreferencesMissingError} {NotFiniteError}
 */
export async function trainFull(
  input: {
    readonly checkpoint: Checkpoint
    readonly tokenizer: Tokenizer
    readonly records: readonly TrainingRecord[]
    /** What concerns adapters alone is not used: rank, alpha, method, dropout, patience, what is measured afterwards. */
    readonly config: Http.TrainingConfig
    readonly workers: number
    readonly resume?: FullTrainingState
  },
  hooks: FullTrainingHooks,
): Promise<FullTrainingResult> {
  const { checkpoint, tokenizer, records, config, workers, resume } = input
  const parted = partRecords(recordsFor(config.objective, records))
  // soft labels are made of rows of the head, which itself is trained here
  const rehearsal = await rehearse(
    { checkpoint, tokenizer, ...parted, config, labels: 'drawn' },
    hooks.signal,
  )
  const trainer = createTrainer(checkpoint, { mode: 'full', workers })
  try {
    const learner = await createLearner(trainer, { tokenizer, ...parted, rehearsal, config, checkpoint })
    const plan = planBatches(learner.weights, config)
    const baseTestLoss = await learner.measure('test')
    if (resume !== undefined) trainer.restore(resume.state)
    const validateEvery = Math.max(1, Math.ceil(plan.length / VALIDATION_COUNT))
    for (let step = resume?.step ?? 0; step < plan.length; step++) {
      hooks.signal.throwIfAborted()
      const { loss } = await learner.step(plan[step]!, rateAt(config, step, plan.length))
      const done = step + 1
      if (done % validateEvery === 0 || done === plan.length)
        await hooks.onMetric({
          step: done,
          stepCount: plan.length,
          trainingLoss: loss,
          validationLoss: await learner.measure('validation'),
        })
      if (done % STATE_STEPS === 0) await hooks.onState({ step: done, state: trainer.state() })
    }
    return {
      checkpoint: fromWeights(checkpoint.config, trainer.weights()),
      stepCount: plan.length,
      trainingCount: parted.training.length,
      testCount: parted.test.length,
      baseTestLoss,
      testLoss: await learner.measure('test'),
    }
  } finally {
    await trainer.release()
  }
}
