import type { Attribution } from '@openledger/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { pieces } from './pieces.ts'

type Span = { owner: number; start: number; end: number }

const id = (owner: number): `0x${string}` => `0x${owner.toString(16).padStart(64, '0')}`

/** An attribution in which lower owners have higher shares. */
function attributionOf(spans: readonly Span[]): Attribution.Attribution {
  const owners = [...new Set(spans.map(({ owner }) => owner))]
  return {
    engineVersion: 'test',
    policy: { influenceBps: 0, spansBps: 10_000 },
    liftMilliNats: 0,
    shares: owners.map((owner) => ({
      contributionId: id(owner),
      beneficiary: '0x0000000000000000000000000000000000000001',
      sharePpm: 1_000 - owner,
      amountWei: '0',
      reasons: spans
        .filter((span) => span.owner === owner)
        .map(({ start, end }) => ({
          kind: 'span' as const,
          recordId: id(owner),
          start,
          end,
          occurrences: 1,
          sharePpm: 0,
        })),
    })),
    commons: {
      sharePpm: 0,
      amountWei: '0',
      reason: '',
      beneficiary: '0x0000000000000000000000000000000000000001',
    },
  }
}

describe('pieces', () => {
  test('an answer without spans is one piece that is nobody’s, and an empty answer has none', () => {
    expect(pieces('hello', attributionOf([]))).toEqual([{ start: 0, end: 5, contributionIds: [] }])
    expect(pieces('', attributionOf([]))).toEqual([])
  })

  test('where two contributions hold the same words the one with the higher share comes first', () => {
    const attribution = attributionOf([
      { owner: 2, start: 0, end: 4 },
      { owner: 1, start: 2, end: 6 },
    ])
    expect(pieces('abcdefgh', attribution)).toEqual([
      { start: 0, end: 2, contributionIds: [id(2)] },
      { start: 2, end: 4, contributionIds: [id(1), id(2)] },
      { start: 4, end: 6, contributionIds: [id(1)] },
      { start: 6, end: 8, contributionIds: [] },
    ])
  })

  test('each character stands in one piece, with exactly the contributions whose spans hold it', () => {
    const span = fc
      .record({ owner: fc.nat(3), start: fc.nat(25), length: fc.nat(12) })
      .map(({ owner, start, length }) => ({ owner, start, end: start + length }))
    fc.assert(
      fc.property(fc.string({ maxLength: 24 }), fc.array(span, { maxLength: 8 }), (answer, spans) => {
        const list = pieces(answer, attributionOf(spans))
        expect(list.map(({ start, end }) => answer.slice(start, end)).join('')).toBe(answer)
        for (const { start, end, contributionIds } of list) {
          expect(end).toBeGreaterThan(start)
          for (let at = start; at < end; at++) {
            const holders = spans.filter((each) => each.start <= at && at < each.end)
            const expected = [...new Set(holders.map(({ owner }) => owner))].sort((a, b) => a - b).map(id)
            expect(contributionIds).toEqual(expected)
          }
        }
      }),
    )
  })
})
