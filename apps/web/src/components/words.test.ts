import { describe, expect, test } from 'vitest'
import { byKind, count, duration, inShort, likelier, moment, percent } from './words.ts'

const recordId = `0x${'1'.repeat(64)}` as const

describe('words', () => {
  test('a share is a percentage with one decimal', () => {
    expect([0, 1, 4_999, 512_283, 1_000_000].map(percent)).toEqual([
      '0.0 %',
      '0.0 %',
      '0.5 %',
      '51.2 %',
      '100.0 %',
    ])
  })

  test('only one of something has no s', () => {
    expect([0, 1, 2, 1_200].map((number) => count(number, 'record'))).toEqual([
      '0 records',
      '1 record',
      '2 records',
      '1,200 records',
    ])
  })

  test('a length of time never reads shorter than it is', () => {
    expect([1, 119, 120, 3_601, 7_200, 604_800].map(duration)).toEqual([
      '1 second',
      '119 seconds',
      '2 minutes',
      '61 minutes',
      '2 hours',
      '7 days',
    ])
  })

  test('a moment has its day, its month in letters and its seconds', () => {
    expect(moment(1_795_328_411)).toMatch(/^2[12] Nov 2026, \d\d:\d\d:11$/)
  })

  test('how much likelier is a number that people can read', () => {
    expect([1_500, 3_000, 9_000].map(likelier)).toEqual([
      '4.5 times as likely',
      '20.1 times as likely',
      'more than a thousand times as likely',
    ])
  })

  test('reasons in short count each record and each passage once', () => {
    const span = { kind: 'span', recordId, start: 4, end: 5, occurrences: 2, sharePpm: 1 } as const
    const influence = { kind: 'influence', recordId, milliZ: 14_565, sharePpm: 1 } as const
    const context = { kind: 'context', recordId, milliNats: 1_500, sharePpm: 1 } as const
    expect(inShort([influence, span, span, influence])).toBe('1 record moved it · 1 passage word for word')
    expect(inShort([context])).toBe('1 record in the prompt')
  })

  test('the ways add up to the share', () => {
    expect(
      byKind([
        { kind: 'influence', recordId, milliZ: 3_000, sharePpm: 10 },
        { kind: 'influence', recordId, milliZ: 3_000, sharePpm: 20 },
        { kind: 'span', recordId, start: 0, end: 1, occurrences: 1, sharePpm: 5 },
        { kind: 'context', recordId, milliNats: 1, sharePpm: 2 },
      ]),
    ).toEqual({ influence: 30, span: 5, context: 2 })
  })
})
