import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  Adapter,
  createRandom,
  type LlamaConfig,
  linearSize,
  loraTargets,
  weightShapes,
} from '@openledger/model'
import { formatConfig } from '@openledger/model/checkpoint/Config'
import type { Decoder } from '@openledger/model/decoder/Decoder'
import { createAdapterCache } from '@openledger/openlora/adapters/AdapterCache'
import { createMergingSource } from '@openledger/openlora/adapters/AdapterLease'
import type { AdapterMethods, AdapterWorkerData } from '@openledger/openlora/adapters/AdapterWorker'
import { view } from '@openledger/openlora/adapters/SharedAdapter'
import { createEngine } from '@openledger/openlora/engine/Engine'
import { GREEDY } from '@openledger/openlora/engine/Sampler'
import { createWorkerHost } from '@openledger/openlora/engine/WorkerHost'
import { type Hex, systemClock } from '@openledger/primitives'
import type { WorkRequest } from './ServingWorkload.ts'

/** Weights of a model that was never trained: what it says is noise, what it costs is not. */
export function drawCheckpoint(config: LlamaConfig, seed: number) {
  const weights = new Map<string, Float32Array>()
  let index = 0
  for (const [name, shape] of weightShapes(config)) {
    const data = new Float32Array(shape.reduce((product, length) => product * length, 1))
    if (shape.length === 1) data.fill(1)
    else fillNoise(data, seed + index++, 0.06)
    weights.set(name, data)
  }
  return { config, weights, baseHash: `0x${'00'.repeat(32)}` as Hex }
}

/** Fills with a uniform stream in +-spread; a generator of one multiplication, because there are 10^8 to fill. */
function fillNoise(data: Float32Array, seed: number, spread: number): void {
  let state = Math.imul(seed + 1, 2_654_435_769) | 1
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    data[i] = (state / 2 ** 31) * spread
  }
}

/** Adapters as files, written when a workload first asks for them; registered ones beyond cost a name. */
export type AdapterShelf = {
  readonly fileOf: (adapter: number) => { readonly path: string; readonly hash: Hex }
  readonly adapterOf: (adapter: number) => Adapter.Adapter
  /** Deletes the file of an adapter that is not asked for again. */
  readonly discard: (adapter: number) => void
  readonly sizeBytes: number
}

const RANK = 8

/** Makes adapters of rank 8 on all seven kinds of layers. */
export function createShelf(config: LlamaConfig, directory: string): AdapterShelf {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'config.json'), JSON.stringify(formatConfig(config)))
  const files = new Map<number, { path: string; hash: Hex }>()
  const adapterOf = (adapter: number): Adapter.Adapter => {
    const tensors = new Map<string, Adapter.AdapterPair>()
    for (const { name, input, output } of Adapter.linearsOf(config, loraTargets)) {
      const pair = { a: new Float32Array(input * RANK), b: new Float32Array(RANK * output) }
      fillNoise(pair.a, 1_000 * adapter + tensors.size, 1 / Math.sqrt(input))
      fillNoise(pair.b, 1_000 * adapter + tensors.size + 500, 0.02)
      tensors.set(name, pair)
    }
    return Adapter.from({ rank: RANK, alpha: 16, targets: loraTargets, tensors })
  }
  const elements = loraTargets.reduce((sum, target) => {
    const { input, output } = linearSize(config, target)
    return sum + RANK * (input + output)
  }, 0)
  return {
    adapterOf,
    sizeBytes: 4 * elements * config.layers,
    discard(adapter) {
      const file = files.get(adapter)
      if (file !== undefined) rmSync(file.path)
      files.delete(adapter)
    },
    fileOf(adapter) {
      const known = files.get(adapter)
      if (known !== undefined) return known
      const made = adapterOf(adapter)
      const file = { path: join(directory, `adapter-${adapter}.safetensors`), hash: made.hash }
      writeFileSync(file.path, Adapter.encode(made))
      files.set(adapter, file)
      return file
    },
  }
}

/** What one run of a workload took. */
export type RunFigures = {
  readonly seconds: number
  /** Processor seconds of all threads, which a busy neighbour does not change much. */
  readonly cpuSeconds: number
  readonly requestsPerSecond: number
  readonly tokensPerSecond: number
  /** From arrival to the first token, in milliseconds, one for each request, ascending. */
  readonly firstMs: readonly number[]
  /** Mean time between the tokens of a request, in milliseconds, one for each request, ascending. */
  readonly tokenMs: readonly number[]
  /** Jain's index over callers of tokens each got per second of waiting: 1 is equal. */
  readonly fairness: number
  /** Tokens of each request. */
  readonly answers: readonly (readonly number[])[]
  readonly hits: number
  readonly misses: number
  readonly residentBytes: number
}

export type RunOptions = {
  readonly decoder: Decoder
  readonly shelf: AdapterShelf
  readonly shelfDirectory: string
  /** RAM for adapters that no row uses. */
  readonly adapterBytesMax: number
}

