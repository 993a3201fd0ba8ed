import { Bytes } from '@openledger/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Commitment from './SpanCommitment.ts'
import * as SpanIndex from './SpanIndex.ts'
import { foundIn, openSpans, type SpanOpening, SpanOpeningError, verifySpans } from './SpanOpening.ts'
import { trace } from './SpanTrace.ts'

const VOCABULARY = 400

function words(seed: number, count: number): number[] {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor(VOCABULARY * (state / 2 ** 32) ** 2)
  })
}

const texts = Array.from({ length: 30 }, (_, i) => words(i + 1, 90))
const passage = texts[4]!.slice(20, 60)
const documents = [
  ...texts,
  // another contribution copies a passage, one repeats a whole record, one says a shorter run once more
  [...words(77, 20), ...passage, ...words(78, 20)],
  texts[9]!,
  [...words(79, 5), ...texts[2]!.slice(0, 12), ...words(80, 30), ...texts[2]!.slice(0, 12)],
].map((tokens, i) => ({
  recordId: `r${i}`,
  contributionId: `c${i >> 1}`,
  clusterId: i === 31 ? 'r9' : `r${i}`,
  tokens,
}))
const index = Commitment.commit(SpanIndex.build({ documents, vocabularySize: VOCABULARY }))
const opener = Commitment.open(index)
const answer = [
  ...words(301, 15),
  ...texts[4]!.slice(15, 50),
  ...words(302, 8),
  ...texts[9]!.slice(40, 70),
  ...texts[2]!.slice(0, 12),
  ...words(303, 9),
]
const traced = trace(index, answer)
const found = foundIn(traced)
const opening = openSpans(opener, found)
const claim = { root: index.root, found, tokenCount: answer.length }

