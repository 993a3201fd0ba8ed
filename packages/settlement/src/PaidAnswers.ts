import type { Hex } from '@openledger/primitives'
import { Attribution, type Http } from '@openledger/protocol'
import type { Database } from '@openledger/store'

/** The attribution graph seen from the data: which answers a record or a contribution shaped, and what they paid for it. */
export type PaidAnswers = {
  /**
   * Newest first, with the reasons that lead to the record or the contribution.
   *
   * @param of - A record may stand in several contributions; the one that was first is paid.
   */
  readonly list: (
    of: { readonly contributionId: Hex } | { readonly recordId: Hex },
    page: { readonly before?: number | undefined; readonly limit: number },
  ) => Promise<Http.PaidAnswer[]>
}

/** Creates the queries over the view `attribution_lines`. */
export function createPaidAnswers({ run }: Database): PaidAnswers {
  return {
    async list(of, { before, limit }) {
      const isRecord = 'recordId' in of
      // every payout of a contribution has a reason, so its newest answers are known before any receipt is opened
      const { rows } = await run(
        `SELECT line.receipt_sequence AS sequence, model.name AS model, line.contribution_id AS contribution,
           line.beneficiary, line.timestamp, sum(line.share_ppm)::integer AS ppm, sum(line.amount_wei)::text AS wei,
           jsonb_agg(line.reason ORDER BY line.share_ppm DESC) AS reasons,
           max(CASE WHEN batch.status = 'settled' THEN batch.transaction_hash END) AS settlement
         FROM attribution_lines line
         JOIN models model ON model.id = line.model_id
         LEFT JOIN batches batch ON batch.number = line.batch
         WHERE line.receipt_sequence < $2 AND ${
           isRecord
             ? 'line.record_id = $1 AND line.contribution_id IN (SELECT contribution_id FROM records WHERE id = $1)'
             : `line.contribution_id = $1 AND line.receipt_sequence IN (
                 SELECT receipt_sequence FROM payouts
                 WHERE contribution_id = $1 AND receipt_sequence < $2 ORDER BY 1 DESC LIMIT $3)`
         }
         GROUP BY 1, 2, 3, 4, 5
         ORDER BY 1 DESC, 3
         LIMIT $3`,
        [isRecord ? of.recordId : of.contributionId, before ?? Number.MAX_SAFE_INTEGER, limit],
      )
      return rows.map((row) => ({
        receiptSequence: Number(row['sequence']),
        modelName: row['model'] as string,
        contributionId: row['contribution'] as Hex,
        beneficiary: row['beneficiary'] as Hex,
        sharePpm: row['ppm'] as number,
        amountWei: row['wei'] as string,
        reasons: Attribution.reasonSchema.array().parse(row['reasons']),
        settlementTransaction: (row['settlement'] as Hex | null) ?? null,
        timestamp: Number(row['timestamp']),
      }))
    },
  }
}
