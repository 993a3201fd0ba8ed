import { BaseError, Share } from '@openledger/primitives'
import type { PayoutRecord, Registry } from './PayoutRecord.ts'

/** Scores below this many robust deviations over the median are noise and earn nothing. */
export const THRESHOLD_MICRO_Z = 3_000_000
/** The most records that one answer pays through influence; the highest scores are kept. */
export const RECORDS_MAX = 1_024

/** `1.4826` makes the median absolute deviation of normal scores their standard deviation. */
const DEVIATION_TEN_THOUSANDTHS = 14_826n

export type InfluenceLine = {
  /** The record that is paid. */
  readonly recordId: string
  /** The record whose training moved the answer; the paid record's copy, or text copied from it, may be elsewhere. */
  readonly scoredRecordId: string
  readonly score: number
  /** Robust deviations over the median, in millionths. */
  readonly microZ: number
  readonly units: number
}

export type InfluenceStatistics = {
  readonly rowCount: number
  readonly median: number
  readonly medianDeviation: number
}

/**
 * Splits a pool over the records whose influence stands out.
 *
 * `z = (score - median) / (1.4826 · median |score - median|)` over one row for each cluster of duplicates, and each is paid
 * in proportion to `z - 3`. All of it is whole-number arithmetic. Copies change neither the statistics nor the payee;
 * a record that copied part of its text keeps what is left over the threshold of its z less twice that part, and owes
 * the rest to the records it copied from.
 *
 * @param scores - Whole numbers, one for each of `recordIds`.
 * @returns No lines when nothing stands out.
 * @throws {ScoreError} @throws {UnknownRecordError}
 */
export function split({
  recordIds,
  scores,
  registry,
  units,
}: {
  readonly recordIds: readonly string[]
  readonly scores: ArrayLike<number>
  readonly registry: Registry
  readonly units: bigint
}): { lines: InfluenceLine[]; statistics: InfluenceStatistics } {
  const rows = firstOfClusters(recordIds, scores, registry)
  const values = Float64Array.from(rows, ({ score }) => score)
  const median = lowerMedian(values)
  const medianDeviation = lowerMedian(values.map((value) => Math.abs(value - median)))
  const statistics = { rowCount: rows.length, median, medianDeviation }
  if (medianDeviation === 0) return { lines: [], statistics }
  const standing = rows
    .map((row) => ({ ...row, microZ: toMicroZ(row.score, median, medianDeviation) }))
    .filter(({ microZ }) => microZ > THRESHOLD_MICRO_Z)
    .sort((a, b) => b.score - a.score || registry.compare(a.record, b.record))
    .slice(0, RECORDS_MAX)
  if (standing.length === 0 || units === 0n) return { lines: [], statistics }
  const parts = Share.split(
    units,
    standing.map(({ microZ }) => BigInt(microZ - THRESHOLD_MICRO_Z)),
  )
  const lines = standing.flatMap(({ record, score, microZ }, i) =>
    divide(registry, record, microZ, parts[i]!).map((part) => ({
      recordId: part.recordId,
      scoredRecordId: record.recordId,
      score,
      microZ,
      units: Number(part.units),
    })),
  )
  return { lines, statistics }
}

/** Keeps, of each cluster, the row of the member that was registered first. */
function firstOfClusters(
  recordIds: readonly string[],
  scores: ArrayLike<number>,
  registry: Registry,
): { record: PayoutRecord; score: number }[] {
  if (recordIds.length !== scores.length)
    throw new ScoreError(`${scores.length} scores`, `${recordIds.length}`)
  const first = new Map<string, { record: PayoutRecord; score: number }>()
  for (const [i, recordId] of recordIds.entries()) {
    const score = scores[i]!
    if (!Number.isSafeInteger(score)) throw new ScoreError(`${score}`, 'whole numbers')
    const record = registry.recordOf(recordId)
    const known = first.get(record.clusterId)
    if (known === undefined || registry.compare(record, known.record) < 0)
      first.set(record.clusterId, { record, score })
  }
  return [...first.values()]
}

/** The lower of the two middle values when there are two, so that it is always one of the values; 0 of none. */
function lowerMedian(values: Float64Array): number {
  return values.slice().sort()[(values.length - 1) >> 1] ?? 0
}

function toMicroZ(score: number, median: number, medianDeviation: number): number {
  const scaled = (BigInt(score) - BigInt(median)) * 10_000_000_000n
  return Number(scaled / (DEVIATION_TEN_THOUSANDTHS * BigInt(medianDeviation)))
}

/** Gives a record's units to the first of its cluster, less what it owes to the records that it copied from. */
function divide(
  registry: Registry,
  record: PayoutRecord,
  microZ: number,
  units: bigint,
): { readonly recordId: string; readonly units: bigint }[] {
  const sources = (record.copied ?? []).filter(({ ppm }) => ppm > 0)
  const copiedPpm = sources.reduce((sum, { ppm }) => sum + ppm, 0)
  const own = registry.payeeOf(record.recordId).recordId
  if (copiedPpm === 0) return [{ recordId: own, units }]
  const ownPpm = BigInt(Math.max(0, Number(Share.SCALE) - 2 * copiedPpm))
  const ownExcess = Math.max(0, Number((BigInt(microZ) * ownPpm) / Share.SCALE) - THRESHOLD_MICRO_Z)
  const owedExcess = microZ - THRESHOLD_MICRO_Z - ownExcess
  const [ownedUnits, owedUnits] = Share.split(units, [BigInt(ownExcess), BigInt(owedExcess)])
  const parts = Share.split(
    owedUnits!,
    sources.map(({ ppm }) => BigInt(ppm)),
  )
  return [
    { recordId: own, units: ownedUnits! },
    ...sources.map(({ recordId }, i) => ({
      recordId: registry.payeeOf(recordId).recordId,
      units: parts[i]!,
    })),
  ].filter((part) => part.units > 0n)
}

export class ScoreError extends BaseError {
  constructor(got: string, expected: string) {
    super({
      code: 'attribution.score',
      message: `Expected ${expected} as influence scores, got ${got}; pass them as the index gives them.`,
      context: { got, expected },
    })
  }
}
