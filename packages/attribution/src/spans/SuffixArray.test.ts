import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as SuffixArray from './SuffixArray.ts'

/** The oracle: compares suffixes token by token. */
function naive(tokens: SuffixArray.Tokens): number[] {
  const compare = (a: number, b: number): number => {
    for (let i = 0; a + i < tokens.length && b + i < tokens.length; i++) {
      if (tokens[a + i] !== tokens[b + i]) return tokens[a + i]! - tokens[b + i]!
    }
    return b - a
  }
  return Array.from(tokens, (_, i) => i).sort(compare)
}

describe('a suffix array', () => {
  test.each([
    ['nothing', []],
    ['one token', [0]],
    ['a run of one token', [1, 1, 1, 1, 1]],
    ['a falling sequence', [5, 4, 3, 2, 1, 0]],
    ['a rising sequence', [0, 1, 2, 3, 4, 5]],
    ['banana', [1, 0, 2, 0, 2, 0]],
    ['mississippi', [1, 0, 3, 3, 0, 3, 3, 0, 2, 2, 0]],
  ])('sorts %s', (_, tokens) => {
    const text = Uint16Array.from(tokens)
    expect([...SuffixArray.build(text, 6)]).toEqual(naive(text))
  })

  test('equals a naive sort on random texts over alphabets of any size', () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 300 })
          .chain((size) => fc.tuple(fc.constant(size), fc.array(fc.nat(size - 1), { maxLength: 400 }))),
        ([size, tokens]) => {
          const text = Uint32Array.from(tokens)
          expect([...SuffixArray.build(text, size)]).toEqual(naive(text))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('equals a naive sort on repetitive texts, where names repeat over several recursions', () => {
    const fibonacci = ['0', '01']
    while (fibonacci.at(-1)!.length < 1500) fibonacci.push(fibonacci.at(-1)! + fibonacci.at(-2)!)
    const text = Uint16Array.from(fibonacci.at(-1)!, Number)
    expect([...SuffixArray.build(text, 2)]).toEqual(naive(text))
    const phrase = [3, 1, 2, 3, 3, 0, 1]
    const periodic = Uint16Array.from({ length: 700 }, (_, i) => phrase[i % phrase.length]!)
    expect([...SuffixArray.build(periodic, 4)]).toEqual(naive(periodic))
  })

  test('of two hundred thousand skewed tokens with copied passages is a permutation in the order of its suffixes', () => {
    let state = 5
    const random = (): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state / 2 ** 32
    }
    const text = new Uint16Array(200_000)
    for (let at = 0; at < text.length; ) {
      if (at > 1_000 && random() < 0.01) {
        const length = Math.min(10 + Math.floor(random() * 900), text.length - at)
        const from = Math.floor(random() * at)
        text.copyWithin(at, from, from + length)
        at += length
      } else text[at++] = Math.floor(3_000 ** random()) - 1
    }
    const order = SuffixArray.build(text, 3_000)
    // linear time, by the ranks themselves: Burkhardt and Kärkkäinen 2003
    const ranks = new Int32Array(text.length + 1).fill(-1)
    for (const [rank, position] of order.entries()) ranks[position] = rank
    expect(ranks.subarray(0, -1).every((rank) => rank >= 0)).toBe(true)
    let unsorted = 0
    for (let i = 1; i < order.length; i++) {
      const [a, b] = [order[i - 1]!, order[i]!]
      if (text[a]! > text[b]! || (text[a] === text[b] && ranks[a + 1]! >= ranks[b + 1]!)) unsorted++
    }
    expect(unsorted).toBe(0)
  })
})
