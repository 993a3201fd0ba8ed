import { BaseError, CanonicalJson, type Hex, Share } from '@openledger/primitives'
import type { SpanTrace } from '../spans/SpanTrace.ts'
import * as ContextPool from './ContextPool.ts'
import * as InfluencePool from './InfluencePool.ts'
import { createRegistry, type PayoutRecord, type Registry } from './PayoutRecord.ts'
import * as SpanPool from './SpanPool.ts'

/** Everything that an answer's shares follow from. */
export type AttributionInputs = {
  /** How the contributors' part is divided between the estimators. */
  readonly policy: PayoutPolicy
  /** All records of the model's training set. */
  readonly records: readonly PayoutRecord[]
  /** `[tokens]` `log p_adapter - log p_base` of the answer's tokens, in nats, both without the prompt's passages. */
  readonly lift: ArrayLike<number>
  /** Whole scores as `scoreInfluence` gives them, named as the index names its rows. */
  readonly influence?: { readonly recordIds: readonly string[]; readonly scores: ArrayLike<number> }
  readonly spans?: SpanTrace
  /** What the tokens weigh that no span pays, where `spans` comes from openings and does not know those tokens. */
  readonly restMilliNats?: number
  /** Passages that the prompt was given with, all of them among the records, and what leaving them out does. */
  readonly context?: {
    /** Of each passage, in the order of the prompt. */
    readonly recordIds: readonly string[]
    /** Log-likelihood of the answer under each coalition of `ContextPool.plan` of their clusters, in whole thousandths of a nat. */
    readonly milliNats: readonly number[]
  }
  /** `[tokens]` log-probabilities of the answer's tokens under the adapter, in nats; weighs the tokens of spans. */
  readonly logProbabilities?: ArrayLike<number>
  /** Contributors and beneficiaries that earn nothing from this answer, such as whoever pays for it. */
  readonly excluded?: readonly string[]
}

export type PayoutPolicy = {
  /** In hundredths of a per cent; with `spansBps` 10,000. */
  readonly influenceBps: number
  readonly spansBps: number
  /** Measured agreement of influence with retraining, in millionths; its square is the part of the pool that it may pay. */
  readonly agreementPpm?: number
}

export type Entry = {
  readonly contributionId: string
  readonly beneficiary: string
  /** Parts of `Share.SCALE`. */
  readonly sharePpm: number
  /** Parts of `UNITS`: the sum of this entry's lines. */
  readonly units: number
  readonly influence: readonly InfluencePool.InfluenceLine[]
  readonly spans: readonly SpanPool.SpanLine[]
  readonly context: readonly ContextPool.ContextLine[]
}

/** The whole attribution in whole numbers: its canonical form is what is hashed and recomputed. */
export type Statement = {
  readonly type: 'openledger.attribution'
  readonly version: 1
  readonly policy: PayoutPolicy
  readonly tokenCount: number
  readonly influence: InfluencePool.InfluenceStatistics & {
    readonly poolUnits: number
    readonly paidUnits: number
    /** Sum of the tokens' lifts, each rounded to thousandths of a nat. */
    readonly netLiftMilliNats: number
    /** Sum of their magnitudes. */
    readonly grossLiftMilliNats: number
    readonly thresholdMicroZ: number
  }
  readonly spans: {
    readonly poolUnits: number
    readonly paidUnits: number
    readonly weightMilliNats: number
  }
  /** Absent where the prompt had no passages. */
  readonly context?: {
    /** Its part of the influence pool. */
    readonly poolUnits: number
    readonly paidUnits: number
    /** What all passages together do to the answer's log-likelihood under the adapter. */
    readonly liftMilliNats: number
  }
  /** Largest first. */
  readonly entries: readonly Entry[]
  readonly commons: {
    readonly sharePpm: number
    readonly units: number
    /** The part of it that excluded contributions would have earned. */
    readonly excludedUnits: number
  }
}

