import { attribute as divide, type OpenedSpans, SpanOpeningError } from '@openledger/attribution'
import { Bytes, CanonicalJson, type Hex } from '@openledger/primitives'
import { Attribution } from '@openledger/protocol'
import { cidOf } from '@openledger/store'
import type { AttributionIndex } from '../attribution/AttributionIndex.ts'
import {
  type AttributedAnswer,
  type AttributionDraft,
  type AttributionModel,
  drawOpened,
  ENGINE_VERSION,
  spanInputs,
  toNats,
} from '../attribution/Attributor.ts'
import * as Evidence from '../attribution/Evidence.ts'
import type { Passage } from '../attribution/Passages.ts'
import { type ShownSpans, verifyShown } from '../attribution/ShownSpans.ts'
import { type Decoding, decodingDifference } from './Commitment.ts'

/** The part of a receipt that says what was computed. */
export type ComputedReceipt = {
  readonly promptHash: Hex
  readonly answerHash: Hex
  readonly inputTokens: number
  readonly outputTokens: number
  readonly attributionHash: Hex
  readonly inferenceCommitment: Hex
  readonly attribution: Attribution.Attribution
}

/** What the receipt is about, as its payer has it. */
export type AnswerInputs = {
  readonly promptText: string
  readonly promptIds: readonly number[]
  readonly text: string
  readonly answerIds: readonly number[]
  /** Where the prompt was given with some. */
  readonly passages?: readonly Passage[]
}

/** What an auditor computed: shares drawn from the receipt's evidence, and the evidence measured again. */
export type Recomputed = {
  /** `draw` of the evidence that the receipt names. */
  readonly drawn: AttributionDraft
  /** `spansOf` the answer, with what that evidence says of its tokens. */
  readonly spans: Evidence.SpanEvidence
  /** The answer computed again on this machine. */
  readonly measured: Pick<AttributedAnswer, 'evidence' | 'inferenceCommitment'>
  /** `[answer, hidden]` read in the precision that the evidence claims; undefined where it claims none. */
  readonly hidden: Float32Array | undefined
}

export type Verdict =
  | {
      readonly status: 'same'
      /** How the answer was decoded, where the receipt commits to it and that was computed again. */
      readonly precision?: Decoding['precision']
    }
  | {
      readonly status: 'different'
      /** The first part of the receipt that differs. */
      readonly line: string
      readonly expected: CanonicalJson.Json
      readonly claimed: CanonicalJson.Json
      /** What the answer pays by the computation here; only where it is of the receipt's own question and answer. */
      readonly computed?: AttributionDraft
    }

type Line = readonly [line: string, expected: CanonicalJson.Json, claimed: CanonicalJson.Json]

/** Hashes text as receipts do: `keccak256(utf8(text))`. */
export const hashText = (text: string): Hex => Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))

/**
 * Compares a receipt with the answer computed again: whole numbers to the last one, what they were rounded from within
 * `Evidence.TOLERANCE`. Amounts are not looked at: they follow from shares and fee, which whoever checks the money does.
 *
 * @param evidence - The bytes that the receipt names.
 */
export function verify(
  receipt: ComputedReceipt,
  { promptText, promptIds, text, answerIds }: AnswerInputs,
  evidence: Uint8Array,
  { drawn, spans, measured, hidden }: Recomputed,
): Verdict {
  const { attribution } = receipt
  // what several models answered together is charged in parts, which whoever checks the money does
  const charged = attribution.merge ?? receipt
  const found = firstDifference([
    ['promptHash', hashText(promptText), receipt.promptHash],
    ['answerHash', hashText(text), receipt.answerHash],
    // of several answers to one prompt, the first is charged for reading it
    ['inputTokens', charged.inputTokens === 0 ? 0 : promptIds.length, charged.inputTokens],
    ['outputTokens', answerIds.length, charged.outputTokens],
    ...commonLines(receipt, drawn, evidence),
    ...shareLines(drawn, attribution),
    ['evidence.spans', spans as never, Evidence.decode(evidence).spans as never],
  ])
  if (found.status === 'different') return found
  const claimed = Evidence.decode(evidence)
  const away = Evidence.difference(claimed, Evidence.decode(measured.evidence))
  if (away !== undefined) return { status: 'different', ...away, line: `evidence.${away.line}` }
  const committed = firstDifference([
    ['inferenceCommitment', measured.inferenceCommitment, receipt.inferenceCommitment],
  ])
  const { decoding } = claimed
  if (committed.status === 'different' || decoding === undefined || hidden === undefined) return committed
  const otherwise = decodingDifference(decoding, hidden, answerIds.length)
  return otherwise === undefined
    ? { status: 'same', precision: decoding.precision }
    : { status: 'different', ...otherwise, line: `evidence.decoding.${otherwise.line}` }
}