/** An engine over one decoder that runs one workload after the other; its adapters stay in memory between them. */
export async function createRunner({ decoder, shelf, shelfDirectory, adapterBytesMax }: RunOptions) {
  const decoding = createWorkerHost<Record<never, never>, AdapterMethods, undefined>({
    file: new URL('../../packages/openlora/src/adapters/AdapterWorker.ts', import.meta.url),
    data: { baseDirectory: shelfDirectory } satisfies AdapterWorkerData,
    handlers: {},
    logger: { info: () => {}, error: console.error },
    onDeath: () => {},
  })
  await decoding.live()
  const cache = createAdapterCache(
    async ({ cid, hash }) =>
      (await decoding.live()).link.call('decode', { bytes: await readFile(cid), hash, isChecked: false }),
    adapterBytesMax,
  )
  type Seen = { arrivedMs: number; firstMs: number; lastMs: number; tokens: number[] }
  const seen = new Map<number, Seen>()
  let onFinished: (id: number) => void = () => {}
  let onFailed: (error: Error) => void = () => {}
  const engine = createEngine(
    {
      decoder,
      // no token ends an answer, so that every engine makes the same number of them
      tokenizer: {
        decode: (ids) => ids.map((id) => String.fromCharCode(0x4e00 + id)).join(''),
        encode: (text) => [...text].map((character) => character.charCodeAt(0) - 0x4e00),
        bytes: (id) => new TextEncoder().encode(String.fromCharCode(0x4e00 + id)),
        eosId: -1,
      },
      adapters: createMergingSource({
        acquire: async (reference) => view(await cache.acquire(reference)),
        release: cache.release,
      }),
      clock: systemClock,
      emit: (events) => {
        const nowMs = performance.now()
        for (const event of events) {
          if (event.kind === 'failed') onFailed(new Error(event.error.message))
          else if (event.kind === 'finished') onFinished(event.id)
          else if (event.delta.tokenId !== null) {
            const one = seen.get(event.id)!
            if (one.tokens.length === 0) one.firstMs = nowMs
            one.lastMs = nowMs
            one.tokens.push(event.delta.tokenId)
          }
        }
      },
    },
    {
      waitingMax: 100_000,
      waitingPerCallerMax: 100_000,
      prefillTokensPerStepMax: 512,
      prefixBytesMax: 2 ** 26,
      guessedStepTokensMax: 16,
      parkedBytesMax: 256 * 2 ** 20,
    },
  )
  let nextId = 0

  /** @param concurrency - Requests in flight at most where all arrive at once. */
  async function run(requests: readonly WorkRequest[], concurrency = 1): Promise<RunFigures> {
    // files first: writing them is not serving
    const files = requests.map(({ adapter }) => (adapter === undefined ? undefined : shelf.fileOf(adapter)))
    const firstId = nextId
    nextId += requests.length
    const isOpen = requests.some(({ arrivalMs }) => arrivalMs > 0)
    const before = cache.state()
    const cpuBefore = process.cpuUsage()
    const startedMs = performance.now()
    let submitted = 0
    function submit(): void {
      const index = submitted++
      const { caller, promptIds, outputTokens, arrivalMs } = requests[index]!
      const file = files[index]
      const arrivedMs = isOpen ? startedMs + arrivalMs : performance.now()
      seen.set(firstId + index, { arrivedMs, firstMs: 0, lastMs: 0, tokens: [] })
      engine.submit({
        id: firstId + index,
        caller,
        promptIds,
        stop: [],
        sampling: GREEDY,
        topLogprobs: 0,
        adapter: file && { cid: file.path, hash: file.hash },
        outputTokensMax: outputTokens,
      })
    }
    await new Promise<void>((resolve, reject) => {
      let finished = 0
      onFailed = reject
      onFinished = () => {
        if (++finished === requests.length) resolve()
        else if (!isOpen && submitted < requests.length) submit()
      }
      if (isOpen) {
        for (const { arrivalMs } of requests) setTimeout(submit, arrivalMs)
      } else for (let i = 0; i < Math.min(concurrency, requests.length); i++) submit()
    })
    const seconds = (performance.now() - startedMs) / 1_000
    const { user, system } = process.cpuUsage(cpuBefore)
    const all = requests.map((_, i) => seen.get(firstId + i)!)
    seen.clear()
    const after = cache.state()
    const byCaller = new Map<string, { tokens: number; ms: number }>()
    for (const [i, { tokens, arrivedMs, lastMs }] of all.entries()) {
      const sum = byCaller.get(requests[i]!.caller) ?? { tokens: 0, ms: 0 }
      sum.tokens += tokens.length
      sum.ms += lastMs - arrivedMs
      byCaller.set(requests[i]!.caller, sum)
    }
    const rates = [...byCaller.values()].map(({ tokens, ms }) => tokens / ms)
    const squares = rates.reduce((sum, rate) => sum + rate ** 2, 0)
    const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b)
    return {
      seconds,
      cpuSeconds: (user + system) / 1e6,
      requestsPerSecond: requests.length / seconds,
      tokensPerSecond: all.reduce((sum, { tokens }) => sum + tokens.length, 0) / seconds,
      firstMs: ascending(all.map(({ firstMs, arrivedMs }) => firstMs - arrivedMs)),
      tokenMs: ascending(
        all.map(({ firstMs, lastMs, tokens }) => (lastMs - firstMs) / Math.max(1, tokens.length - 1)),
      ),
      fairness: rates.reduce((sum, rate) => sum + rate, 0) ** 2 / (rates.length * squares),
      answers: all.map(({ tokens }) => tokens),
      hits: after.hits - before.hits,
      misses: after.misses - before.misses,
      residentBytes: after.heldBytes,
    }
  }

  return { run, close: () => decoding.close() }
}

/** Takes a share of ascending values: 0.5 is the median. */
export const percentile = (ascending: readonly number[], share: number): number =>
  ascending[Math.min(ascending.length - 1, Math.floor(share * ascending.length))] ?? Number.NaN

/** Draws a prompt. */
export function drawPrompt(seed: number, tokens: number, vocabularySize: number): number[] {
  const random = createRandom(seed)
  return Array.from({ length: tokens }, () => 3 + random.below(vocabularySize - 3))
}
