import { Bytes } from '@openledger/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IndexBytesError } from '../IndexFile.ts'
import * as SpanIndex from './SpanIndex.ts'
import { trace } from './SpanTrace.ts'

const corpus = (records: readonly (readonly number[])[], vocabularySize: number): SpanIndex.SpanIndex =>
  SpanIndex.build({
    documents: records.map((tokens, i) => ({ recordId: `r${i}`, contributionId: `c${i}`, tokens })),
    vocabularySize,
  })

/** A reproducible stream of token ids, skewed as words are. */
function words(seed: number, count: number, vocabularySize: number): number[] {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor(vocabularySize * (state / 2 ** 32) ** 2)
  })
}

const standsAt = (record: readonly number[], run: readonly number[]): number[] =>
  record.flatMap((_, at) => (run.every((token, k) => record[at + k] === token) ? [at] : []))

/** The oracle: every maximal run of the answer found by looking everywhere. */
function bruteForce(records: readonly (readonly number[])[], answer: readonly number[]) {
  const runs = []
  let endMax = 0
  for (let start = 0; start < answer.length; start++) {
    let end = start
    while (end < answer.length && records.some((r) => standsAt(r, answer.slice(start, end + 1)).length > 0))
      end++
    if (end === start || end <= endMax) continue
    endMax = end
    const run = answer.slice(start, end)
    const matches = records.flatMap((record, document) => {
      const at = standsAt(record, run)
      return at.length === 0 ? [] : [{ document, offset: at[0]!, count: at.length }]
    })
    runs.push({ start, end, occurrenceCount: matches.reduce((sum, { count }) => sum + count, 0), matches })
  }
  return runs
}

/** Some tokens of them are left out, which no answer says: looking everywhere finds no run through them either. */
const token = fc.integer({ min: SpanIndex.LEFT_OUT, max: 3 })
const records = fc.array(fc.array(token, { maxLength: 25 }), { minLength: 1, maxLength: 8 })

