import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { CheckpointFolder, createCheckpoint, type LlamaConfig } from '@openledger/model'
import { type Claim, type Finding, table } from '../Claim.ts'
import { openParts, type Parts } from '../Parts.ts'
import {
  ALPHA,
  LEARNING_RATE,
  type Measured,
  MODELS,
  type Mode,
  type ModelName,
  RANK,
  type Work,
} from './training/work.ts'

/**
 * Training beside PyTorch with PEFT on the same machine: the same weights, batch, optimiser and threads, each side in a
 * process of its own, turn by turn.
 *
 * `OPENLEDGER_PYTHON` names a Python with `torch`, `transformers`, `peft` and `bitsandbytes`; `python3` otherwise. Words after
 * the name choose a part: `npm run bench -- training 5M lora`. What one side found in one turn is kept as it comes: a run that
 * was cut off goes on where it was, with the peak of the cores measured anew.
 */
const GOAL = 1.2
const here = join(import.meta.dirname, 'training')
const python = process.env.OPENLEDGER_PYTHON ?? 'python3'
const threads = Math.min(2, availableParallelism())
/** A part is known as long as what it measures is the same. */
const MEASURED = ['packages/{tensor,model}/src/**/*.ts', 'claims/bench/training/*']

type Side = { readonly name: string; readonly measured: Measured | string }

const works: readonly Work[] = (['5M', '110M'] as const).flatMap((model) =>
  (['lora', 'qlora', 'full', 'perExample'] as const).map(
    (mode): Work =>
      model === '5M'
        ? {
            model,
            mode,
            rows: 8,
            tokens: 128,
            steps: 12,
            // parts of a batch on a thread each, as a server trains; a batch of one part has both threads in each operation
            ...(mode === 'perExample' ? {} : { workers: threads }),
          }
        : { model, mode, rows: 2, tokens: 256, steps: 5 },
  ),
)

const variants: Record<Mode, readonly string[]> = {
  lora: ['eager', 'compiled'],
  qlora: ['eager', 'compiled'],
  full: ['eager', 'compiled'],
  perExample: ['hooks', 'loop'],
}

