import { Share } from '@openledger/primitives'
import type { SpanTrace } from '../spans/SpanTrace.ts'
import type { PayoutRecord, Registry } from './PayoutRecord.ts'

export type SpanLine = {
  /** First token of the answer that is paid by this line. */
  readonly start: number
  /** One past the last token. */
  readonly end: number
  /** The record that is paid: the first of its cluster of duplicates. */
  readonly recordId: string
  /** What the tokens weigh, in thousandths of a nat, before it is divided among the records that hold them. */
  readonly milliNats: number
  readonly recordCount: number
  readonly units: number
}

/** A token without a probability from the model weighs one nat. */
const MILLI_NATS_DEFAULT = 1_000

/**
 * Weighs each token of an answer by how much better the model knew it than its frequency in the corpus:
 * `max(0, log p_model - log p_unigram)`, in whole thousandths of a nat.
 *
 * @param logProbabilities - `[tokens]` nats, as the model gave them; left out, tokens weigh the same.
 */
export function weigh(trace: SpanTrace, logProbabilities: ArrayLike<number> | undefined): number[] {
  return Array.from({ length: trace.tokenCount }, (_, t) => {
    if (logProbabilities === undefined) return MILLI_NATS_DEFAULT
    const modelMilliNats = Math.round(logProbabilities[t]! * 1e3)
    return Math.max(0, modelMilliNats + Math.round(trace.unigramMicroNats[t]! / 1e3))
  })
}

/** What the tokens weigh that no span pays: those outside of spans and those of boilerplate. */
export const restOf = (trace: SpanTrace, weights: readonly number[]): number =>
  weights.reduce(
    (sum, weight, t) => sum + (trace.spans[trace.spanOfToken[t]!]?.kind === 'matched' ? 0 : weight),
    0,
  )

/**
 * Splits a pool over the records that the answer repeats, each token once.
 *
 * A token belongs to the longest span over it and is split equally over the clusters of duplicates that say it first;
 * within a cluster the first registrant is paid. Tokens of no span, or of boilerplate, leave their part unpaid.
 *
 * @param restMilliNats - `restOf` them all.
 */
export function split({
  trace,
  weights,
  restMilliNats,
  registry,
  units,
}: {
  readonly trace: SpanTrace
  readonly weights: readonly number[]
  readonly restMilliNats: number
  readonly registry: Registry
  readonly units: bigint
}): SpanLine[] {
  const runs = trace.spans.flatMap((span, spanNumber) =>
    span.runs.flatMap((run) => {
      const payees = distinctPayees(run.recordIds, registry)
      return paidParts(trace, spanNumber, run).map(({ start, end }) => {
        const milliNats = weights.slice(start, end).reduce((sum, weight) => sum + weight, 0)
        return { start, end, milliNats, payees }
      })
    }),
  )
  const paid = runs.filter(({ milliNats }) => milliNats > 0)
  if (paid.length === 0 || units === 0n) return []
  const parts = Share.split(units, [...paid.map(({ milliNats }) => BigInt(milliNats)), BigInt(restMilliNats)])
  return paid.flatMap(({ start, end, milliNats, payees }, i) => {
    const equal = Share.split(
      parts[i]!,
      payees.map(() => 1n),
    )
    return payees.map(({ recordId }, k) => ({
      start,
      end,
      recordId,
      milliNats,
      recordCount: payees.length,
      units: Number(equal[k]!),
    }))
  })
}

/** The parts of a run whose tokens are paid through this span and not through a longer one. */
function paidParts(
  { spanOfToken }: SpanTrace,
  spanNumber: number,
  run: { readonly start: number; readonly end: number },
): { start: number; end: number }[] {
  const parts: { start: number; end: number }[] = []
  for (let t = run.start; t < run.end; t++) {
    if (spanOfToken[t] !== spanNumber) continue
    const last = parts.at(-1)
    if (last?.end === t) last.end++
    else parts.push({ start: t, end: t + 1 })
  }
  return parts
}

function distinctPayees(recordIds: readonly string[], registry: Registry): PayoutRecord[] {
  const payees = new Map(
    recordIds.map((recordId) => {
      const payee = registry.payeeOf(recordId)
      return [payee.recordId, payee]
    }),
  )
  return [...payees.values()].sort(registry.compare)
}