describe('tracing spans', () => {
  test('finds every maximal run, with every record and place, as looking everywhere does', () => {
    const everything = { expectedMax: 1e300, boilerplateContributionsMin: 1000 }
    fc.assert(
      fc.property(records, fc.array(fc.nat(3), { maxLength: 40 }), (texts, answer) => {
        const found = trace(corpus(texts, 4), answer, everything).spans.map(
          ({ start, end, occurrenceCount, matches }) => ({
            start,
            end,
            occurrenceCount,
            matches: matches.map(({ document, offset, count }) => ({ document, offset, count })),
          }),
        )
        expect(found).toEqual(bruteForce(texts, answer))
      }),
      { numRuns: 300 },
    )
  })

  test('counts runs in a corpus whose words stand thousands of times each, as looking everywhere does', () => {
    const texts = Array.from({ length: 60 }, (_, i) => words(i + 1, 200, 6))
    const answer = [...words(99, 60, 6), ...texts[7]!.slice(20, 60), ...words(98, 20, 6)]
    const everything = { expectedMax: 1e300, boilerplateContributionsMin: 1000, occurrencesMax: 1e9 }
    const found = trace(corpus(texts, 6), answer, everything).spans.map(
      ({ start, end, occurrenceCount }) => ({ start, end, occurrenceCount }),
    )
    expect(found).toEqual(
      bruteForce(texts, answer).map(({ start, end, occurrenceCount }) => ({ start, end, occurrenceCount })),
    )
  })

  test('owes every copied token to the earliest place that holds a long run over it, as looking everywhere does', () => {
    const copyTokensMin = 4
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(2), { maxLength: 25 }), { minLength: 2, maxLength: 6 }),
        (texts) => {
          const documents = texts.map((tokens, i) => ({ recordId: `r${i}`, contributionId: `c${i}`, tokens }))
          const index = SpanIndex.build({ documents, vocabularySize: 3, copyTokensMin })
          const expected = new Int32Array(index.tokens.length).fill(-1)
          for (const [document, text] of texts.entries()) {
            for (let at = 0; at + copyTokensMin <= text.length; at++) {
              const run = text.slice(at, at + copyTokensMin)
              const holders = texts.map((each) => standsAt(each, run))
              const first = holders.findIndex((places) => places.length > 0)
              const isBoilerplate = holders.filter((places) => places.length > 0).length > 3
              if (first === document || isBoilerplate) continue
              for (let k = 0; k < copyTokensMin; k++) {
                const position = index.documentStarts[document]! + at + k
                const origin = index.documentStarts[first]! + holders[first]![0]! + k
                if (expected[position] === -1 || origin < expected[position]!) expected[position] = origin
              }
            }
          }
          expect(index.origins).toEqual(expected)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('keeps a copied passage and drops chance matches of common words', () => {
    const texts = Array.from({ length: 40 }, (_, i) => words(i + 1, 200, 500))
    const passage = texts[7]!.slice(50, 70)
    const answer = [...words(991, 30, 500), ...passage, ...words(992, 30, 500)]
    const { spans, spanOfToken } = trace(corpus(texts, 500), answer)
    expect(spans).toHaveLength(1)
    expect(spans[0]!.matches.map(({ recordId }) => recordId)).toEqual(['r7'])
    expect(spans[0]!.start).toBeLessThanOrEqual(30)
    expect(spans[0]!.end).toBeGreaterThanOrEqual(50)
    expect([...spanOfToken.slice(30, 50)]).toEqual(Array(20).fill(0))
    expect(spanOfToken[5]).toBe(-1)
  })

  test('owes nothing for what is left out of a record, and counts it nowhere', () => {
    const texts = Array.from({ length: 40 }, (_, i) => words(i + 1, 200, 500))
    const passage = texts[7]!.slice(50, 70)
    texts[7]!.fill(SpanIndex.LEFT_OUT, 50, 70)
    const index = corpus(texts, 500)
    expect(trace(index, passage).spans).toEqual([])
    expect(index.tokenCount).toBe(40 * 200 - 20)
    expect(SpanIndex.lineage(index)[7]).toEqual({ recordId: 'r7', tokenCount: 180, copied: [] })
    expect(SpanIndex.documentsOf(index).map(({ tokens }) => Array.from(tokens))).toEqual(texts)
  })

  test('keeps a short run of words that a single record uses, though they predict each other there', () => {
    const texts = Array.from({ length: 40 }, (_, i) => words(i + 1, 200, 500))
    texts[3]!.splice(20, 3, 501, 502, 503)
    const { spans } = trace(corpus(texts, 510), [501, 502, 503])
    expect(spans.map(({ start, end }) => [start, end])).toEqual([[0, 3]])
  })

  test('calls a run boilerplate when too many contributions hold it, and lists nobody', () => {
    const licence = words(5, 30, 500)
    const texts = Array.from({ length: 40 }, (_, i) => [...licence, ...words(i + 10, 100, 500)])
    const { spans, spanOfToken } = trace(corpus(texts, 500), licence)
    expect(spans).toMatchObject([
      { start: 0, end: 30, kind: 'boilerplate', occurrenceCount: 40, matches: [] },
    ])
    expect(spanOfToken[0]).toBe(0)
  })

  test('counts contributions of a cluster of duplicates once, so that copying does not make boilerplate', () => {
    const original = words(5, 60, 500)
    const documents = [
      ...Array.from({ length: 40 }, (_, i) => ({
        recordId: `r${i}`,
        contributionId: `c${i}`,
        tokens: words(i + 10, 100, 500),
      })),
      { recordId: 'own', contributionId: 'honest', tokens: original, clusterId: 'own' },
      ...Array.from({ length: 20 }, (_, i) => ({
        recordId: `copy${i}`,
        contributionId: `copier${i}`,
        tokens: original,
        clusterId: 'own',
      })),
    ]
    const [span] = trace(SpanIndex.build({ documents, vocabularySize: 500 }), original.slice(10, 40)).spans
    expect(span).toMatchObject({ kind: 'matched', occurrenceCount: 21 })
    expect(span!.matches[0]!.recordId).toBe('own')
  })

  test('is as surprised by a passage when others have copied it as before', () => {
    const texts = Array.from({ length: 40 }, (_, i) => words(i + 1, 200, 500))
    const documents = texts.map((tokens, i) => ({ recordId: `r${i}`, contributionId: `c${i}`, tokens }))
    const copies = [7, 7, 8].map((of, i) => ({
      recordId: `copy${i}`,
      contributionId: 'copier',
      // one says it is another, the others are found by their words
      ...(i === 0 ? { clusterId: 'r7' } : {}),
      tokens: texts[of]!,
    }))
    const answer = [...words(991, 30, 500), ...texts[7]!.slice(50, 58), ...texts[8]!.slice(20, 60)]
    const surprise = (all: readonly SpanIndex.SpanDocument[]) => {
      const { spans, unigramMicroNats } = trace(
        SpanIndex.build({ documents: all, vocabularySize: 500 }),
        answer,
      )
      const found = spans.map(({ start, end, surprisalMicroNats }) => ({ start, end, surprisalMicroNats }))
      return { found, unigramMicroNats }
    }
    expect(surprise([...documents, ...copies])).toEqual(surprise(documents))
  })

  test('gives each token to the longest span over it', () => {
    const left = words(1, 12, 400)
    const right = words(2, 20, 400)
    const texts = [
      [...left, ...right.slice(0, 4)],
      [...left.slice(-4), ...right],
      ...Array.from({ length: 30 }, (_, i) => words(i + 50, 200, 400)),
    ]
    const { spans, spanOfToken } = trace(corpus(texts, 400), [...left, ...right])
    expect(spans.map(({ start, end }) => [start, end])).toEqual([
      [0, 16],
      [8, 32],
    ])
    expect([...spanOfToken]).toEqual([...Array(8).fill(0), ...Array(24).fill(1)])
  })

  test('owes a copied passage to the record it was copied from, token by token', () => {
    const original = words(1, 80, 400)
    const continuation = words(2, 10, 400)
    const texts = [
      original,
      [...words(3, 60, 400), ...original.slice(10, 75), ...continuation, ...words(4, 60, 400)],
      ...Array.from({ length: 30 }, (_, i) => words(i + 50, 200, 400)),
    ]
    const index = corpus(texts, 400)
    const [span, ...others] = trace(index, [...original.slice(40, 75), ...continuation]).spans
    expect(others).toEqual([])
    expect(span!.matches.map(({ document }) => document)).toEqual([1])
    expect(span!.runs).toEqual([
      { start: 0, end: 35, recordIds: ['r0'] },
      { start: 35, end: 45, recordIds: ['r1'] },
    ])
    expect(SpanIndex.lineage(index)[1]).toEqual({
      recordId: 'r1',
      tokenCount: 195,
      copied: [{ recordId: 'r0', tokenCount: 65 }],
    })
    expect(SpanIndex.lineage(index)[0]!.copied).toEqual([])
  })

  test('owes a passage to all its records when it is too short to have been copied', () => {
    const shared = words(1, 20, 400)
    const texts = [
      [...shared, ...words(2, 60, 400)],
      [...words(3, 60, 400), ...shared],
      ...Array.from({ length: 30 }, (_, i) => words(i + 50, 200, 400)),
    ]
    const { spans } = trace(corpus(texts, 400), shared)
    expect(spans.map(({ runs }) => runs)).toEqual([[{ start: 0, end: 20, recordIds: ['r0', 'r1'] }]])
  })

  test('refuses the separator and anything else outside the vocabulary', () => {
    const index = corpus([[1, 2, 3]], 4)
    for (const token of [4, -1, 1.5, Number.NaN]) {
      expect(() => trace(index, [1, token])).toThrowError(
        expect.objectContaining({ code: 'spans.token_range', context: expect.objectContaining({ at: 1 }) }),
      )
    }
    expect(() => corpus([[4]], 4)).toThrowError(SpanIndex.TokenRangeError)
    expect(() => trace(index, new Uint32Array(2 ** 16 + 1))).toThrowError(
      expect.objectContaining({ code: 'spans.answer_too_long' }),
    )
  })

  test('says nothing of an empty answer or an empty corpus', () => {
    expect(trace(corpus([[1, 2, 3]], 4), []).spans).toEqual([])
    expect(trace(corpus([], 4), [1, 2, 3]).spans).toEqual([])
    expect(trace(corpus([[], [], []], 4), [1, 2, 3]).spans).toEqual([])
  })
})

describe('the bytes of a span index', () => {
  const index = corpus(
    Array.from({ length: 20 }, (_, i) => words(i + 1, 150, 300)),
    300,
  )

  test('carry the whole index', () => {
    expect(SpanIndex.decode(SpanIndex.encode(index))).toEqual(index)
    const wide = corpus([[70_000, 5, 70_000]], 100_000)
    expect(SpanIndex.decode(SpanIndex.encode(wide))).toEqual(wide)
  })

  test('and the surprise of a span are the same on every machine', () => {
    const [span] = trace(index, words(4, 150, 300).slice(20, 45)).spans
    expect([index.root, span!.surprisalMicroNats]).toMatchInlineSnapshot(`
      [
        "0x0d0d9d1182ddce9f79091278bde3bfec23c8624ed62468d876b672ab09133ba7",
        131441386,
      ]
    `)
  })

  test('commit to every record, token and position', () => {
    const roots = [
      corpus([[1, 2, 3]], 4),
      corpus([[1, 2, 2]], 4),
      corpus([[1, 2, 3]], 5),
      corpus([[1, 2], [3]], 4),
    ].map(({ root }) => root)
    expect(new Set(roots).size).toBe(4)
  })

  test('are refused when cut, altered, lengthened or of another version', () => {
    const bytes = SpanIndex.encode(index)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const altered = bytes.slice()
        altered[at]! ^= flip
        let decoded: SpanIndex.SpanIndex | undefined
        try {
          decoded = SpanIndex.decode(altered)
        } catch (error) {
          expect(error).toBeInstanceOf(IndexBytesError)
        }
        // padding between sections carries nothing
        if (decoded !== undefined) expect(decoded).toEqual(index)
        expect(() => SpanIndex.decode(bytes.subarray(0, at))).toThrowError(IndexBytesError)
      }),
      { numRuns: 60 },
    )
    expect(() => SpanIndex.decode(Bytes.concat(bytes, new Uint8Array(1)))).toThrowError(IndexBytesError)
  })
})
