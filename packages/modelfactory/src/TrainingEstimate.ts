import { fromText, type LlamaConfig, type Tokenizer, trainingBytes } from '@openledger/model'
import type { Http } from '@openledger/protocol'
import { type Database, desc, gt, schema } from '@openledger/store'
import { partRecords, planBatches, type TrainingRecord } from './TrainingPlan.ts'

const { trainingMetrics } = schema
/** Measurements of recent runs that the speed is the median of. */
const SPEEDS_MAX = 20
const SAMPLES_MAX = 3
const SAMPLE_TOKENS_MAX = 48
/** Attribution takes about two passes over the records after training. */
const INDEX_PASSES = 2

/**
 * Says before a run what it will do: how much it reads, keeps out and repeats, what the model sees of a record, how much
 * memory it takes and, once this server has trained before, how long.
 */
export async function estimate(
  { database: { orm } }: { readonly database: Database },
  model: { readonly config: LlamaConfig; readonly tokenizer: Tokenizer; readonly workers: number },
  records: readonly TrainingRecord[],
  config: Http.TrainingConfig,
): Promise<Http.TrainingEstimate> {
  const { tokenizer } = model
  const { training, heldOut } = partRecords(records)
  const options = { tokensMax: Math.min(config.sequenceTokens, model.config.contextMax) }
  const sequences = training.map(({ text }) => fromText(tokenizer, text, options))
  const all = sequences.flat()
  const tokens = all.reduce((sum, { ids }) => sum + ids.length, 0)
  const speeds = (
    await orm
      .select({ speed: trainingMetrics.tokensPerSecond })
      .from(trainingMetrics)
      .where(gt(trainingMetrics.tokensPerSecond, 0))
      .orderBy(desc(trainingMetrics.step))
      .limit(SPEEDS_MAX)
  )
    .map(({ speed }) => speed)
    .sort((a, b) => a - b)
  const speed = speeds[Math.floor(speeds.length / 2)]
  return {
    recordCount: records.length,
    heldOutCount: heldOut === training ? 0 : heldOut.length,
    tokenCount: tokens,
    stepCount: planBatches(all.length, config).length,
    seconds: speed === undefined ? null : Math.ceil((tokens * (config.epochs + INDEX_PASSES)) / speed),
    memoryBytes: trainingBytes(model.config, { rank: config.rank, workers: model.workers }),
    samples: sequences.slice(0, SAMPLES_MAX).flatMap(([first], i) => {
      if (first === undefined) return []
      const ids = [...first.ids.subarray(0, SAMPLE_TOKENS_MAX)]
      return [
        {
          recordId: training[i]!.recordId,
          tokens: ids.map((id, t) => ({ text: markOf(tokenizer, id), isLearned: first.lossMask[t]! > 0 })),
        },
      ]
    }),
  }
}

/** A token as a person sees it; marks that no text has are named. */
function markOf(tokenizer: Tokenizer, id: number): string {
  if (id === tokenizer.bosId) return '⟨begin⟩'
  if (id === tokenizer.eosId) return '⟨end⟩'
  return tokenizer.decode([id])
}
