import * as ScanKernels from '@openledger/attribution/influence/ScanKernels'
import * as SpanIndex from '@openledger/attribution/spans/SpanIndex'
import { trace } from '@openledger/attribution/spans/SpanTrace'
import {
  Adapter,
  type Checkpoint,
  createGradients,
  createRandom,
  createScorer,
  loraTargets,
  type Tokenizer,
} from '@openledger/model'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import { buildIndexes } from '@openledger/modelfactory/AttributionIndexes'
import { createRetrainer } from '@openledger/modelfactory/Retraining'
import { sequencesOf } from '@openledger/modelfactory/TrainingData'
import { replay } from '@openledger/openlora/attribution/Inference'
import { Bytes } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { cpuMs, leastCpuMs } from '../attribution/Clock.ts'
import { readCorpus } from '../attribution/Corpus.ts'
import { openBase } from '../attribution/World.ts'
import { type Claim, type Finding, table } from '../Claim.ts'

const WIDTH = 512
const ANSWER_TOKENS = 96
const PROMPT_TOKENS = 32
const RECORDS = 10_000
const ANSWER_MS_MAX = 50
/** The second is a Datanet's size; with few records their curvature, read once more, weighs as much as they do. */
const INDEXED_RECORDS = [512, 4_096]
const RECORD_TOKENS = 64
const BUILD_EPOCHS_MAX = 1.2
/** Answers that are decoded together, each under its adapter. */
const ROWS = 16
const THROUGHPUT_MIN = 0.9

/**
 * What attribution costs on the shipped base: an answer, part by part and beside what decoding it costs, and indexes beside an
 * epoch of the training that they are of.
 */
export const claim: Claim = {
  says: 'An answer is attributed within 50 ms at 10,000 records on the shipped base, a busy machine still makes 0.9 of its answers, and indexes are built within 1.2 times the cost of one epoch of training.',
  async run({ isQuick, say }): Promise<Finding> {
    const { checkpoint, tokenizer } = await openBase()
    say('measuring the parts of an answer')
    const parts = await answerParts(checkpoint)
    const wholeMs = parts.reduce((sum, [, ms]) => sum + ms, 0)
    const decodingMs = await decodingCost(checkpoint)
    const throughput = decodingMs / (decodingMs + wholeMs)
    const builds: Build[] = []
    for (const recordCount of isQuick ? INDEXED_RECORDS.slice(0, 1) : INDEXED_RECORDS) {
      say(`one epoch of ${recordCount} records, and their indexes`)
      builds.push(await buildCosts(checkpoint, tokenizer, recordCount))
    }
    return {
      figure: wholeMs,
      unit: 'ms of processor time for an answer',
      goal: ANSWER_MS_MAX,
      sense: 'at most',
      failures: [
        ...(throughput < THROUGHPUT_MIN
          ? [
              `where no core is idle, answers come at ${throughput.toFixed(2)} of the rate without, goal ${THROUGHPUT_MIN}`,
            ]
          : []),
        ...builds
          .filter((build) => epochsOf(build) > BUILD_EPOCHS_MAX)
          .map(
            (build) =>
              `indexes of ${build.recordCount} records cost ${epochsOf(build).toFixed(2)} epochs, goal ${BUILD_EPOCHS_MAX}`,
          ),
      ],
      report: `${table([
        [
          `an answer of ${ANSWER_TOKENS} tokens to ${PROMPT_TOKENS}, ${RECORDS.toLocaleString('en')} records, rank 8, one thread`,
          'ms of processor time',
        ],
        ...parts.map(([name, ms]) => [name, ms.toFixed(1)]),
        ['together', wholeMs.toFixed(1)],
        [`decoding it, one of ${ROWS} rows, each under its adapter`, decodingMs.toFixed(1)],
        ['answers a second with attribution beside without, where no core is idle', throughput.toFixed(2)],
      ])}

${table([
  [
    `records of about ${RECORD_TOKENS} tokens, rank 8`,
    'one epoch of training, seconds of processor time',
    'all indexes',
    'of that until the last gradient',
    'epochs',
  ],
  ...builds.map((build) => [
    build.recordCount.toLocaleString('en'),
    ...[build.epochMs, build.indexMs, build.gradientsMs].map((ms) => (ms / 1e3).toFixed(1)),
    epochsOf(build).toFixed(2),
  ]),
])}`,
    }
  },
}

