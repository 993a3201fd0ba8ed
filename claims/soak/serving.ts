import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { Adapter, CheckpointFolder, createRandom, loraTargets, Safetensors } from '@openledger/model'
import {
  type AnswerForm,
  createOpenLora,
  type GenerateRequest,
  QueueFullError,
  type ServedModel,
} from '@openledger/openlora'
import { createDiskBlobs } from '@openledger/store'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'

const BASE = join(import.meta.dirname, '..', '..', 'assets', 'base')
const MODELS = 40
const CALLERS = 48
const ROWS = 8
/** Room for about a third of the models, so that adapters come and go. */
const ADAPTER_BYTES_MAX = 6 * 2 ** 20
const STUCK_MS = 60_000
/** The least memory that the process comes down to may grow by this share from the second quarter of the run to the last. */
const GROWTH_MAX = 0.1

const KINDS = ['token', 'vault']
/** A form that some answers are held to. */
const FORM: AnswerForm = {
  json: {
    isStrict: true,
    schema: {
      type: 'object',
      properties: { kind: { enum: KINDS }, decimals: { type: 'integer', minimum: 0, maximum: 18 } },
      required: ['kind', 'decimals'],
      additionalProperties: false,
    },
  },
}

type Counts = Record<
  'finished' | 'held' | 'merged' | 'cancelled' | 'refused' | 'lost' | 'hostile' | 'kills' | 'updates',
  number
>

/**
 * What memory comes down to: the least that a twentieth of the samples has. A leak raises it; a thread that has just been
 * started again, or garbage that nobody has collected yet, does not.
 */
const floorOf = (samples: readonly number[]): number =>
  [...samples].sort((a, b) => a - b)[Math.floor(samples.length / 20)] ?? 0

/** Adapters that nobody should be able to serve, by what is wrong with them. */
function hostileAdapters(config: Parameters<typeof Adapter.create>[0]): [string, Uint8Array][] {
  const good = Adapter.create(config, { rank: 4, alpha: 8, targets: ['q_proj'], seed: 1 })
  const bytes = Adapter.encode(good)
  const nan = new Map([...good.tensors].map(([name, { a, b }]) => [name, { a, b: b.map(() => Number.NaN) }]))
  const wide = Adapter.create(config, { rank: 128, alpha: 8, targets: ['q_proj'], seed: 1 })
  const foreign = Adapter.create(
    { ...config, hiddenSize: 2 * config.hiddenSize },
    {
      rank: 4,
      alpha: 8,
      targets: ['q_proj'],
      seed: 1,
    },
  )
  return [
    ['cut short', bytes.slice(0, bytes.length - 100)],
    ['no file at all', new Uint8Array([1, 2, 3])],
    ['not a number', Adapter.encode({ ...good, tensors: nan })],
    ['a rank too high', Adapter.encode(wide)],
    ['another base', Adapter.encode(foreign)],
    [
      'path names',
      Safetensors.encode(new Map([['../../etc/passwd', { shape: [1], data: new Float32Array(1) }]])),
    ],
  ]
}

