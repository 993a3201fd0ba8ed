import { CanonicalJson, Share } from '@openledger/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as SpanIndex from '../spans/SpanIndex.ts'
import { trace } from '../spans/SpanTrace.ts'
import { type AttributionInputs, attribute, UNITS, verify } from './Payout.ts'
import type { PayoutRecord } from './PayoutRecord.ts'

const record = (i: number, contribution: number, more: Partial<PayoutRecord> = {}): PayoutRecord => ({
  recordId: `r${i}`,
  contributionId: `c${contribution}`,
  contributor: `0xC${contribution}`,
  beneficiary: `0xb${contribution}`,
  clusterId: `r${i}`,
  arrival: i,
  ...more,
})

/** Scores of unrelated records, spread evenly around zero, with some that stand out. */
const scoresWith = (count: number, standing: Readonly<Record<number, number>>): number[] =>
  Array.from({ length: count }, (_, i) => standing[i] ?? ((i * 7919) % 201) - 100)

const records = Array.from({ length: 60 }, (_, i) => record(i, Math.floor(i / 6)))
const policy = { influenceBps: 10_000, spansBps: 0 }
const half = { influenceBps: 5_000, spansBps: 5_000 }
const recordIds = records.map(({ recordId }) => recordId)
const lift = [0.5, 1, 0.25]
const standing = { 8: 900, 9: 600, 30: 1800 }

const shareOf = (inputs: AttributionInputs, contributionId: string): number =>
  Number(attribute(inputs).entries.find((entry) => entry.contributionId === contributionId)?.sharePpm ?? 0n)

