import type { Hex } from '@openledger/primitives'
import { and, type Database, desc, eq, inArray, schema } from '@openledger/store'

const { batches, models, receipts } = schema

/** What shows that an account has paid: a receipt of its own, and the transaction that settled it on chain. */
export type PaymentProof = { readonly receiptSequence: number; readonly settlementTransaction: Hex }

/** Says who of those who rate has paid whom they rate. */
export type PaidRaters = {
  /**
   * Finds the newest settled receipt of each account for an answer of a model that one of `sellers` owns. `openledger verify`
   * proves such a receipt against the chain.
   */
  readonly proofsOf: (accounts: readonly Hex[], sellers: readonly Hex[]) => Promise<Map<Hex, PaymentProof>>
}

/** Creates the question over what the settler has settled. */
export function createPaidRaters({ orm }: Pick<Database, 'orm'>): PaidRaters {
  return {
    async proofsOf(accounts, sellers) {
      if (accounts.length === 0) return new Map()
      const sold = await orm
        .select({ id: models.id })
        .from(models)
        .where(inArray(models.owner, [...sellers]))
      if (sold.length === 0) return new Map()
      const found = await orm
        .selectDistinctOn([receipts.payer], {
          payer: receipts.payer,
          receiptSequence: receipts.sequence,
          transaction: batches.transactionHash,
        })
        .from(receipts)
        .innerJoin(batches, eq(batches.number, receipts.batch))
        .where(
          and(
            eq(batches.status, 'settled'),
            inArray(receipts.payer, [...accounts]),
            inArray(
              receipts.modelId,
              sold.map(({ id }) => id),
            ),
          ),
        )
        .orderBy(receipts.payer, desc(receipts.sequence))
      return new Map(
        found.map(({ payer, receiptSequence, transaction }) => [
          payer as Hex,
          { receiptSequence, settlementTransaction: transaction as Hex },
        ]),
      )
    },
  }
}
