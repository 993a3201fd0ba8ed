import { Bytes, type Hex } from '@openledger/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { joinRecords, partRecords, planBatches, type TrainingRecord } from './TrainingPlan.ts'

const recordOf = (text: string, clusterOf = text): TrainingRecord => {
  const hash = (value: string): Hex => Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(value)))
  return { recordId: hash(text), contributionId: hash('contribution'), clusterId: hash(clusterOf), text }
}

describe('parting records', () => {
  test('keeps about one in twenty out of training, half to validate and half to test, every record on one side', () => {
    const records = Array.from({ length: 2_000 }, (_, index) => recordOf(`record ${index}`))
    const { training, validation, test: kept } = partRecords(records)
    expect(new Set([...training, ...validation, ...kept])).toEqual(new Set(records))
    expect(training.length + validation.length + kept.length).toBe(2_000)
    for (const { length } of [validation, kept]) {
      expect(length).toBeGreaterThan(25)
      expect(length).toBeLessThan(75)
    }
  })

  test('never lets near duplicates straddle', () => {
    const records = Array.from({ length: 2_000 }, (_, index) =>
      recordOf(`copy ${index}`, `cluster ${index % 200}`),
    )
    const { training, validation, test: kept } = partRecords(records)
    const clusters = [training, validation, kept].map(
      (side) => new Set(side.map(({ clusterId }) => clusterId)),
    )
    expect(clusters.map(({ size }) => size > 0)).toEqual([true, true, true])
    expect(new Set(clusters.flatMap((side) => [...side])).size).toBe(
      clusters.reduce((sum, { size }) => sum + size, 0),
    )
  })

  test('keeps a record on its side when the Datanet grows', () => {
    const records = Array.from({ length: 300 }, (_, index) => recordOf(`record ${index}`))
    const [before, after] = [partRecords(records.slice(0, 200)), partRecords(records)]
    for (const side of ['training', 'validation', 'test'] as const)
      expect(after[side]).toEqual(expect.arrayContaining([...before[side]]))
  })

  test('measures a tiny set on itself rather than not at all', () => {
    const records = [recordOf('alone')]
    expect(partRecords(records)).toEqual({ training: records, validation: records, test: records })
  })

  test('has what is not learned on both sides where there is too little for two', () => {
    const records = Array.from({ length: 400 }, (_, index) => recordOf(`record ${index}`))
    const { training, validation } = partRecords(records)
    const parted = partRecords([...training, ...validation])
    expect(parted).toEqual({ training, validation, test: validation })
    expect(parted.validation).toBe(parted.test)
  })
})

describe('planning batches', () => {
  test('shows every sequence once an epoch, in an order that the seed decides', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(1_000),
        (count, epochs, batchSize, seed) => {
          const weights = new Array<number>(count).fill(1)
          const plan = planBatches(weights, { epochs, batchSize, seed })
          const perEpoch = Math.ceil(count / batchSize)
          expect(plan).toHaveLength(perEpoch * epochs)
          for (let epoch = 0; epoch < epochs; epoch++) {
            const shown = plan.slice(epoch * perEpoch, (epoch + 1) * perEpoch).flat()
            expect([...shown].sort((a, b) => a - b)).toEqual(
              Array.from({ length: count }, (_, index) => index),
            )
          }
          expect(planBatches(weights, { epochs, batchSize, seed })).toEqual(plan)
        },
      ),
    )
  })
})

test('an epoch shows a sequence as often as its weight says, on average', () => {
  const plan = planBatches([1, 2, 0.25, 1.5], { epochs: 400, batchSize: 4, seed: 3 }).flat()
  const seen = [0, 1, 2, 3].map((index) => plan.filter((each) => each === index).length)
  expect(seen.slice(0, 2)).toEqual([400, 800])
  expect(Math.abs(seen[2]! - 100)).toBeLessThan(30)
  expect(Math.abs(seen[3]! - 600)).toBeLessThan(40)
})

describe('versions of several Datanets', () => {
  test('keep near duplicates of each other on one side, whatever validation called them', () => {
    const sentence = (i: number, last: string) =>
      `The keeper of lighthouse ${i} writes down the wind, the tide, the hour and the names of ships that pass before ${last}.`
    const ofFirst = Array.from({ length: 300 }, (_, i) => recordOf(sentence(i * 7919, 'dawn')))
    const ofSecond = Array.from({ length: 300 }, (_, i) => recordOf(sentence(i * 7919, 'noon')))
    const parted = partRecords(joinRecords([ofFirst, ofSecond]))
    const keeperOf = ({ text }: TrainingRecord) => text.split(' ')[4]
    for (const side of [parted.validation, parted.test]) {
      const kept = new Set(side.map(keeperOf))
      expect(kept.size).toBeGreaterThan(1)
      expect(side.length).toBe(2 * kept.size)
      expect(parted.training.filter((record) => kept.has(keeperOf(record)))).toEqual([])
    }
    expect(parted.validation.filter((record) => parted.test.includes(record))).toEqual([])
  })

  test('count as often as the mixture says', () => {
    const [first, second] = [recordOf('a first record'), recordOf('a second record')]
    const joined = joinRecords([[first], [first, second]], [1, 0.5])
    expect(joined.map(({ weight = 1 }) => weight)).toEqual([1, 0.5])
  })

  test('are joined in their order, and what more than one holds is taken once', () => {
    const record = (id: number): TrainingRecord => ({
      recordId: `0x${id}`,
      contributionId: '0x00',
      clusterId: `0x${id}`,
      text: `record ${id}`,
    })
    const joined = joinRecords([[record(1), record(2)], [], [record(3), record(1), record(4)]])
    expect(joined.map(({ recordId }) => recordId)).toEqual(['0x1', '0x2', '0x3', '0x4'])
  })
})
