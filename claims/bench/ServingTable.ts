import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClaimOptions } from '../Claim.ts'
import { openParts, type Parts } from '../Parts.ts'
import { RIVAL } from './ServingRival.ts'
import { percentile, type RunFigures } from './ServingRun.ts'
import { type Engines, LOAD, openEngines, type Size } from './ServingSize.ts'
import { drawWorkload, type WorkloadOptions, type WorkRequest } from './ServingWorkload.ts'

/** Part of the throughput that the most registered adapters may cost beside a hundred. */
const LOST_MAX = 0.05
/** Answers that are decoded together where that alone is compared. */
const BATCHES = [1, 8, 16, 32]
const BATCH_LENGTHS = { promptTokens: [16, 16], outputTokens: [64, 64] } as const
const LENGTHS = { promptTokens: [8, 120], outputTokens: [8, 56] } as const
/** Concurrencies at which the rival is tried with adapters that differ; the best counts. */
const RIVAL_CONCURRENCIES = [1, 4, 8]
const RIVAL_REQUESTS = 48
/** Answers of one call of PEFT, each under an adapter of its own. */
const PEFT_ROWS = 16
const PEFT_LENGTHS = { promptTokens: [16, 16], outputTokens: [16, 16] } as const

/** A number that was found, beside the one that was wanted. */
export type Goal = {
  readonly what: string
  readonly found: number
  readonly wanted: string
  readonly isMet: boolean
  readonly line: string
}

/** What one size of model showed. */
export type SizeFindings = {
  readonly rows: readonly (readonly string[])[]
  readonly goals: readonly Goal[]
  /** Forgets the parts that this came of. */
  readonly forget: () => void
}

export const HEAD = [
  ...['model', 'adapters registered', 'requests/s', 'tokens/s', 'processor ms a request', 'of base only'],
  ...['first token ms, p50 / p95 / p99', 'time per token ms, p50 / p95 / p99'],
  ...['fairness', 'adapter hits / loads'],
]

const atLeast = (what: string, found: number, least: number): Goal =>
  goal(what, found, `at least ${least}`, found >= least)
const atMost = (what: string, found: number, most: number): Goal =>
  goal(what, found, `at most ${most}`, found <= most)
const goal = (what: string, found: number, wanted: string, isMet: boolean): Goal => ({
  what,
  found,
  wanted,
  isMet,
  line: `${what}: ${found.toFixed(2)}, wanted ${wanted}`,
})

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

type Measuring = {
  readonly size: Size
  readonly engines: Engines
  readonly parts: Parts
  readonly workload: (changes: Partial<WorkloadOptions>) => WorkRequest[]
  readonly say: ClaimOptions['say']
}

type Measured = Pick<SizeFindings, 'rows' | 'goals'>

/** Throughput with every number of registered adapters, saturated, and latency at a share of that rate. */
async function measureRegistered({ size, engines, parts, workload, say }: Measuring): Promise<Measured> {
  const { name, registered, requests, rounds, keptGoal } = size
  const counts = [0, ...registered]
  const saturated = new Map<number, Kept[]>(counts.map((count) => [count, []]))
  for (let round = 0; round < rounds; round++) {
    for (const count of counts) {
      const figures = await parts.once(`saturated ${count} ${round}`, async () =>
        keep(await engines.run(workload({ registered: count, seed: 7 + round }), { isBare: count === 0 })),
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
        await engines.run(workload({ registered: count, rate: LOAD * best(count), seed: 31, variation: 2 }), {
          isBare: count === 0,
        }),
      ),
    )
    const shown = saturated.get(count)!.at(-1)!
    rows.push([
      name,
      count === 0 ? 'base only' : count.toLocaleString('en'),
      best(count).toFixed(1),
      (best(count) * (shown.tokensPerSecond / shown.requestsPerSecond)).toFixed(0),
      cheapest(count).toFixed(1),
      (best(count) / best(0)).toFixed(2),
      open.firstMs,
      open.tokenMs,
      shown.fairness.toFixed(3),
      count === 0 ? '' : `${shown.hits} / ${shown.misses}`,
    ])
  }
  const most = registered.at(-1)!
  const goals: Goal[] = []
  if (keptGoal !== undefined) {
    goals.push(atLeast(`${name}: share of base only with ${most} adapters`, best(most) / best(0), keptGoal))
  }
  if (saturated.has(100) && most > 100) {
    goals.push(atMost(`${name}: lost from 100 to ${most} adapters`, 1 - best(most) / best(100), LOST_MAX))
  }
  return { rows, goals }
}

/** A line of the table for a rival. */
const rivalRow = (cells: readonly string[]): string[] => [
  ...cells,
  ...new Array<string>(HEAD.length - cells.length).fill(''),
]

