import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as ChallengeWindow from './ChallengeWindow.ts'

test('every batch up to the final time is final, and the one after it is not', () => {
  const seconds = fc.integer({ min: 0, max: 50 })
  fc.assert(
    fc.property(
      seconds,
      seconds,
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: 0, max: 300 }),
      (a, b, changedAt, now) => {
        const window = { seconds: a, formerSeconds: b, changedAt }
        const upTo = ChallengeWindow.finalUpTo(window, now)
        for (let settledAt = upTo - 120; settledAt <= upTo; settledAt++) {
          expect(ChallengeWindow.finalAt(window, settledAt)).toBeLessThanOrEqual(now)
        }
        expect(ChallengeWindow.finalAt(window, upTo + 1)).toBeGreaterThan(now)
      },
    ),
  )
})
