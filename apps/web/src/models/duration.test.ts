import { expect, test } from 'vitest'
import { duration } from './duration.ts'

test('a length of time is said as people say it', () => {
  expect([0, 1, 40, 89, 90, 200, 5_399, 5_400, 7_200, 9_000].map(duration)).toEqual([
    '1 second',
    '1 second',
    '40 seconds',
    '89 seconds',
    '2 minutes',
    '3 minutes',
    '1 hour 30 minutes',
    '1 hour 30 minutes',
    '2 hours',
    '2 hours 30 minutes',
  ])
})
