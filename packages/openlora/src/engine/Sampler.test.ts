import { createRandom } from '@openledger/model'
import { describe, expect, test } from 'vitest'
import { createSampler, GREEDY, type SamplingOptions, type Scores } from './Sampler.ts'

const logits = Float32Array.from([0.5, 2, -1, 2, 1, Number.NEGATIVE_INFINITY])
const options = (changes: Partial<SamplingOptions>): SamplingOptions => ({ ...GREEDY, ...changes })

/** What a decoder says of logits. */
function scoresOf(logits: Float32Array): Scores {
  const largest = Math.max(...logits)
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0)
  return { logits, likeliest: logits.indexOf(largest), logprob: -Math.log(total) }
}

/** No token of these tests ends an answer, unless one says so. */
const END = 63

describe('createSampler', () => {
  test('takes the likeliest token when greedy, the lower id on a tie', () => {
    expect(createSampler(GREEDY, [], 0, END).next(scoresOf(logits)).tokenId).toBe(1)
  })

  test('looks at logits only where more than the likeliest token is wanted', () => {
    const scores = { ...scoresOf(logits), logits: new Float32Array() }
    const sampler = createSampler(GREEDY, [], 0, END)
    expect(sampler.needsLogits).toBe(false)
    expect(sampler.next(scores)).toEqual({ tokenId: 1, logprob: scores.logprob, top: [] })
    const wanting: Partial<SamplingOptions>[] = [
      { temperature: 0.1 },
      { minTokens: 1 },
      { repetitionPenalty: 1.1 },
      { frequencyPenalty: 0.1 },
      { presencePenalty: 0.1 },
      { logitBias: [[1, 1]] },
    ]
    for (const changes of wanting) expect(createSampler(options(changes), [], 0, END).needsLogits).toBe(true)
    expect(createSampler(GREEDY, [], 1, END).needsLogits).toBe(true)
  })

  test('reports log-probabilities of the model itself, whatever the penalties', () => {
    const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0))
    const choice = createSampler(options({ presencePenalty: 2, repetitionPenalty: 1.5 }), [1], 2, END).next(
      scoresOf(logits),
    )
    expect(choice.tokenId).toBe(3)
    expect(choice.logprob).toBeCloseTo(2 - total, 6)
    expect(choice.top.map(({ tokenId }) => tokenId)).toEqual([1, 3])
  })

  test('counts penalties over the answer only, repetition over the prompt too', () => {
    const sampler = createSampler(options({ frequencyPenalty: 0.75 }), [1], 0, END)
    const said = Array.from({ length: 5 }, () => sampler.next(scoresOf(logits)).tokenId)
    // 1 and 3 start at 2 and lose 0.75 each time they are said; 4 stands at 1
    expect(said).toEqual([1, 3, 1, 3, 4])
  })

  test('draws each token as often as its probability says', () => {
    const sampler = createSampler(options({ temperature: 0.8, seed: 3 }), [], 0, END)
    const weights = [...logits].map((logit) => Math.exp(logit / 0.8))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const counts = new Array<number>(logits.length).fill(0)
    const draws = 40_000
    for (let i = 0; i < draws; i++) counts[sampler.next(scoresOf(logits)).tokenId]!++
    for (const [id, count] of counts.entries()) {
      const p = weights[id]! / total
      expect(Math.abs(count - draws * p)).toBeLessThanOrEqual(5 * Math.sqrt(draws * p * (1 - p)))
    }
  })

  test('draws only inside top-k and top-p, as a full sort would cut them', () => {
    const random = createRandom(5).next
    for (let round = 0; round < 200; round++) {
      const wide = Float32Array.from({ length: 300 }, () => 12 * random() - 6)
      const topK = Math.floor(random() * 20)
      const topP = 0.05 + 0.9 * random()
      const order = [...wide.keys()].sort((a, b) => wide[b]! - wide[a]! || a - b)
      const total = order.reduce((sum, id) => sum + Math.exp(wide[id]!), 0)
      const allowed = new Set<number>()
      let mass = 0
      for (const id of order) {
        allowed.add(id)
        mass += Math.exp(wide[id]!)
        if (allowed.size === topK || mass >= topP * total) break
      }
      const sampler = createSampler(options({ temperature: 1, topK, topP, seed: round }), [], 0, END)
      for (let i = 0; i < 30; i++) expect(allowed).toContain(sampler.next(scoresOf(wide)).tokenId)
    }
  })

  test('draws only what reaches min-p of the likeliest, as probabilities say', () => {
    const random = createRandom(6).next
    for (let round = 0; round < 100; round++) {
      const wide = Float32Array.from({ length: 60 }, () => 6 * random() - 3)
      const [minP, temperature] = [random(), 0.5 + random()]
      const weights = wide.map((logit) => Math.exp(logit / temperature))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const shares = weights.map((weight) => weight / total)
      const least = minP * Math.max(...shares)
      const sampler = createSampler(options({ temperature, minP, seed: round }), [], 0, END)
      for (let i = 0; i < 30; i++)
        expect(shares[sampler.next(scoresOf(wide)).tokenId]!).toBeGreaterThanOrEqual(least - 1e-7)
    }
  })

  test('does not end before the least number of tokens, and says what the model thought of each', () => {
    const ends = new Float32Array([9, 1, 0])
    const sampler = createSampler(options({ minTokens: 2 }), [], 0, 0)
    const [first, second, third] = [
      sampler.next(scoresOf(ends)),
      sampler.next(scoresOf(ends)),
      sampler.next(scoresOf(ends)),
    ]
    expect([first.tokenId, second.tokenId, third.tokenId]).toEqual([1, 1, 0])
    expect(first.logprob).toBeCloseTo(1 - Math.log(Math.exp(9) + Math.exp(1) + 1), 5)
  })

  test('repeats itself for a seed', () => {
    const say = (seed: number) => {
      const sampler = createSampler(options({ temperature: 1, seed }), [], 0, END)
      return Array.from({ length: 20 }, () => sampler.next(scoresOf(logits)).tokenId)
    }
    expect(say(1)).toEqual(say(1))
    expect(say(1)).not.toEqual(say(2))
  })

  test.each([
    { minP: 1.5 },
    { minTokens: -1 },
    { temperature: -1 },
    { temperature: Number.NaN },
    { topP: 0 },
    { topK: 1.5 },
    { repetitionPenalty: 0 },
    { presencePenalty: 3 },
    { seed: 0.5 },
  ])('refuses %o', (changes) => {
    expect(() => createSampler(options(changes), [], 0, END)).toThrow(
      expect.objectContaining({ code: 'openlora.sampling_option' }),
    )
  })
})
