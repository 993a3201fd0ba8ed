import {
  Adapter,
  type Checkpoint,
  createTrainer,
  learningRateAt,
  loraTargets,
  type Tokenizer,
  type TrainerOptions,
} from '@openledger/model'
import type { Http } from '@openledger/protocol'
import { lossesOf } from './Evaluation.ts'
import { createForgetting, scaled, scaleWithin } from './Forgetting.ts'
import { createLearner } from './Learner.ts'
import { type Rehearsal, rehearse } from './Rehearsal.ts'
import { recordsFor } from './TrainingData.ts'
import { type Parted, partRecords, planBatches, type TrainingRecord } from './TrainingPlan.ts'

/** A training to go on with: the trainer's state after `step` steps, and the best that was measured until then. */
export type TrainingCheckpoint = {
  readonly step: number
  readonly state: Uint8Array
  readonly best: BestAdapter | undefined
}

/** The adapter with the least loss on the validation records so far. */
export type BestAdapter = Losses & {
  /** Measurements since then, none of which was better. */
  readonly missed: number
  readonly adapter: Uint8Array
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

export type TrainingInput = {
  readonly checkpoint: Checkpoint
  readonly tokenizer: Tokenizer
  readonly records: readonly TrainingRecord[]
  readonly config: Http.TrainingConfig
  readonly workers: number
  readonly resume?: TrainingCheckpoint
}

export type TrainingResult = Parted &
  Losses & {
    readonly adapter: Adapter.Adapter
    /** What of the base's own was learned beside the records. */
    readonly rehearsal: Rehearsal
    /** What the adapter was multiplied by so that it forgets no more than was allowed. */
    readonly scale: number
    readonly baseValidationLoss: number
    readonly baseTestLoss: number
    readonly stepCount: number
  }

const METRIC_STEPS = 5
const CHECKPOINT_STEPS = 40
const VALIDATION_COUNT = 6

/**
 * Trains a LoRA adapter on records and measures it on records that it does not learn.
 *
 * Batches, their order, what is rehearsed and the adapter's start follow from the configuration alone, so a training that goes on from a
 * checkpoint ends with the same adapter as one that was never stopped. The adapter is the one that measured best on the
 * validation records, and training stops after `patience` measurements without a better one. What it forgot more than
 * `forgettingMax` allows is taken back by scaling it.
 *
 * @throws {DOMException} `AbortError` when `hooks.signal` aborts.
 * @throws {PreferencesMissingError} {NotFiniteError}
 */
export async function trainAdapter(input: TrainingInput, hooks: TrainingHooks): Promise<TrainingResult> {
  const { checkpoint, tokenizer, records, config, workers, resume } = input
  const parted = partRecords(recordsFor(config.objective, records))
  const { training } = parted
  const rehearsal = await rehearse({ checkpoint, tokenizer, training, config }, hooks.signal)
  const trainer = createTrainer(checkpoint, { ...trainerOptionsOf(checkpoint, config), workers })
  try {
    const learner = await createLearner(trainer, {
      tokenizer,
      ...parted,
      rehearsal,
      config,
      checkpoint,
    })
    const plan = planBatches(learner.weights, config)
    // the adapter starts as a change of nothing, so this is the base's own loss
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
      const isLast = done === plan.length
      const validates = done % validateEvery === 0 || isLast
      const validationLoss = validates ? await learner.measure('validation') : null
      if (validationLoss !== null) {
        best =
          best === undefined || validationLoss < best.validationLoss
            ? {
                validationLoss,
                testLoss: await learner.measure('test'),
                missed: 0,
                adapter: Adapter.encode(trainer.adapter()),
              }
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
    const learned = best === undefined ? trainer.adapter() : Adapter.decode(checkpoint.config, best.adapter)
    const scale = await scaleOf(input, learned, hooks.signal)
    const adapter = scaled(learned, scale)
    const { validationLoss, testLoss } =
      scale === 1
        ? (best ?? { validationLoss: baseValidationLoss, testLoss: baseTestLoss })
        : await lossesOf({ checkpoint, tokenizer, ...parted, config }, adapter)
    return {
      ...parted,
      adapter,
      scale,
      rehearsal,
      baseValidationLoss,
      baseTestLoss,
      validationLoss,
      testLoss,
      stepCount,
    }
  } finally {
    await trainer.release()
  }
}

/** Keeps the texts that an adapter is scaled by apart from those that are rehearsed. */
const SCALE_SEED_OFFSET = 2_000_003

/** How much of an adapter is kept, so that it forgets no more than its configuration allows. */
async function scaleOf(
  { checkpoint, config }: Pick<TrainingInput, 'checkpoint' | 'config'>,
  adapter: Adapter.Adapter,
  signal: AbortSignal,
): Promise<number> {
  const { objective, sequenceTokens, seed } = config
  // preferences are held to the base by their own objective
  if (objective === 'preference') return 1
  const forgetting = await createForgetting(checkpoint, {
    sequenceTokens,
    seed: seed + SCALE_SEED_OFFSET,
    signal,
  })
  try {
    return await scaleWithin(forgetting, adapter, config)
  } finally {
    await forgetting.release()
  }
}

/** The trainer that a configuration asks for, with the adapter's start. */
export const trainerOptionsOf = (
  checkpoint: Checkpoint,
  config: Http.TrainingConfig,
): TrainerOptions & { readonly mode: 'lora' } => ({
  mode: 'lora',
  adapter: Adapter.create(checkpoint.config, {
    rank: config.rank,
    // an adapter divides its alpha by its rank
    alpha: config.isRankStabilised ? config.alpha * Math.sqrt(config.rank) : config.alpha,
    targets: loraTargets,
    seed: config.seed,
  }),
  isQuantised: config.method === 'qlora',
  dropout: config.dropout,
  learnsSoftLabels: config.rehearsal > 0 && config.objective === 'likelihood',
  seed: config.seed,
})

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
