import { writeFileSync } from 'node:fs'
import {
  Adapter,
  CheckpointFolder,
  createGradients,
  createTrainer,
  loraTargets,
  type Sequence,
} from '@openledger/model'
import { ALPHA, LEARNING_RATE, type Measured, median, RANK, tokenAt, type Work } from './work.ts'

/** Runs one piece of work with the product's own trainer and prints what it found as JSON. */
const [directory, json, output] = process.argv.slice(2) as [string, string, string]
const work = JSON.parse(json) as Work & {
  tokensPerRun?: number
  threads?: number
  spinning?: boolean
}
const { mode, rows, tokens, steps } = work
const checkpoint = await CheckpointFolder.read(directory)
const { config } = checkpoint
const sequences = Array.from(
  { length: rows },
  (_, row): Sequence => ({
    ids: Int32Array.from({ length: tokens + 1 }, (_, t) => tokenAt(row, t, config.vocabularySize)),
    lossMask: Float32Array.from({ length: tokens + 1 }, (_, t) => (t === 0 ? 0 : 1)),
  }),
)
const adapter = Adapter.create(config, { rank: RANK, alpha: ALPHA, targets: loraTargets, seed: 1 })
const losses: number[] = []
const seconds: number[] = []
let cpu = 0
const time = async (step: () => Promise<number>) => {
  for (let i = 0; i < steps; i++) {
    const began = performance.now()
    const used = process.cpuUsage()
    losses.push(await step())
    seconds.push((performance.now() - began) / 1_000)
    const { user, system } = process.cpuUsage(used)
    if (i >= 2) cpu += (user + system) / 1e6
  }
}
const { workers = 0, threads = 2, spinning = false } = work
if (mode === 'perExample') {
  const gradients = createGradients(checkpoint, adapter, { batchSize: rows, threads, spinning })
  await time(async () => {
    const found = await gradients.perExample(sequences)
    return -found.reduce((sum, { logLikelihood }) => sum + logLikelihood, 0) / (rows * tokens)
  })
} else {
  const trainer = createTrainer(checkpoint, {
    mode: mode === 'full' ? mode : 'lora',
    ...(mode === 'full' ? {} : { adapter, isQuantised: mode === 'qlora' }),
    ...(work.tokensPerRun ? { tokensPerRun: work.tokensPerRun } : {}),
    workers,
    threads,
    spinning,
    optimizer: { gradientNormMax: 0 },
  })
  const batch = {
    ids: sequences.map(({ ids }) => ids),
    lossMask: sequences.map(({ lossMask }) => lossMask),
  }
  await time(async () => (await trainer.step(batch, LEARNING_RATE)).loss)
}
const measured: Measured = {
  tokensPerSecond: (rows * tokens) / median(seconds.slice(2)),
  cpuMicrosPerToken: (1e6 * cpu) / ((steps - 2) * rows * tokens),
  peakBytes: process.resourceUsage().maxRSS * 1_024,
  losses,
}
writeFileSync(output, JSON.stringify(measured))
process.exit(0)
