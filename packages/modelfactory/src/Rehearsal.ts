import {
  type Checkpoint,
  type Sequence,
  softLabelBytes,
  type Tokenizer,
  withSoftLabels,
  writeOwnTexts,
} from '@openledger/model'
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
/** Bytes that their soft labels take at most, which are kept while the run lasts. */
const LABEL_BYTES_MAX = 256e6
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
 * @returns `bytes` of memory that the texts' soft labels take.
 */
export function planRehearsal(
  recordTokens: number,
  { objective, rehearsal, epochs, sequenceTokens }: RehearsalConfig,
  base: Pick<Checkpoint, 'config'>,
): { readonly count: number; readonly weight: number; readonly bytes: number } {
  // preferences are held to the base by their own objective
  const tokens = objective === 'likelihood' ? rehearsal * recordTokens : 0
  const textBytes = sequenceTokens * softLabelBytes(base)
  const countMax = Math.min(TEXTS_MAX, Math.max(1, Math.floor(LABEL_BYTES_MAX / textBytes)))
  const count = Math.min(countMax, Math.ceil((tokens * epochs) / sequenceTokens))
  return { count, weight: count === 0 ? 0 : tokens / (count * sequenceTokens), bytes: count * textBytes }
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

/** Has the base write what a run rehearses and say how likely it finds every token there. @throws {DOMException} `AbortError` when the signal aborts. */
export async function rehearse(
  {
    checkpoint,
    tokenizer,
    training,
    config,
    labels = 'soft',
  }: {
    readonly checkpoint: Checkpoint
    readonly tokenizer: Tokenizer
    readonly training: readonly TrainingRecord[]
    readonly config: RehearsalConfig
    /** What is learned of a token: all that the base finds likely there, or the one that it drew. */
    readonly labels?: 'soft' | 'drawn'
  },
  signal: AbortSignal,
): Promise<Rehearsal> {
  const tokensMax = Math.min(config.sequenceTokens, checkpoint.config.contextMax)
  const sequences = training.map((record) => sequencesOf(tokenizer, record, { tokensMax }))
  const { count, weight } = planRehearsal(
    recordTokensOf(sequences, training),
    { ...config, sequenceTokens: tokensMax },
    checkpoint,
  )
  const seed = config.seed + SEED_OFFSET
  const texts = await writeOwnTexts(checkpoint, { count, tokensMax, seed, signal })
  return {
    sequences: labels === 'soft' ? await withSoftLabels(checkpoint, texts, { signal }) : texts,
    weight,
  }
}
