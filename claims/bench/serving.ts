import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LlamaConfig } from '@openledger/model'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { openParts, type Parts } from '../Parts.ts'
import { installRival, RIVAL, type RivalFigures, runRival, writeForRival } from './ServingRival.ts'
import { createRunner, createShelf, drawCheckpoint, percentile, type RunFigures } from './ServingRun.ts'
import { drawWorkload, LARGE, SMALL, type WorkloadOptions, type WorkRequest } from './ServingWorkload.ts'

const ROWS = 16
const CONTEXT = 256
/** Threads of both engines; `threads=1` measures more steadily where other programs share the cores. */
const THREADS_DEFAULT = 2
/** Callers that always wait for an answer where the engine is saturated. */
const CONCURRENCY = 32
/** Share of the saturated rate at which requests arrive where latency is measured. */
const LOAD = 0.7
/** Part of the throughput that the most registered adapters may cost beside a hundred. */
const LOST_MAX = 0.05

type Size = {
  readonly name: string
  readonly config: LlamaConfig
  readonly precision: 'f32' | 'int4'
  readonly registered: readonly number[]
  readonly requests: number
  readonly rounds: number
  /** RAM for adapters that no row uses. */
  readonly adapterBytesMax: number
  /** Share of the base's throughput that ten thousand adapters have to keep. */
  readonly goal: number
}

const lengths = { promptTokens: [8, 120], outputTokens: [8, 56] } as const

/** What one size of model showed. */
type SizeFindings = {
  readonly rows: string[][]
  readonly failures: string[]
  /** What the base alone costs as a share of what the most adapters registered cost, in processor time. */
  readonly kept: number
  /** Forgets the parts that this came of. */
  readonly forget: () => void
}

type Engines = {
  /** Runs a workload on the engine without adapters where none are registered. */
  readonly run: (registered: number, requests: readonly WorkRequest[]) => Promise<RunFigures>
  /** Runs a workload on the rival, with the same weights. */
  readonly runRival: (
    requests: readonly WorkRequest[],
    options: { readonly concurrency: number },
  ) => Promise<RivalFigures>
  readonly close: () => Promise<void>
}

/**
 * Opens both engines of one size when they are first needed, as they are after hours of this popularity: the adapters asked
 * for most are in memory, as many as it holds.
 */