describe('shares through influence', () => {
  const inputs = { policy, records, lift, influence: { recordIds, scores: scoresWith(60, standing) } }

  test('go to the records that stand out, in proportion to what they have over the threshold', () => {
    const { statement } = attribute(inputs)
    expect(
      statement.entries.map(({ contributionId, influence }) => [contributionId, influence.length]),
    ).toEqual([
      ['c5', 1],
      ['c1', 2],
    ])
    const { median, medianDeviation } = statement.influence
    const z = (score: number): number => (score - median) / (1.4826 * medianDeviation) - 3
    const expected = z(1800) / (z(1800) + z(900) + z(600))
    expect(statement.entries[0]!.sharePpm / 1e6).toBeCloseTo(expected, 5)
    expect(statement.commons.sharePpm).toBe(0)
  })

  test('are paid only in the measure of the lift, and not at all without', () => {
    const shareAt = (values: number[]): bigint => attribute({ ...inputs, lift: values }).commonsPpm
    expect(shareAt([1, 1, 1])).toBe(0n)
    expect(shareAt([1, 1, -1])).toBe(666_667n)
    expect(shareAt([-1, 1, 0])).toBe(1_000_000n)
    expect(shareAt([-1, -1, 0.5])).toBe(1_000_000n)
    expect(shareAt([0, 0, 0])).toBe(1_000_000n)
    expect(shareAt([])).toBe(1_000_000n)
  })

  test('go to the commons when nothing stands out or no index is given', () => {
    expect(attribute({ ...inputs, influence: { recordIds, scores: scoresWith(60, {}) } }).entries).toEqual([])
    expect(attribute({ ...inputs, influence: { recordIds, scores: Array(60).fill(7) } }).commonsPpm).toBe(
      Share.SCALE,
    )
    expect(attribute({ policy, records, lift }).commonsPpm).toBe(Share.SCALE)
  })

  test('leave to passages of the prompt their part of all lift, so that the pools add up', () => {
    const news = [record(200, 90), record(201, 91), record(202, 92)]
    const given = (milliNats: readonly number[], more: Partial<AttributionInputs> = {}) =>
      attribute({
        ...inputs,
        records: [...records, ...news],
        context: { recordIds: ['r200', 'r201'], milliNats },
        ...more,
      }).statement
    // the adapter lifts by 1,750 without passages, they by 5,250 under it, the first twice as much as the second
    const { context, influence, entries, commons } = given([-9_000, -5_500, -7_250, -3_750])
    expect(context).toEqual({ poolUnits: 0.75e12, paidUnits: 0.75e12, liftMilliNats: 5_250 })
    expect(influence).toMatchObject({ poolUnits: 0.25e12, paidUnits: 0.25e12 })
    expect(commons.units).toBe(0)
    expect(entries.slice(0, 2).map(({ contributionId, units }) => [contributionId, units])).toEqual([
      ['c90', 0.5e12],
      ['c91', 0.25e12],
    ])
    // where one of them is no use, or the other way round, the other side has all
    expect(given([-3_000, -3_000, -3_000, -4_000])).toMatchObject({
      context: { poolUnits: 0, paidUnits: 0, liftMilliNats: -1_000 },
      influence: { poolUnits: 1e12 },
    })
    expect(given([-3_000, -2_000, -3_000, -2_000], { lift: [-1, 0.5] })).toMatchObject({
      context: { poolUnits: 1e12 },
      influence: { poolUnits: 0, paidUnits: 0 },
      entries: [{ contributionId: 'c90', units: 1e12 }],
    })
    expect(given([-9_000, -5_500, -7_250, -3_750], { excluded: ['0xc90'] }).commons.excludedUnits).toBe(
      0.5e12,
    )
    expect(() => given([1, 2])).toThrow(/4 whole numbers/)
  })

  test('pay a cluster of duplicates once, to whoever registered first', () => {
    const copies = Array.from({ length: 10 }, (_, i) => record(100 + i, 50 + i, { clusterId: 'r8' }))
    const copied = {
      ...inputs,
      records: [...copies, ...records],
      influence: {
        recordIds: [...recordIds, ...copies.map(({ recordId }) => recordId)],
        scores: [...inputs.influence.scores, ...Array(10).fill(900)],
      },
    }
    expect(attribute(copied).statement.entries).toEqual(attribute(inputs).statement.entries)
  })

  test('pay the first registrant also when only a copy was trained on', () => {
    const late = record(100, 50, { clusterId: 'r8' })
    const { statement } = attribute({
      ...inputs,
      records: [...records, late],
      influence: {
        recordIds: recordIds.map((id) => (id === 'r8' ? 'r100' : id)),
        scores: inputs.influence.scores,
      },
    })
    expect(statement.entries.map(({ contributionId }) => contributionId)).toEqual(['c5', 'c1'])
    expect(statement.entries[1]!.influence[0]).toMatchObject({ recordId: 'r8', scoredRecordId: 'r100' })
  })

  test('of a record that copied pass to its source, but for what stands out without twice the copied part', () => {
    const paidTo = (ppm: number): number[] => {
      const partly = records.map((r) =>
        r.recordId === 'r30' ? { ...r, copied: [{ recordId: 'r2', ppm }] } : r,
      )
      const changed = { ...inputs, records: partly }
      return ['c5', 'c0'].map((contributionId) => shareOf(changed, contributionId))
    }
    const whole = shareOf(inputs, 'c5')
    const z = attribute(inputs).statement.entries[0]!.influence[0]!.microZ / 1e6
    for (const [ppm, part] of [
      [0, 1],
      [100_000, (0.8 * z - 3) / (z - 3)],
      [250_000, (0.5 * z - 3) / (z - 3)],
      [450_000, 0],
      [900_000, 0],
    ] as const) {
      const [own, source] = paidTo(ppm)
      expect(Math.abs(own! - whole * part)).toBeLessThan(2)
      expect(own! + source!).toBe(whole)
    }
  })

  test('of excluded contributors and beneficiaries go to the commons and to nobody else', () => {
    const before = attribute(inputs)
    for (const excluded of [['0xc5'], ['0xB5']]) {
      const after = attribute({ ...inputs, excluded })
      expect(after.statement.entries).toEqual([{ ...before.statement.entries[1]! }])
      expect(after.commonsPpm).toBe(before.entries[0]!.sharePpm)
      expect(after.statement.commons.excludedUnits).toBe(before.statement.entries[0]!.units)
    }
  })
})

