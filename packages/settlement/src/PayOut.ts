import { BaseError, type Hex, Share } from '@openledger/primitives'
import { Attribution, Receipt } from '@openledger/protocol'
import type { schema } from '@openledger/store'
import * as Credits from './Credits.ts'

/** Why an answer pays whom, before it is known how much: shares and commons sum to `Share.SCALE`. */
export type AttributionDraft = {
  readonly engineVersion: string
  readonly evidenceCid?: string | undefined
  readonly textFrom?: 'caller' | undefined
  readonly merge?: Attribution.Merge | undefined
  readonly pin?: Attribution.Pin | undefined
  readonly policy: Attribution.Attribution['policy']
  readonly liftMilliNats: number
  readonly context?: NonNullable<Attribution.Attribution['context']> | undefined
  readonly shares: readonly {
    readonly contributionId: Hex
    readonly sharePpm: number
    readonly reasons: readonly Attribution.Reason[]
  }[]
  readonly commons: { readonly sharePpm: number; readonly beneficiary: Hex; readonly reason: string }
}

type Payout = Omit<typeof schema.payouts.$inferInsert, 'receiptSequence'>

/**
 * Turns shares into wei: the contributors' part by share, to the wei, and what the stakers' part leaves to the commons.
 *
 * @param joinedWei - The stakers' part where nobody stakes behind the model, else zero. It is the last payout, on its
 *   own, because no share of the attribution explains it.
 * @throws {SharesSumError} when shares and commons do not sum to `Share.SCALE`.
 */
export function payOut(
  draft: AttributionDraft,
  contributorsWei: bigint,
  joinedWei: bigint,
  beneficiaries: readonly Hex[],
): { attribution: Attribution.Attribution; payouts: Payout[]; sharesRoot: Hex } {
  const { shares, commons } = draft
  const weights = [...shares.map((share) => BigInt(share.sharePpm)), BigInt(commons.sharePpm)]
  const sumPpm = weights.reduce((total, weight) => total + weight, 0n)
  if (sumPpm !== Share.SCALE) throw new SharesSumError(sumPpm)
  const amounts = Share.split(contributorsWei, weights)
  const rows: Payout[] = [
    ...shares.map((share, position) => ({
      position,
      beneficiary: beneficiaries[position]!,
      contributionId: share.contributionId,
      sharePpm: share.sharePpm,
      amountWei: amounts[position]!,
    })),
    commonsPayout(shares.length, commons.beneficiary, commons.sharePpm, amounts.at(-1)!),
    commonsPayout(shares.length + 1, commons.beneficiary, 0, joinedWei),
  ].filter((row) => row.amountWei > 0n)
  const earned = Credits.merge(
    rows.map(({ beneficiary, amountWei }) => ({ account: beneficiary as Hex, amountWei })),
  )
  return {
    attribution: {
      engineVersion: draft.engineVersion,
      ...(draft.evidenceCid === undefined ? {} : { evidenceCid: draft.evidenceCid }),
      ...(draft.textFrom === undefined ? {} : { textFrom: draft.textFrom }),
      policy: draft.policy,
      liftMilliNats: draft.liftMilliNats,
      ...(draft.merge === undefined ? {} : { merge: draft.merge }),
      ...(draft.pin === undefined ? {} : { pin: draft.pin }),
      ...(draft.context === undefined ? {} : { context: draft.context }),
      shares: shares.map((share, i) => ({
        contributionId: share.contributionId,
        beneficiary: beneficiaries[i]!,
        sharePpm: share.sharePpm,
        amountWei: amounts[i]!.toString(),
        reasons: [...share.reasons],
      })),
      commons: {
        sharePpm: commons.sharePpm,
        amountWei: (amounts.at(-1)! + joinedWei).toString(),
        beneficiary: commons.beneficiary,
        reason: joinedWei === 0n ? commons.reason : `${commons.reason} ${Attribution.JOINED_REASON}`.trim(),
      },
    },
    payouts: rows,
    sharesRoot: Receipt.sharesRoot(earned),
  }
}

/** A payment to the Datanet's commons; it belongs to no contribution. */
const commonsPayout = (
  position: number,
  beneficiary: Hex,
  sharePpm: number,
  amountWei: bigint,
): Payout & { amountWei: bigint } => ({ position, beneficiary, contributionId: null, sharePpm, amountWei })

export class SharesSumError extends BaseError {
  constructor(sumPpm: bigint) {
    super({
      code: 'receipt.shares_sum',
      message: `Expected shares and commons that sum to ${Share.SCALE}, got ${sumPpm}. The attribution is wrong; nothing was charged.`,
      context: { sumPpm: sumPpm.toString() },
    })
  }
}
