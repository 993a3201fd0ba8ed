import { spawn } from 'node:child_process'
import { copyFile, mkdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Claim, table } from '../Claim.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Width and layers: the shipped base is the third. */
const SIZES = [
  [64, 2],
  [128, 3],
  [192, 4],
  [256, 4],
] as const
const STEPS = 400
const TOKENS_A_STEP = 4_096

type Line =
  | { readonly event: 'start'; readonly parameters: number; readonly charactersPerToken: number }
  | {
      readonly event: 'evaluate'
      readonly step: number
      readonly heldOutLoss: number
      readonly bitsPerCharacter: number
    }
  | { readonly event: 'train' | 'resume' }

/**
 * Base models of several sizes, each trained from scratch by `scripts/train-base.ts` on the same tokens in the same order, measured
 * on files that none has learned. A run that was cut off goes on from each size's last checkpoint, in the system's folder for
 * temporary files; a whole one removes them.
 */
export const claim: Claim = {
  says: 'A larger base model of the family learns more from the same tokens: every size is better than the one before.',
  async run({ isQuick, say }) {
    const [sizes, steps] = isQuick ? [SIZES.slice(0, 2), 40] : [SIZES, STEPS]
    const folder = join(tmpdir(), `openledger-scaling-${steps}`)
    const curves: {
      readonly name: string
      readonly parameters: number
      readonly points: readonly Point[]
    }[] = []
    for (const [hidden, layers] of sizes) {
      const name = `${hidden} x ${layers}`
      const lines = await train(join(folder, `${hidden}x${layers}`), { hidden, layers, steps })
      const points = pointsOf(lines)
      const start = lines.find((line) => line.event === 'start')!
      curves.push({ name, parameters: start.parameters, points })
      const { heldOutLoss, bitsPerCharacter } = points.at(-1)!
      say(`${name}: ${start.parameters} weights, loss ${heldOutLoss}, ${bitsPerCharacter} bits a character`)
    }
    await rm(folder, { recursive: true })
    const losses = curves.map(({ points }) => points.at(-1)!.heldOutLoss)
    const better = losses.filter((loss, i) => i > 0 && loss < losses[i - 1]!).length
    const exponent = slope(
      curves.map(({ parameters }) => Math.log(parameters)),
      losses.map(Math.log),
    )
    return {
      figure: better,
      unit: `of ${sizes.length - 1} sizes better than the one before`,
      goal: sizes.length - 1,
      sense: 'at least',
      report: [
        table([
          [
            'width x layers',
            'weights',
            ...curves[0]!.points.map(({ step }) => `after ${thousands(step)} k tokens`),
            'bits a character',
          ],
          ...curves.map(({ name, parameters, points }) => [
            name,
            parameters,
            ...points.map(({ heldOutLoss }) => heldOutLoss.toFixed(3)),
            points.at(-1)!.bitsPerCharacter.toFixed(3),
          ]),
        ]),
        `Loss in nats a token on files of packages that none of them learned; all embeddings counted. Each size is trained from scratch for ${steps} steps of ${TOKENS_A_STEP} tokens with a learning rate that falls to a hundredth at the end, so the points before the last are of a rate that is still high. Over these sizes the last loss goes as the number of weights to the power of ${exponent.toFixed(3)}.`,
      ].join('\n\n'),
    }
  },
}

type Point = Extract<Line, { event: 'evaluate' }>

/** Trains a size to its end, from wherever it stands, and gives its log. */
async function train(
  folder: string,
  { hidden, layers, steps }: { readonly hidden: number; readonly layers: number; readonly steps: number },
): Promise<Line[]> {
  const [output, work, log] = ['model', 'work', 'log.jsonl'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await mkdir(output, { recursive: true })
  // the same tokens for every size
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    await copyFile(join(ROOT, 'assets/base', file), join(output, file))
  const known = await readLog(log)
  if (pointsOf(known).at(-1)?.step === steps) return known
  const options = { hidden, layers, steps, output, work, tokens: dirname(folder), log }
  const child = spawn(
    process.execPath,
    [
      join(ROOT, 'scripts/train-base.ts'),
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const stop = () => void child.kill()
  process.once('SIGTERM', stop).once('SIGINT', stop)
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  process.off('SIGTERM', stop).off('SIGINT', stop)
  if (code !== 0)
    throw new Error(
      `Expected the training of ${hidden} x ${layers} to end, but it was stopped. Run this again: it goes on.`,
    )
  return readLog(log)
}

async function readLog(path: string): Promise<Line[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]))
}

/** Measurements in order; what was measured again after a stop counts as it was measured last. */
function pointsOf(lines: readonly Line[]): Point[] {
  const byStep = new Map<number, Point>()
  for (const line of lines) if (line.event === 'evaluate') byStep.set(line.step, line)
  return [...byStep.values()].sort((a, b) => a.step - b.step)
}

const thousands = (step: number): number => Math.round((step * TOKENS_A_STEP) / 1_000)

/** The slope of a straight line through points, by least squares. */
function slope(xs: readonly number[], ys: readonly number[]): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length
  const [x, y] = [mean(xs), mean(ys)]
  const across = xs.reduce((sum, each) => sum + (each - x) ** 2, 0)
  return xs.reduce((sum, each, i) => sum + (each - x) * (ys[i]! - y), 0) / across
}
