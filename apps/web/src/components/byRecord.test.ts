import type { Attribution } from '@openledger/protocol'
import { describe, expect, test } from 'vitest'
import { byRecord, glimpse } from './byRecord.ts'

const [first, second] = [`0x${'1'.repeat(64)}`, `0x${'2'.repeat(64)}`] as const
const answer = 'if (to == address(0)) { revert(); }'
const reasons: Attribution.Reason[] = [
  { kind: 'influence', recordId: first, milliZ: 4_000, sharePpm: 10 },
  { kind: 'span', recordId: second, start: 0, end: 2, occurrences: 1, sharePpm: 30 },
  { kind: 'influence', recordId: first, milliZ: 9_000, sharePpm: 5 },
  { kind: 'span', recordId: second, start: 0, end: 2, occurrences: 1, sharePpm: 1 },
  { kind: 'span', recordId: second, start: 21, end: 24, occurrences: 1, sharePpm: 1 },
]

describe('byRecord', () => {
  test('adds up what speaks for a record and puts the strongest first', () => {
    expect(byRecord(reasons, answer)).toEqual([
      { recordId: second, sharePpm: 32, milliZ: undefined, passages: ['if', '{'], characters: 7 },
      { recordId: first, sharePpm: 15, milliZ: 9_000, passages: [], characters: 0 },
    ])
  })

  test('quotes nothing when the answer is not known', () => {
    expect(byRecord(reasons, undefined)[0]).toMatchObject({ passages: [], characters: 7 })
  })
})

test('a glimpse leaves out lines that say nothing', () => {
  expect(glimpse('/**\n * @dev Moves tokens.\n *\n */\n    function move() {\n  }\n    a()')).toBe(
    '* @dev Moves tokens.\nfunction move() { …',
  )
  expect(glimpse('')).toBe('')
})
