import type { Hex } from '@openledger/primitives'
import { DevelopmentKeys, FeeSplit, type Http } from '@openledger/protocol'
import { keccak256, toHex } from 'viem'
import type { AttributionDraft } from '../src/PayOut.ts'
import type { Settlement } from '../src/Settlement.ts'
import { type House, INPUT_PRICE_WEI, OUTPUT_PRICE_WEI } from './house.ts'

/** An answer's size and price; by default it costs what the house's model asks. */
export type AnswerSize = {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly inputPriceWei?: bigint
  readonly outputPriceWei?: bigint
}

export const SMALL: AnswerSize = { inputTokens: 11, outputTokens: 7 }
/** Two wei, whatever the model asks. */
export const TINY: AnswerSize = { inputTokens: 1, outputTokens: 1, inputPriceWei: 1n, outputPriceWei: 1n }

/** Of a house, what answers are sold and paid by. */
export type Sells = Pick<House, 'modelId' | 'contributionIds'>

/** What an answer's attribution says: a share in parts per million for each of the house's contributions, the rest to the commons. */
export const draftOf = (house: Sells, shares: readonly number[]): AttributionDraft => ({
  engineVersion: 'test',
  policy: { influenceBps: 5_000, spansBps: 5_000 },
  liftMilliNats: 1_234,
  shares: shares.map((sharePpm, i) => ({
    contributionId: house.contributionIds[i]!,
    sharePpm,
    reasons: [{ kind: 'influence', recordId: keccak256(toHex(i)), milliZ: 3_000, sharePpm }],
  })),
  commons: {
    sharePpm: 1_000_000 - shares.reduce((sum, share) => sum + share, 0),
    beneficiary: DevelopmentKeys.account('builder').address.toLowerCase() as Hex,
    reason: 'What no record explains.',
  },
})

/** What is charged for an answer of some size that pays by a draft. */
export const answerOf = (
  house: Sells,
  attribution: AttributionDraft,
  {
    inputTokens,
    outputTokens,
    inputPriceWei = INPUT_PRICE_WEI,
    outputPriceWei = OUTPUT_PRICE_WEI,
  }: AnswerSize = SMALL,
) => ({
  modelId: house.modelId,
  promptHash: keccak256('0x01'),
  answerHash: keccak256('0x02'),
  inputTokens,
  outputTokens,
  feeWei: FeeSplit.feeWei(inputTokens, outputTokens, inputPriceWei, outputPriceWei),
  inferenceCommitment: keccak256('0x03'),
  attribution,
})

/** Serves one answer and gives its receipt. */
export async function serve(
  house: Sells,
  settlement: Settlement,
  payer: Hex,
  shares: readonly number[],
  size: AnswerSize = SMALL,
  apiKeyId?: string,
): Promise<Http.SignedReceipt> {
  const answer = answerOf(house, draftOf(house, shares), size)
  const hold = await settlement.accounts.hold({
    account: payer,
    amountWei: answerOf(house, answer.attribution, { ...size, outputTokens: 64 }).feeWei,
    ...(apiKeyId === undefined ? {} : { apiKeyId }),
  })
  return settlement.receipts.nextReceipt({ hold, ...answer })
}
