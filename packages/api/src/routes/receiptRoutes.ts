import { Http } from '@openledger/protocol'
import { addressSchema, hashSchema } from '@openledger/protocol/Scalars'
import type { Settlement } from '@openledger/settlement'
import { z } from 'zod'
import type { Routes } from './Routes.ts'
import { addressParams, beforeSchema, limitSchema, sequenceParams } from './requestParts.ts'

/** Adds receipts, what people earned by them, and its claiming. */
export function addReceiptRoutes(routes: Routes, { settlement }: { readonly settlement: Settlement }): void {
  const tag = 'Money'
  routes.get(
    '/api/receipts',
    {
      tag,
      summary: 'Receipts, newest first.',
      query: z.object({
        payer: addressSchema.optional(),
        model: z.string().max(80).optional(),
        limit: limitSchema,
        before: beforeSchema,
      }),
      response: Http.receiptSchema.array(),
    },
    ({ query: { payer, model, before, limit } }) =>
      settlement.receipts.list({
        limit,
        ...(payer === undefined ? {} : { payer }),
        ...(model === undefined ? {} : { modelName: model }),
        ...(before === undefined ? {} : { before }),
      }),
  )
  routes.get(
    '/api/receipts/:sequence',
    {
      tag,
      summary: 'One receipt.',
      params: sequenceParams,
      response: Http.receiptSchema,
    },
    ({ params }) => settlement.receipts.require(params.sequence),
  )
  routes.post(
    '/api/receipts/:sequence/countersignature',
    {
      tag,
      summary:
        "Put the payer's signature beside the serving node's: over the same digest, by key or ERC-1271.",
      params: sequenceParams,
      body: Http.countersignSchema,
      response: Http.receiptSchema,
    },
    ({ params, body }) => settlement.countersign(params.sequence, body.signature),
  )
  routes.post(
    '/api/receipts/:sequence/shares',
    {
      tag,
      summary: 'Tell the shares that a panel found for a receipt; anyone may, their root is on chain.',
      params: sequenceParams,
      body: Http.correctSharesSchema,
      response: Http.receiptSchema,
    },
    async ({ params, body }) => {
      await settlement.correctShares(
        params.sequence,
        body.shares.map(({ account, amountWei }) => ({ account, amountWei: BigInt(amountWei) })),
      )
      return settlement.receipts.require(params.sequence)
    },
  )
  routes.get(
    '/api/receipts/:sequence/inclusion',
    {
      tag,
      summary: 'Proof that a settled receipt is in its batch, whose root is on chain.',
      params: sequenceParams,
      response: Http.inclusionSchema,
    },
    ({ params }) => settlement.receipts.inclusion(params.sequence),
  )
  const hashParams = z.object({ id: hashSchema })
  const pageQuery = z.object({ limit: limitSchema, before: beforeSchema })
  routes.get(
    '/api/contributions/:id/answers',
    {
      tag,
      summary: 'Answers that a contribution shaped, newest first, with what each paid for it and why.',
      params: hashParams,
      query: pageQuery,
      response: Http.paidAnswerSchema.array(),
    },
    ({ params, query }) => settlement.paidAnswers.list({ contributionId: params.id }, query),
  )
  routes.get(
    '/api/records/:id/answers',
    {
      tag,
      summary: 'Answers that a record shaped, newest first, with what each paid for it and why.',
      params: hashParams,
      query: pageQuery,
      response: Http.paidAnswerSchema.array(),
    },
    ({ params, query }) => settlement.paidAnswers.list({ recordId: params.id }, query),
  )
  routes.get(
    '/api/batches',
    {
      tag,
      summary: 'Batches of receipts, newest first, with where each stands and when it is final.',
      query: z.object({ limit: limitSchema, before: beforeSchema }),
      response: Http.batchSchema.array(),
    },
    ({ query: { limit, before } }) =>
      settlement.batchStates.list({ limit, ...(before === undefined ? {} : { before }) }),
  )
  routes.get(
    '/api/earnings/:address',
    {
      tag,
      params: addressParams,
      summary: 'What an address has earned, with the reason for each payout.',
      response: Http.earningsSchema,
    },
    ({ params }) => settlement.earnings.of(params.address),
  )
  routes.get(
    '/api/earnings/:address/proof',
    {
      tag,
      params: addressParams,
      summary: 'The arguments of `Settlement.claim` for an address.',
      response: Http.claimProofSchema,
    },
    ({ params }) => settlement.ledger.proof(params.address),
  )
  routes.post(
    '/api/claims',
    {
      tag,
      summary: 'Have the operator send the claim of an account; the money can only go to the account.',
      body: Http.claimSchema,
      response: Http.claimedSchema,
    },
    ({ body }) => settlement.ledger.claim(body.account),
  )
  routes.post(
    '/api/claims/many',
    {
      tag,
      summary:
        'Have the operator claim for many accounts in one transaction; those with nothing to claim are left out.',
      body: Http.claimManySchema,
      response: Http.claimedSchema.array(),
    },
    ({ body }) => settlement.ledger.claimMany(body.accounts),
  )
}