/** The same requests under different adapters, here and on the rival at its best concurrency. */
async function measureDifferent({ size, engines, parts, workload, say }: Measuring): Promise<Measured> {
  const { name, rivalGoal } = size
  const few = workload({ registered: 1_000, requests: RIVAL_REQUESTS })
  const [bestOfRival, cheapestOfRival] = [[0], [Number.POSITIVE_INFINITY]]
  for (const concurrency of RIVAL_CONCURRENCIES) {
    const found = await parts.once(`rival ${concurrency}`, async () => {
      const { requestsPerSecond, cpuSeconds } = await engines.runRival(few, concurrency)
      return { requestsPerSecond, cpuSeconds }
    })
    bestOfRival.push(found.requestsPerSecond)
    cheapestOfRival.push(found.cpuSeconds)
  }
  const ours = await parts.once('beside the rival', async () => {
    const runs = [await engines.run(few), await engines.run(few)]
    return keep(runs.reduce((a, b) => (a.requestsPerSecond > b.requestsPerSecond ? a : b)))
  })
  const theirs = Math.max(...bestOfRival)
  const ratio = ours.requestsPerSecond / theirs
  say(`${name}, different adapters: ${ratio.toFixed(2)} times ${RIVAL}`)
  const cpu = ((1_000 * Math.min(...cheapestOfRival)) / few.length).toFixed(1)
  return {
    rows: [rivalRow([name, `${RIVAL}, 1,000`, theirs.toFixed(1), '', cpu, `ours ${ratio.toFixed(2)} x`])],
    goals: [atLeast(`${name}: times ${RIVAL}, different adapters`, ratio, rivalGoal)],
  }
}

/** Decoding alone, under no adapter and under one, at several batch sizes, here and on the rival. */
async function measureBatches({ size, engines, parts, workload, say }: Measuring): Promise<Measured> {
  const { name } = size
  const found: Measured[] = []
  for (const registered of [0, 1]) {
    const what = registered === 0 ? 'no adapter' : 'one adapter'
    for (const batch of BATCHES) {
      const requests = workload({ registered, requests: 2 * batch, ...BATCH_LENGTHS })
      const { ours, theirs, same } = await parts.once(`${what} ${batch}`, async () => {
        const { answers, ...theirs } = await engines.runRival(requests, batch)
        // the first run warms what the rival's two rounds warm
        await engines.run(requests, { concurrency: batch })
        const ours = await engines.run(requests, { concurrency: batch })
        const same = ours.answers.filter((answer, i) => answer.join() === answers[i]!.join()).length
        return { ours: keep(ours), theirs, same }
      })
      const ratio = ours.tokensPerSecond / theirs.tokensPerSecond
      say(
        `${name}, ${what}, batch ${batch}: ${ours.tokensPerSecond.toFixed(0)} tokens/s, ${ratio.toFixed(2)} x`,
      )
      found.push({
        rows: [
          rivalRow([
            ...[name, `${RIVAL}, ${what}, batch ${batch}`, theirs.requestsPerSecond.toFixed(1)],
            ...[
              theirs.tokensPerSecond.toFixed(0),
              ((1_000 * theirs.cpuSeconds) / requests.length).toFixed(1),
            ],
            `ours ${ratio.toFixed(2)} x, ${same} of ${requests.length} answers equal`,
          ]),
        ],
        goals: [atLeast(`${name}: times ${RIVAL}, ${what}, batch ${batch}`, ratio, 1)],
      })
    }
  }
  return { rows: found.flatMap(({ rows }) => rows), goals: found.flatMap(({ goals }) => goals) }
}

/** Requests of equal lengths under different adapters in one call of PEFT's generation, and here. */
async function measurePeft({ size, engines, parts, workload, say }: Measuring): Promise<Measured> {
  const { name, precision } = size
  if (precision !== 'f32') return { rows: [], goals: [] }
  const drawn = workload({ requests: PEFT_ROWS, ...PEFT_LENGTHS })
  const requests = drawn.map((request, adapter) => ({ ...request, adapter }))
  const found = await parts.once('peft', async () => {
    const theirs = await engines.runPeft(requests)
    if (theirs === undefined) return null
    await engines.run(requests)
    return { theirs, ours: keep(await engines.run(requests)) }
  })
  if (found === null) {
    say(`${name}: OPENLEDGER_PYTHON names no Python with torch, transformers and peft`)
    return { rows: [], goals: [] }
  }
  const { theirs, ours } = found
  const ratio = ours.tokensPerSecond / theirs.tokensPerSecond
  say(`${name}, ${PEFT_ROWS} adapters in one batch: ${ratio.toFixed(1)} times PEFT`)
  return {
    rows: [
      rivalRow([
        ...[name, `${theirs.versions}, ${PEFT_ROWS} in one batch`],
        ...[
          (theirs.tokensPerSecond / requests[0]!.outputTokens).toFixed(1),
          theirs.tokensPerSecond.toFixed(0),
          '',
        ],
        `ours ${ratio.toFixed(1)} x`,
      ]),
    ],
    goals: [atLeast(`${name}: times PEFT, ${PEFT_ROWS} adapters in one batch`, ratio, 1)],
  }
}

/** What is measured of a size; all but the first need a rival. */
const PARTS = {
  registered: measureRegistered,
  different: measureDifferent,
  batches: measureBatches,
  peft: measurePeft,
}
export type PartName = keyof typeof PARTS
export const PART_NAMES = Object.keys(PARTS) as PartName[]

/** Measures one size; a run that was cut off goes on where it was. */
export async function measureSize(
  size: Size,
  options: {
    readonly threads: number
    readonly parts: readonly PartName[]
    readonly say: ClaimOptions['say']
  },
): Promise<SizeFindings> {
  const { threads, say } = options
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
      ...LENGTHS,
      ...changes,
    })
  try {
    const measuring = { size, engines, parts, workload, say }
    const found: Measured[] = []
    for (const part of options.parts) found.push(await PARTS[part](measuring))
    return {
      rows: found.flatMap(({ rows }) => rows),
      goals: found.flatMap(({ goals }) => goals),
      forget: parts.forget,
    }
  } finally {
    await engines.close()
  }
}
