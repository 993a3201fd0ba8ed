import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  agreement,
  bootstrap,
  interval,
  meanOf,
  noiseCeiling,
  rankCorrelation,
  totalAgreement,
} from '@openledger/attribution/influence/Agreement'
import { createRandom } from '@openledger/model'
import { Http } from '@openledger/protocol'
import { type Bank, openBank, type Setup } from '../attribution/Bank.ts'
import * as Estimators from '../attribution/Estimators.ts'
import {
  gradientsOf,
  logra,
  type Material,
  meanGradientsAlong,
  oddsGradientsOf,
} from '../attribution/Gradients.ts'
import { authorSubsets, dropSubsets, halfSubsets } from '../attribution/Subsets.ts'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'

type Plan = { readonly setup: Setup; readonly drops: number; readonly halves: number }

/** Starts of the halves' trainings; each half is trained from both. */
const SEEDS = [11, 12]
/** Draws of labels for each record, for the curvature. */
const FISHER_PASSES = 2
/** Points of the training whose gradients are averaged. */
const POINTS = 6
const BOOTSTRAP_ROUNDS = 400
/** Bytes of the code that is held to the goals: fewer than records, so that it has to leave something out. */
const STORED = 256
/** What the pilot on another small model found, and what this product promises: dropped 5 % / halves. */
const GOALS = { exact: [0.65, 0.55], stored: [0.6, 0.52] } as const

const setupOf = (
  corpus: Setup['corpus'],
  recordsEach: number,
  epochs: number,
  { contributors = 32, tokens = 32 } = {},
): Setup => ({
  corpus,
  size: { contributors, recordsEach, tokens },
  config: Http.trainingConfigSchema.parse({
    rank: 4,
    alpha: 16,
    epochs,
    batchSize: 32,
    sequenceTokens: 64,
    learningRate: 6e-3,
    rehearsal: 0,
    seed: 1,
    patience: 0,
  }),
  generatedCount: 16,
})
const FULL: readonly Plan[] = [
  { setup: setupOf('code', 12, 4), drops: 48, halves: 32 },
  { setup: setupOf('text', 12, 4), drops: 40, halves: 12 },
  { setup: setupOf('instructions', 8, 4, { contributors: 24, tokens: 40 }), drops: 40, halves: 12 },
]
const QUICK: readonly Plan[] = [
  { setup: { ...setupOf('code', 4, 3), generatedCount: 0 }, drops: 12, halves: 0 },
]

/**
 * The linear datamodelling score of every estimator against retraining without the records.
 *
 * Retrained losses are kept in a folder under the system's temporary one, or `--cache DIR`, so that a run that was stopped goes
 * on; `--resume` keeps scores as well. A corpus's name measures that one alone.
 */
export const claim: Claim = {
  says: 'What the stored index says of a record agrees with what retraining without it does, better than any cheaper estimate.',
  async run(options): Promise<Finding> {
    const { cache, names } = readWords(options)
    const plans = (options.isQuick ? QUICK : FULL).filter(
      ({ setup }) => names.length === 0 || names.includes(setup.corpus),
    )
    const results: Result[] = []
    for (const plan of plans) results.push(await measure(plan, options, cache))
    const [first] = results
    return {
      figure: first!.stored.drop,
      unit: 'LDS of the stored code, records dropped, held-out answers',
      // a few subsets of a small set give no more than the sign
      goal: options.isQuick ? 0.25 : GOALS.stored[0],
      sense: 'at least',
      failures: options.isQuick ? [] : results.flatMap(failuresOf),
      report: results.map(({ report }) => report).join('\n\n'),
    }
  },
}

type Measured = {
  readonly name: string
  readonly drop: number
  readonly half: number | undefined
  readonly isOurs: boolean
}
type Result = {
  readonly corpus: string
  readonly exact: Measured
  readonly stored: Measured
  readonly rivals: readonly Measured[]
  readonly report: string
}