describe('the opening of an answer’s spans', () => {
  test('proves, without the index, what the index says of them', () => {
    expect(new Set(traced.spans.map(({ occurrenceCount }) => occurrenceCount))).toEqual(new Set([1, 2, 3]))
    const { trace: proved, documents: shown } = verifySpans(opening, claim)
    const strip = ({ spans, spanOfToken }: typeof traced) => ({
      spans: spans.map(({ matches: _, ...span }) => span),
      spanOfToken,
    })
    expect(strip(proved)).toEqual(strip(traced))
    for (const [t, span] of traced.spanOfToken.entries()) {
      if (span !== -1) expect(proved.unigramMicroNats[t]).toBe(traced.unigramMicroNats[t])
    }
    expect(shown.get(31)).toEqual({ recordId: 'r31', contributionId: 'c15', payee: 9, owner: 4 })
  })

  test('proves what random corpora and answers that quote them give', () => {
    const token = fc.integer({ min: SpanIndex.LEFT_OUT, max: 3 })
    const corpora = fc.array(fc.array(token, { maxLength: 30 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(corpora, fc.array(fc.nat(3), { maxLength: 60 }), (records, asked) => {
        const small = Commitment.commit(
          SpanIndex.build({
            documents: records.map((tokens, i) => ({ recordId: `r${i}`, contributionId: `c${i}`, tokens })),
            vocabularySize: 4,
          }),
        )
        const said = records[0]!.filter((token) => token !== SpanIndex.LEFT_OUT)
        const own = trace(small, [...asked, ...said])
        const shown = openSpans(Commitment.open(small), foundIn(own))
        const proved = verifySpans(shown, {
          root: small.root,
          found: foundIn(own),
          tokenCount: own.tokenCount,
        })
        expect(proved.trace.spans.map(({ runs }) => runs)).toEqual(own.spans.map(({ runs }) => runs))
        expect(proved.trace.spanOfToken).toEqual(own.spanOfToken)
      }),
      { numRuns: 60 },
    )
  })

  test('is refused when any byte of it is another', () => {
    const text = JSON.stringify(opening)
    const digits = [...text.matchAll(/[0-9a-f]/g)].map(({ index: at }) => at)
    let refused = 0
    fc.assert(
      fc.property(fc.constantFrom(...digits), fc.integer({ min: 1, max: 15 }), (at, by) => {
        const digit = ((Number.parseInt(text[at]!, 16) + by) % 16).toString(16)
        let forged: SpanOpening
        try {
          forged = JSON.parse(text.slice(0, at) + digit + text.slice(at + 1)) as SpanOpening
        } catch {
          return
        }
        // a key of the JSON itself, or a digit in capitals of a record's number
        if (JSON.stringify(forged) !== text && Object.keys(forged).join() === Object.keys(opening).join()) {
          expect(() => verifySpans(forged, claim)).toThrow()
          refused++
        }
      }),
      { numRuns: 300 },
    )
    expect(refused).toBeGreaterThan(200)
  })

  test('is refused for fewer occurrences than there are, for more, for other spans and another index', () => {
    const last = found.at(-1) as Extract<(typeof found)[number], { kind: 'matched' }>
    expect(last.occurrenceCount).toBe(3)
    const forge = (changes: Partial<typeof last>) => () => {
      const forged = [...found.slice(0, -1), { ...last, ...changes }]
      return verifySpans(openSpans(opener, forged), { ...claim, found: forged })
    }
    expect(forge({})).not.toThrow()
    for (const changes of [
      { occurrenceCount: 2 },
      { firstRank: last.firstRank + 1, occurrenceCount: 2 },
      { occurrenceCount: 4 },
      { end: last.end + 6 },
      // shortened until it is chance
      { end: last.start + 2 },
    ]) {
      expect(forge(changes)).toThrowError(SpanOpeningError)
    }
    expect(() => verifySpans(opening, { ...claim, found: [...found].reverse() })).toThrowError(
      SpanOpeningError,
    )
    expect(() => verifySpans(opening, { ...claim, found: found.slice(1) })).toThrowError(SpanOpeningError)
    const another = Commitment.commit(
      SpanIndex.build({ documents: documents.slice(1), vocabularySize: VOCABULARY }),
    )
    expect(() => verifySpans(opening, { ...claim, root: another.root })).toThrowError(SpanOpeningError)
  })

  test('refuses spans that common language explains or that belong to too many', () => {
    const run = words(500, 12)
    const refusal = (records: typeof documents, asked: readonly number[]) => {
      const shared = Commitment.commit(SpanIndex.build({ documents: records, vocabularySize: VOCABULARY }))
      const own = trace(shared, asked, { boilerplateContributionsMin: 1_000, expectedMax: 1e300 })
      const spans = foundIn(own)
      const shown = openSpans(Commitment.open(shared), spans)
      return () => verifySpans(shown, { root: shared.root, found: spans, tokenCount: asked.length })
    }
    const saying = (count: number) =>
      documents.map((document, i) =>
        i % 2 === 0 && i < 2 * count ? { ...document, tokens: [...document.tokens, ...run] } : document,
      )
    expect(refusal(saying(3), run)).not.toThrow()
    expect(refusal(saying(4), run)).toThrowError(/contributions/)
    expect(refusal(documents, texts[0]!.slice(0, 2))).toThrowError(/surprisal/)
  })
})

describe('a commitment to an index', () => {
  test('follows from the records: who has them makes the same root, and another order has another', () => {
    const again = Commitment.commit(
      SpanIndex.build({ documents: SpanIndex.documentsOf(index), vocabularySize: VOCABULARY }),
    )
    expect(again.root).toBe(index.root)
    const without = documents.map((document) => ({
      ...document,
      tokens: document.tokens.map((token, k) => (k % 17 < 3 ? SpanIndex.LEFT_OUT : token)),
    }))
    const partial = SpanIndex.build({ documents: without, vocabularySize: VOCABULARY })
    expect(
      SpanIndex.build({ documents: SpanIndex.documentsOf(partial), vocabularySize: VOCABULARY }).root,
    ).toBe(partial.root)
    expect(partial.root).not.toBe(again.root)
    expect(SpanIndex.decode(SpanIndex.encode(index))).toEqual(index)
    const unsorted = { ...index, order: index.order.slice().reverse() }
    expect(Commitment.commit(unsorted).root).not.toBe(index.root)
  })
})

describe('what an opening gives away', () => {
  const shown = JSON.stringify(opening)
  const hashes = new Set(shown.match(/[0-9a-f]{64}/g))
  const positions = opening.spans.flatMap(({ text }) =>
    text.flatMap(({ leaves }) => {
      const bytes = Bytes.fromHex(leaves)
      return Array.from({ length: bytes.length / Commitment.TEXT_LEAF_BYTES }, (_, i) =>
        Commitment.decodeText(bytes.subarray(i * Commitment.TEXT_LEAF_BYTES)),
      )
    }),
  )

  test('shows the positions that are paid and none beside them', () => {
    const paid = traced.spans.reduce(
      (sum, { start, end, occurrenceCount }) => sum + (end - start) * occurrenceCount,
      0,
    )
    expect(positions.length).toBe(paid)
  })

  test('holds no token: hashing every word with every salt that it shows finds none of them', () => {
    const salts = [
      new Uint8Array(),
      new Uint8Array(16),
      ...opening.spans.flatMap(({ order: { leaves } }) => {
        const bytes = Bytes.fromHex(leaves)
        return Array.from({ length: bytes.length / Commitment.ORDER_LEAF_BYTES }, (_, i) =>
          bytes.slice(i * Commitment.ORDER_LEAF_BYTES, i * Commitment.ORDER_LEAF_BYTES + 16),
        )
      }),
    ]
    const guesses = salts.flatMap((salt) =>
      Array.from({ length: VOCABULARY }, (_, token) => Bytes.toHex(Commitment.hide(salt, token)).slice(2)),
    )
    expect(guesses.filter((guess) => hashes.has(guess))).toEqual([])
    expect(guesses.filter((guess) => shown.includes(guess))).toEqual([])
  })

  test('hides equal words at different places from each other', () => {
    const hidden = positions.map((leaf) => Bytes.toHex(leaf.hidden))
    expect(new Set(hidden).size).toBe(hidden.length)
  })
})
