import { type LlamaConfig, type Tokenizer, trainingBytes } from '@openledger/model'
import type { Hex } from '@openledger/primitives'
import { type Http, RecordForm } from '@openledger/protocol'
import { type Database, desc, gt, schema } from '@openledger/store'
import { planRehearsal, recordTokensOf } from './Rehearsal.ts'
import { pairsOf, recordsFor, sequencesOf } from './TrainingData.ts'
import { partRecords, planBatches, type TrainingRecord } from './TrainingPlan.ts'

const { trainingMetrics } = schema
/** Measurements of recent runs that the speed is the median of. */
const SPEEDS_MAX = 20
const SAMPLES_MAX = 3
const SAMPLE_TOKENS_MAX = 160
/** Attribution takes about two passes over the records after training. */
const INDEX_PASSES = 2
/** All weights take gradients of their own: a token is multiplied with each weight three times, not twice. */
const FULL_COST = 1.5
/** The base writes a text, and says what it found likely there, in about the time of learning it twice. */
const WRITING_PASSES = 2

/**
 * Says before a run what it will do: how much it reads, keeps out and repeats, what the model sees of a record, how much
 * memory it takes and, once this server has trained before, how long.
 * @param mayShow - Whether anyone may have a record's text; only such are samples.
 */
export async function estimate(
  { database: { orm } }: { readonly database: Database },
  model: { readonly config: LlamaConfig; readonly tokenizer: Tokenizer; readonly workers: number },
  records: readonly TrainingRecord[],
  config: Http.TrainingConfig,
  mayShow: (recordId: Hex) => boolean,
): Promise<Http.TrainingEstimate> {
  const { tokenizer } = model
  const { training, validation, test } = partRecords(recordsFor(config.objective, records))
  const options = { tokensMax: Math.min(config.sequenceTokens, model.config.contextMax) }
  const forms = { text: 0, completion: 0, chat: 0, preference: 0 }
  for (const { text } of records) forms[RecordForm.read(text).kind]++
  const isFull = config.method === 'full'
  const isPreference = config.objective === 'preference'
  // a preference is read twice a step: once to see how wrong the model is about it, once to learn
  const pairs = isPreference ? pairsOf(tokenizer, training, options) : []
  const sequences = isPreference
    ? pairs.map(({ chosen, rejected }) => [chosen, rejected])
    : training.map((record) => sequencesOf(tokenizer, record, options))
  const all = sequences.flat()
  const recordTokens = isPreference ? 0 : recordTokensOf(sequences, training)
  const rehearsal = planRehearsal(recordTokens, { ...config, sequenceTokens: options.tokensMax }, model)
  const weights = isPreference
    ? pairs.map(() => 1)
    : [
        ...sequences.flatMap((list, i) => list.map(() => training[i]!.weight ?? 1)),
        ...new Array<number>(rehearsal.count).fill(rehearsal.weight),
      ]
  const tokens = all.reduce((sum, { ids }) => sum + ids.length, 0)
  const rehearsedTokens = rehearsal.count * rehearsal.weight * options.tokensMax
  // one of each form first, so that a mixed version shows how each is read
  const shown = training
    .filter(({ recordId }) => mayShow(recordId))
    .sort((a, b) => firstOfForm(training, a) - firstOfForm(training, b))
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
    trainingCount: training.length,
    validationCount: validation === training ? 0 : validation.length,
    testCount: test === training ? 0 : test.length,
    tokenCount: tokens,
    rehearsedTokenCount: Math.round(rehearsedTokens),
    stepCount: planBatches(weights, config).length,
    seconds:
      speed === undefined
        ? null
        : Math.ceil(
            ((tokens + rehearsedTokens) * config.epochs * (isFull ? FULL_COST : 1) +
              (isFull ? 0 : tokens * INDEX_PASSES) +
              rehearsal.count * options.tokensMax * WRITING_PASSES) /
              speed,
          ),
    memoryBytes:
      (isFull ? 0 : rehearsal.bytes) +
      trainingBytes(model.config, {
        rank: config.rank,
        workers: model.workers,
        isQuantised: config.method === 'qlora',
        isFull,
      }),
    forms,
    samples: shown.slice(0, SAMPLES_MAX).flatMap((record) => {
      const [first] = sequencesOf(tokenizer, record, options)
      if (first === undefined) return []
      const ids = [...first.ids.subarray(0, SAMPLE_TOKENS_MAX)]
      return [
        {
          recordId: record.recordId,
          form: RecordForm.read(record.text).kind,
          tokens: ids.map((id, t) => ({ text: markOf(tokenizer, id), isLearned: first.lossMask[t]! > 0 })),
        },
      ]
    }),
  }
}

/** 0 for the first record of its form, 1 for every other. */
function firstOfForm(records: readonly TrainingRecord[], record: TrainingRecord): number {
  const { kind } = RecordForm.read(record.text)
  return records.find(({ text }) => RecordForm.read(text).kind === kind) === record ? 0 : 1
}

/** A token as a person sees it; marks that no text has are named. */
function markOf(tokenizer: Tokenizer, id: number): string {
  if (id === tokenizer.bosId) return '⟨begin⟩'
  if (id === tokenizer.eosId) return '⟨end⟩'
  return tokenizer.decode([id])
}
