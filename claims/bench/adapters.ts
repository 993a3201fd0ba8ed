import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRandom, type LlamaConfig } from '@openledger/model'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import type { DecoderPrecision } from '@openledger/model/decoder/DecoderGraph'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { createRunner, createShelf, drawCheckpoint, percentile } from './ServingRun.ts'
import { LARGE, SMALL, type WorkRequest } from './ServingWorkload.ts'

const RANK = 8
const PROMPT_TOKENS = 64
/** How much longer the first token of an adapter that is on disk may take than that of one in memory. */
const GOAL = 1.3
/** Memory for adapters where more are asked for than it holds. */
const LIMIT_BYTES = 32 * 2 ** 20
const MiB = 2 ** 20

type Size = {
  readonly name: string
  readonly config: LlamaConfig
  readonly precision: DecoderPrecision
  readonly pairs: number
}

/** Draws a request of a prompt that no other request has. */
const draw = (config: LlamaConfig, seed: number, adapter: number): WorkRequest => {
  const random = createRandom(seed)
  return {
    caller: 'caller',
    promptIds: Array.from({ length: PROMPT_TOKENS }, () => 3 + random.below(config.vocabularySize - 3)),
    outputTokens: 1,
    adapter,
    arrivalMs: 0,
  }
}

const median = (values: readonly number[]): number =>
  percentile(
    [...values].sort((a, b) => a - b),
    0.5,
  )

async function withRunner<Result>(
  { config, precision }: Omit<Size, 'pairs' | 'name'>,
  adapterBytesMax: number,
  use: (
    runner: Awaited<ReturnType<typeof createRunner>>,
    shelf: ReturnType<typeof createShelf>,
  ) => Promise<Result>,
): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'openledger-adapters-'))
  try {
    const shelf = createShelf(config, directory)
    const checkpoint = drawCheckpoint(config, 1)
    const decoder = await createDecoder(checkpoint, {
      rows: 4,
      context: 128,
      threads: 2,
      rankMax: RANK,
      precision,
    })
    const runner = await createRunner({
      decoder,
      shelf,
      shelfDirectory: directory,
      adapterBytesMax,
    })
    const result = await use(runner, shelf)
    await runner.close()
    await decoder.release()
    return result
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** First tokens of an idle engine: of an adapter nobody asked for yet, then of the same one with another prompt. */
async function measureFirstTokens(size: Size, say: ClaimOptions['say']) {
  return withRunner(size, 2 ** 30, async (runner, shelf) => {
    const [cold, warm]: [number[], number[]] = [[], []]
    // all files first: what making one leaves behind would be collected while its first token is waited for
    for (let adapter = 0; adapter <= size.pairs; adapter++) shelf.fileOf(adapter)
    for (let adapter = 0; adapter <= size.pairs; adapter++) {
      const first = await runner.run([draw(size.config, 2 * adapter, adapter)])
      const again = await runner.run([draw(size.config, 2 * adapter + 1, adapter)])
      // the first pair compiles what the others find compiled
      if (adapter === 0) continue
      cold.push(first.firstMs[0]!)
      warm.push(again.firstMs[0]!)
    }
    const found = { warm: median(warm), cold: median(cold), adapterBytes: shelf.sizeBytes }
    say(`${size.name}: ${found.warm.toFixed(1)} ms warm, ${found.cold.toFixed(1)} ms cold`)
    return { ...found, name: size.name, ratio: found.cold / found.warm }
  })
}

/** Asks for many adapters once each with room for few, and says what memory that took. */
async function measureMemory(count: number, say: ClaimOptions['say']) {
  return withRunner({ config: SMALL, precision: 'f32' }, LIMIT_BYTES, async (runner, shelf) => {
    const fill = Math.ceil(LIMIT_BYTES / shelf.sizeBytes)
    const rss = (): number => process.memoryUsage.rss()
    let resident = 0
    let full = 0
    for (let adapter = 0; adapter < count; adapter++) {
      const { residentBytes } = await runner.run([draw(SMALL, adapter, adapter)])
      resident = Math.max(resident, residentBytes)
      shelf.discard(adapter)
      if (adapter === 2 * fill) full = rss()
      if (adapter % 500 === 499) say(`${adapter + 1} adapters asked for: ${(rss() / MiB).toFixed(0)} MiB`)
    }
    return { count, resident, grownBytes: rss() - full, adapterBytes: shelf.sizeBytes }
  })
}

export const claim: Claim = {
  says: 'An adapter that is on disk answers nearly as soon as one in memory, and memory stays within its limit however many there are.',
  async run({ isQuick, words, say }): Promise<Finding> {
    const sizes: Size[] = [
      { name: '5 M f32', config: SMALL, precision: 'f32', pairs: isQuick ? 20 : 60 },
      { name: '5 M int8', config: SMALL, precision: 'int8', pairs: isQuick ? 20 : 60 },
      { name: '110 M int8', config: LARGE, precision: 'int8', pairs: isQuick ? 10 : 30 },
    ]
    const chosen = sizes.filter(
      ({ name }) => words.length === 0 || words.some((word) => name.startsWith(word)),
    )
    const rows = []
    for (const size of chosen) rows.push(await measureFirstTokens(size, say))
    const memory = await measureMemory(isQuick ? 300 : 10_000, say)
    const worst = Math.max(...rows.map(({ ratio }) => ratio))
    const failures: string[] = []
    if (memory.resident > LIMIT_BYTES + memory.adapterBytes)
      failures.push(`${memory.resident} bytes of adapters in memory, limit ${LIMIT_BYTES}`)
    if (memory.grownBytes > LIMIT_BYTES)
      failures.push(`the process grew by ${memory.grownBytes} bytes after its memory for adapters was full`)
    return {
      figure: worst,
      unit: 'times the first token of a warm adapter, for a cold one at the median',
      goal: GOAL,
      sense: 'at most',
      failures,
      report: [
        table([
          ['model', 'warm, ms', 'cold, ms', 'cold over warm', 'bytes of an adapter in memory'],
          ...rows.map(({ name, warm, cold, ratio, adapterBytes }) => [
            name,
            warm.toFixed(1),
            cold.toFixed(1),
            ratio.toFixed(2),
            adapterBytes.toLocaleString('en'),
          ]),
        ]),
        '',
        `Medians on an idle engine, rank ${RANK} on all seven kinds of layers, ${PROMPT_TOKENS} prompt tokens, files in the system's page cache. An adapter that`,
        `is registered and not in memory takes none. ${memory.count.toLocaleString('en')} different adapters of ${(memory.adapterBytes / MiB).toFixed(1)} MiB asked for once each, with ${LIMIT_BYTES / MiB} MiB for`,
        `them: at most ${(memory.resident / MiB).toFixed(1)} MiB held, and ${(memory.grownBytes / MiB).toFixed(1)} MiB more used by the process at the end than when that memory was first full.`,
      ].join('\n'),
    }
  },
}