function readWords({ words }: ClaimOptions): { cache: string | undefined; names: readonly string[] } {
  const at = words.indexOf('--cache')
  const cache = at === -1 ? undefined : words[at + 1]
  return { cache, names: words.filter((word) => !word.startsWith('--') && word !== cache) }
}

function failuresOf({ corpus, exact, stored, rivals }: Result): string[] {
  const short: string[] = []
  const expect = (name: string, value: number | undefined, goal: number) => {
    if (value !== undefined && value < goal)
      short.push(`${corpus}: ${name} ${value.toFixed(3)}, goal ${goal}`)
  }
  expect('exact, dropped', exact.drop, GOALS.exact[0])
  expect('exact, halves', exact.half, GOALS.exact[1])
  expect('stored, dropped', stored.drop, GOALS.stored[0])
  expect('stored, halves', stored.half, GOALS.stored[1])
  for (const rival of rivals) {
    if (rival.drop > stored.drop) short.push(`${corpus}: ${rival.name} is above the stored code, dropped`)
    if (rival.half !== undefined && stored.half !== undefined && rival.half > stored.half)
      short.push(`${corpus}: ${rival.name} is above the stored code, halves`)
  }
  return short
}

async function measure(
  { setup, drops, halves }: Plan,
  options: ClaimOptions,
  cache?: string,
): Promise<Result> {
  const { say } = options
  const bank = await openBank(setup, { cache, say })
  const count = bank.corpus.records.length
  const dropped = dropSubsets(count, {
    count: drops,
    part: options.isQuick ? 0.1 : 0.05,
    seed: setup.config.seed,
  })
  const half = halfSubsets(count, { count: halves, seeds: SEEDS })
  const dropTruth = {
    leftOut: dropped.map(({ leftOut }) => leftOut),
    likelihoods: await bank.likelihoods(dropped),
  }
  const halfRuns = await bank.likelihoods(half)
  const perSeed = SEEDS.map((_, s) => halfRuns.filter((_, i) => i % SEEDS.length === s))
  const halfTruth = {
    leftOut: half.filter((_, i) => i % SEEDS.length === 0).map(({ leftOut }) => leftOut),
    likelihoods: (perSeed[0] ?? []).map((row, i) =>
      row.map((_, q) => meanOf(perSeed.map((rows) => rows[i]![q]!))),
    ),
  }
  const authors = authorSubsets(
    bank.corpus.records.map(({ contributor }) => contributor),
    { count: setup.size.contributors, seed: setup.config.seed },
  )
  const authorTruth = {
    leftOut: authors.map(({ leftOut }) => leftOut),
    likelihoods: options.isQuick ? [] : await bank.likelihoods(authors),
  }
  const estimators = await scoresOf(bank, options)
  const held = bank.queries.flatMap(({ prompt }, i) => (prompt === 0 ? [i] : []))
  const generated = bank.queries.flatMap(({ prompt }, i) => (prompt > 0 ? [i] : []))
  const random = createRandom(77)
  const pick = <T>(list: readonly T[], at: readonly number[]): T[] => at.map((i) => list[i]!)
  const only = <T>(
    truth: { leftOut: T; likelihoods: readonly (readonly number[])[] },
    at: readonly number[],
  ) => ({
    leftOut: truth.leftOut,
    likelihoods: truth.likelihoods.map((row) => pick(row, at)),
  })
  const boots = bootstrap(
    Object.fromEntries(estimators.map(({ name, scores }) => [name, pick(scores, held)])),
    only(dropTruth, held),
    { rounds: options.isQuick ? 50 : BOOTSTRAP_ROUNDS, draw: random.below },
  )
  const rows = estimators.map(({ name, scores, bytes, isOurs }) => {
    const drop = agreement({ scores, ...dropTruth })
    const halved = halves === 0 ? undefined : agreement({ scores, ...halfTruth })
    const { low, high } = interval(boots[name]!)
    return {
      name,
      bytes,
      low,
      high,
      isOurs,
      drop: meanOf(pick(drop, held)),
      dropGenerated: meanOf(pick(drop, generated)),
      half: halved && meanOf(pick(halved, held)),
      halfGenerated: halved && meanOf(pick(halved, generated)),
      authors: options.isQuick
        ? undefined
        : totalAgreement({ scores: pick(scores, held), ...only(authorTruth, held) }),
    }
  })
  const between =
    halves === 0
      ? 0
      : meanOf(
          held.map((q) =>
            rankCorrelation(
              perSeed[0]!.map((row) => row[q]!),
              perSeed[1]!.map((row) => row[q]!),
            ),
          ),
        )
  const ceiling = noiseCeiling(between, SEEDS.length)
  const figure = (value: number | undefined) => (value === undefined ? '' : value.toFixed(3))
  const report = `**${setup.corpus}**: ${count} records of ${setup.size.tokens} tokens by ${setup.size.contributors} authors, rank ${setup.config.rank}, ${setup.config.epochs} epochs; ${held.length} held-out answers and ${generated.length} of the adapter's own; ${drops} retrainings without ${options.isQuick ? 10 : 5} % (same start and order: noise-free, ceiling 1), ${halves} halves from ${SEEDS.length} other starts each (one start ranks like the other at ${between.toFixed(2)}: ceiling ${ceiling.toFixed(2)}). *Authors*: rank correlation of what all held-out answers lose without an author, one retraining for each, with the sum of its records' scores.

${table([
  [
    'estimator',
    'bytes a record',
    'dropped, held-out',
    '95 %',
    'dropped, own',
    'halves, held-out',
    'halves, own',
    'authors',
  ],
  ...rows.map((row) => [
    row.isOurs ? `**${row.name}**` : row.name,
    row.bytes,
    figure(row.drop),
    `${figure(row.low)} .. ${figure(row.high)}`,
    figure(generated.length === 0 ? undefined : row.dropGenerated),
    figure(row.half),
    figure(row.halfGenerated),
    figure(row.authors),
  ]),
])}`
  const exact = rows.find(({ name }) => name.startsWith('exact'))!
  const stored = rows.find(({ name }) => name === `stored code of ${options.isQuick ? 128 : STORED}`)!
  return { corpus: setup.corpus, exact, stored, rivals: rows.filter(({ isOurs }) => !isOurs), report }
}

