import type { Attribution } from '@openledger/protocol'

/** A stretch of an answer in which the same contributions, highest share first, hold the same words. */
export type Piece = {
  readonly start: number
  readonly end: number
  readonly contributionIds: readonly string[]
}

/** Shares with the highest first. */
export const ranked = (attribution: Attribution.Attribution): Attribution.Share[] =>
  [...attribution.shares].sort((a, b) => b.sharePpm - a.sharePpm)

/** Cuts an answer wherever a span begins or ends, so that each piece has one set of contributions behind it. */
export function pieces(answer: string, attribution: Attribution.Attribution): Piece[] {
  const spans = ranked(attribution).flatMap(({ contributionId, reasons }) =>
    reasons.flatMap((reason) =>
      reason.kind === 'span'
        ? [{ start: Math.max(0, reason.start), end: Math.min(reason.end, answer.length), contributionId }]
        : [],
    ),
  )
  const cuts = new Set([0, answer.length])
  for (const { start, end } of spans) if (start < end) cuts.add(start).add(end)
  const sorted = [...cuts].sort((a, b) => a - b)
  const list: Piece[] = []
  for (const [index, start] of sorted.slice(0, -1).entries()) {
    const end = sorted[index + 1]!
    const covering = spans.filter((span) => span.start <= start && end <= span.end)
    const contributionIds = [...new Set(covering.map((span) => span.contributionId))]
    const last = list.at(-1)
    // two spans of one contribution side by side read as one
    if (last !== undefined && last.contributionIds.join() === contributionIds.join())
      list[list.length - 1] = { ...last, end }
    else list.push({ start, end, contributionIds })
  }
  return list
}
