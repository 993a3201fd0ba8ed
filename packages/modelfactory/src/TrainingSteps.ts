import { learningRateAt, type Trainer } from '@openledger/model'
import type { Http } from '@openledger/protocol'
import type { Learner } from './Learner.ts'
import { planBatches } from './TrainingPlan.ts'

/** A training to go on with: the trainer's state after `step` steps, and the best that was measured until then. */
export type TrainingCheckpoint = {
  readonly step: number
  readonly state: Uint8Array
  readonly best: Best | undefined
}

/** What had the least loss on the validation records so far. */
export type Best = Losses & {
  /** Measurements since then, none of which was better. */
  readonly missed: number
  /** The adapter, or all weights, as bytes. */
  readonly learned: Uint8Array
}

/** Mean losses on what was not learned, in nats; only the first had a say in anything. */
export type Losses = { readonly validationLoss: number; readonly testLoss: number }

export type TrainingProgress = Http.Metric & { readonly stepCount: number }

export type TrainingHooks = {
  readonly onStart: (facts: { stepCount: number; baseValidationLoss: number }) => Promise<void>
  readonly onMetric: (metric: TrainingProgress) => Promise<void>
  /** Called now and then, and before a training that is aborted ends; what it kept is what `resume` gets after a crash. */
  readonly onCheckpoint: (checkpoint: TrainingCheckpoint) => Promise<void>
  readonly nowMs: () => number
  readonly signal: AbortSignal
}

export type TakenSteps = {
  /** Undefined where nothing was left to take. */
  readonly best: Best | undefined
  readonly stepCount: number
  readonly baseValidationLoss: number
  readonly baseTestLoss: number
}

const METRIC_STEPS = 5
const CHECKPOINT_STEPS = 40
const VALIDATION_COUNT = 6

/**
 * Takes the steps of a training, or those that are left of it, and finds what measured best on the validation records.
 *
 * Batches and their order follow from the configuration alone, so that a training that goes on from a checkpoint takes the steps of
 * one that was never stopped. It stops after `patience` measurements without a better one.
 *
 * @param trainer - Has not taken a step yet.
 * @param encode - Gives what is learned by now as bytes.
 * @throws {DOMException} `AbortError` when `hooks.signal` aborts. @throws {NotFiniteError}
 */
export async function takeSteps(
  {
    trainer,
    learner,
    config,
    resume,
    encode,
  }: {
    readonly trainer: Trainer
    readonly learner: Learner
    readonly config: Http.TrainingConfig
    readonly resume: TrainingCheckpoint | undefined
    readonly encode: () => Uint8Array
  },
  hooks: TrainingHooks,
): Promise<TakenSteps> {
  const plan = planBatches(learner.weights, config)
  // nothing has been learned yet, so this is the base's own loss
  const baseValidationLoss = await learner.measure('validation')
  const baseTestLoss = await learner.measure('test')
  await hooks.onStart({ stepCount: plan.length, baseValidationLoss })
  if (resume !== undefined) trainer.restore(resume.state)
  const validateEvery = Math.max(1, Math.ceil(plan.length / VALIDATION_COUNT))
  let best = resume?.best
  let stepCount = plan.length
  let since = { ms: hooks.nowMs(), tokens: 0 }
  for (let step = resume?.step ?? 0; step < stepCount; step++) {
    if (hooks.signal.aborted) {
      // whoever goes on need not take these steps again
      if (step > (resume?.step ?? 0)) await hooks.onCheckpoint({ step, state: trainer.state(), best })
      hooks.signal.throwIfAborted()
    }
    const result = await learner.step(plan[step]!, rateAt(config, step, plan.length))
    since = { ...since, tokens: since.tokens + result.tokens }
    const done = step + 1
    const validates = done % validateEvery === 0 || done === plan.length
    const validationLoss = validates ? await learner.measure('validation') : null
    if (validationLoss !== null) {
      best =
        best === undefined || validationLoss < best.validationLoss
          ? { validationLoss, testLoss: await learner.measure('test'), missed: 0, learned: encode() }
          : { ...best, missed: best.missed + 1 }
      if (config.patience > 0 && best.missed >= config.patience) stepCount = done
    }
    if (validates || done % METRIC_STEPS === 0) {
      const now = hooks.nowMs()
      await hooks.onMetric({
        step: done,
        stepCount,
        trainingLoss: result.loss,
        validationLoss,
        tokensPerSecond: (1_000 * since.tokens) / Math.max(1, now - since.ms),
      })
      since = { ms: now, tokens: 0 }
    }
    if (done % CHECKPOINT_STEPS === 0 && done < stepCount)
      await hooks.onCheckpoint({ step: done, state: trainer.state(), best })
  }
  return { best, stepCount, baseValidationLoss, baseTestLoss }
}

/** Gives the learning rate of a step, from 0: a short rise, then half a cosine. */
export const rateAt = (
  { learningRate }: Pick<Http.TrainingConfig, 'learningRate'>,
  step: number,
  stepsTotal: number,
): number =>
  learningRateAt(step, {
    kind: 'cosine',
    learningRateMax: learningRate,
    stepsTotal,
    warmUpSteps: Math.min(20, Math.ceil(stepsTotal / 10)),
  })
