import { type Checkpoint, createTrainer, decodeWeights, encodeWeights, fromWeights } from '@openledger/model'
import { createLearner } from './Learner.ts'
import { rehearse } from './Rehearsal.ts'
import type { TrainingInput } from './Training.ts'
import { recordsFor } from './TrainingData.ts'
import { type Parted, partRecords } from './TrainingPlan.ts'
import { type Losses, type TakenSteps, type TrainingHooks, takeSteps } from './TrainingSteps.ts'

export type FullTrainingResult = Parted &
  Losses &
  Omit<TakenSteps, 'best'> & {
    /** The base with all its weights trained. */
    readonly checkpoint: Checkpoint
  }

/**
 * Trains all weights of a small model on records, with the same data, order, schedule, choice and measures as a run that makes an
 * adapter (`trainAdapter`).
 *
 * What comes of it is a model of its own, not an addition to the base: it is served as the base of a server, and its answers are
 * attributed by nothing until adapters are trained over it. Memory is 16 bytes a weight beside what a run of the graph keeps.
 * What concerns adapters alone is not used: rank, alpha, dropout, forgettingMax. A training that goes on from a checkpoint ends with
 * the same weights to the bit.
 *
 * @throws {DOMException} `AbortError` when `hooks.signal` aborts. @throws {PreferencesMissingError} {NotFiniteError}
 */
export async function trainFull(input: TrainingInput, hooks: TrainingHooks): Promise<FullTrainingResult> {
  const { checkpoint, tokenizer, records, config, workers, resume } = input
  const shape = checkpoint.config
  const parted = partRecords(recordsFor(config.objective, records))
  // soft labels are made of rows of the head, which itself is trained here
  const rehearsal = await rehearse(
    { checkpoint, tokenizer, ...parted, config, labels: 'drawn' },
    hooks.signal,
  )
  const trainer = createTrainer(checkpoint, { mode: 'full', workers })
  try {
    const learner = await createLearner(trainer, { tokenizer, ...parted, rehearsal, config, checkpoint })
    const { best, ...taken } = await takeSteps(
      { trainer, learner, config, resume, encode: () => encodeWeights(shape, trainer.weights(), 'F32') },
      hooks,
    )
    const { validationLoss, testLoss } = best ?? {
      validationLoss: taken.baseValidationLoss,
      testLoss: taken.baseTestLoss,
    }
    const weights = best === undefined ? trainer.weights() : decodeWeights(shape, best.learned)
    return { ...parted, ...taken, validationLoss, testLoss, checkpoint: fromWeights(shape, weights) }
  } finally {
    await trainer.release()
  }
}