describe('shares through spans', () => {
  const words = (seed: number, count: number): number[] => {
    let state = seed
    return Array.from({ length: count }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor(400 * (state / 2 ** 32) ** 2)
    })
  }
  const texts = records.map((_, i) => words(i + 1, 100))
  const index = (clusters: Readonly<Record<string, string>> = {}) =>
    SpanIndex.build({
      documents: records.map(({ recordId, contributionId }, i) => ({
        recordId,
        contributionId,
        tokens: texts[i]!,
        clusterId: clusters[recordId] ?? recordId,
      })),
      vocabularySize: 400,
    })
  const answer = [...texts[8]!.slice(20, 40), ...texts[30]!.slice(0, 10), ...words(999, 10)]
  const spansOnly = { influenceBps: 0, spansBps: 10_000 }

  test('pay each covered token once and leave the others to the commons', () => {
    const spans = trace(index(), answer)
    const { statement } = attribute({ policy: spansOnly, records, lift: answer.map(() => 0), spans })
    expect(statement.entries.map(({ contributionId }) => contributionId)).toEqual(['c1', 'c5'])
    expect(statement.entries[0]!.spans).toMatchObject([{ recordId: 'r8', recordCount: 1 }])
    const covered = spans.spanOfToken.filter((span) => span >= 0).length
    expect(statement.commons.sharePpm).toBe(Math.round(((40 - covered) / 40) * 1e6))
  })

  test('weigh tokens by what the model knew beyond their frequency', () => {
    const spans = trace(index(), answer)
    const logProbabilities = answer.map((_, t) => (t < 20 ? -0.01 : -30))
    const { statement } = attribute({
      policy: spansOnly,
      records,
      lift: answer.map(() => 0),
      spans,
      logProbabilities,
    })
    expect(statement.entries.map(({ contributionId }) => contributionId)).toEqual(['c1'])
    expect(statement.commons.sharePpm).toBe(0)
  })

  test('are split equally between records and fall to the first of a cluster', () => {
    texts[31] = [...words(500, 40), ...texts[8]!.slice(20, 40), ...words(501, 40)]
    const inputs = { policy: spansOnly, lift: answer.map(() => 0), records }
    const apart = attribute({ ...inputs, spans: trace(index(), answer) }).statement
    expect(apart.entries.map(({ units }) => units)[0]).toBeGreaterThan(0)
    expect(
      apart.entries.flatMap(({ spans }) => spans).filter(({ recordCount }) => recordCount === 2),
    ).toHaveLength(2)
    const together = attribute({
      ...inputs,
      records: records.map((r) => (r.recordId === 'r31' ? { ...r, clusterId: 'r8' } : r)),
      spans: trace(index({ r31: 'r8' }), answer),
    }).statement
    expect(together.entries.flatMap(({ spans }) => spans).map(({ recordId }) => recordId)).toEqual([
      'r8',
      'r30',
    ])
    texts[31] = words(32, 100)
  })
})

const anyInputs = fc
  .record({
    scores: fc.array(fc.oneof(fc.integer({ min: -100, max: 100 }), fc.integer({ min: -1e6, max: 1e6 })), {
      minLength: 1,
      maxLength: 40,
    }),
    lift: fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { maxLength: 12 }),
    influenceBps: fc.nat(10_000),
    owners: fc.array(fc.nat(6), { minLength: 40, maxLength: 40 }),
    clusters: fc.array(fc.nat(30), { minLength: 40, maxLength: 40 }),
    copied: fc.array(fc.nat(300_000), { minLength: 40, maxLength: 40 }),
  })
  .map(
    ({ scores, lift: nats, influenceBps, owners, clusters, copied }): AttributionInputs => ({
      policy: { influenceBps, spansBps: 10_000 - influenceBps },
      records: scores.map((_, i) =>
        record(i, owners[i]!, {
          clusterId: `k${clusters[i]}`,
          copied: i === 0 ? [] : [{ recordId: 'r0', ppm: copied[i]! }],
        }),
      ),
      lift: nats,
      influence: { recordIds: scores.map((_, i) => `r${i}`), scores },
    }),
  )

