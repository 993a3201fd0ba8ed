import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LlamaConfig } from '@openledger/model'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { installRival, RIVAL, runRival, writeForRival } from './ServingRival.ts'
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
const ADAPTER_BYTES_MAX = 2 ** 30

type Size = {
  readonly name: string
  readonly config: LlamaConfig
  readonly precision: 'f32' | 'int4'
  readonly registered: readonly number[]
  readonly requests: number
  readonly rounds: number
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
}

async function measure(
  size: Size,
  threads: number,
  isQuick: boolean,
  isWithRival: boolean,
  say: ClaimOptions['say'],
): Promise<SizeFindings> {
  const { name, config, precision, registered, requests, rounds } = size
  const directory = mkdtempSync(join(tmpdir(), 'openledger-serving-'))
  const failures: string[] = []
  const rows: string[][] = []
  try {
    const checkpoint = drawCheckpoint(config, 1)
    const shelf = createShelf(config, directory)
    const options = { rows: ROWS, context: CONTEXT, threads, precision }
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
    const runnerOptions = {
      shelf,
      shelfDirectory: directory,
      concurrency: CONCURRENCY,
      adapterBytesMax: ADAPTER_BYTES_MAX,
    }
    const bare = await createDecoder(checkpoint, { ...options, rankMax: 0 })
    const adapted = await createDecoder(checkpoint, { ...options, rankMax: 8 })
    const base = await createRunner({ decoder: bare, ...runnerOptions })
    const many = await createRunner({ decoder: adapted, ...runnerOptions })
    await base.run(workload({ requests: ROWS }))

    const costs = new Map<number, number[]>([0, ...registered].map((count) => [count, []]))
    const speeds = new Map<number, number[]>([0, ...registered].map((count) => [count, []]))
    const last = new Map<number, RunFigures>()
    const isLast = (round: number): boolean => round === rounds - 1
    for (let round = 0; round < rounds; round++) {
      for (const count of [0, ...registered]) {
        const figures = await (count === 0 ? base : many).run(
          workload({ registered: count, seed: 7 + round }),
        )
        speeds.get(count)!.push(figures.requestsPerSecond)
        costs.get(count)!.push((1_000 * figures.cpuSeconds) / requests)
        last.set(count, figures)
        if (isLast(round)) {
          const speed = Math.max(...speeds.get(count)!)
          say(`${name}, ${count || 'no'} adapters: ${speed.toFixed(1)} requests/s`)
        }
      }
    }
    const best = (count: number): number => Math.max(...speeds.get(count)!)
    const cheapest = (count: number): number => Math.min(...costs.get(count)!)
    const kept = (count: number): number => cheapest(0) / cheapest(count)
    for (const count of [0, ...registered]) {
      const open = await (count === 0 ? base : many).run(
        workload({ registered: count, rate: LOAD * best(count), seed: 31, variation: 2 }),
      )
      const shown = last.get(count)!
      const three = (values: readonly number[]): string =>
        [0.5, 0.95, 0.99].map((share) => percentile(values, share).toFixed(1)).join(' / ')
      rows.push([
        name,
        count === 0 ? 'base only' : count.toLocaleString('en'),
        best(count).toFixed(1),
        (best(count) * (shown.tokensPerSecond / shown.requestsPerSecond)).toFixed(0),
        cheapest(count).toFixed(1),
        kept(count).toFixed(2),
        three(open.firstMs),
        three(open.tokenMs),
        shown.fairness.toFixed(3),
        count === 0 ? '' : `${shown.hits} / ${shown.misses}`,
      ])
    }
    const most = registered.at(-1)!
    if (speeds.has(100)) {
      const lost = 1 - cheapest(100) / cheapest(most)
      // a quick run loads an adapter for every second request, which a longer one does not
      if (!isQuick && lost > 0.05) {
        failures.push(`${name}: ${(100 * lost).toFixed(0)} % lost from 100 to ${most}, goal at most 5 %`)
      }
    }
    if (isWithRival) {
      const modelPath = writeForRival(checkpoint, directory, precision === 'f32' ? 'F32' : 'Q4_0')
      const rival = { modelPath, directory, config, shelf, rounds: 2, threads }
      const few = workload({ registered: 1_000, requests: Math.min(requests, 48) })
      let bestRival = 0
      let cheapestRival = Number.POSITIVE_INFINITY
      for (const concurrency of [1, 4, 8]) {
        const found = await runRival({ ...rival, requests: few, concurrency })
        bestRival = Math.max(bestRival, found.requestsPerSecond)
        cheapestRival = Math.min(cheapestRival, (1_000 * found.cpuSeconds) / few.length)
      }
      const ours = await many.run(few)
      const ratio = cheapestRival / ((1_000 * ours.cpuSeconds) / few.length)
      say(`${name}, different adapters: ${ratio.toFixed(1)} times ${RIVAL}`)
      rows.push([
        name,
        `${RIVAL}, 1,000`,
        bestRival.toFixed(1),
        '',
        `ours ${ratio.toFixed(1)} x`,
        '',
        '',
        '',
        '',
      ])
      const goal = precision === 'f32' ? 5 : 2.5
      if (ratio < goal) failures.push(`${name}: ${ratio.toFixed(1)} times ${RIVAL}, goal at least ${goal}`)
      const plain = workload({ requests: Math.min(requests, 48) })
      const alone = await base.run(plain)
      const theirs = await runRival({ ...rival, requests: plain, concurrency: ROWS })
      const same = alone.answers.filter((answer, i) => answer.join() === theirs.answers[i]!.join()).length
      const plainRatio = theirs.cpuSeconds / alone.cpuSeconds
      rows.push([
        ...[name, `${RIVAL}, base only`, theirs.requestsPerSecond.toFixed(1)],
        ...[
          theirs.tokensPerSecond.toFixed(0),
          ((1_000 * theirs.cpuSeconds) / plain.length).toFixed(1),
          `ours ${plainRatio.toFixed(1)} x`,
          '',
          '',
          '',
        ],
        `${same} of ${plain.length} answers equal`,
      ])
      if (plainRatio < 1) failures.push(`${name}: ${plainRatio.toFixed(2)} times ${RIVAL} without adapters`)
    }
    await base.close()
    await many.close()
    await bare.release()
    await adapted.release()
    return { rows, failures, kept: kept(most) }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
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
      goal: 0.5,
    }
    const sizes: Size[] = isQuick
      ? [small]
      : [
          { ...small, registered: [1, 10, 100, 1_000, 10_000], requests: 384, rounds: 3 },
          {
            name: '110 M f32',
            config: LARGE,
            precision: 'f32',
            registered: [1, 100, 1_000, 10_000],
            requests: 48,
            rounds: 2,
            goal: 0.9,
          },
          {
            name: '110 M int4',
            config: LARGE,
            precision: 'int4',
            registered: [1, 100, 1_000, 10_000],
            requests: 48,
            rounds: 2,
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
      found.push(await measure(size, threads, isQuick, isWithRival, say))
    }
    const failures = found.flatMap((one) => one.failures)
    if (!isQuick && !isWithRival) failures.push(`${RIVAL} does not run on this machine`)
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
          'Popularity of the k-th adapter is 1/k. An adapter is a file until it is asked for; what no row uses stays in at most 1 GiB. ' +
          `The process held ${rss} MiB at the end. Weights are noise, answers never end early, and both engines read the same weights.`,
      ].join('\n'),
    }
  },
}