async function soak(seconds: number, say: ClaimOptions['say']): Promise<Finding> {
  const directory = mkdtempSync(join(tmpdir(), 'openledger-soak-'))
  const failures = new Set<string>()
  const counts: Counts = {
    finished: 0,
    held: 0,
    merged: 0,
    cancelled: 0,
    refused: 0,
    lost: 0,
    hostile: 0,
    kills: 0,
    updates: 0,
  }
  let tokens = 0
  let longestMs = 0
  const workers: Worker[] = []
  const remember = (worker: Worker): void => {
    workers.push(worker)
  }
  process.on('worker', remember)
  const random = createRandom(11)
  try {
    const { config } = await CheckpointFolder.read(BASE)
    const blobs = createDiskBlobs(directory)
    const models = new Map<string, ServedModel>()
    let made = 0
    const publish = async (name: string): Promise<void> => {
      const rank = [4, 8, 16][made % 3]!
      const empty = Adapter.create(config, { rank, alpha: 2 * rank, targets: loraTargets, seed: made++ })
      for (const { b } of empty.tensors.values())
        for (let i = 0; i < b.length; i++) b[i] = 0.02 * random.normal()
      const adapter = Adapter.from(empty)
      models.set(name, { adapterCid: await blobs.put(Adapter.encode(adapter)), adapterHash: adapter.hash })
    }
    for (let i = 0; i < MODELS; i++) await publish(`model-${i}`)
    const hostile = hostileAdapters(config)
    for (const [name, bytes] of hostile) {
      models.set(name, { adapterCid: await blobs.put(bytes), adapterHash: `0x${'ab'.repeat(32)}` })
    }
    const openLora = await createOpenLora(
      { blobs, lookup: async (name) => models.get(name), logger: { info: () => {}, error: () => {} } },
      {
        baseDirectory: BASE,
        baseName: 'base',
        threads: 2,
        limits: { rows: ROWS, rankMax: 64, waitingMax: 32, adapterBytesMax: ADAPTER_BYTES_MAX },
      },
    )
    const endMs = Date.now() + seconds * 1_000
    const isOver = (): boolean => Date.now() >= endMs
    /** What a model of one version answers to a prompt, which must never change; gone with the version. */
    const known = new WeakMap<ServedModel, Map<string, string>>()

    async function ask(caller: string): Promise<void> {
      const isHostile = random.next() < 0.05
      const name = isHostile
        ? hostile[random.below(hostile.length)]![0]
        : `model-${Math.floor(MODELS * random.next() ** 2)}`
      const version = models.get(name)!
      const text = ['contract Token {', 'function transfer(', 'import "', 'mapping(address'][random.below(4)]!
      const prompt = text.repeat(1 + random.below(4))
      const left = new AbortController()
      const leavesAfter = random.next() < 0.2 ? 1 + random.below(12) : Number.POSITIVE_INFINITY
      const stuck = setTimeout(
        () => failures.add(`a request of ${name} did not end in ${STUCK_MS} ms`),
        STUCK_MS,
      )
      try {
        const isHeld = random.next() < 0.2
        const other = `model-${random.below(MODELS)}`
        const otherVersion = models.get(other)!
        const isMerged = !isHostile && other !== name && random.next() < 0.15
        const request: GenerateRequest = {
          model: name,
          caller,
          prompt,
          outputTokensMax: 1 + random.below(40),
          priority: random.below(2),
          ...(isHeld ? { form: FORM } : {}),
          ...(isMerged
            ? {
                adapters: [
                  { name, weightPpm: 700_000 },
                  { name: other, weightPpm: 400_000 },
                ],
              }
            : {}),
        }
        const startedMs = Date.now()
        const generation = openLora.generate(await openLora.prepare(request), { signal: left.signal })
        let streamed = ''
        let count = 0
        for await (const delta of generation) {
          streamed += delta.text
          if (delta.tokenId !== null && ++count >= leavesAfter) left.abort()
        }
        const result = await generation.result
        tokens += result.outputTokens
        // what is charged is what came, token by token
        if (count !== result.outputTokens)
          failures.add(`an answer of ${count} tokens is charged as ${result.outputTokens}`)
        if (streamed !== result.text) failures.add('an answer differs from what was streamed')
        longestMs = Math.max(longestMs, Date.now() - startedMs)
        if (isMerged) counts.merged++
        if (isHostile) failures.add(`the adapter with ${name} answered`)
        if (result.finishReason === 'cancelled') counts.cancelled++
        else counts.finished++
        if (isHeld && result.finishReason === 'stop') {
          const { kind } = JSON.parse(result.text) as { kind: string }
          if (!KINDS.includes(kind)) failures.add(`an answer does not keep its form: ${result.text}`)
          counts.held++
        }
        const key = `${isHeld} ${isMerged ? otherVersion.adapterHash : ''} ${prompt}`
        const answers = known.get(version) ?? new Map<string, string>()
        known.set(version, answers)
        const before = answers.get(key) ?? ''
        if (models.get(name) === version && (!isMerged || models.get(other) === otherVersion)) {
          const shorter = Math.min(before.length, result.text.length)
          if (before.slice(0, shorter) !== result.text.slice(0, shorter)) failures.add('an answer changed')
          if (result.text.length > before.length) answers.set(key, result.text)
        }
      } catch (error) {
        const code = (error as { code?: string }).code ?? String(error)
        if (isHostile) counts.hostile++
        else if (error instanceof QueueFullError || code === 'openlora.queue_full') counts.refused++
        else if (code === 'engine.stopped' || code === 'worker.stopped') counts.lost++
        else failures.add(`${name} failed with ${code}`)
      } finally {
        clearTimeout(stuck)
      }
    }

    const rss: number[] = []
    const sampling = setInterval(() => rss.push(process.memoryUsage().rss), 250)
    const updating = setInterval(() => {
      counts.updates++
      void publish(`model-${random.below(MODELS)}`)
    }, 2_000)
    const killing = setInterval(
      () => {
        const living = workers.filter(({ threadId }) => threadId > 0)
        counts.kills++
        // a message that no thread expects ends it by an exception; ending it from outside in the middle of a native run
        // would end the process
        living[random.below(living.length)]?.postMessage(null)
      },
      Math.max(8_000, (seconds * 1_000) / 30),
    )
    await Promise.all(
      Array.from({ length: CALLERS }, async (_, i) => {
        while (!isOver()) {
          const [before, startedMs] = [counts.refused + counts.lost, Date.now()]
          await ask(`caller${i % 6}`)
          // whoever was refused comes back later, as Retry-After says
          const pauseMs = counts.refused + counts.lost > before && Date.now() - startedMs < 50 ? 200 : 0
          if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
        }
      }),
    )
    for (const timer of [sampling, updating, killing]) clearInterval(timer)
    const { running, waiting, parked, parkings, adapters } = await openLora.metrics()
    if (parked > 0) failures.add(`${parked} answers are left parked`)
    if (running + waiting > 0) failures.add(`${running + waiting} requests are left after their callers`)
    await openLora.close()
    const quarter = Math.floor(rss.length / 4)
    const early = floorOf(rss.slice(quarter, 2 * quarter))
    const late = floorOf(rss.slice(3 * quarter))
    const growth = late / early - 1
    if (counts.hostile === 0 || counts.cancelled === 0 || counts.kills === 0)
      failures.add('too little happened')
    say(`${counts.finished} answers, ${tokens} tokens, ${counts.kills} threads killed`)
    return {
      figure: 100 * growth,
      unit: '% more memory at the least in the last quarter than in the second',
      goal: 100 * GROWTH_MAX,
      sense: 'at most',
      failures: [...failures],
      report: [
        table([
          ['', 'count'],
          ...Object.entries(counts),
          ['tokens, each charged as it came', tokens],
          ['the longest that an answer took, s', (longestMs / 1_000).toFixed(1)],
          ['adapters in memory at the end, MiB', (adapters.heldBytes / 2 ** 20).toFixed(1)],
          ['adapters that left memory', adapters.evictions],
          ['answers parked and resumed by the last engine', parkings],
          ['least memory of the process in the second quarter, MiB', (early / 2 ** 20).toFixed(0)],
          ['least memory of the process in the last quarter, MiB', (late / 2 ** 20).toFixed(0)],
        ]),
        '',
        `${seconds} s, ${CALLERS} callers on ${ROWS} rows, ${MODELS} models of three ranks, room for a third of them. A fifth of the ` +
          'callers leaves within an answer; a fifth of the answers is held to a JSON schema, half are less urgent than the others, and one in seven is made by two models together; one request in twenty names a hostile adapter; models are published anew every 2 s; a ' +
          'thread (engine, adapters or attribution) is killed at intervals. *Lost* answers failed with the thread that made them.',
      ].join('\n'),
    }
  } finally {
    process.off('worker', remember)
    rmSync(directory, { recursive: true, force: true })
  }
}

export const claim: Claim = {
  says: 'Serving at saturation loses nothing but what a killed thread was making, and holds its memory.',
  run: ({ isQuick, words, say }) => soak(isQuick ? 45 : Number(words[0] ?? 3_600), say),
}
