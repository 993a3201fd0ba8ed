import * as InfluenceIndex from '../influence/InfluenceIndex.ts'
import * as SpanIndex from '../spans/SpanIndex.ts'

/** A part of a record that was said first by another, in parts per million of its tokens. */
export type CopiedPart = { readonly recordId: string; readonly ppm: number }

/**
 * Records of different contributions whose coded gradients are this alike say the same in other words. Unrelated records
 * stay below half of it.
 */
export const LIKENESS_MIN_PPM = 700_000
const WHOLE_PPM = 1_000_000

/**
 * Finds what each record copied from earlier contributions: word for word by the span index, in other words by the
 * influence index.
 *
 * @param influence - Of the same records as `spans`; left out, only literal copies are found.
 * @returns One list for each record of `spans`, in order; sources in the order of registration.
 */
export function copiedParts(
  spans: SpanIndex.SpanIndex,
  influence?: InfluenceIndex.InfluenceIndex,
): readonly (readonly CopiedPart[])[] {
  const likenesses = influence === undefined ? new Map() : likenessesOf(spans, influence)
  return SpanIndex.lineage(spans).map(({ recordId, tokenCount, copied }): CopiedPart[] => {
    const like = likenesses.get(recordId)
    if (like !== undefined) return [{ recordId: like, ppm: WHOLE_PPM }]
    return copied.map((part) => ({
      recordId: part.recordId,
      ppm: Math.floor((part.tokenCount * WHOLE_PPM) / tokenCount),
    }))
  })
}

/** By record, the earlier record of another contribution that it is like. */
function likenessesOf(
  spans: SpanIndex.SpanIndex,
  influence: InfluenceIndex.InfluenceIndex,
): ReadonlyMap<string, string> {
  const owners = new Map(spans.documents.map(({ recordId }, i) => [recordId, spans.owners[i]!]))
  const isOther = (a: string, b: string): boolean => owners.get(a) !== owners.get(b)
  return new Map(
    InfluenceIndex.nearestEarlier(influence).flatMap(({ row, similarityPpm }, i) => {
      const [recordId, earlier] = [influence.recordIds[i]!, influence.recordIds[row]]
      const isLike = earlier !== undefined && similarityPpm >= LIKENESS_MIN_PPM && isOther(recordId, earlier)
      return isLike ? [[recordId, earlier]] : []
    }),
  )
}
