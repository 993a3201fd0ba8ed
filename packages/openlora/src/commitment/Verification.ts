import { attribute as divide } from '@openledger/attribution'
import { Bytes, CanonicalJson, type Hex } from '@openledger/primitives'
import { Attribution } from '@openledger/protocol'
import { cidOf } from '@openledger/store'
import type { AttributionIndex } from '../attribution/AttributionIndex.ts'
import {
  type AttributedAnswer,
  type AttributionDraft,
  type AttributionModel,
  inputsOf,
} from '../attribution/Attributor.ts'
import * as Evidence from '../attribution/Evidence.ts'
import type { Passage } from '../attribution/Passages.ts'
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
  { drawn, measured, hidden }: Recomputed,
): Verdict {
  const { attribution } = receipt
  const found = firstDifference([
    ['promptHash', hashText(promptText), receipt.promptHash],
    ['answerHash', hashText(text), receipt.answerHash],
    // of several answers to one prompt, the first is charged for reading it
    ['inputTokens', receipt.inputTokens === 0 ? 0 : promptIds.length, receipt.inputTokens],
    ['outputTokens', answerIds.length, receipt.outputTokens],
    ...commonLines(receipt, drawn, evidence),
    ['attribution.shares', drawn.shares.length, attribution.shares.length],
    ...drawn.shares.map((share, i): Line => {
      const claimed = attribution.shares[i]
      return [
        `attribution.shares[${i}]`,
        share,
        claimed === undefined
          ? null
          : {
              contributionId: claimed.contributionId,
              sharePpm: claimed.sharePpm,
              reasons: claimed.reasons,
            },
      ]
    }),
    [
      'attribution.commons',
      { ...drawn.commons },
      {
        sharePpm: attribution.commons.sharePpm,
        beneficiary: attribution.commons.beneficiary,
        // the money's part of it is for whoever checks the money
        reason: attribution.commons.reason.replace(Attribution.JOINED_REASON, '').trim(),
      },
    ],
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

/**
 * Checks what of a receipt can be checked without prompt and answer, which only its payer has: every line of influence and of a
 * passage, from the committed index and the evidence.
 */
export function verifyInfluence(
  receipt: Pick<ComputedReceipt, 'attribution' | 'attributionHash'>,
  evidenceBytes: Uint8Array,
  index: AttributionIndex,
  model: Pick<AttributionModel, 'policy'>,
): Verdict {
  const { attribution } = receipt
  const evidence = Evidence.decode(evidenceBytes)
  const { statement } = divide(inputsOf(index, evidence, model.policy))
  const explained = new Set<string>(
    statement.entries.flatMap(({ contributionId, influence, context }) => [
      ...influence.map(({ recordId, microZ }) => `${contributionId} ${recordId} ${Math.round(microZ / 1e3)}`),
      ...context.map(({ recordId, milliNats }) => `${contributionId} ${recordId} ${milliNats} in the prompt`),
    ]),
  )
  const unexplained = attribution.shares.flatMap(({ contributionId, reasons }, i) =>
    reasons.flatMap((reason): Line[] => {
      if (reason.kind === 'span') return []
      const name =
        reason.kind === 'influence'
          ? `${contributionId} ${reason.recordId} ${reason.milliZ}`
          : `${contributionId} ${reason.recordId} ${reason.milliNats} in the prompt`
      return explained.has(name) ? [] : [[`attribution.shares[${i}]`, null, { ...reason }]]
    }),
  )
  const draft = {
    engineVersion: attribution.engineVersion,
    policy: statement.policy,
    liftMilliNats: statement.influence.netLiftMilliNats,
    ...(evidence.context === undefined
      ? {}
      : {
          context: {
            passages: evidence.context.passages.map(({ recordId }) => recordId),
            liftMilliNats: statement.context!.liftMilliNats,
          },
        }),
  }
  return firstDifference([...commonLines(receipt, draft, evidenceBytes), ...unexplained])
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
