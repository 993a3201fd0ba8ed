import { createRandom } from '@openledger/model'
import * as Adapter from '@openledger/model/checkpoint/Adapter'
import { type Checkpoint, fromWeights } from '@openledger/model/checkpoint/Checkpoint'
import { type LlamaConfig, loraTargets, weightShapes } from '@openledger/model/checkpoint/Config'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import { type DecoderPrecision, decoderPrecisions } from '@openledger/model/decoder/DecoderGraph'
import type { Hex } from '@openledger/primitives'
import { beforeAll, describe, expect, test } from 'vitest'
import { commitmentOf, createActivations, type Decoding, decodingDifference } from './Commitment.ts'

const inference = {
  baseHash: `0x${'11'.repeat(32)}`,
  adapterHash: `0x${'22'.repeat(32)}`,
  promptIds: [1, 5, 7],
  answerIds: Array.from({ length: 20 }, (_, i) => i % 12),
  decoding: { precision: 'f32', proofs: ['0x0102', '0x03'] },
} as const

describe('an inference commitment', () => {
  test('changes with every part', () => {
    const known = commitmentOf(inference)
    expect(known).toMatchInlineSnapshot(
      `"0x86f32657ff573f0d2d009686f44d3db23de2fb7955ec37d6eff8db1a87f38c39"`,
    )
    const { decoding } = inference
    const others = [
      commitmentOf({ ...inference, baseHash: inference.adapterHash }),
      commitmentOf({ ...inference, adapterHash: inference.baseHash }),
      commitmentOf({ ...inference, promptIds: [1, 5, 8] }),
      commitmentOf({ ...inference, promptIds: [1, 5], answerIds: [7, ...inference.answerIds] }),
      commitmentOf({ ...inference, answerIds: inference.answerIds.slice(1) }),
      commitmentOf({ ...inference, decoding: undefined }),
      commitmentOf({ ...inference, decoding: { ...decoding, precision: 'int4' } }),
      commitmentOf({ ...inference, decoding: { ...decoding, proofs: [] } }),
      commitmentOf({ ...inference, decoding: { ...decoding, proofs: ['0x01', '0x0203'] } }),
      commitmentOf({ ...inference, decoding: { ...decoding, proofs: ['0x03', '0x0102'] } }),
    ]
    expect(new Set([known, ...others]).size).toBe(others.length + 1)
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
  const answerIds = Array.from({ length: 40 }, (_, i) => 2 + ((7 * i) % 60))
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
    precision?: DecoderPrecision
    prompt?: readonly number[]
    threads?: number
    hasNeighbour?: boolean
  }
  let base: Checkpoint
  let adapter: Adapter.Adapter
  /** The hidden states of the same answer, read under other circumstances. */
  async function hiddenUnder(run: Run): Promise<Float32Array> {
    const { checkpoint = base, precision = 'f32', prompt = promptIds, threads = 1 } = run
    const own = 'adapter' in run ? run.adapter : adapter
    const decoder = await createDecoder(checkpoint, { rows: 2, context: 64, rankMax: 8, threads, precision })
    decoder.setAdapter(0, own)
    const entry = { row: 0, ids: [...prompt, ...answerIds.slice(0, -1)], logitsFrom: prompt.length - 1 }
    const neighbour = { row: 1, ids: Array.from({ length: 20 }, (_, i) => 3 + i) }
    const [output] = await decoder.extendWithHidden(run.hasNeighbour ? [entry, neighbour] : [entry])
    await decoder.release()
    return output!.hidden
  }
  const decodingOf = (hidden: Float32Array, precision: DecoderPrecision): Decoding => {
    const activations = createActivations()
    const width = config.hiddenSize
    for (let at = 0; at < hidden.length; at += width) activations.push(hidden.subarray(at, at + width))
    return { precision, proofs: activations.prove(hidden.length / width) }
  }
  beforeAll(() => {
    base = modelOf(1)
    adapter = adapterOf(2)
  })

  test('is the same for whoever computes it on another number of threads and beside other rows', async () => {
    for (const precision of decoderPrecisions) {
      const claimed = decodingOf(await hiddenUnder({ precision }), precision)
      expect(claimed.proofs.length).toBe(2)
      for (const run of [{ threads: 2 }, { hasNeighbour: true }]) {
        const hidden = await hiddenUnder({ precision, ...run })
        expect(decodingDifference(claimed, hidden, answerIds.length)).toBeUndefined()
      }
    }
  })

  test.for<[string, () => Run]>([
    ['another base', () => ({ checkpoint: modelOf(3) })],
    ['another adapter', () => ({ adapter: adapterOf(4) })],
    ['no adapter', () => ({ adapter: undefined })],
    ['a coarser precision', () => ({ precision: 'int4' })],
    ['another prompt', () => ({ prompt: [5, 9, 14, 21] })],
  ])('tells %s in every chunk', async ([, run]) => {
    const hidden = await hiddenUnder({})
    const { proofs } = decodingOf(await hiddenUnder(run()), 'f32')
    const honest = decodingOf(hidden, 'f32').proofs
    const found = [0, 1].map((i) => {
      const forged = honest.map((proof, at) => (at === i ? proofs[i]! : proof))
      return decodingDifference({ precision: 'f32', proofs: forged }, hidden, answerIds.length)?.line
    })
    expect(found).toEqual(['proofs[0]', 'proofs[1]'])
  })

  test('covers the whole answer, and is of the size that its activations have', async () => {
    const hidden = await hiddenUnder({})
    const { proofs } = decodingOf(hidden, 'f32')
    const lineOf = (changed: readonly Hex[]) =>
      decodingDifference({ precision: 'f32', proofs: changed }, hidden, answerIds.length)?.line
    expect([
      lineOf(proofs),
      lineOf(proofs.slice(1)),
      lineOf([proofs[0]!, '0x']),
      lineOf([`0x0000${proofs[0]!.slice(6)}`, proofs[1]!]),
    ]).toEqual([undefined, 'proofs', 'proofs[1]', 'proofs[0]'])
  })
})
