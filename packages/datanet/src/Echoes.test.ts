import { describe, expect, test } from 'vitest'
import { findEchoes } from './Echoes.ts'
import { sequencesOf } from './Similarity.ts'

const never = () => false
const answer = Array.from({ length: 40 }, (_, i) => `word${i}`).join(' ')
const answered = new Set(sequencesOf(answer))
const isAnswered = (sequence: string) => answered.has(sequence)

describe('echoes', () => {
  test('are found through other letter case, punctuation and line breaks', () => {
    const text = answer.toUpperCase().replaceAll(' ', ',\n')
    expect(findEchoes(text, isAnswered, never)).toEqual({ ranges: [[0, text.length]], sharePpm: 1_000_000 })
  })

  test('are found where every tenth word was changed', () => {
    const text = answer.replaceAll(/word(\d*5)\b/g, 'other$1')
    const { ranges, sharePpm } = findEchoes(text, isAnswered, never)
    expect(ranges).toHaveLength(3)
    expect(sharePpm).toBe(800_000)
  })

  test('are no echoes of what an earlier record says', () => {
    expect(findEchoes(answer, isAnswered, isAnswered)).toEqual({ ranges: [], sharePpm: 0 })
  })

  test('of a few words count for the share, but nothing is cut out for them', () => {
    const few = `${answer.split(' ').slice(3, 8).join(' ')} and then something else that nobody said before`
    expect(findEchoes(few, isAnswered, never)).toEqual({ ranges: [], sharePpm: 384_615 })
  })
})