/** What a receipt is checked by where only its payer has question and answer. */
export type PublicInputs = {
  readonly evidence: Uint8Array
  /** Of the receipt's spans, as the server shows them. */
  readonly shown: ShownSpans
  /** Where licences let anyone have it: without it, lines of influence cannot be recomputed. */
  readonly index: AttributionIndex | undefined
}

/**
 * Checks what of a receipt can be checked without question and answer: spans from openings of the committed index, and, with
 * the index, every share to the last line but the characters that a span begins and ends at.
 */
export function verifyWithoutAnswer(
  receipt: Pick<ComputedReceipt, 'attribution' | 'attributionHash'>,
  { evidence: evidenceBytes, shown, index }: PublicInputs,
  model: Pick<AttributionModel, 'policy' | 'commons' | 'index'>,
): Verdict {
  const evidence = Evidence.decode(evidenceBytes)
  let opened: OpenedSpans
  try {
    opened = verifyShown(shown, model.index.attributionRoot, evidence)
  } catch (error) {
    if (!(error instanceof SpanOpeningError)) throw error
    const { expected, got } = error.context as { expected: string; got: string }
    return { status: 'different', line: 'evidence.spans', expected, claimed: got }
  }
  const { attribution } = receipt
  if (index === undefined) {
    const lift = evidence.liftMilliNats.reduce((sum, value) => sum + value, 0)
    const { engineVersion, policy } = { engineVersion: ENGINE_VERSION, policy: model.policy }
    const draft = { engineVersion, policy, liftMilliNats: lift, ...contextOf(evidence) }
    return firstDifference([
      ...commonLines(receipt, draft, evidenceBytes),
      ...spanLines(attribution, evidence, opened, model),
    ])
  }
  const drawn = drawOpened(index, evidence, opened.trace, model)
  return firstDifference([
    ...commonLines(receipt, drawn, evidenceBytes),
    ...shareLines(
      { shares: drawn.shares.map(withoutPlaces), commons: drawn.commons },
      { shares: attribution.shares.map(withoutPlaces), commons: attribution.commons },
    ),
  ])
}

/** Only the payer can tell which characters a span is made of. */
const withoutPlaces = <Share extends { readonly reasons: readonly Attribution.Reason[] }>(share: Share) => ({
  ...share,
  reasons: share.reasons.map((reason) => {
    if (reason.kind !== 'span') return reason
    const { start: _, end: __, ...rest } = reason
    return rest
  }),
})

/** Parts of a million that two roundings may move a line by. */
const ROUNDED_PPM = 2