export type Attribution = {
  readonly statement: Statement
  /** `CanonicalJson.hash` of the statement. */
  readonly hash: Hex
  /** With `commonsPpm` they sum to `Share.SCALE`. */
  readonly entries: readonly {
    readonly contributionId: string
    readonly beneficiary: string
    readonly sharePpm: bigint
  }[]
  readonly commonsPpm: bigint
}

/** One answer is divided into this many units, whose sums are exact; shares are rounded from them at the end. */
export const UNITS = 10n ** 12n
const BPS = 10_000n
const AGREEMENT_SCALE = 1_000_000n

/**
 * Turns what the estimators found into shares of an answer that sum exactly, each with its reasons.
 *
 * Influence is paid out of its pool in the measure of the adapter's lift, `max(0, Σ lift) / Σ |lift|`, so an answer that
 * the base model would have given anyway pays no data of the adapter's; spans out of theirs in the measure of the
 * tokens that they cover. Passages of the prompt take from the influence pool the part of all lift that is theirs: the adapter's
 * lift without them and theirs under the adapter add up to the answer's. What is not paid goes to the commons. A contribution's share is the sum over its records,
 * so nothing is gained by dividing records among names.
 *
 * @throws {AttributionInputError} @throws {InfluencePool.ScoreError} @throws {ContextPool.ContextError}
 * @throws {UnknownRecordError}
 */
export function attribute(inputs: AttributionInputs): Attribution {
  const { policy, lift } = inputs
  assertInputs(inputs)
  const registry = createRegistry(inputs.records)
  const isExcluded = excluder(inputs.excluded ?? [])
  const milliNats = Array.from(lift, (nats) => Math.round(nats * 1e3))
  const netLiftMilliNats = milliNats.reduce((sum, value) => sum + value, 0)
  const grossLiftMilliNats = milliNats.reduce((sum, value) => sum + Math.abs(value), 0)
  const movedPool = (UNITS * BigInt(policy.influenceBps)) / BPS
  const spansPool = UNITS - movedPool
  const context = inputs.context && splitContext(inputs.context, registry, { movedPool, netLiftMilliNats })
  const influencePool = movedPool - BigInt(context?.statistics.poolUnits ?? 0)
  const influence = InfluencePool.split({
    recordIds: inputs.influence?.recordIds ?? [],
    scores: inputs.influence?.scores ?? [],
    registry,
    units:
      netLiftMilliNats <= 0
        ? 0n
        : reliable((influencePool * BigInt(netLiftMilliNats)) / BigInt(grossLiftMilliNats), policy),
  })
  const weights = inputs.spans === undefined ? [] : SpanPool.weigh(inputs.spans, inputs.logProbabilities)
  const restMilliNats =
    inputs.restMilliNats ?? (inputs.spans === undefined ? 0 : SpanPool.restOf(inputs.spans, weights))
  const spanLines =
    inputs.spans === undefined
      ? []
      : SpanPool.split({ trace: inputs.spans, weights, restMilliNats, registry, units: spansPool })
  const isPaid = ({ recordId }: { readonly recordId: string }): boolean =>
    !isExcluded(registry.recordOf(recordId))
  const contextLines = context?.lines ?? []
  const paid = {
    influence: influence.lines.filter(isPaid),
    spans: spanLines.filter(isPaid),
    context: contextLines.filter(isPaid),
  }
  const { entries, commons } = divide(paid, registry)
  const statement: Statement = {
    type: 'openledger.attribution',
    version: 1,
    policy: {
      influenceBps: policy.influenceBps,
      spansBps: policy.spansBps,
      ...(policy.agreementPpm === undefined ? {} : { agreementPpm: policy.agreementPpm }),
    },
    tokenCount: lift.length,
    influence: {
      ...influence.statistics,
      poolUnits: Number(influencePool),
      paidUnits: sumUnits(paid.influence),
      netLiftMilliNats,
      grossLiftMilliNats,
      thresholdMicroZ: InfluencePool.THRESHOLD_MICRO_Z,
    },
    spans: {
      poolUnits: Number(spansPool),
      paidUnits: sumUnits(paid.spans),
      weightMilliNats:
        inputs.spans === undefined
          ? 0
          : weights.reduce((sum, weight) => sum + weight, 0) -
            SpanPool.restOf(inputs.spans, weights) +
            restMilliNats,
    },
    ...(context === undefined
      ? {}
      : { context: { ...context.statistics, paidUnits: sumUnits(paid.context) } }),
    entries,
    commons: {
      ...commons,
      excludedUnits: sumUnits(
        [...influence.lines, ...spanLines, ...contextLines].filter((line) => !isPaid(line)),
      ),
    },
  }
  return {
    statement,
    hash: CanonicalJson.hash(statement),
    entries: entries.map(({ contributionId, beneficiary, sharePpm }) => ({
      contributionId,
      beneficiary,
      sharePpm: BigInt(sharePpm),
    })),
    commonsPpm: BigInt(commons.sharePpm),
  }
}

