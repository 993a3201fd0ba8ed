import { expect, test } from 'vitest'
import * as SpanIndex from './SpanIndex.ts'
import { trace } from './SpanTrace.ts'
import * as SuffixArray from './SuffixArray.ts'

const VOCABULARY = 8_000

/** Text with the skew and the repetitions of code: common ids, rare ids, passages copied from before. */
function text(tokenCount: number): Uint16Array {
  let state = 7
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  const tokens = new Uint16Array(tokenCount)
  for (let at = 0; at < tokenCount; ) {
    if (at > 1000 && random() < 0.02) {
      const length = Math.min(10 + Math.floor(random() * 60), tokenCount - at)
      tokens.copyWithin(at, Math.floor(random() * (at - length)))
      at += length
    } else tokens[at++] = Math.floor(VOCABULARY ** random()) - 1
  }
  return tokens
}

const milliseconds = (run: () => unknown, rounds = 1): number => {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < rounds; i++) {
    const started = performance.now()
    run()
    best = Math.min(best, performance.now() - started)
  }
  return best
}

test('a suffix array is built faster than by sorting suffixes', () => {
  const tokens = text(1_000_000)
  const inducedMs = milliseconds(() => SuffixArray.build(tokens, VOCABULARY), 3)
  const naiveMs = milliseconds(() => {
    Int32Array.from(tokens, (_, i) => i).sort((a, b) => {
      const length = tokens.length - Math.max(a, b)
      for (let k = 0; k < length; k++)
        if (tokens[a + k] !== tokens[b + k]) return tokens[a + k]! - tokens[b + k]!
      return b - a
    })
  })
  const perSecond = (ms: number): string => `${(tokens.length / ms / 1e3).toFixed(2)} M tokens/s`
  console.log(
    `suffix array, ${tokens.length} tokens: ${perSecond(inducedMs)}, naive sort ${perSecond(naiveMs)}, ratio ${(naiveMs / inducedMs).toFixed(1)}`,
  )
  expect(naiveMs / inducedMs).toBeGreaterThan(2)
})

test('an answer is traced faster than by scanning the corpus', () => {
  const tokens = text(2_000_000)
  const recordTokens = 200
  const documents = Array.from({ length: tokens.length / recordTokens }, (_, i) => ({
    recordId: `r${i}`,
    contributionId: `c${i % 500}`,
    tokens: tokens.subarray(i * recordTokens, (i + 1) * recordTokens),
  }))
  const index = SpanIndex.build({ documents, vocabularySize: VOCABULARY })
  const answers = Array.from({ length: 40 }, (_, i) => {
    const fresh = text(400).map((token) => (token * 31 + i) % VOCABULARY)
    const at = 9_000 * (i + 1)
    return [...fresh, ...tokens.subarray(at, at + 100)]
  })
  const times = answers.map((answer) => milliseconds(() => trace(index, answer))).sort((a, b) => a - b)
  // the scan finds each position's longest match by comparing it with every position of the corpus
  const positions = 5
  const scanMs = milliseconds(() => {
    for (let start = 0; start < positions; start++) {
      const answer = answers[0]!
      let best = 0
      for (let at = 0; at < index.tokens.length; at++) {
        let length = 0
        while (answer[start + length] === index.tokens[at + length] && start + length < answer.length)
          length++
        if (length > best) best = length
      }
    }
  })
  const p50 = times[times.length >> 1]!
  const p95 = times[Math.floor(times.length * 0.95)]!
  const naiveMs = (scanMs / positions) * answers[0]!.length
  console.log(
    `trace of 500 tokens over ${index.tokenCount}: p50 ${p50.toFixed(2)} ms, p95 ${p95.toFixed(2)} ms; scan ${naiveMs.toFixed(0)} ms, ratio ${(naiveMs / p50).toFixed(0)}`,
  )
  expect(naiveMs / p50).toBeGreaterThan(50)
})
