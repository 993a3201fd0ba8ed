import {
  Adapter,
  type Checkpoint,
  createTrainer,
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
import { type Parted, partRecords, type TrainingRecord } from './TrainingPlan.ts'
import {
  type Losses,
  type TakenSteps,
  type TrainingCheckpoint,
  type TrainingHooks,
  takeSteps,
} from './TrainingSteps.ts'

export type TrainingInput = {
  readonly checkpoint: Checkpoint
  readonly tokenizer: Tokenizer
  readonly records: readonly TrainingRecord[]
  readonly config: Http.TrainingConfig
  readonly workers: number
  readonly resume?: TrainingCheckpoint
}

export type TrainingResult = Parted &
  Losses &
  Omit<TakenSteps, 'best'> & {
    readonly adapter: Adapter.Adapter
    /** What of the base's own was learned beside the records. */
    readonly rehearsal: Rehearsal
    /** What the adapter was multiplied by so that it forgets no more than was allowed. */
    readonly scale: number
  }

/**
 * Trains a LoRA adapter on records and measures it on records that it does not learn.
 *
 * What is rehearsed and the adapter's start follow from the configuration alone, as the steps do (`takeSteps`): a training that goes on
 * from a checkpoint ends with the same adapter as one that was never stopped. The adapter is the one that measured best on the
 * validation records. What it forgot more than `forgettingMax` allows is taken back by scaling it.
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
    const { best, ...taken } = await takeSteps(
      { trainer, learner, config, resume, encode: () => Adapter.encode(trainer.adapter()) },
      hooks,
    )
    const learned = best === undefined ? trainer.adapter() : Adapter.decode(checkpoint.config, best.learned)
    const scale = await scaleOf(input, learned, hooks.signal)
    const adapter = scaled(learned, scale)
    const { validationLoss, testLoss } =
      scale === 1
        ? (best ?? { validationLoss: taken.baseValidationLoss, testLoss: taken.baseTestLoss })
        : await lossesOf({ checkpoint, tokenizer, ...parted, config }, adapter)
    return { ...parted, ...taken, adapter, scale, rehearsal, validationLoss, testLoss }
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