/** The parts of an answer's attribution, over an index of made-up codes: what they say changes no time. */
async function answerParts(checkpoint: Checkpoint): Promise<[string, number][]> {
  const { config } = checkpoint
  const adapter = Adapter.create(config, { rank: 8, alpha: 16, targets: loraTargets, seed: 1 })
  const random = createRandom(4)
  const draw = (count: number) =>
    Array.from({ length: count }, () => 3 + random.below(config.vocabularySize - 3))
  const promptIds = draw(PROMPT_TOKENS)
  const answerIds = draw(ANSWER_TOKENS)
  const scorer = createScorer(checkpoint, undefined)
  const gradients = createGradients(checkpoint, adapter, { batchSize: 1 })
  const gradientWidth = gradients.blocks.reduce((sum, { size }) => sum + Math.ceil(size / 64) * 64, 0)
  const kernels = ScanKernels.create({ rowCount: RECORDS, width: WIDTH, directions: WIDTH, gradientWidth })
  kernels.transform.fill(3)
  kernels.transformScales.fill(0.5)
  const steps = new Int16Array(gradientWidth).fill(1_000)
  const groupScales = new Float32Array(gradientWidth / ScanKernels.GROUP).fill(0.001)
  const query = Int8Array.from({ length: WIDTH }, (_, i) => (i % 255) - 127)
  const documents = Array.from({ length: RECORDS }, (_, i) => ({
    recordId: `r${i}`,
    contributionId: `c${i % 100}`,
    tokens: draw(RECORD_TOKENS),
  }))
  const spans = SpanIndex.build({ documents, vocabularySize: config.vocabularySize })
  try {
    return [
      [
        'reading it under adapter and base, and its gradient',
        await leastCpuMs(() =>
          replay({ scorer, gradients }, { adapter, rest: undefined }, promptIds, answerIds),
        ),
      ],
      ['the gradient’s code', await leastCpuMs(() => kernels.project(steps, groupScales))],
      ['scan', await leastCpuMs(() => kernels.scan(query))],
      ['spans', await leastCpuMs(() => trace(spans, answerIds))],
    ]
  } finally {
    await gradients.release()
    await scorer.release()
  }
}

/** What decoding one answer costs where as many others are decoded with it, each under its own adapter. */
async function decodingCost(checkpoint: Checkpoint): Promise<number> {
  const { config } = checkpoint
  const random = createRandom(5)
  const draw = () => 3 + random.below(config.vocabularySize - 3)
  const decoder = await createDecoder(checkpoint, { rows: ROWS, context: config.contextMax, rankMax: 8 })
  const adapters = Array.from({ length: ROWS }, (_, seed) =>
    Adapter.create(config, { rank: 8, alpha: 16, targets: loraTargets, seed }),
  )
  try {
    const wholeMs = await leastCpuMs(async () => {
      for (const [row, adapter] of adapters.entries()) decoder.setAdapter(row, adapter)
      await decoder.extend(
        adapters.map((_, row) => ({ row, ids: Array.from({ length: PROMPT_TOKENS }, draw) })),
      )
      for (let step = 1; step < ANSWER_TOKENS; step++) await decoder.step(adapters.map(draw))
      for (const row of adapters.keys()) decoder.free(row)
    }, 3)
    return wholeMs / ROWS
  } finally {
    await decoder.release()
  }
}

/** What indexes cost, in processor time. */
type Build = {
  readonly recordCount: number
  readonly epochMs: number
  readonly indexMs: number
  /** Of `indexMs`: spans, the readings of all records and of their curvature. */
  readonly gradientsMs: number
}

const epochsOf = ({ indexMs, epochMs }: Build): number => indexMs / epochMs

/** One epoch of training and the indexes of what it learned, with the product's defaults. */
async function buildCosts(checkpoint: Checkpoint, tokenizer: Tokenizer, recordCount: number): Promise<Build> {
  const random = createRandom(8)
  const { records: pieces } = readCorpus('code', tokenizer, {
    contributors: 64,
    recordsEach: 6,
    tokens: RECORD_TOKENS,
  })
  const half = () => {
    const { tokens } = pieces[random.below(pieces.length)]!
    const from = random.below(RECORD_TOKENS / 2)
    return tokens.slice(from, from + RECORD_TOKENS / 2)
  }
  const records = Array.from({ length: recordCount }, (_, i) => {
    const text = tokenizer.decode([...half(), ...half()])
    const recordId = Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(`${i} ${text}`)))
    return { recordId, contributionId: recordId, clusterId: recordId, text }
  })
  const config = Http.trainingConfigSchema.parse({ epochs: 1 })
  const { contextMax } = checkpoint.config
  const options = { tokensMax: Math.min(config.sequenceTokens, contextMax) }
  const sequences = records.flatMap((record) => sequencesOf(tokenizer, record, options))
  const retrainer = createRetrainer(checkpoint, sequences, config)
  const trained: Adapter.Adapter[] = []
  const epochMs = await cpuMs(async () => void trained.push(await retrainer.without(new Set())))
  await retrainer.release()
  const started = process.cpuUsage()
  let gradientsMs = 0
  const onProgress = () => {
    const { user, system } = process.cpuUsage(started)
    gradientsMs = (user + system) / 1e3
  }
  const indexMs = await cpuMs(() =>
    buildIndexes(
      { checkpoint, tokenizer, adapter: trained[0]!, records, seed: config.seed },
      { onProgress, signal: new AbortController().signal },
    ),
  )
  return { recordCount, epochMs, indexMs, gradientsMs }
}
