import { rmSync } from 'node:fs'
import type { LlamaConfig } from '@openledger/model'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import type { DecoderPrecision } from '@openledger/model/decoder/DecoderGraph'
import { generateWithPeft, type PeftFigures } from './ServingPeft.ts'
import { type RivalFigures, runRival, writeForRival } from './ServingRival.ts'
import { createRunner, createShelf, drawCheckpoint, type RunFigures } from './ServingRun.ts'
import type { WorkRequest } from './ServingWorkload.ts'

/** Answers made together; what a step costs grows more slowly than they do. */
export const ROWS = 32
const CONTEXT = 256
/** Callers that always wait for an answer where the engine is saturated. */
export const CALLERS_WAITING = 48
/** Share of the saturated rate at which requests arrive where latency is measured. */
export const LOAD = 0.7

/** One model in one precision, and what is asked of it. */
export type Size = {
  readonly name: string
  readonly config: LlamaConfig
  readonly precision: DecoderPrecision
  /** How many adapters are registered, one run each; the base alone comes first. */
  readonly registered: readonly number[]
  readonly requests: number
  readonly rounds: number
  /** RAM for adapters that no row uses. */
  readonly adapterBytesMax: number
  /** How many times llama.cpp's requests with different adapters have to be reached. */
  readonly rivalGoal: number
  /** Share of the base's throughput that the most adapters have to keep. */
  readonly keptGoal?: number
}

/** Our engine and its rivals over the same weights. */
export type Engines = {
  /** Runs a workload on the engine without adapters where `isBare`. */
  readonly run: (
    requests: readonly WorkRequest[],
    options?: { readonly isBare?: boolean; readonly concurrency?: number },
  ) => Promise<RunFigures>
  readonly runRival: (requests: readonly WorkRequest[], concurrency: number) => Promise<RivalFigures>
  /** Undefined where no Python has PEFT. */
  readonly runPeft: (requests: readonly WorkRequest[]) => Promise<PeftFigures | undefined>
  readonly close: () => Promise<void>
}

/**
 * Opens the engines of one size when they are first needed, as they are after hours of this popularity: the adapters asked for
 * most are in memory, as many as it holds.
 */
export function openEngines(size: Size, threads: number, directory: string): Engines {
  const { config, precision, registered, adapterBytesMax } = size
  // a run that was killed leaves its files, some of them cut short
  rmSync(directory, { recursive: true, force: true })
  const shelf = createShelf(config, directory)
  const checkpoint = drawCheckpoint(config, 1)
  let opened: ReturnType<typeof open> | undefined
  async function open() {
    const options = { rows: ROWS, context: CONTEXT, threads, precision }
    const bare = await createDecoder(checkpoint, { ...options, rankMax: 0 })
    const adapted = await createDecoder(checkpoint, { ...options, rankMax: 8 })
    const runner = { shelf, shelfDirectory: directory, adapterBytesMax }
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
    await base.run(
      warmUp.slice(-ROWS).map((request) => ({ ...request, adapter: undefined })),
      CALLERS_WAITING,
    )
    await many.run(warmUp, CALLERS_WAITING)
    return { bare, adapted, base, many }
  }
  return {
    async run(requests, { isBare = false, concurrency = CALLERS_WAITING } = {}) {
      opened ??= open()
      const { base, many } = await opened
      return (isBare ? base : many).run(requests, concurrency)
    },
    runRival(requests, concurrency) {
      const modelPath = writeForRival(checkpoint, directory, precision === 'f32' ? 'F32' : 'Q4_0')
      return runRival({ modelPath, directory, config, shelf, requests, concurrency, rounds: 2, threads })
    },
    runPeft: (requests) => generateWithPeft({ checkpoint, directory, shelf, requests, threads }),
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
