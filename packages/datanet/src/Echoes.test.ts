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
    expect(ranges).toHaveLength(4)
    expect(sharePpm).toBe(800_000)
  })

  test('are no echoes of what an earlier record says', () => {
    expect(findEchoes(answer, isAnswered, isAnswered)).toEqual({ ranges: [], sharePpm: 0 })
  })

  test('of five words in a row are found, and of four not', () => {
    const rest = 'and then something else that nobody said before'
    const said = (words: number) =>
      answer
        .split(' ')
        .slice(3, 3 + words)
        .join(' ')
    expect(findEchoes(`${said(5)} ${rest}`, isAnswered, never)).toEqual({
      ranges: [[0, said(5).length]],
      sharePpm: 384_615,
    })
    expect(findEchoes(`${said(4)} ${rest}`, isAnswered, never)).toEqual({ ranges: [], sharePpm: 0 })
  })
})
