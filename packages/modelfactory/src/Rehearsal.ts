import { type Checkpoint, type Sequence, type Tokenizer, writeOwnTexts } from '@openledger/model'
import type { Http } from '@openledger/protocol'
import { sequencesOf } from './TrainingData.ts'
import type { TrainingRecord } from './TrainingPlan.ts'

/** The base's own texts that a run learns beside its records, so that the adapter forgets little of what the base knows. */
export type Rehearsal = {
  readonly sequences: readonly Sequence[]
  /** How often an epoch sees each of them. */
  readonly weight: number
}

/** Texts written at most: more made no difference, and writing them takes as long as a few epochs of a small Datanet. */
const TEXTS_MAX = 256
/** Keeps the draws of texts from those of batches, which have the configuration's own seed. */
const SEED_OFFSET = 1_000_003

type RehearsalConfig = Pick<
  Http.TrainingConfig,
  'objective' | 'rehearsal' | 'epochs' | 'sequenceTokens' | 'seed'
>

/**
 * Says how many texts a run rehearses and how often, so that an epoch has `rehearsal` tokens of them for each token of its
 * records, and no text is seen twice while there are fewer than 256.
 * @param recordTokens - Tokens that an epoch sees of records.
 */
export function planRehearsal(
  recordTokens: number,
  { objective, rehearsal, epochs, sequenceTokens }: RehearsalConfig,
): { readonly count: number; readonly weight: number } {
  // preferences are held to the base by their own objective
  const tokens = objective === 'likelihood' ? rehearsal * recordTokens : 0
  const count = Math.min(TEXTS_MAX, Math.ceil((tokens * epochs) / sequenceTokens))
  return { count, weight: count === 0 ? 0 : tokens / (count * sequenceTokens) }
}

/** Tokens that an epoch sees of records. */
export const recordTokensOf = (
  sequences: readonly (readonly Sequence[])[],
  records: readonly TrainingRecord[],
): number =>
  sequences.reduce(
    (sum, list, i) =>
      sum + (records[i]!.weight ?? 1) * list.reduce((count, { ids }) => count + ids.length, 0),
    0,
  )

/** Has the base write what a run rehearses. @throws {DOMException} `AbortError` when the signal aborts. */
export async function rehearse(
  {
    checkpoint,
    tokenizer,
    training,
    config,
  }: {
    readonly checkpoint: Checkpoint
    readonly tokenizer: Tokenizer
    readonly training: readonly TrainingRecord[]
    readonly config: RehearsalConfig
  },
  signal: AbortSignal,
): Promise<Rehearsal> {
  const tokensMax = Math.min(config.sequenceTokens, checkpoint.config.contextMax)
  const sequences = training.map(({ text }) => sequencesOf(tokenizer, text, { tokensMax }))
  const { count, weight } = planRehearsal(recordTokensOf(sequences, training), {
    ...config,
    sequenceTokens: tokensMax,
  })
  const seed = config.seed + SEED_OFFSET
  return { sequences: await writeOwnTexts(checkpoint, { count, tokensMax, seed, signal }), weight }
}