type Scored = {
  readonly name: string
  readonly scores: Estimators.Scores
  readonly bytes: string
  readonly isOurs: boolean
}

/** Computes scores, or takes those that an interrupted run has left. */
type Score = (
  name: string,
  bytes: number | 'text',
  compute: () => Estimators.Scores | Promise<Estimators.Scores>,
  isOurs?: boolean,
) => Promise<void>

/** Every estimator; those with settings at each of them, so that the best can be read off. */
async function scoresOf(bank: Bank, { isQuick, words, say }: ClaimOptions): Promise<Scored[]> {
  const list: Scored[] = []
  const folder = join(bank.directory, 'scores')
  const score: Score = async (name, bytes, compute, isOurs = false) => {
    const path = join(folder, `${name.replaceAll(/\W+/g, '-')}.json`)
    let scores: Estimators.Scores
    if (words.includes('--resume') && existsSync(path)) {
      scores = JSON.parse(readFileSync(path, 'utf8')) as number[][]
    } else {
      scores = await compute()
      mkdirSync(folder, { recursive: true })
      writeFileSync(path, JSON.stringify(scores.map((row) => Array.from(row))))
      say(`scored ${name}`)
    }
    list.push({ name, scores, bytes: String(bytes), isOurs })
  }
  let kept: Promise<Material> | undefined
  const material = () => {
    kept ??= gradientsOf(bank, isQuick ? 1 : FISHER_PASSES)
    return kept
  }
  await scoreRivals(bank, material, score, isQuick)
  await scoreOurs(bank, material, score, isQuick)
  return list
}

