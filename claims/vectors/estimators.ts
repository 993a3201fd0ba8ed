import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRandom } from '@openledger/model'
import { dataInf, empiricalFisher, gradCos, gradDot, type Scores } from '../attribution/Estimators.ts'
import { type Claim, type Finding, table } from '../Claim.ts'

/**
 * The estimators that ours is measured against in `bench influence` are what their authors' kind of program computes.
 *
 * `OPENLEDGER_PYTHON` names a Python with `dattri`, `torch` and `scipy`; `python3` otherwise. Where there is none the claim is
 * short: nothing was compared.
 */
const GOAL = 0.99
const python = process.env.OPENLEDGER_PYTHON ?? 'python3'
const BLOCKS = [24, 40, 64]
const RECORDS = 96
const QUERIES = 8
const DAMPING = 0.1

type Rival = { readonly versions: string; readonly scores: Readonly<Record<string, readonly number[][]>> }

export const claim: Claim = {
  says: 'DataInf, GradDot, GradCos and TRAK here score the same gradients as dattri does.',
  async run({ say }): Promise<Finding> {
    const { records, queries } = gradients()
    const blocks = BLOCKS.map((size, i) => ({ name: `block ${i}`, size, rows: 1, columns: size }))
    const material = { blocks, records, queries, fisher: [] }
    const ours: Readonly<Record<string, Scores>> = {
      DataInf: dataInf(material),
      GradDot: gradDot(material),
      GradCos: gradCos(material),
      TRAK: empiricalFisher(records, queries, DAMPING),
    }
    const rival = await score(records, queries)
    const rows: (string | number)[][] = [['estimator', 'least correlation of a query', 'mean']]
    let least = 1
    for (const [name, own] of Object.entries(ours)) {
      const theirs = rival.scores[name]
      if (theirs === undefined) continue
      const found = own.map((scores, query) => correlation(scores, theirs[query]!))
      least = Math.min(least, ...found)
      const mean = found.reduce((sum, value) => sum + value, 0) / found.length
      rows.push([name, Math.min(...found).toFixed(6), mean.toFixed(6)])
      say(rows.at(-1)!.join('  '))
    }
    const isAbsent = rows.length === 1
    return {
      figure: isAbsent ? 0 : least,
      unit: 'least correlation of the scores of a query',
      goal: GOAL,
      sense: 'at least',
      failures: isAbsent ? [`absent: ${rival.versions}`] : [],
      report: `${table(rows)}\n\n${QUERIES} queries on ${RECORDS} records of ${BLOCKS.join(' + ')} parameters with common directions; ${rival.versions}. TRAK is compared on unprojected gradients: two random projections agree in the mean only.`,
    }
  },
}

/** Rows that share some directions, as gradients do, and differ in length. */
function gradients(): { records: Float32Array[]; queries: Float32Array[] } {
  const random = createRandom(31)
  const size = BLOCKS.reduce((sum, block) => sum + block, 0)
  const directions = Array.from({ length: 6 }, () =>
    Float32Array.from({ length: size }, () => random.normal()),
  )
  const row = (): Float32Array => {
    const weights = directions.map(() => random.normal())
    const length = Math.exp(0.5 * random.normal())
    return Float32Array.from(
      { length: size },
      (_, k) =>
        length * (random.normal() + weights.reduce((sum, weight, d) => sum + weight * directions[d]![k]!, 0)),
    )
  }
  return {
    records: Array.from({ length: RECORDS }, row),
    queries: Array.from({ length: QUERIES }, row),
  }
}

async function score(records: readonly Float32Array[], queries: readonly Float32Array[]): Promise<Rival> {
  const folder = await mkdtemp(join(tmpdir(), 'openledger-estimators-'))
  const [given, found] = [join(folder, 'gradients.json'), join(folder, 'scores.json')]
  try {
    const plain = (rows: readonly Float32Array[]) => rows.map((values) => [...values])
    await writeFile(
      given,
      JSON.stringify({
        blocks: BLOCKS,
        damping: DAMPING,
        records: plain(records),
        queries: plain(queries),
      }),
    )
    const script = join(import.meta.dirname, 'estimators/rival.py')
    const code = await new Promise<number | string>((resolve) => {
      const child = spawn(python, [script, given, found], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, TQDM_DISABLE: '1' },
      })
      child.on('error', (error) => resolve(error.message))
      child.on('exit', (status) => resolve(status ?? 'a signal'))
    })
    if (code !== 0) return { versions: `${python} with dattri ended with ${code}`, scores: {} }
    return JSON.parse(await readFile(found, 'utf8')) as Rival
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Pearson's. */
function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const mean = (values: ArrayLike<number>) =>
    Array.from(values).reduce((sum, value) => sum + value, 0) / values.length
  const [meanA, meanB] = [mean(a), mean(b)]
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]! - meanA, b[i]! - meanB]
    ab += x * y
    aa += x * x
    bb += y * y
  }
  return ab / Math.sqrt(aa * bb)
}