/**
 * Recomputes an attribution and compares it with what was claimed.
 *
 * @param claimed - A statement, as it came over the wire.
 * @returns The first line that differs, in the order of the canonical form, if one does.
 */
export function verify(
  inputs: AttributionInputs,
  claimed: unknown,
):
  | { readonly status: 'same'; readonly hash: Hex }
  | {
      readonly status: 'different'
      readonly line: string
      readonly expected: unknown
      readonly claimed: unknown
    } {
  const { statement, hash } = attribute(inputs)
  const difference = firstDifference(statement, claimed, '')
  return difference === undefined ? { status: 'same', hash } : { status: 'different', ...difference }
}

/** Takes away what the estimator's measured agreement does not vouch for: the square is the variance that it explains. */
const reliable = (units: bigint, { agreementPpm }: PayoutPolicy): bigint =>
  agreementPpm === undefined ? units : (units * BigInt(agreementPpm) ** 2n) / AGREEMENT_SCALE ** 2n

/** Gives passages their part of the pool of what moved the answer, and splits it among them. */
function splitContext(
  { recordIds, milliNats }: NonNullable<AttributionInputs['context']>,
  registry: Registry,
  { movedPool, netLiftMilliNats }: { readonly movedPool: bigint; readonly netLiftMilliNats: number },
) {
  const plan = ContextPool.plan(recordIds.map((recordId) => registry.recordOf(recordId).clusterId))
  ContextPool.assertMeasured(plan, milliNats)
  const liftMilliNats = milliNats.at(-1)! - milliNats[0]!
  const own = BigInt(Math.max(0, liftMilliNats))
  const all = own + BigInt(Math.max(0, netLiftMilliNats))
  const units = all === 0n ? 0n : (movedPool * own) / all
  return {
    statistics: { poolUnits: Number(units), liftMilliNats },
    lines: ContextPool.split({ plan, milliNats, recordIds, registry, units }),
  }
}

type Lines = Pick<Entry, 'influence' | 'spans' | 'context'>