function openEngines(size: Size, threads: number, directory: string): Engines {
  const { config, precision, registered, adapterBytesMax } = size
  // a run that was killed leaves its files, some of them cut short
  rmSync(directory, { recursive: true, force: true })
  const shelf = createShelf(config, directory)
  let opened: ReturnType<typeof open> | undefined
  async function open() {
    const checkpoint = drawCheckpoint(config, 1)
    const options = { rows: ROWS, context: CONTEXT, threads, precision }
    const bare = await createDecoder(checkpoint, { ...options, rankMax: 0 })
    const adapted = await createDecoder(checkpoint, { ...options, rankMax: 8 })
    const runner = { shelf, shelfDirectory: directory, concurrency: CONCURRENCY, adapterBytesMax }
    const base = await createRunner({ decoder: bare, ...runner })
    const many = await createRunner({ decoder: adapted, ...runner })
    const popular = Math.min(Math.max(...registered), Math.floor(adapterBytesMax / shelf.sizeBytes))
    const warmUp = Array.from({ length: popular }, (_, i) => ({
      caller: `caller${i % 8}`,
      promptIds: [3],
      outputTokens: 1,
      // the most popular last, so that the least popular leave first
      adapter: popular - 1 - i,
      arrivalMs: 0,
    }))
    await base.run(warmUp.slice(-ROWS).map((request) => ({ ...request, adapter: undefined })))
    await many.run(warmUp)
    return { checkpoint, bare, adapted, base, many }
  }
  return {
    async run(count, requests) {
      opened ??= open()
      const { base, many } = await opened
      return (count === 0 ? base : many).run(requests)
    },
    async runRival(requests, { concurrency }) {
      opened ??= open()
      const { checkpoint } = await opened
      const modelPath = writeForRival(checkpoint, directory, precision === 'f32' ? 'F32' : 'Q4_0')
      return runRival({ modelPath, directory, config, shelf, requests, concurrency, rounds: 2, threads })
    },
    async close() {
      if (opened !== undefined) {
        const { base, many, bare, adapted } = await opened
        await base.close()
        await many.close()
        await bare.release()
        await adapted.release()
      }
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

type Measuring = {
  readonly size: Size
  readonly engines: Engines
  readonly parts: Parts
  readonly workload: (changes: Partial<WorkloadOptions>) => WorkRequest[]
  readonly say: ClaimOptions['say']
}

/** What of a run is kept: one number for each share that is shown. */
type Kept = Omit<RunFigures, 'firstMs' | 'tokenMs' | 'answers'> & {
  readonly firstMs: string
  readonly tokenMs: string
}

const three = (values: readonly number[]): string =>
  [0.5, 0.95, 0.99].map((share) => percentile(values, share).toFixed(1)).join(' / ')

const keep = ({ answers: _, ...figures }: RunFigures): Kept => ({
  ...figures,
  firstMs: three(figures.firstMs),
  tokenMs: three(figures.tokenMs),
})

/** Throughput with every number of registered adapters, saturated, and latency at a share of that rate. */
async function measureRegistered({ size, engines, parts, workload, say }: Measuring, isQuick: boolean) {
  const { name, registered, requests, rounds } = size
  const counts = [0, ...registered]
  const saturated = new Map<number, Kept[]>(counts.map((count) => [count, []]))
  for (let round = 0; round < rounds; round++) {
    for (const count of counts) {
      const figures = await parts.once(`saturated ${count} ${round}`, async () =>
        keep(await engines.run(count, workload({ registered: count, seed: 7 + round }))),
      )
      saturated.get(count)!.push(figures)
      const { requestsPerSecond, cpuSeconds } = figures
      say(
        `${name}, ${count || 'no'} adapters: ${requestsPerSecond.toFixed(1)} requests/s, ${((1_000 * cpuSeconds) / requests).toFixed(1)} ms of processor each`,
      )
    }
  }
  const best = (count: number): number =>
    Math.max(...saturated.get(count)!.map(({ requestsPerSecond }) => requestsPerSecond))
  const cheapest = (count: number): number =>
    Math.min(...saturated.get(count)!.map(({ cpuSeconds }) => (1_000 * cpuSeconds) / requests))
  const rows: string[][] = []
  for (const count of counts) {
    const open = await parts.once(`open ${count}`, async () =>
      keep(
        await engines.run(
          count,
          workload({ registered: count, rate: LOAD * best(count), seed: 31, variation: 2 }),
        ),
      ),
    )
    const shown = saturated.get(count)!.at(-1)!
    rows.push([
      name,
      count === 0 ? 'base only' : count.toLocaleString('en'),
      best(count).toFixed(1),
      (best(count) * (shown.tokensPerSecond / shown.requestsPerSecond)).toFixed(0),
      cheapest(count).toFixed(1),
      (cheapest(0) / cheapest(count)).toFixed(2),
      open.firstMs,
      open.tokenMs,
      shown.fairness.toFixed(3),
      count === 0 ? '' : `${shown.hits} / ${shown.misses}`,
    ])
  }
  const most = registered.at(-1)!
  const lost = saturated.has(100) ? 1 - cheapest(100) / cheapest(most) : 0
  return {
    rows,
    kept: cheapest(0) / cheapest(most),
    // two runs of a quick size differ by more than the goal
    failures:
      !isQuick && lost > LOST_MAX
        ? [`${name}: ${(100 * lost).toFixed(0)} % lost from 100 to ${most}, goal at most 5 %`]
        : [],
  }
}

/** The same requests under different adapters, and under none, here and on the rival. */
async function measureRival({ size, engines, parts, workload, say }: Measuring) {
  const { name, precision, requests } = size
  const few = workload({ registered: 1_000, requests: Math.min(requests, 48) })
  let bestRival = 0
  let cheapestRival = Number.POSITIVE_INFINITY
  for (const concurrency of [1, 4, 8]) {
    const found = await parts.once(`rival ${concurrency}`, async () => {
      const { requestsPerSecond, cpuSeconds } = await engines.runRival(few, { concurrency })
      return { requestsPerSecond, cpuSeconds }
    })
    bestRival = Math.max(bestRival, found.requestsPerSecond)
    cheapestRival = Math.min(cheapestRival, found.cpuSeconds)
  }
  const ours = await parts.once('beside the rival', async () => keep(await engines.run(1_000, few)))
  const ratio = cheapestRival / ours.cpuSeconds
  say(`${name}, different adapters: ${ratio.toFixed(1)} times ${RIVAL}`)
  const plain = workload({ requests: Math.min(requests, 48) })
  const { alone, theirs, same } = await parts.once('base beside the rival', async () => {
    const alone = await engines.run(0, plain)
    const { answers, ...theirs } = await engines.runRival(plain, { concurrency: ROWS })
    const same = alone.answers.filter((answer, i) => answer.join() === answers[i]!.join()).length
    return { alone: keep(alone), theirs, same }
  })
  const plainRatio = theirs.cpuSeconds / alone.cpuSeconds
  const goal = precision === 'f32' ? 5 : 2.5
  return {
    rows: [
      [name, `${RIVAL}, 1,000`, bestRival.toFixed(1), '', `ours ${ratio.toFixed(1)} x`, '', '', '', '', ''],
      [
        ...[name, `${RIVAL}, base only`, theirs.requestsPerSecond.toFixed(1)],
        ...[theirs.tokensPerSecond.toFixed(0), ((1_000 * theirs.cpuSeconds) / plain.length).toFixed(1)],
        ...[`ours ${plainRatio.toFixed(1)} x`, '', '', '', `${same} of ${plain.length} answers equal`],
      ],
    ],
    failures: [
      ...(ratio < goal ? [`${name}: ${ratio.toFixed(1)} times ${RIVAL}, goal at least ${goal}`] : []),
      ...(plainRatio < 1 ? [`${name}: ${plainRatio.toFixed(2)} times ${RIVAL} without adapters`] : []),
    ],
  }
}

async function measure(
  size: Size,
  { threads, isQuick, isWithRival, say }: MeasureOptions,
): Promise<SizeFindings> {
  const { config, requests, rounds } = size
  const name = `serving-${size.name.replaceAll(' ', '-')}-${requests}x${rounds}-${threads}`
  const parts = openParts(name, ['claims/bench/*erving*.ts', 'packages/{tensor,model,openlora}/src/**/*.ts'])
  const engines = openEngines(size, threads, join(tmpdir(), `openledger-${name}`))
  const workload = (changes: Partial<WorkloadOptions>): WorkRequest[] =>
    drawWorkload({
      seed: 7,
      requests,
      vocabularySize: config.vocabularySize,
      registered: 0,
      alpha: 1,
      rate: 0,
      variation: 1,
      ...lengths,
      ...changes,
    })
  try {
    const measuring = { size, engines, parts, workload, say }
    const { rows, failures, kept } = await measureRegistered(measuring, isQuick)
    const rival = isWithRival ? await measureRival(measuring) : { rows: [], failures: [] }
    return {
      rows: [...rows, ...rival.rows],
      failures: [...failures, ...rival.failures],
      kept,
      forget: parts.forget,
    }
  } finally {
    await engines.close()
  }
}

type MeasureOptions = {
  readonly threads: number
  readonly isQuick: boolean
  readonly isWithRival: boolean
  readonly say: ClaimOptions['say']
}

const HEAD = [
  ...['model', 'adapters registered', 'requests/s', 'tokens/s', 'processor ms a request', 'of base only'],
  ...['first token ms, p50 / p95 / p99', 'time per token ms, p50 / p95 / p99'],
  ...['fairness', 'adapter hits / loads'],
]

export const claim: Claim = {
  says: 'Ten thousand registered adapters keep most of the throughput of the base model alone.',
  async run({ isQuick, words, say }): Promise<Finding> {
    const small: Size = {
      name: '5 M f32',
      config: SMALL,
      precision: 'f32',
      registered: [1, 100, 10_000],
      requests: 64,
      rounds: 2,
      adapterBytesMax: 2 ** 27,
      goal: 0.5,
    }
    const sizes: Size[] = isQuick
      ? [small]
      : [
          {
            ...small,
            registered: [1, 10, 100, 1_000, 10_000],
            requests: 384,
            rounds: 3,
            adapterBytesMax: 2 ** 30,
          },
          {
            name: '110 M f32',
            config: LARGE,
            precision: 'f32',
            registered: [1, 100, 1_000, 10_000],
            requests: 48,
            rounds: 2,
            adapterBytesMax: 2 ** 30,
            goal: 0.9,
          },
          {
            name: '110 M int4',
            config: LARGE,
            precision: 'int4',
            registered: [1, 100, 1_000, 10_000],
            requests: 48,
            rounds: 2,
            adapterBytesMax: 2 ** 30,
            goal: 0.9,
          },
        ]
    /** Reads a word such as `threads=1`. */
    const wordOf = (name: string): number | undefined => {
      const word = words.find((one) => one.startsWith(`${name}=`))
      return word === undefined ? undefined : Number(word.slice(name.length + 1))
    }
    const threads = wordOf('threads') ?? THREADS_DEFAULT
    const names = words.filter((word) => !word.includes('='))
    const chosen = sizes.filter(
      ({ name }) => names.length === 0 || names.some((word) => name.startsWith(word)),
    )
    const isWithRival = !isQuick && installRival(say)
    const found: SizeFindings[] = []
    for (const one of chosen) {
      const most = wordOf('registered')
      const size = {
        ...one,
        requests: wordOf('requests') ?? one.requests,
        rounds: wordOf('rounds') ?? one.rounds,
        registered: most === undefined ? one.registered : [most],
      }
      found.push(await measure(size, { threads, isQuick, isWithRival, say }))
    }
    const failures = found.flatMap((one) => one.failures)
    if (!isQuick && !isWithRival) failures.push(`${RIVAL} does not run on this machine`)
    for (const { forget } of found) forget()
    const rss = (process.memoryUsage().rss / 2 ** 20).toFixed(0)
    return {
      figure: found.at(-1)!.kept,
      unit: `of the base's requests per processor second with 10,000 adapters at ${chosen.at(-1)!.name}`,
      goal: chosen.at(-1)!.goal,
      sense: 'at least',
      failures,
      report: [
        table([HEAD, ...found.flatMap((one) => one.rows)]),
        '',
        `Prompts of 8 to 120 tokens, answers of 8 to 56, ${ROWS} rows, ${threads} threads, rank 8 on all seven kinds of layers. ` +
          `Throughput: ${CONCURRENCY} callers that always wait. Latency: Gamma arrivals (variation 2) at ${LOAD} of that rate. ` +
          'Shares and ratios compare processor time of all threads, which a busy neighbour changes least. ' +
          'Popularity of the k-th adapter is 1/k. An adapter is a file until it is asked for; what no row uses stays in at most ' +
          `${chosen.map(({ name, adapterBytesMax }) => `${adapterBytesMax / 2 ** 20} MiB (${name})`).join(', ')}, which hold the most popular from the start, as after hours. ` +
          `The process held ${rss} MiB at the end. Weights are noise, answers never end early, and both engines read the same weights.`,
      ].join('\n'),
    }
  },
}
