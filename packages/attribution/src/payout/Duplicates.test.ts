import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clusterRecords, SIMILARITY_MIN_PPM, shingle, similarity } from './Duplicates.ts'

const words = (seed: number, count: number): number[] => {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor(2_000 * (state / 2 ** 32) ** 2)
  })
}

const alone = (recordId: string) => ({
  recordId,
  clusterId: recordId,
  kind: 'original',
  likeRecordId: recordId,
  similarityPpm: 1_000_000,
})

describe('clusters of duplicates', () => {
  test('keep records apart that have little in common', () => {
    const records = Array.from({ length: 50 }, (_, i) => ({ recordId: `r${i}`, tokens: words(i + 1, 150) }))
    expect(clusterRecords(records)).toEqual(records.map(({ recordId }) => alone(recordId)))
  })

  test('name the first registrant, the likeness and how alike', () => {
    const original = words(1, 300)
    const edited = original.with(150, 1999)
    const editedAgain = edited.with(40, 1998)
    const verdicts = clusterRecords([
      { recordId: 'other', tokens: words(2, 300) },
      { recordId: 'first', tokens: original },
      { recordId: 'copy', tokens: [...original] },
      { recordId: 'edited', tokens: edited },
      { recordId: 'edited again', tokens: editedAgain },
    ])
    expect(verdicts).toMatchObject([
      alone('other'),
      alone('first'),
      { clusterId: 'first', kind: 'exact', likeRecordId: 'first', similarityPpm: 1_000_000 },
      { clusterId: 'first', kind: 'near', likeRecordId: 'first' },
      { clusterId: 'first', kind: 'near', likeRecordId: 'edited' },
    ])
    expect(verdicts[3]!.similarityPpm).toBe(similarity(shingle(edited), shingle(original)))
    expect(verdicts[3]!.similarityPpm).toBeGreaterThan(950_000)
  })

  test('see through spacing in texts', () => {
    const text = 'function transfer(address to, uint256 value) public virtual returns (bool) { return true; }'
    const [, second] = clusterRecords([
      { recordId: 'a', text },
      { recordId: 'b', text: text.replaceAll(' ', '\n\t  ') },
    ])
    expect(second).toMatchObject({ clusterId: 'a', kind: 'near', similarityPpm: 1_000_000 })
  })

  test('find most pairs above the threshold and none below, compared with looking at every pair', () => {
    const originals = Array.from({ length: 60 }, (_, i) => words(i + 1, 200))
    const edited = originals.map((tokens, i) =>
      tokens.map((token, k) => (k % Math.max(12, 90 - i) === 7 ? 1_999 - k : token)),
    )
    const all = [...originals, ...edited]
    const verdicts = clusterRecords(all.map((tokens, i) => ({ recordId: `r${i}`, tokens })))
    const shingles = all.map(shingle)
    let found = 0
    let above = 0
    for (let i = 60; i < 120; i++) {
      const best = Math.max(...shingles.slice(0, i).map((other) => similarity(shingles[i]!, other)))
      const { kind, similarityPpm } = verdicts[i]!
      if (best >= SIMILARITY_MIN_PPM) above++
      if (kind === 'near') {
        found++
        expect(similarityPpm).toBe(best)
        expect(best).toBeGreaterThanOrEqual(SIMILARITY_MIN_PPM)
      }
    }
    expect(above).toBeGreaterThan(30)
    expect(found / above).toBeGreaterThan(0.95)
  })

  test('do not change for earlier records when later ones arrive', () => {
    const tokens = fc.array(fc.nat(5), { maxLength: 12 })
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 12 }), fc.nat(12), (texts, count) => {
        const records = texts.map((text, i) => ({ recordId: `r${i}`, tokens: text }))
        expect(clusterRecords(records.slice(0, count))).toEqual(clusterRecords(records).slice(0, count))
        for (const { clusterId, kind, recordId } of clusterRecords(records)) {
          expect(kind === 'original').toBe(clusterId === recordId)
        }
      }),
    )
  })
})
