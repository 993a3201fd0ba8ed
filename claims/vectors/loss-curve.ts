import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openZeppelinModules, splitIntoRecords } from '@openledger/datanet'
import {
  AdapterFolder,
  adamWDefaults,
  CheckpointFolder,
  createTrainer,
  fromText,
  type Sequence,
} from '@openledger/model'
import { trainerOptionsOf } from '@openledger/modelfactory/Training'
import { planBatches } from '@openledger/modelfactory/TrainingPlan'
import { rateAt } from '@openledger/modelfactory/TrainingSteps'
import { Http } from '@openledger/protocol'
import { type Claim, type Finding, table } from '../Claim.ts'

/**
 * The shipped base learns real records here and in PyTorch with PEFT: the same adapter to start from, the same batches, rates
 * and optimiser, three seeds.
 *
 * `OPENLEDGER_PYTHON` names a Python with `torch`, `transformers` and `peft`. Where there is none, the curves that it made
 * before stand in `loss-curve/fixtures/curves.json`, pinned by hash, together with the hash of what they were made from;
 * `OPENLEDGER_KEEP=1` writes them anew.
 */
const SEEDS = [1, 2, 3]
const STEPS = 24
const MEASURE_EVERY = 6
const BASE = join(import.meta.dirname, '../../assets/base')
const STORED = join(import.meta.dirname, 'loss-curve/fixtures/curves.json')
const STORED_SHA256 = 'd4828062b220fbc4cb1db6b85bbe4ce99500721ed3c683b29a02c35c6ebdc868'
const python = process.env['OPENLEDGER_PYTHON']

type Curve = { readonly losses: readonly number[]; readonly heldOut: readonly number[] }
type Curves = {
  readonly versions: string
  readonly taskHash: string
  /** By seed, in both of PyTorch's precisions. */
  readonly curves: Readonly<Record<string, { readonly float32: Curve; readonly float64: Curve }>>
}

/** How many times PyTorch's own rounding a curve may be away from it. */
const BANDS_MAX = 3

