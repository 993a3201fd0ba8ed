import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Adapter,
  AdapterFolder,
  CheckpointFolder,
  createCheckpoint,
  createRandom,
  createScorer,
  type FamilyName,
  families,
  fromWeights,
  type LlamaConfig,
  Merge,
  targetsOf,
} from '@openledger/model'
import { type Claim, type Finding, table } from '../Claim.ts'

/**
 * What is written here and read by transformers and PEFT, and the other way round, says the same of every token.
 *
 * `OPENLEDGER_PYTHON` names a Python with `torch`, `transformers` and `peft`; `python3` otherwise. Where there is none the
 * claim is short: nothing was compared.
 */
const GOAL = 1e-4
/** Of two adapters that work together. */
const WEIGHTS = [0.7, -0.4]
const python = process.env.OPENLEDGER_PYTHON ?? 'python3'
const ids = Int32Array.from({ length: 40 }, (_, i) => (i * i + 7 * i + 1) % 90)

const configOf = (family: FamilyName): LlamaConfig => ({
  family,
  vocabularySize: 90,
  hiddenSize: 32,
  feedForwardSize: 48,
  layers: 3,
  heads: 4,
  keyValueHeads: families[family].positions === 'learned' ? 4 : 2,
  headSize: 8,
  contextMax: 64,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  isHeadTied: families[family].isHeadTied,
  bosId: 1,
  eosId: 2,
  padId: 0,
  ...(family === 'mistral' ? { slidingWindow: 9 } : {}),
})

export const claim: Claim = {
  says: 'Checkpoints and adapters written here load in transformers and PEFT, and theirs here, with equal log probabilities.',
  async run({ say }): Promise<Finding> {
    const folder = await mkdtemp(join(tmpdir(), 'openledger-peft-'))
    const rows: (string | number)[][] = [
      [
        'family',
        'checkpoint',
        'our adapter in PEFT',
        "PEFT's adapter (rsLoRA) here",
        'two with weights (cat)',
      ],
    ]
    const failures: string[] = []
    let worst = 0
    let versions = 'no Python'
    try {
      const names = Object.keys(families) as FamilyName[]
      await writeFile(join(folder, 'ids.json'), JSON.stringify([...ids]))
      await writeFile(join(folder, 'weights.json'), JSON.stringify(WEIGHTS))
      const ours = new Map(
        await Promise.all(names.map(async (name) => [name, await writeModel(folder, name)] as const)),
      )
      const code = await run(python, [join(import.meta.dirname, 'peft/rival.py'), folder])
      if (code !== 0) failures.push(`absent: ${python} with torch, transformers and peft ended with ${code}`)
      else versions = await readFile(join(folder, 'versions.json'), 'utf8')
      for (const name of code === 0 ? names : []) {
        const theirs = JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8')) as Record<
          string,
          number[]
        >
        const { checkpoint, adapter, second } = ours.get(name)!
        const apart = [await distance(checkpoint, undefined, theirs.base!)]
        if (adapter && second) {
          apart.push(await distance(checkpoint, adapter, theirs.adapter!))
          const read = await AdapterFolder.read(checkpoint.config, join(folder, name, 'theirs'))
          apart.push(await distance(checkpoint, read, theirs.theirs!))
          const parts = [adapter, second].map((one, i) => ({ adapter: one, weight: WEIGHTS[i]! }))
          apart.push(await distance(checkpoint, Merge.concatenate(parts, '0x'), theirs.merged!))
        }
        worst = Math.max(worst, ...apart)
        rows.push([name, ...[0, 1, 2, 3].map((i) => apart[i]?.toExponential(1) ?? 'no counterpart')])
        say(rows.at(-1)!.join('  '))
      }
      const report = `${table(rows)}\n\nLargest difference of the log probability of a token, in nats, over ${ids.length} tokens of models with random weights; the last column is PEFT's add_weighted_adapter with weights ${WEIGHTS.join(' and ')}; ${versionsOf(versions)}.`
      return { figure: worst, unit: 'nats apart', goal: GOAL, sense: 'at most', failures, report }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/** What Python said of its packages, as people write it. */
const versionsOf = (text: string): string =>
  text.startsWith('{')
    ? Object.entries(JSON.parse(text) as object)
        .flat()
        .join(' ')
        .replace(/(\S+ \S+) /g, '$1, ')
    : text

async function writeModel(folder: string, name: FamilyName) {
  const config = configOf(name)
  const random = createRandom(5)
  // biases and norms that differ from their start, so that leaving one out would show
  const weights = new Map(
    [...createCheckpoint(config, 1).weights].map(([key, data]) => [
      key,
      data.map((value) => value + random.normal() * 0.1),
    ]),
  )
  const checkpoint = fromWeights(config, weights)
  await CheckpointFolder.write(join(folder, name), config, weights)
  if (name === 'gpt2') return { checkpoint, adapter: undefined, second: undefined }
  const make = async (path: string, options: Omit<Adapter.AdapterOptions, 'seed'>) => {
    const fresh = Adapter.create(config, { ...options, seed: options.rank })
    const tensors = new Map(
      [...fresh.tensors].map(([key, { a, b }]) => [key, { a, b: b.map(() => random.normal() * 0.2) }]),
    )
    const adapter = Adapter.from({ ...fresh, tensors })
    await AdapterFolder.write(join(folder, name, path), adapter, name)
    return adapter
  }
  const targets = targetsOf(config)
  const adapter = await make('adapter', { rank: 4, alpha: 6, targets })
  const second = await make('second', { rank: 3, alpha: 9, targets: targets.slice(0, 2) })
  return { checkpoint, adapter, second }
}

async function distance(
  checkpoint: ReturnType<typeof fromWeights>,
  adapter: Adapter.Adapter | undefined,
  theirs: readonly number[],
): Promise<number> {
  const scorer = createScorer(checkpoint, adapter)
  const found = await scorer.logProbabilities(ids)
  await scorer.release()
  return Math.max(...theirs.map((value, i) => Math.abs(value - found[i]!)))
}

const run = (program: string, args: readonly string[]): Promise<number | string> =>
  new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'ignore' })
    child.on('error', (error) => resolve(error.message))
    child.on('exit', (code) => resolve(code ?? 'a signal'))
  })
