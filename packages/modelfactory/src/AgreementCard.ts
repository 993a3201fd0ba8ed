import { agreement, bootstrap, interval, meanOf } from '@openledger/attribution/influence/Agreement'
import * as Baselines from '@openledger/attribution/influence/Baselines'
import * as InfluenceIndex from '@openledger/attribution/influence/InfluenceIndex'
import {
  type Adapter,
  type Checkpoint,
  createGradients,
  createRandom,
  createScorer,
  type Sequence,
  type Tokenizer,
} from '@openledger/model'
import type { Http } from '@openledger/protocol'
import { scaled } from './Forgetting.ts'
import type { Rehearsal } from './Rehearsal.ts'
import { createRetrainer } from './Retraining.ts'
import { sequencesOf as sequencesOfRecord } from './TrainingData.ts'
import type { TrainingRecord } from './TrainingPlan.ts'

/** Part of the records that each retraining goes without. */
const LEFT_OUT_PART = 0.05
/** Answers that are measured at most: the beginnings of test records. */
const QUERIES_MAX = 32
const BOOTSTRAP_ROUNDS = 200

/**
 * Measures how well what the index says of records agrees with training again without them.
 *
 * The linear datamodelling score over test records: each of `config.agreementRetrainings` trainings goes
 * without another twentieth of the records, in the same order and from the same start, so that its outcome has no noise of its
 * own and the ceiling is 1. Costs as many trainings as the budget says.
 *
 * @param onProgress - Told how many retrainings are done.
 * @throws {DOMException} `AbortError` when the signal aborts.
 * @see Park et al. 2023, "TRAK", definition 2.
 */
export async function measureAgreement(
  input: {
    readonly checkpoint: Checkpoint
    readonly tokenizer: Tokenizer
    readonly adapter: Adapter.Adapter
    readonly training: readonly TrainingRecord[]
    readonly test: readonly TrainingRecord[]
    /** What the training learned beside its records; no retraining goes without it. */
    readonly rehearsal: Rehearsal
    /** What the adapter was scaled by; so is that of every retraining. */
    readonly scale: number
    readonly config: Http.TrainingConfig
    /** Bytes of the index, as published. */
    readonly influence: Uint8Array
  },
  { onProgress, signal }: { readonly onProgress: (done: number) => void; readonly signal: AbortSignal },
): Promise<Http.Agreement> {
  const { checkpoint, tokenizer, adapter, training, test, rehearsal, scale, config, influence } = input
  const options = { tokensMax: Math.min(config.sequenceTokens, checkpoint.config.contextMax) }
  const sequencesOf = (list: readonly TrainingRecord[]): Sequence[][] =>
    list.map((record) => sequencesOfRecord(tokenizer, record, options))
  const ofRecords = sequencesOf(training)
  const queries = sequencesOf(test.slice(0, QUERIES_MAX)).map(([first]) => first!)
  const numbers = ofRecords.map((sequences) => sequences.length)
  const starts = numbers.map((_, i) => numbers.slice(0, i).reduce((sum, count) => sum + count, 0))
  const random = createRandom(config.seed)
  const every = training.map((_, i) => i)
  const size = Math.max(1, Math.round(training.length * LEFT_OUT_PART))
  const leftOut = Array.from({ length: config.agreementRetrainings }, () =>
    random.shuffle(every).slice(0, size),
  )

  const gradients = createGradients(checkpoint, adapter, { batchSize: 8, sessionsMax: 2 })
  const asked = await gradients.perExample(queries)
  await gradients.release()
  const index = InfluenceIndex.decode(influence)
  const bm25 = Baselines.createBm25(
    training.map(({ text }) => tokenizer.encode(text)),
    2,
  )
  const estimators = {
    index: asked.map(({ gradient }) => InfluenceIndex.score(index, gradient)),
    bm25: queries.map(({ ids }) => bm25({ tokens: ids, gradient: new Float32Array(0) })),
  }

  const retrainer = createRetrainer(checkpoint, [...ofRecords.flat(), ...rehearsal.sequences], config, [
    ...training.flatMap(({ weight = 1 }, i) => new Array<number>(numbers[i]!).fill(weight)),
    ...rehearsal.sequences.map(() => rehearsal.weight),
  ])
  const scorer = createScorer(checkpoint, adapter)
  const likelihoods: number[][] = []
  try {
    for (const records of leftOut) {
      const without = new Set(
        records.flatMap((record) => Array.from({ length: numbers[record]! }, (_, i) => starts[record]! + i)),
      )
      const own = scorer.withAdapter(scaled(await retrainer.without(without, signal), scale))
      const row: number[] = []
      for (const { ids } of queries) {
        const values = await own.logProbabilities(ids)
        row.push(values.reduce((sum, value) => sum + value, 0))
      }
      likelihoods.push(row)
      onProgress(likelihoods.length)
    }
  } finally {
    await retrainer.release()
    await scorer.release()
  }
  const truth = { leftOut, likelihoods }
  const boots = bootstrap(estimators, truth, { rounds: BOOTSTRAP_ROUNDS, draw: random.below })
  const { low, high } = interval(boots['index']!)
  const toPpm = (value: number): number => Math.round(value * 1e6)
  return {
    retrainings: leftOut.length,
    recordsLeftOut: size,
    answers: queries.length,
    agreementPpm: Math.max(0, toPpm(meanOf(agreement({ scores: estimators.index, ...truth })))),
    lowPpm: toPpm(low),
    highPpm: toPpm(high),
    bm25Ppm: toPpm(meanOf(agreement({ scores: estimators.bm25, ...truth }))),
  }
}