export const claim: Claim = {
  says: 'Training lowers the loss step by step as PyTorch with PEFT does: no further from its float64 curve than its own float32 curve is, three times over.',
  async run({ isQuick, say }): Promise<Finding> {
    // the stored curves are of all three
    const seeds = isQuick && python !== undefined ? SEEDS.slice(0, 2) : SEEDS
    const task = await prepare(seeds)
    const folder = await mkdtemp(join(tmpdir(), 'openledger-loss-curve-'))
    try {
      const reference = await referenceOf(task, folder, say)
      if (typeof reference === 'string') {
        return {
          figure: 0,
          unit: 'curves compared',
          goal: 3,
          sense: 'at least',
          failures: [reference],
          report: reference,
        }
      }
      const rows: (string | number)[][] = [
        [
          'seed',
          'first loss',
          'last loss',
          'kept out at the end',
          'ours to float64',
          'PyTorch’s float32 to float64',
          'kept out, ours to float64',
          'between seeds',
        ],
      ]
      let worst = 0
      const spread = spreadOf(seeds.map((seed) => reference.curves[seed]!.float64.heldOut))
      const failures: string[] = []
      for (const seed of seeds) {
        const ours = await train(task, seed)
        const { float32, float64 } = reference.curves[seed]!
        const [own, theirs] = [apart(ours.losses, float64.losses), apart(float32.losses, float64.losses)]
        const kept = apart(ours.heldOut, float64.heldOut)
        worst = Math.max(worst, own / theirs)
        if (kept > spread)
          failures.push(`seed ${seed}: ${kept} nats apart on what is kept out, seeds are ${spread} apart`)
        rows.push([
          seed,
          ours.losses[0]!.toFixed(4),
          ours.losses.at(-1)!.toFixed(4),
          ours.heldOut.at(-1)!.toFixed(4),
          ...[own, theirs, kept, spread].map((value) => value.toExponential(1)),
        ])
        say(rows.at(-1)!.join('  '))
      }
      return {
        figure: worst,
        unit: 'times PyTorch’s own rounding',
        goal: BANDS_MAX,
        sense: 'at most',
        failures,
        report: `${table(rows)}\n\nRoot mean square of the differences over ${STEPS} steps of batches of 8, in nats; \`between seeds\` is the least root mean square difference of two seeds’ curves on what is kept out. The shipped base, rank 8, learning rate ${task.config.learningRate} with warm-up and cosine; ${reference.versions}.`,
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

type Task = Awaited<ReturnType<typeof prepare>>

async function prepare(seeds: readonly number[]) {
  const checkpoint = await CheckpointFolder.read(BASE)
  const tokenizer = await CheckpointFolder.readTokenizer(BASE)
  const sequences = openZeppelinModules()
    .slice(0, 6)
    .flatMap(({ files }) => files.flatMap(({ path, text }) => splitIntoRecords({ name: path, text })))
    .flatMap((text) => fromText(tokenizer, text, { tokensMax: 64 }))
  const heldOut = sequences.flatMap((_, i) => (i % 12 === 0 ? [i] : [])).slice(0, 16)
  const learned = sequences.flatMap((_, i) => (i % 12 === 0 ? [] : [i])).slice(0, 160)
  const config = Http.trainingConfigSchema.parse({ epochs: 2, learningRate: 6e-3, rehearsal: 0 })
  const plans = new Map(
    seeds.map((seed) => {
      const plan = planBatches(
        learned.map(() => 1),
        { ...config, seed },
      ).slice(0, STEPS)
      return [seed, plan.map((batch) => batch.map((i) => learned[i]!))] as const
    }),
  )
  const rates = Array.from({ length: STEPS }, (_, step) => rateAt(config, step, STEPS))
  const facts = {
    optimizer: adamWDefaults,
    rates,
    measureEvery: MEASURE_EVERY,
    heldOut,
    sequences: sequences.map(({ ids, lossMask }) => ({ ids: [...ids], mask: [...lossMask] })),
    seeds: seeds.map((seed) => ({ seed, batches: plans.get(seed)! })),
  }
  const starts = new Map(
    seeds.map((seed) => [seed, trainerOptionsOf(checkpoint, { ...config, seed }).adapter!] as const),
  )
  const hash = createHash('sha256').update(JSON.stringify(facts)).update(checkpoint.baseHash)
  for (const { hash: adapterHash } of starts.values()) hash.update(adapterHash)
  return { checkpoint, config, sequences, plans, rates, heldOut, facts, starts, hash: hash.digest('hex') }
}

/** The reference's curves: made by Python where there is one, otherwise those that are stored; words where there are none. */
async function referenceOf(
  task: Task,
  folder: string,
  say: (line: string) => void,
): Promise<Curves | string> {
  if (python === undefined) {
    const bytes = await readFile(STORED).catch(() => undefined)
    const stored = bytes && (JSON.parse(bytes.toString()) as Curves)
    if (bytes === undefined || stored === undefined) return 'absent: no Python, and no curves are stored'
    const found = createHash('sha256').update(bytes).digest('hex')
    if (found !== STORED_SHA256) return `absent: expected the stored curves ${STORED_SHA256}, got ${found}`
    if (stored.taskHash !== task.hash)
      return 'absent: the stored curves were made from other records or another base; make them again with OPENLEDGER_PYTHON'
    say(`stored curves of ${stored.versions}`)
    return stored
  }
  await writeFile(join(folder, 'task.json'), JSON.stringify({ base: BASE, ...task.facts }))
  for (const [seed, adapter] of task.starts)
    await AdapterFolder.write(join(folder, `adapter-${seed}`), adapter, 'base')
  const code = await run(python, [join(import.meta.dirname, 'loss-curve/rival.py'), folder])
  if (code !== 0) return `absent: ${python} with torch, transformers and peft ended with ${code}`
  const made = {
    taskHash: task.hash,
    ...JSON.parse(await readFile(join(folder, 'curves.json'), 'utf8')),
  } as Curves
  if (process.env['OPENLEDGER_KEEP'] === '1') {
    const text = `${JSON.stringify(made)}\n`
    await writeFile(STORED, text)
    say(`kept; the SHA-256 to pin is ${createHash('sha256').update(text).digest('hex')}`)
  }
  return made
}

async function train(
  { checkpoint, config, sequences, plans, rates, heldOut, starts }: Task,
  seed: number,
): Promise<Curve> {
  const options = trainerOptionsOf(checkpoint, { ...config, seed })
  const trainer = createTrainer(checkpoint, { ...options, adapter: starts.get(seed)!, workers: 2 })
  const losses: number[] = []
  const measured: number[] = []
  try {
    for (const [step, batch] of plans.get(seed)!.entries()) {
      const { loss } = await trainer.step(toBatch(batch.map((i) => sequences[i]!)), rates[step]!)
      losses.push(loss)
      if ((step + 1) % MEASURE_EVERY === 0)
        measured.push((await trainer.evaluate(toBatch(heldOut.map((i) => sequences[i]!)))).loss)
    }
  } finally {
    await trainer.release()
  }
  return { losses, heldOut: measured }
}

const toBatch = (sequences: readonly Sequence[]) => ({
  ids: sequences.map(({ ids }) => ids),
  lossMask: sequences.map(({ lossMask }) => lossMask),
})

/** Root mean square difference of two curves. */
const apart = (a: readonly number[], b: readonly number[]): number =>
  Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length)

/** How far the two nearest of several curves are apart. */
const spreadOf = (curves: readonly (readonly number[])[]): number =>
  Math.min(...curves.flatMap((a, i) => curves.slice(i + 1).map((b) => apart(a, b))))

const run = (program: string, args: readonly string[]): Promise<number | string> =>
  new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    child.on('error', (error) => resolve(error.message))
    child.on('exit', (code) => resolve(code ?? 'a signal'))
  })
