import {
  type Checkpoint,
  createPreferenceTrainer,
  type Sequence,
  type Tokenizer,
  type Trainer,
} from '@openledger/model'
import type { Http } from '@openledger/protocol'
import type { Rehearsal } from './Rehearsal.ts'
import { pairsOf, sequencesOf } from './TrainingData.ts'
import type { Parted, TrainingRecord } from './TrainingPlan.ts'

/** What a run learns from, cut into the things that a step takes some of. */
export type Learner = {
  /** How often an epoch sees each thing. */
  readonly weights: readonly number[]
  readonly step: (
    indices: readonly number[],
    learningRate: number,
  ) => Promise<{ readonly loss: number; readonly tokens: number }>
  /** The mean loss on one side of what is not learned, in nats: of a counted token, or of a pair. */
  readonly measure: (side: 'validation' | 'test') => Promise<number>
}

/** Sequences or pairs of a side measured on at most: enough for two digits. */
const MEASURED_MAX = 64

/**
 * Prepares records for the objective of a configuration; the trainer must not have taken a step yet, because preferences are
 * held against where it starts.
 */
export async function createLearner(
  trainer: Trainer,
  {
    tokenizer,
    training,
    validation,
    test,
    rehearsal,
    config,
    checkpoint,
  }: {
    readonly tokenizer: Tokenizer
    /** Learned beside the records; default nothing. */
    readonly rehearsal?: Rehearsal
    readonly config: Http.TrainingConfig
    readonly checkpoint: Checkpoint
  } & Parted,
): Promise<Learner> {
  const options = { tokensMax: Math.min(config.sequenceTokens, checkpoint.config.contextMax) }
  if (config.objective === 'preference') {
    const pairs = pairsOf(tokenizer, training, options)
    const sides = {
      validation: pairsOf(tokenizer, validation, options).slice(0, MEASURED_MAX),
      test: pairsOf(tokenizer, test, options).slice(0, MEASURED_MAX),
    }
    const preferences = createPreferenceTrainer(trainer, config.preferenceBeta)
    const references = await preferences.margins(pairs)
    const sideReferences = {
      validation: await preferences.margins(sides.validation),
      test: await preferences.margins(sides.test),
    }
    return {
      weights: pairs.map(() => 1),
      step: async (indices, learningRate) => {
        const batch = indices.map((index) => pairs[index]!)
        const { loss } = await preferences.step(
          batch,
          Float64Array.from(indices, (index) => references[index]!),
          learningRate,
        )
        const tokens = batch.reduce(
          (sum, { chosen, rejected }) => sum + chosen.ids.length + rejected.ids.length,
          0,
        )
        return { loss, tokens }
      },
      measure: async (side) => (await preferences.evaluate(sides[side], sideReferences[side])).loss,
    }
  }
  const parts = training.map((record) => sequencesOf(tokenizer, record, options))
  const sequences = [...parts.flat(), ...(rehearsal?.sequences ?? [])]
  const measuredOf = (records: readonly TrainingRecord[]): Sequence[] =>
    records.flatMap((record) => sequencesOf(tokenizer, record, options)).slice(0, MEASURED_MAX)
  const sides = { validation: measuredOf(validation), test: measuredOf(test) }
  return {
    weights: [
      ...parts.flatMap((list, i) => list.map(() => training[i]!.weight ?? 1)),
      ...(rehearsal?.sequences ?? []).map(() => rehearsal!.weight),
    ],
    step: (indices, learningRate) =>
      trainer.step(toBatch(indices.map((index) => sequences[index]!)), learningRate),
    async measure(side) {
      const measured = sides[side]
      let lossSum = 0
      let tokenSum = 0
      for (let start = 0; start < measured.length; start += config.batchSize) {
        const batch = toBatch(measured.slice(start, start + config.batchSize))
        const { loss, tokens } = await trainer.evaluate(batch)
        lossSum += loss * tokens
        tokenSum += tokens
      }
      return lossSum / Math.max(1, tokenSum)
    },
  }
}

const toBatch = (sequences: readonly Sequence[]) => ({
  ids: sequences.map(({ ids }) => ids),
  lossMask: sequences.map(({ lossMask }) => lossMask),
  softLabels: sequences.map(({ softLabels }) => softLabels),
})
