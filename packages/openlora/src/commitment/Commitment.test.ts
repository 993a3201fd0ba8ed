import { createRandom } from '@openledger/model'
import * as Adapter from '@openledger/model/checkpoint/Adapter'
import { type Checkpoint, fromWeights } from '@openledger/model/checkpoint/Checkpoint'
import { type LlamaConfig, loraTargets, weightShapes } from '@openledger/model/checkpoint/Config'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import { beforeAll, describe, expect, test } from 'vitest'
import { commitmentOf, fingerprintOf } from './Commitment.ts'

const logits = Float32Array.from({ length: 20 * 12 }, (_, i) => 4 * Math.sin(i * i))
const inference = {
  baseHash: `0x${'11'.repeat(32)}`,
  adapterHash: `0x${'22'.repeat(32)}`,
  promptIds: [1, 5, 7],
  answerIds: Array.from({ length: 20 }, (_, i) => i % 12),
  fingerprint: fingerprintOf(logits, 12),
} as const

describe('an inference commitment', () => {
  test('covers every eighth position with its best tokens', () => {
    expect(inference.fingerprint.map(({ position }) => position)).toEqual([0, 8, 16])
    for (const { position, top } of inference.fingerprint) {
      const row = [...logits.subarray(position * 12, position * 12 + 12)]
      const order = row.map((_, id) => id).sort((a, b) => row[b]! - row[a]! || a - b)
      expect(top.map(({ tokenId }) => tokenId)).toEqual(order.slice(0, 8))
      expect(top[0]!.steps).toBe(Math.round(row[order[0]!]! * 4))
    }
  })

  test('stays the same under rounding noise and changes with every part', () => {
    const known = commitmentOf(inference)
    expect(known).toMatchInlineSnapshot(
      `"0x3de93a1ae328a043f91d82bb3f9604a5df3a5f146e050af0576f6ed93cf5d60e"`,
    )
    const noisy = fingerprintOf(
      logits.map((x) => x + 1e-6),
      12,
    )
    expect(commitmentOf({ ...inference, fingerprint: noisy })).toBe(known)
    const changed = fingerprintOf(
      logits.map((x) => x * 1.1),
      12,
    )
    const others = [
      commitmentOf({ ...inference, baseHash: inference.adapterHash }),
      commitmentOf({ ...inference, adapterHash: inference.baseHash }),
      commitmentOf({ ...inference, promptIds: [1, 5, 8] }),
      commitmentOf({ ...inference, promptIds: [1, 5], answerIds: [7, ...inference.answerIds] }),
      commitmentOf({ ...inference, answerIds: inference.answerIds.toReversed() }),
      commitmentOf({ ...inference, fingerprint: changed }),
    ]
    expect(new Set([known, ...others]).size).toBe(7)
  })
})

describe('what a model computed', () => {
  const config: LlamaConfig = {
    vocabularySize: 64,
    hiddenSize: 64,
    feedForwardSize: 96,
    layers: 2,
    heads: 4,
    keyValueHeads: 2,
    headSize: 16,
    contextMax: 64,
    ropeTheta: 10_000,
    normEpsilon: 1e-5,
    isHeadTied: true,
    bosId: 1,
    eosId: 0,
    padId: 0,
  }
  const promptIds = [5, 9, 13, 21]
  const answerIds = Array.from({ length: 24 }, (_, i) => 2 + ((7 * i) % 60))
  const modelOf = (seed: number): Checkpoint => {
    const random = createRandom(seed).next
    return fromWeights(
      config,
      new Map(
        [...weightShapes(config)].map(([name, shape]) => {
          const count = shape.reduce((product, length) => product * length, 1)
          const value = shape.length === 1 ? () => 1 : () => 0.6 * (2 * random() - 1)
          return [name, Float32Array.from({ length: count }, value)] as const
        }),
      ),
    )
  }
  const adapterOf = (seed: number): Adapter.Adapter => {
    const empty = Adapter.create(config, { rank: 4, alpha: 8, targets: loraTargets, seed })
    const random = createRandom(seed).next
    for (const { b } of empty.tensors.values())
      for (let i = 0; i < b.length; i++) b[i] = 0.1 * (2 * random() - 1)
    return Adapter.from(empty)
  }
  type Run = {
    checkpoint?: Checkpoint
    adapter?: Adapter.Adapter | undefined
    precision?: 'f32' | 'int4'
    prompt?: readonly number[]
    threads?: number
    hasNeighbour?: boolean
  }
  let base: Checkpoint
  let adapter: Adapter.Adapter
  /** The fingerprint of the same answer, read under other circumstances. */
  async function fingerprintUnder(run: Run) {
    const { checkpoint = base, precision = 'f32', prompt = promptIds, threads = 1 } = run
    const own = 'adapter' in run ? run.adapter : adapter
    const decoder = await createDecoder(checkpoint, { rows: 2, context: 64, rankMax: 8, threads, precision })
    decoder.setAdapter(0, own)
    const entry = { row: 0, ids: [...prompt, ...answerIds.slice(0, -1)], logitsFrom: prompt.length - 1 }
    const neighbour = { row: 1, ids: Array.from({ length: 20 }, (_, i) => 3 + i) }
    const [logits] = await decoder.extend(run.hasNeighbour ? [entry, neighbour] : [entry])
    await decoder.release()
    return fingerprintOf(logits!, config.vocabularySize)
  }
  beforeAll(() => {
    base = modelOf(1)
    adapter = adapterOf(2)
  })

  test('has the same fingerprint on another number of threads and beside other rows', async () => {
    const claimed = await fingerprintUnder({})
    expect(await fingerprintUnder({ threads: 2 })).toEqual(claimed)
    expect(await fingerprintUnder({ hasNeighbour: true })).toEqual(claimed)
  })

  test.for<[string, () => Run]>([
    ['another base', () => ({ checkpoint: modelOf(3) })],
    ['another adapter', () => ({ adapter: adapterOf(4) })],
    ['no adapter', () => ({ adapter: undefined })],
    ['a coarser precision', () => ({ precision: 'int4' })],
    ['another prompt', () => ({ prompt: [5, 9, 14, 21] })],
  ])('has another fingerprint by %s', async ([, run]) => {
    const claimed = await fingerprintUnder({})
    const found = await fingerprintUnder(run())
    expect(found).not.toEqual(claimed)
    // most positions tell, so that no single rounding decides
    const telling = found.filter((entry, i) => JSON.stringify(entry) !== JSON.stringify(claimed[i]))
    expect(telling.length).toBeGreaterThanOrEqual(2)
  })
})
