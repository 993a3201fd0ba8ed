import { Bytes, CanonicalJson, type Hex } from '@openledger/primitives'
import type { Attribution } from '@openledger/protocol'
import type { AttributedAnswer } from './Attributor.ts'

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
}

export type Verdict =
  | { readonly status: 'same' }
  | {
      readonly status: 'different'
      /** The first part of the receipt that differs. */
      readonly line: string
      readonly expected: CanonicalJson.Json
      readonly claimed: CanonicalJson.Json
    }

/** Hashes text as receipts do: `keccak256(utf8(text))`. */
export const hashText = (text: string): Hex => Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))

/**
 * Compares a receipt with the answer computed again. Amounts are not looked at: they follow from shares and fee, which
 * whoever checks the money does.
 */
export function verify(
  receipt: ComputedReceipt,
  { promptText, promptIds, text, answerIds }: AnswerInputs,
  recomputed: AttributedAnswer,
): Verdict {
  const { attribution } = receipt
  const { shares, commons } = recomputed.attribution
  const lines: [string, CanonicalJson.Json, CanonicalJson.Json][] = [
    ['promptHash', hashText(promptText), receipt.promptHash],
    ['answerHash', hashText(text), receipt.answerHash],
    ['inputTokens', promptIds.length, receipt.inputTokens],
    ['outputTokens', answerIds.length, receipt.outputTokens],
    ['attributionHash', CanonicalJson.hash(attribution), receipt.attributionHash],
    ['attribution.engineVersion', recomputed.attribution.engineVersion, attribution.engineVersion],
    ['attribution.policy', recomputed.attribution.policy, attribution.policy],
    ['attribution.liftMilliNats', recomputed.attribution.liftMilliNats, attribution.liftMilliNats],
    ['attribution.shares', shares.length, attribution.shares.length],
    ...shares.map((share, i): [string, CanonicalJson.Json, CanonicalJson.Json] => {
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
      { sharePpm: commons.sharePpm, beneficiary: commons.beneficiary },
      { sharePpm: attribution.commons.sharePpm, beneficiary: attribution.commons.beneficiary },
    ],
    ['inferenceCommitment', recomputed.inferenceCommitment, receipt.inferenceCommitment],
  ]
  const different = lines.find(
    ([, expected, claimed]) => CanonicalJson.stringify(expected) !== CanonicalJson.stringify(claimed),
  )
  if (different === undefined) return { status: 'same' }
  const [line, expected, claimed] = different
  return { status: 'different', line, expected, claimed }
}