/** Holds the lines of spans alone against openings, each within rounding: what else a share is made of is not known. */
function spanLines(
  { shares }: Attribution.Attribution,
  evidence: Evidence.Evidence,
  { trace, documents }: OpenedSpans,
  { policy }: Pick<AttributionModel, 'policy'>,
): Line[] {
  const records = [...documents].map(([arrival, { recordId, contributionId, payee }]) => ({
    recordId,
    contributionId,
    clusterId: documents.get(payee)!.recordId,
    arrival,
    contributor: contributionId,
    beneficiary: contributionId,
  }))
  const { statement } = divide({
    policy,
    records,
    lift: evidence.liftMilliNats.map(toNats),
    ...spanInputs(evidence, trace),
    excluded: evidence.excludedContributions,
  })
  const names = new Set<string>([
    ...shares.map(({ contributionId }) => contributionId),
    ...statement.entries.map(({ contributionId }) => contributionId),
  ])
  return [...names].flatMap((contributionId): Line[] => {
    const at = shares.findIndex((share) => share.contributionId === contributionId)
    const claimed = (shares[at]?.reasons ?? []).filter((reason) => reason.kind === 'span')
    const entry = statement.entries.find((one) => one.contributionId === contributionId)
    const line = at === -1 ? `attribution.shares of ${contributionId}` : `attribution.shares[${at}]`
    let next = 0
    for (const { recordId, start, units } of entry?.spans ?? []) {
      const occurrences = trace.spans[trace.spanOfToken[start]!]!.occurrenceCount
      const sharePpm = units / 1e6
      const one = claimed[next]
      const isSame =
        one?.recordId === recordId &&
        one.occurrences === occurrences &&
        Math.abs(one.sharePpm - sharePpm) < ROUNDED_PPM
      if (isSame) next++
      else if (sharePpm >= ROUNDED_PPM) {
        return [[line, { recordId, occurrences, sharePpm }, one === undefined ? null : { ...one }]]
      }
    }
    return next === claimed.length ? [] : [[line, null, { ...claimed[next]! }]]
  })
}

type Shares = {
  readonly shares: readonly {
    readonly contributionId: string
    readonly sharePpm: number
    readonly reasons: readonly object[]
  }[]
  readonly commons: AttributionDraft['commons']
}

const shareLines = (drawn: Shares, claimed: Shares): Line[] => [
  ['attribution.shares', drawn.shares.length, claimed.shares.length],
  ...drawn.shares.map((share, i): Line => {
    const other = claimed.shares[i]
    const told = other && {
      contributionId: other.contributionId,
      sharePpm: other.sharePpm,
      reasons: other.reasons,
    }
    return [`attribution.shares[${i}]`, share as never, (told ?? null) as never]
  }),
  [
    'attribution.commons',
    { ...drawn.commons },
    {
      sharePpm: claimed.commons.sharePpm,
      beneficiary: claimed.commons.beneficiary,
      // the money's part of it is for whoever checks the money
      reason: claimed.commons.reason.replace(Attribution.JOINED_REASON, '').trim(),
    },
  ],
]

const contextOf = ({ context }: Evidence.Evidence): Pick<AttributionDraft, 'context'> =>
  context === undefined
    ? {}
    : {
        context: {
          passages: context.passages.map(({ recordId }) => recordId),
          liftMilliNats: context.milliNats.at(-1)! - context.milliNats[0]!,
        },
      }

const commonLines = (
  { attribution, attributionHash }: Pick<ComputedReceipt, 'attribution' | 'attributionHash'>,
  expected: Pick<AttributionDraft, 'engineVersion' | 'policy' | 'liftMilliNats' | 'context'>,
  evidence: Uint8Array,
): Line[] => [
  ['attributionHash', CanonicalJson.hash(attribution as never), attributionHash],
  ['attribution.engineVersion', expected.engineVersion, attribution.engineVersion],
  ['attribution.evidenceCid', cidOf(evidence), attribution.evidenceCid ?? null],
  ['attribution.policy', expected.policy, attribution.policy],
  ['attribution.liftMilliNats', expected.liftMilliNats, attribution.liftMilliNats],
  ['attribution.context', expected.context ?? null, attribution.context ?? null],
]

function firstDifference(lines: readonly Line[]): Verdict {
  const different = lines.find(
    ([, expected, claimed]) => CanonicalJson.stringify(expected) !== CanonicalJson.stringify(claimed),
  )
  if (different === undefined) return { status: 'same' }
  const [line, expected, claimed] = different
  return { status: 'different', line, expected, claimed }
}