describe('an attribution', () => {
  test('always sums to the whole, down to its lines', () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => {
        const { entries, commonsPpm, statement } = attribute(inputs)
        expect(entries.reduce((sum, { sharePpm }) => sum + sharePpm, commonsPpm)).toBe(Share.SCALE)
        const units = statement.entries.map((entry) => {
          expect([...entry.influence, ...entry.spans].reduce((sum, line) => sum + line.units, 0)).toBe(
            entry.units,
          )
          return entry.units
        })
        expect(units.reduce((sum, value) => sum + value, statement.commons.units)).toBe(Number(UNITS))
      }),
      { numRuns: 300 },
    )
  })

  test('does not depend on the order in which records and rows are listed', () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => {
        const { recordIds: ids, scores } = inputs.influence!
        const reversed = {
          ...inputs,
          records: inputs.records.toReversed(),
          influence: { recordIds: ids.toReversed(), scores: Array.from(scores).toReversed() },
        }
        expect(attribute(reversed).hash).toBe(attribute(inputs).hash)
      }),
    )
  })

  test('pays the same in total however a contributor divides records among names', () => {
    fc.assert(
      fc.property(anyInputs, fc.array(fc.nat(9), { minLength: 40, maxLength: 40 }), (inputs, names) => {
        const divided = {
          ...inputs,
          records: inputs.records.map((r, i) =>
            r.contributionId === 'c3'
              ? { ...r, contributionId: `c3-${names[i]}`, beneficiary: `0x3${names[i]}` }
              : r,
          ),
        }
        const ofThree = (from: AttributionInputs): number =>
          attribute(from)
            .statement.entries.filter(({ contributionId }) => contributionId.startsWith('c3'))
            .reduce((sum, { units }) => sum + units, 0)
        expect(ofThree(divided)).toBe(ofThree(inputs))
      }),
    )
  })

  test('is recomputed from the same inputs and any altered line is named', () => {
    const inputs = { policy: half, records, lift, influence: { recordIds, scores: scoresWith(60, standing) } }
    const { statement, hash } = attribute(inputs)
    expect(hash).toBe(CanonicalJson.hash(statement))
    const received = JSON.parse(CanonicalJson.stringify(statement))
    expect(verify(inputs, received)).toEqual({ status: 'same', hash })
    const altered = structuredClone(received)
    altered.entries[1].influence[1].units += 1
    altered.spans.poolUnits = 0
    expect(verify(inputs, altered)).toMatchObject({
      status: 'different',
      line: 'entries[1].influence[1].units',
      claimed: received.entries[1].influence[1].units + 1,
    })
    expect(verify(inputs, { ...received, extra: 1 })).toMatchObject({ line: 'extra', expected: undefined })
    expect(verify(inputs, { ...received, entries: [] })).toMatchObject({ line: 'entries[0]' })
    expect(verify(inputs, null)).toMatchObject({ status: 'different', line: '' })
  })

  test('is refused for inputs that do not belong together', () => {
    const inputs = { policy: half, records, lift, influence: { recordIds, scores: scoresWith(60, {}) } }
    const codeOf = (changed: Partial<AttributionInputs>): unknown => {
      try {
        attribute({ ...inputs, ...changed })
      } catch (error) {
        return (error as { code: string }).code
      }
      return undefined
    }
    expect(codeOf({ policy: { influenceBps: 5_000, spansBps: 4_000 } })).toBe('attribution.input')
    expect(codeOf({ lift: [Number.NaN] })).toBe('attribution.input')
    expect(codeOf({ logProbabilities: [0] })).toBe('attribution.input')
    expect(codeOf({ influence: { recordIds: ['stranger'], scores: [1] } })).toBe('attribution.unknown_record')
    expect(codeOf({ influence: { recordIds: ['r1'], scores: [0.5] } })).toBe('attribution.score')
    expect(codeOf({ influence: { recordIds: ['r1'], scores: [] } })).toBe('attribution.score')
    expect(codeOf({})).toBeUndefined()
  })
})