/** Gathers lines by contribution and rounds to shares; the rest is the commons'. */
function divide(
  lines: Lines,
  registry: Registry,
): { entries: Entry[]; commons: { sharePpm: number; units: number } } {
  const firstRecords = new Map<string, PayoutRecord>()
  for (const { recordId } of [...lines.influence, ...lines.spans, ...lines.context]) {
    const record = registry.recordOf(recordId)
    const known = firstRecords.get(record.contributionId)
    if (known === undefined || registry.compare(record, known) < 0)
      firstRecords.set(record.contributionId, record)
  }
  const sums = [...firstRecords.values()]
    .map((record) => {
      const isOwn = ({ recordId }: { readonly recordId: string }): boolean =>
        registry.recordOf(recordId).contributionId === record.contributionId
      const own = {
        influence: lines.influence.filter(isOwn),
        spans: lines.spans.filter(isOwn),
        context: lines.context.filter(isOwn),
      }
      return { record, own, units: sumUnits(own.influence) + sumUnits(own.spans) + sumUnits(own.context) }
    })
    .filter(({ units }) => units > 0)
    .sort((a, b) => b.units - a.units || registry.compare(a.record, b.record))
  const commonsUnits = UNITS - sums.reduce((sum, { units }) => sum + BigInt(units), 0n)
  const shares = Share.split(Share.SCALE, [...sums.map(({ units }) => BigInt(units)), commonsUnits])
  return {
    entries: sums.map(({ record, own, units }, i) => ({
      contributionId: record.contributionId,
      beneficiary: record.beneficiary,
      sharePpm: Number(shares[i]!),
      units,
      ...own,
    })),
    commons: { sharePpm: Number(shares.at(-1)!), units: Number(commonsUnits) },
  }
}

/** Addresses are compared without regard to the case of their hexadecimal digits. */
function excluder(excluded: readonly string[]): (record: PayoutRecord) => boolean {
  const names = new Set(excluded.map((name) => name.toLowerCase()))
  return ({ contributor, beneficiary }) =>
    names.has(contributor.toLowerCase()) || names.has(beneficiary.toLowerCase())
}

const sumUnits = (lines: readonly { readonly units: number }[]): number =>
  lines.reduce((sum, { units }) => sum + units, 0)

function firstDifference(
  expected: unknown,
  claimed: unknown,
  line: string,
): { line: string; expected: unknown; claimed: unknown } | undefined {
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null
  if (!isObject(expected) || !isObject(claimed) || Array.isArray(expected) !== Array.isArray(claimed)) {
    return expected === claimed ? undefined : { line, expected, claimed }
  }
  const name = (key: string): string =>
    Array.isArray(expected) ? `${line}[${key}]` : line === '' ? key : `${line}.${key}`
  const keys = new Set([...Object.keys(expected), ...Object.keys(claimed)])
  const ordered = Array.isArray(expected) ? [...keys].sort((a, b) => Number(a) - Number(b)) : [...keys].sort()
  for (const key of ordered) {
    const difference = firstDifference(expected[key], claimed[key], name(key))
    if (difference !== undefined) return difference
  }
  return undefined
}

function assertInputs({ policy, lift, spans, logProbabilities }: AttributionInputs): void {
  const { influenceBps, spansBps } = policy
  const isBps = (value: number): boolean => Number.isInteger(value) && value >= 0
  const { agreementPpm = 0 } = policy
  if (!isBps(agreementPpm) || agreementPpm > Number(AGREEMENT_SCALE)) {
    throw new AttributionInputError(`agreementPpm of 0 to ${AGREEMENT_SCALE}`, `${agreementPpm}`)
  }
  if (!isBps(influenceBps) || !isBps(spansBps) || influenceBps + spansBps !== Number(BPS)) {
    throw new AttributionInputError(
      'influenceBps and spansBps that sum to 10000',
      `${influenceBps} and ${spansBps}`,
    )
  }
  for (const [name, values] of Object.entries({ lift, logProbabilities })) {
    if (values === undefined) continue
    if (values.length !== lift.length) {
      throw new AttributionInputError(`${lift.length} entries of ${name}`, `${values.length}`)
    }
    const at = Array.from(values).findIndex((value) => !Number.isFinite(value))
    if (at !== -1) throw new AttributionInputError(`finite numbers in ${name}`, `${values[at]} at ${at}`)
  }
  if (spans !== undefined && spans.tokenCount !== lift.length) {
    throw new AttributionInputError(`spans of ${lift.length} tokens`, `${spans.tokenCount}`)
  }
}

export class AttributionInputError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'attribution.input',
      message: `Expected ${expected}, got ${got}; every array speaks of the same tokens of one answer.`,
      context: { expected, got },
    })
  }
}