export const claim: Claim = {
  says: `Training is at least ${GOAL} times as fast as PyTorch with PEFT at its best on the same cores, with no more memory.`,
  async run({ isQuick, words, say }): Promise<Finding> {
    const wanted = works.filter(
      ({ model, mode }) =>
        words.every((word) => word === model || word === mode) &&
        (!isQuick || words.length > 0 || (model === '5M' && mode === 'lora')),
    )
    const folder = await mkdtemp(join(tmpdir(), 'openledger-training-'))
    const parts = openParts(isQuick ? 'bench-training-quick' : 'bench-training', MEASURED)
    try {
      const peak = await measurePeak(folder)
      say(
        peak
          ? `FMA peak of ${threads} cores: ${giga(peak)} GF/s`
          : 'FMA peak: no C compiler to measure it with',
      )
      const rows: (string | number)[][] = [
        [
          'model',
          'kind',
          'side',
          'tokens/s',
          'of FMA peak',
          'us of processors a token',
          'peak MB',
          'loss before / after',
          'ours is faster by',
        ],
      ]
      const failures: string[] = []
      let worst = Number.POSITIVE_INFINITY
      let versions = ''
      for (const model of new Set(wanted.map((work) => work.model))) {
        const directory = join(folder, model)
        await CheckpointFolder.write(directory, MODELS[model], createCheckpoint(MODELS[model], 1).weights)
        for (const work of wanted.filter((each) => each.model === model)) {
          const { ours, rivals } = await compare(parts, folder, directory, work, isQuick)
          const name = `${model} ${work.mode}`
          if (typeof ours.measured === 'string') {
            failures.push(`${name}: ${ours.measured}`)
            continue
          }
          const found = rivals.flatMap(({ measured }) => (typeof measured === 'string' ? [] : [measured]))
          const best = Math.max(...found.map(({ tokensPerSecond }) => tokensPerSecond))
          const least = Math.min(...found.map(({ peakBytes }) => peakBytes))
          for (const side of [ours, ...rivals]) {
            rows.push(rowOf(work, side, ours.measured, peak))
            say(rows.at(-1)!.join('  '))
          }
          if (found.length === 0) {
            failures.push(`${name}: no rival ran; OPENLEDGER_PYTHON has to name a Python with torch and peft`)
            continue
          }
          versions = found.find((each) => 'versions' in each)
            ? JSON.stringify((found[0] as never as { versions: object }).versions)
            : versions
          worst = Math.min(worst, ours.measured.tokensPerSecond / best)
          if (ours.measured.tokensPerSecond < GOAL * best)
            failures.push(`${name}: ${(ours.measured.tokensPerSecond / best).toFixed(2)} times as fast`)
          if (ours.measured.peakBytes > least) failures.push(`${name}: more memory than the rival`)
          // 4 bits round differently on the two sides
          const apart = work.mode === 'qlora' ? 0.1 : 1e-3
          if (Math.abs(ours.measured.losses[0]! - found[0]!.losses[0]!) > apart) {
            failures.push(`${name}: the first loss is ${ours.measured.losses[0]}, not ${found[0]!.losses[0]}`)
          }
        }
      }
      const report = [
        table(rows),
        `Shapes: 5M 8 sequences of 128 tokens, 110M 2 of 256; rank ${RANK} on seven layers; float32; ${threads} threads on each side; the rival is ${versions}, with fused AdamW and its scaled-dot-product attention. "hooks" multiplies kept inputs and cotangents example by example (as Opacus does), "loop" takes one backward pass each. QLoRA's rival is NF4 of bitsandbytes (its fused kernel for processors comes from a hub that has to be reached), ours 4 bits in blocks of 32. Peak is the most resident memory of the whole process, libraries included. Flops: 2 a weight and token forward, 4 with a frozen base, 6 in full, and attention's own.`,
      ].join('\n\n')
      // what is short is measured again, what was cut off is not
      if (words.length === 0) parts.forget()
      return {
        figure: Number.isFinite(worst) ? worst : 0,
        unit: 'x',
        goal: GOAL,
        sense: 'at least',
        failures,
        report,
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/** Both sides in turn; of the turns each side keeps its fastest. */
async function compare(parts: Parts, folder: string, directory: string, work: Work, isQuick: boolean) {
  const sides: { name: string; start: (output: string) => [string, string[]] }[] = [
    {
      name: 'OpenLedger',
      start: (output) => [
        process.execPath,
        [
          join(here, 'ours.ts'),
          directory,
          JSON.stringify({ ...work, threads: work.workers === undefined ? threads : 1 }),
          output,
        ],
      ],
    },
    ...variants[work.mode].map((variant) => ({
      name: `PyTorch ${variant}`,
      start: (output: string): [string, string[]] => [
        python,
        [
          join(here, 'rival.py'),
          directory,
          JSON.stringify({
            ...work,
            variant,
            threads,
            rank: RANK,
            alpha: ALPHA,
            learningRate: LEARNING_RATE,
          }),
          output,
        ],
      ],
    })),
  ]
  const found: Side[] = sides.map(({ name }) => ({ name, measured: 'it did not run' }))
  for (let turn = 0; turn < (isQuick ? 1 : 2); turn++) {
    for (const [i, { name, start }] of sides.entries()) {
      const output = join(folder, `${i}.json`)
      const key = `${work.model} ${work.mode} ${name} ${turn}`
      const measured = await parts.once(key, () => runSide(start(output), output))
      const known = found[i]!.measured
      const isBetter =
        typeof known === 'string' ||
        (typeof measured !== 'string' && measured.tokensPerSecond > known.tokensPerSecond)
      if (isBetter) found[i] = { name, measured }
    }
  }
  return { ours: found[0]!, rivals: found.slice(1) }
}

async function runSide([program, args]: [string, string[]], output: string): Promise<Measured | string> {
  await rm(output, { force: true })
  const said: string[] = []
  const code = await new Promise<number | string>((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr.on('data', (data) => said.push(String(data)))
    child.on('error', (error) => resolve(error.message))
    child.on('exit', (status) => resolve(status ?? 'killed'))
  })
  if (code !== 0) return `it ended with ${code}: ${said.join('').trim().split('\n').at(-1)}`
  return JSON.parse(await readFile(output, 'utf8')) as Measured
}

function rowOf(work: Work, { name, measured }: Side, ours: Measured, peak: number | undefined) {
  const { model, mode } = work
  if (typeof measured === 'string') return [model, mode, name, measured, '', '', '', '', '']
  const share = peak ? `${((100 * measured.tokensPerSecond * flopsPerToken(work)) / peak).toFixed(0)} %` : ''
  const ratio = measured === ours ? '' : `${(ours.tokensPerSecond / measured.tokensPerSecond).toFixed(2)} x`
  return [
    model,
    mode,
    name,
    Math.round(measured.tokensPerSecond),
    share,
    Math.round(measured.cpuMicrosPerToken),
    Math.round(measured.peakBytes / 1e6),
    `${measured.losses[0]!.toFixed(4)} / ${measured.losses.at(-1)!.toFixed(4)}`,
    ratio,
  ]
}

function flopsPerToken({ model, mode, tokens }: Work): number {
  const { layers, hiddenSize, feedForwardSize, heads, keyValueHeads, headSize, vocabularySize }: LlamaConfig =
    MODELS[model satisfies ModelName]
  const layer = hiddenSize * (2 * heads * headSize + 2 * keyValueHeads * headSize + 3 * feedForwardSize)
  const weights = layers * layer + hiddenSize * vocabularySize
  // scores and mixing; backwards takes twice as much again
  const attention = layers * 4 * tokens * heads * headSize
  return (mode === 'full' ? 6 : 4) * weights + 3 * attention
}

/** Fused multiply-adds per second of the cores used, by a small C program; undefined without a compiler. */
async function measurePeak(folder: string): Promise<number | undefined> {
  const program = join(folder, 'peak')
  const run = (command: string, args: string[]) =>
    new Promise<string | undefined>((resolve) => {
      const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
      let text = ''
      child.stdout.on('data', (data) => {
        text += data
      })
      child.on('error', () => resolve(undefined))
      child.on('exit', (code) => resolve(code === 0 ? text : undefined))
    })
  let best: number | undefined
  for (const lanes of [8, 16]) {
    const flags = ['-O3', '-march=native', '-ffast-math', `-DLANES=${lanes}`, '-o', program]
    if ((await run('cc', [...flags, join(here, 'peak.c')])) === undefined) continue
    const found = await Promise.all(Array.from({ length: threads }, () => run(program, [])))
    const total = found.reduce((sum, text) => sum + Number(text?.split(' ')[0] ?? 0), 0)
    best = Math.max(best ?? 0, total)
  }
  return best
}

const giga = (flops: number): number => Math.round(flops / 1e9)