const parametersOf = ({ adapter }: Bank): number =>
  [...adapter.tensors.values()].reduce((sum, { a, b }) => sum + a.length + b.length, 0)

async function scoreRivals(
  bank: Bank,
  material: () => Promise<Material>,
  score: Score,
  isQuick: boolean,
): Promise<void> {
  const width = 4 * parametersOf(bank)
  const settings = isQuick ? [1] : [0.1, 1, 10]
  await score('random', 0, () => Estimators.random(bank))
  for (const gram of [1, 2, 3])
    await score(`BM25 over ${gram}-grams`, 'text', () => Estimators.bm25(bank, gram))
  const hidden = 4 * bank.checkpoint.config.hiddenSize
  await score('representation similarity', hidden, () => Estimators.representations(bank))
  await score('GradDot', width, async () => Estimators.gradDot(await material()))
  await score('GradCos', width, async () => Estimators.gradCos(await material()))
  await score('DataInf', width, async () => Estimators.dataInf(await material()))
  for (const damping of settings) {
    await score(`full empirical Fisher, damping ${damping}`, width, async () => {
      const { records, queries } = await material()
      return Estimators.empiricalFisher(records, queries, damping)
    })
  }
  let odds: Awaited<ReturnType<typeof oddsGradientsOf>> | undefined
  for (const damping of settings) {
    await score(`TRAK, 2,048 dimensions, damping ${damping}`, 4 * 2_048, async () => {
      odds ??= await oddsGradientsOf(bank)
      const { records, queries, misses } = odds
      const projected = Estimators.project([...records, ...queries], 2_048)
      return Estimators.empiricalFisher(
        projected.slice(0, records.length),
        projected.slice(records.length),
        damping,
      ).map((row) => Array.from(row, (value, i) => value * misses[i]!))
    })
  }
  let layered: Awaited<ReturnType<typeof logra>> | undefined
  const linears = bank.adapter.tensors.size
  for (const damping of settings) {
    await score(`LoGra 16 x 16, damping ${damping}`, 4 * 256 * linears, async () => {
      layered ??= await logra(bank, 16)
      return Estimators.empiricalFisher(layered.records, layered.queries, damping)
    })
  }
}

async function scoreOurs(
  bank: Bank,
  material: () => Promise<Material>,
  score: Score,
  isQuick: boolean,
): Promise<void> {
  const width = 4 * parametersOf(bank)
  const points = isQuick ? 2 : POINTS
  let averaged: Promise<Float32Array[]> | undefined
  const along = async (): Promise<Material> => {
    averaged ??= meanGradientsAlong(bank, points)
    return { ...(await material()), records: await averaged }
  }
  const settings = { damping: 0.3, unitRows: true }
  const exact = async (skip: number) => {
    const all = await material()
    const fisher = all.fisher.filter((_, i) => i % skip === 0)
    return Estimators.exactBlocks({ ...all, fisher }, settings)
  }
  await score(
    `exact Gauss-Newton blocks, rows from ${points} points of the training`,
    width,
    async () => Estimators.exactBlocks(await along(), settings),
    true,
  )
  await score('exact Gauss-Newton blocks', width, () => exact(1), true)
  if (!isQuick) await score('the same from a sixth of the Fisher rows', width, () => exact(6), true)
  for (const dimension of isQuick ? [128] : [64, 128, 256, 512]) {
    await score(
      `stored code of ${dimension}`,
      dimension + 2,
      async () => Estimators.storedCodes(await material(), dimension),
      true,
    )
  }
  if (isQuick) return
  await score(
    `stored code of ${STORED}, rows from ${points} points of the training`,
    STORED + 2,
    async () => Estimators.storedCodes(await along(), STORED),
    true,
  )
}
