import { describe, expect, test } from 'vitest'
import { tinyConfig } from '../../test/tinyConfig.ts'
import { createCheckpoint } from '../checkpoint/Checkpoint.ts'
import { createScorer } from '../Scorer.ts'
import { writeOwnTexts } from './Rehearsal.ts'

const VOCABULARY = 12
const checkpoint = createCheckpoint(
  { ...tinyConfig, vocabularySize: VOCABULARY, feedForwardSize: 32, layers: 1 },
  3,
)
// far from uniform, so that a sampler which ignored the scores would be seen
const embedding = checkpoint.weights.get('model.embed_tokens.weight')!
for (let i = 0; i < embedding.length; i++) embedding[i]! *= 40

describe('texts of a model’s own', () => {
  test('are drawn as likely as the model finds them', async () => {
    const scorer = createScorer(checkpoint, undefined)
    const weights: number[] = []
    for (let id = 0; id < VOCABULARY; id++) {
      const [, logProbability] = await scorer.logProbabilities(Int32Array.of(1, id))
      weights.push(id <= 1 ? 0 : Math.exp(logProbability!))
    }
    await scorer.release()
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const count = 3_000
    const texts = await writeOwnTexts(checkpoint, { count, tokensMax: 2, seed: 5 })
    expect(texts).toHaveLength(count)
    let chiSquare = 0
    for (const [id, weight] of weights.entries()) {
      const expected = (count * weight) / total
      const seen = texts.filter(({ ids }) => ids[1] === id).length
      if (weight === 0) expect(seen).toBe(0)
      else chiSquare += (seen - expected) ** 2 / expected
    }
    expect(Math.max(...weights) / total).toBeGreaterThan(0.2)
    // one sampler in a thousand that draws rightly is above 27.9, with 9 degrees of freedom
    expect(chiSquare).toBeLessThan(27.9)
  })

  test('follow from the seed, begin with the first mark and fill their length', async () => {
    const options = { count: 18, tokensMax: 8, seed: 2 }
    const texts = await writeOwnTexts(checkpoint, options)
    expect(await writeOwnTexts(checkpoint, options)).toEqual(texts)
    expect(await writeOwnTexts(checkpoint, { ...options, seed: 3 })).not.toEqual(texts)
    expect(texts).toHaveLength(18)
    for (const { ids, lossMask } of texts) {
      expect([ids.length, ids[0]]).toEqual([8, 1])
      expect([...lossMask]).toEqual([0, 1, 1, 1, 1, 1, 1, 1])
    }
  })

  test('are not written on when nobody wants them', async () => {
    const signal = AbortSignal.abort()
    await expect(writeOwnTexts(checkpoint, { count: 1, tokensMax: 8, seed: 2, signal })).rejects.toThrow(
      'abort',
    )
  })
})
