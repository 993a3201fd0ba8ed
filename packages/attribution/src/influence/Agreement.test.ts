import { describe, expect, test } from 'vitest'
import {
  agreement,
  bootstrap,
  interval,
  meanOf,
  noiseCeiling,
  rankCorrelation,
  totalAgreement,
} from './Agreement.ts'

/** A fixed stream in [0, 1). */
function stream(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
const normal = (next: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())

describe('rank correlation', () => {
  // R: cor(c(86,97,99,100,101,103,106,110,112,113), c(2,20,28,27,50,29,7,17,6,12), method = "spearman")
  test("agrees with R's cor(method = 'spearman')", () => {
    const iq = [86, 97, 99, 100, 101, 103, 106, 110, 112, 113]
    const hours = [2, 20, 28, 27, 50, 29, 7, 17, 6, 12]
    expect(rankCorrelation(iq, hours)).toBeCloseTo(-0.1757575757, 9)
  })

  test('gives equal values the mean of their ranks', () => {
    // ranks 1.5 1.5 3 4 and 1 2 3.5 3.5: products sum to 4, squares to 4.5 on both sides
    expect(rankCorrelation([5, 5, 6, 7], [1, 2, 9, 9])).toBeCloseTo(4 / 4.5, 12)
    expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBe(0)
  })
})

describe('agreement with retraining', () => {
  const next = stream(5)
  const truth = Array.from({ length: 3 }, () => Array.from({ length: 40 }, () => normal(next)))
  const leftOut = Array.from({ length: 60 }, () =>
    Array.from({ length: 40 }, (_, i) => i).filter(() => next() < 0.2),
  )
  const likelihoods = leftOut.map((records) =>
    truth.map((row) => 7 - records.reduce((sum, record) => sum + row[record]!, 0)),
  )

  test('is 1 for scores that foretell it, -1 for their opposite, and near 0 for none', () => {
    const noise = truth.map((row) => row.map(() => normal(next)))
    expect(agreement({ scores: truth, leftOut, likelihoods })).toEqual([1, 1, 1].map(() => expect.closeTo(1)))
    const opposite = truth.map((row) => row.map((value) => -value))
    expect(meanOf(agreement({ scores: opposite, leftOut, likelihoods }))).toBeCloseTo(-1)
    expect(Math.abs(meanOf(agreement({ scores: noise, leftOut, likelihoods })))).toBeLessThan(0.3)
  })

  test('of all answers together ranks what was left out by what all of them lost', () => {
    expect(totalAgreement({ scores: truth, leftOut, likelihoods })).toBeCloseTo(1)
    const opposite = truth.map((row) => row.map((value) => -value))
    expect(totalAgreement({ scores: opposite, leftOut, likelihoods })).toBeCloseTo(-1)
    // an answer whose scores are larger counts for more, as it does in what is paid
    const loud = truth.map((row, q) => row.map((value) => (q === 0 ? -100 : 1) * value))
    expect(totalAgreement({ scores: loud, leftOut, likelihoods })).toBeLessThan(0)
  })

  test('comes with an interval that holds the value that more retraining gives', () => {
    const noisy = likelihoods.map((row) => row.map((value) => value + 3 * normal(next)))
    const [mean] = [meanOf(agreement({ scores: truth, leftOut, likelihoods: noisy }))]
    const boots = bootstrap(
      { truth },
      { leftOut, likelihoods: noisy },
      {
        rounds: 200,
        draw: (limit) => Math.floor(next() * limit),
      },
    )
    const { low, high } = interval(boots['truth']!)
    expect(low).toBeLessThan(mean!)
    expect(high).toBeGreaterThan(mean! - 0.05)
    expect(high - low).toBeLessThan(0.4)
  })
})

test('the noise ceiling is what the truth itself reaches against noisy repetitions', () => {
  // correlation of one repetition with another is 1 / (1 + noise), of the truth with the mean of two sqrt(2 r / (1 + r))
  const next = stream(9)
  const truth = Array.from({ length: 20_000 }, () => normal(next))
  const [one, other] = [0, 1].map(() => truth.map((value) => value + 1.5 * normal(next)))
  const ceiling = noiseCeiling(rankCorrelation(one!, other!), 2)
  const mean = one!.map((value, i) => value + other![i]!)
  expect(rankCorrelation(truth, mean)).toBeCloseTo(ceiling, 1)
})
