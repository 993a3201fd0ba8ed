import { z } from 'zod'
import { attributionSchema, reasonSchema } from '../Attribution.ts'
import { addressSchema, hashSchema, hexSchema, unixSecondsSchema, weiSchema } from '../Scalars.ts'
import { signedSchema } from './request.ts'

// POST /api/api-keys (signed; the secret is shown once), GET /api/accounts/:address/api-keys, POST /api/api-keys/revoke (signed)
export const createApiKeySchema = signedSchema(
  z.object({ name: z.string().min(1).max(64), limitWei: weiSchema }),
)

export const revokeApiKeySchema = signedSchema(z.object({ id: z.string() }))

export const apiKeySchema = z.object({
  id: z.string(),
  name: z.string(),
  account: addressSchema,
  limitWei: weiSchema,
  spentWei: weiSchema,
  revoked: z.boolean(),
  createdAt: unixSecondsSchema,
})
export type ApiKey = z.infer<typeof apiKeySchema>

/** The secret is shown in this answer and stored nowhere. */
export const createdApiKeySchema = apiKeySchema.extend({ secret: z.string() })

// GET /api/accounts/:address
export const accountSchema = z.object({
  address: addressSchema,
  l1Wei: weiSchema,
  l2Wei: weiSchema,
  prepaidWei: weiSchema,
  /** Charged for answers whose receipts are not on chain yet, plus what running requests hold back. */
  heldWei: weiSchema,
  availableWei: weiSchema,
})
export type Account = z.infer<typeof accountSchema>

// POST /v1/chat/completions/quote, POST /v1/completions/quote (the bodies of what they quote)
export const quoteSchema = z.object({
  model: z.string(),
  /** Answers to the one prompt, which is charged once. */
  choices: z.number().int().min(1),
  inputTokens: z.number().int(),
  /** Of each answer. */
  outputTokensMax: z.number().int(),
  /** What each model is paid for one answer at most, for its part of the tokens; several where they answer together. */
  parts: z.array(
    z.object({
      model: z.string(),
      inputTokens: z.number().int(),
      outputTokensMax: z.number().int(),
      inputPriceWei: weiSchema,
      outputPriceWei: weiSchema,
    }),
  ),
  /** What must be prepaid; the bill is for what comes. */
  maxWei: weiSchema,
})
export type Quote = z.infer<typeof quoteSchema>

// POST /api/refunds (typed data `Refund`)
export const refundSchema = z.object({
  account: addressSchema,
  amountWei: weiSchema,
  nonce: hashSchema,
  deadline: unixSecondsSchema,
  signature: hexSchema,
})
export const refundedSchema = z.object({ transactionHash: hashSchema, amountWei: weiSchema })

// GET /api/receipts?payer=&model=&limit=&before=, GET /api/receipts/:sequence
export const receiptSchema = z.object({
  sequence: z.number().int(),
  hash: hashSchema,
  previousHash: hashSchema,
  payer: addressSchema,
  modelId: z.string(),
  modelName: z.string(),
  promptHash: hashSchema,
  answerHash: hashSchema,
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
  feeWei: weiSchema,
  platformWei: weiSchema,
  ownerWei: weiSchema,
  stakersWei: weiSchema,
  contributorsWei: weiSchema,
  splitVersion: z.number().int(),
  stakeVersion: z.number().int(),
  sharesRoot: hashSchema,
  attributionHash: hashSchema,
  inferenceCommitment: hashSchema,
  timestamp: unixSecondsSchema,
  signature: hexSchema,
  /** The payer's own signature over the same digest, where the payer gave one. */
  countersignature: hexSchema.optional(),
  /** The L2 transaction that settled it; null for the seconds before. */
  settlementTransaction: hashSchema.nullable(),
  attribution: attributionSchema,
  /** What is credited instead of the attribution's shares, after a panel found these; absent for nearly all. */
  correctedShares: z.array(z.object({ account: addressSchema, amountWei: weiSchema })).optional(),
})
export type SignedReceipt = z.infer<typeof receiptSchema>

/**
 * Where a batch stands: not on chain yet, in its challenge window, before the panel, lost there or by proof, or beyond
 * challenge.
 */
const batchStateSchema = z.enum(['settling', 'open', 'disputed', 'struck', 'final'])

// GET /api/batches?limit=&before=
export const batchSchema = z.object({
  number: z.number().int(),
  firstSequence: z.number().int(),
  receiptCount: z.number().int(),
  /** Whether it credits contributors; else a later one does. */
  isCredited: z.boolean(),
  state: batchStateSchema,
  /** When nobody can challenge it any more; null before it is on chain. */
  finalAt: unixSecondsSchema.nullable(),
  operator: addressSchema,
  settlementTransaction: hashSchema.nullable(),
})
export type Batch = z.infer<typeof batchSchema>

const payoutStandingSchema = z.object({
  /**
   * Of the batch that credits it; `uncredited` while credits are gathered, `struck` while what the court took back waits to
   * be credited anew. Only what is `final` can be claimed.
   */
  state: z.enum([...batchStateSchema.options, 'uncredited']),
  /** When it can be claimed; null while nobody can say. */
  finalAt: unixSecondsSchema.nullable(),
})
export type PayoutStanding = z.infer<typeof payoutStandingSchema>

