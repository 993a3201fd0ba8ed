import { Adapter, createRandom, createScorer, loraTargets } from '@openledger/model'
import { type Hex, Share } from '@openledger/primitives'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  type AttributedModel,
  createAttributedModel,
  FIXTURE_TIMEOUT_MS,
} from '../../test/attributedModel.ts'
import * as Evidence from './Evidence.ts'

describe('an answer that several adapters made together', () => {
  let { checkpoint, adapter, request, start } = {} as AttributedModel
  const others = new Map<Hex, Adapter.Adapter>()

  beforeAll(async () => {
    ;({ checkpoint, adapter, request, start } = await createAttributedModel())
  }, FIXTURE_TIMEOUT_MS)

  const partOf = (own: Adapter.Adapter, weightPpm: number) => ({ cid: own.hash, hash: own.hash, weightPpm })
  function another(spread: number): Adapter.Adapter {
    const { config } = checkpoint
    // of the shape that the index was built for, which it stands in for here
    const empty = Adapter.create(config, { rank: 8, alpha: 4, targets: loraTargets, seed: 9 })
    const random = createRandom(9)
    const tensors = new Map(
      [...empty.tensors].map(([name, { a, b }]) => [name, { a, b: b.map(() => spread * random.normal()) }]),
    )
    const made = Adapter.from({ ...empty, tensors })
    others.set(made.hash, made)
    return made
  }

  test('the lift of each is what leaving it out does, as another program measures it', async () => {
    const second = another(0.1)
    const parts = [partOf(second, -700_000), partOf(adapter, 800_000)]
    const attributor = await start(1, others)
    const { promptIds, answerIds } = request
    /** The oracle: a base with the changes in its weights, read by the program that measures losses. */
    const likelihood = async (...given: readonly (readonly [Adapter.Adapter, number])[]) => {
      const weights = given.reduce<ReadonlyMap<string, Float32Array>>(
        (sum, [one, weight]) => Adapter.merge(sum, { ...one, alpha: one.alpha * weight }),
        checkpoint.weights,
      )
      const scorer = createScorer({ ...checkpoint, weights: new Map(weights) }, undefined)
      const logs = await scorer.logProbabilities(Int32Array.from([...promptIds, ...answerIds]))
      await scorer.release()
      return 1e3 * logs.slice(promptIds.length).reduce((sum, nats) => sum + nats, 0)
    }
    const both = await likelihood([second, -0.7], [adapter, 0.8])
    const left = [await likelihood([adapter, 0.8]), await likelihood([second, -0.7])]
    for (const index of [0, 1]) {
      const { attribution } = await attributor.attribute({ ...request, merge: { parts, index } })
      expect(Math.abs(attribution.liftMilliNats - (both - left[index]!))).toBeLessThan(answerIds.length)
      const { shares, commons: rest } = attribution
      expect(shares.reduce((sum, { sharePpm }) => sum + sharePpm, rest.sharePpm)).toBe(Number(Share.SCALE))
    }
  })

  test('one that does nothing changes nobody’s share, whatever its weight, and earns no influence', async () => {
    const nothing = another(0)
    const parts = [partOf(nothing, 4_000_000), partOf(adapter, 1_000_000)]
    const attributor = await start(1, others)
    const alone = await attributor.attribute(request)
    const beside = await attributor.attribute({ ...request, merge: { parts, index: 1 } })
    expect(Evidence.difference(Evidence.decode(alone.evidence), Evidence.decode(beside.evidence))).toBe(
      undefined,
    )
    const paid = ({ attribution }: typeof alone) =>
      attribution.shares.map(({ contributionId, sharePpm }) => [contributionId, sharePpm] as const)
    for (const [i, [contributionId, sharePpm]] of paid(alone).entries()) {
      const [other, otherPpm] = paid(beside)[i]!
      expect(other).toBe(contributionId)
      expect(Math.abs(otherPpm - sharePpm)).toBeLessThan(2_000)
    }
    const own = await attributor.attribute({ ...request, merge: { parts, index: 0 } })
    expect(own.attribution.liftMilliNats).toBe(0)
    const kinds = own.attribution.shares.flatMap(({ reasons }) => reasons.map(({ kind }) => kind))
    expect(kinds).not.toContain('influence')
  })

  test('the commitment tells weights and order, and one adapter at weight 1 is itself', async () => {
    const second = another(0.1)
    const attributor = await start(1, others)
    const commitmentOf = async (...parts: readonly ReturnType<typeof partOf>[]): Promise<Hex> => {
      const index = parts.findIndex(({ hash }) => hash === adapter.hash)
      return (await attributor.attribute({ ...request, merge: { parts, index } })).inferenceCommitment
    }
    const [a, b] = [partOf(adapter, 500_000), partOf(second, 500_000)]
    const found = [
      await commitmentOf(a, b),
      await commitmentOf(b, a),
      await commitmentOf(a, { ...b, weightPpm: 500_001 }),
      await commitmentOf(a),
      await commitmentOf(partOf(adapter, 1_000_000)),
    ]
    expect(new Set(found).size).toBe(5)
    expect(found[4]).toBe((await attributor.attribute(request)).inferenceCommitment)
  })
})