// GET /api/earnings/:address
export const earningsSchema = z.object({
  address: addressSchema,
  /** Everything ever credited, settled or not. */
  creditedWei: weiSchema,
  /** In the ledger on chain. */
  settledWei: weiSchema,
  claimedWei: weiSchema,
  /** In a ledger that is past its challenge window, and not claimed. */
  claimableWei: weiSchema,
  payouts: z.array(
    payoutStandingSchema.extend({
      receiptSequence: z.number().int(),
      modelName: z.string(),
      contributionId: hashSchema,
      contributionTitle: z.string(),
      sharePpm: z.number().int(),
      amountWei: weiSchema,
      reasons: z.array(reasonSchema),
      timestamp: unixSecondsSchema,
    }),
  ),
})
export type Earnings = z.infer<typeof earningsSchema>

// GET /api/contributions/:id/answers, GET /api/records/:id/answers
export const paidAnswerSchema = z.object({
  receiptSequence: z.number().int(),
  modelName: z.string(),
  contributionId: hashSchema,
  beneficiary: addressSchema,
  /** Parts per million of the contributors' part, through the reasons below. */
  sharePpm: z.number().int(),
  /** Through the reasons below, each rounded down to a wei. */
  amountWei: weiSchema,
  reasons: z.array(reasonSchema),
  /** Null for the seconds before its batch is settled. */
  settlementTransaction: hashSchema.nullable(),
  timestamp: unixSecondsSchema,
})
export type PaidAnswer = z.infer<typeof paidAnswerSchema>

/** A ledger as a batch left it; the contract keeps its hash. */
const ledgerSchema = z.object({
  root: hashSchema,
  sum: weiSchema,
  accountCount: z.number().int(),
  settledAt: unixSecondsSchema,
  /** The batch whose ledger this one was built on; 0 for none. */
  previous: z.number().int(),
  operator: addressSchema,
  bodyHash: hashSchema,
})

// GET /api/earnings/:address/proof: arguments of Settlement.claim or claimExcluding; POST /api/claims {account}: the operator sends it
export const claimProofSchema = z.object({
  account: addressSchema,
  /** What the claim grants in all, without what disputed batches credited. */
  cumulativeWei: weiSchema,
  index: z.number().int(),
  batch: z.number().int(),
  ledger: ledgerSchema,
  /** Packed as the contract takes them, see docs/settlement.md. */
  claims: hexSchema,
  siblings: hexSchema,
  /** What takes disputed batches' credits out of the claim: the account's line after and before each; mostly none. */
  exclusions: z.array(
    z.object({
      batch: z.number().int(),
      afterBatch: ledgerSchema,
      beforeBatch: ledgerSchema,
      afterClaims: hexSchema,
      afterSiblings: hexSchema,
      beforeClaims: hexSchema,
      beforeSiblings: hexSchema,
    }),
  ),
  /** When the batch is past its challenge window; the contract pays from then on. */
  finalAt: unixSecondsSchema,
})
export type ClaimProof = z.infer<typeof claimProofSchema>

// POST /api/receipts/:sequence/countersignature: the payer's signature over the digest that the node signed
export const countersignSchema = z.object({ signature: hexSchema })

// POST /api/receipts/:sequence/shares: the shares that a panel found, from anyone; their root is on chain
export const correctSharesSchema = z.object({
  shares: z
    .array(z.object({ account: addressSchema, amountWei: weiSchema }))
    .min(1)
    .max(10_000),
})

// GET /api/receipts/:sequence/inclusion: that a settled receipt is in its batch
export const inclusionSchema = z.object({
  batch: z.number().int(),
  receiptsRoot: hashSchema,
  receiptCount: z.number().int(),
  index: z.number().int(),
  /** From the bottom up, the fees of the receipts below each as sum. */
  siblings: z.array(z.object({ hash: hashSchema, sum: weiSchema })),
  /** Sum of the batch's fees. */
  feesWei: weiSchema,
})
export type Inclusion = z.infer<typeof inclusionSchema>

export const claimSchema = z.object({ account: addressSchema })

/** Claims of one transaction at most, about 30,000 gas each. */
export const CLAIM_COUNT_MAX = 200

// POST /api/claims/many
export const claimManySchema = z.object({ accounts: z.array(addressSchema).min(1).max(CLAIM_COUNT_MAX) })

export const claimedSchema = z.object({
  account: addressSchema,
  amountWei: weiSchema,
  transactionHash: hashSchema,
})
export type Claimed = z.infer<typeof claimedSchema>

/** A record that a prompt was given with. */
export const passageSchema = z.object({
  recordId: hashSchema,
  /** Of its cluster of duplicates, the contribution that was first: who is paid for it. */
  contributionId: hashSchema,
  /** Id of the first record of its cluster. */
  clusterId: hashSchema,
  text: z.string(),
})
export type Passage = z.infer<typeof passageSchema>

/** What `/v1` answers carry beyond OpenAI's fields, under the key `openledger`. */
export const answerExtensionSchema = z.object({
  receipt: receiptSchema,
  /** The text that `start` and `end` of spans count in. */
  answer: z.string(),
  /** What the model read and wrote; with the text, all that recomputing the attribution elsewhere needs of the payer. */
  promptTokenIds: z.array(z.number().int()).optional(),
  answerTokenIds: z.array(z.number().int()).optional(),
  /** The prompt as the model read it, and the passages in it, where it was given with some. */
  promptText: z.string().optional(),
  passages: z.array(passageSchema).optional(),
  /** Of the other models, where several answered together; `receipt` is of the first. */
  mergedReceipts: z.array(receiptSchema).optional(),
})
export type AnswerExtension = z.infer<typeof answerExtensionSchema>

// POST /v1/load_lora_adapter: a model's adapter is kept in memory
export const pinnedSchema = z.object({
  message: z.string(),
  openledger: z.object({ receipt: receiptSchema }),
})

// POST /v1/attributions: a text that was made elsewhere
export const textAttributionSchema = z.looseObject({ openledger: answerExtensionSchema })
