import type { Hex } from '@openledger/primitives'
import type { Attribution, Http } from '@openledger/protocol'
import { and, type Database, desc, eq, isNotNull, schema, sum } from '@openledger/store'
import type { BatchStates } from './BatchStates.ts'
import type { Contract } from './Contract.ts'
import type { Ledger } from './Ledger.ts'

const { batches, contributions, models, payouts, receipts } = schema

export type Earnings = {
  /** What an address has earned in all, what of it can be claimed, and its newest payouts with their reasons. */
  readonly of: (address: Hex) => Promise<Http.Earnings>
}

const PAYOUT_COUNT_MAX = 200
const SETTLING = { state: 'settling', finalAt: null } as const

/** Creates the view of contributors on their money. */
export function createEarnings(deps: {
  readonly database: Database
  readonly contract: Pick<Contract, 'claimedWei'>
  readonly ledger: Pick<Ledger, 'settledWei' | 'finalWei'>
  readonly batchStates: Pick<BatchStates, 'ofPayouts'>
}): Earnings {
  const { database, contract, ledger, batchStates } = deps
  return {
    async of(address) {
      const claimedWei = await contract.claimedWei(address)
      const settledWei = await ledger.settledWei(address)
      const finalWei = await ledger.finalWei(address)
      const [credited] = await database.orm
        .select({ wei: sum(payouts.amountWei) })
        .from(payouts)
        .where(eq(payouts.beneficiary, address))
      const rows = await database.orm
        .select({
          payout: payouts,
          receipt: receipts,
          batchStatus: batches.status,
          modelName: models.name,
          title: contributions.title,
        })
        .from(payouts)
        .innerJoin(receipts, eq(receipts.sequence, payouts.receiptSequence))
        .innerJoin(models, eq(models.id, receipts.modelId))
        .innerJoin(contributions, eq(contributions.id, payouts.contributionId))
        .leftJoin(batches, eq(batches.number, receipts.batch))
        .where(and(eq(payouts.beneficiary, address), isNotNull(payouts.contributionId)))
        .orderBy(desc(payouts.receiptSequence), payouts.position)
        .limit(PAYOUT_COUNT_MAX)
      const settled = rows.flatMap(({ receipt, batchStatus }) =>
        batchStatus === 'settled' ? receipt.batch! : [],
      )
      const standings = await batchStates.ofPayouts([...new Set(settled)])
      return {
        address,
        creditedWei: credited?.wei ?? '0',
        settledWei: settledWei.toString(),
        claimedWei: claimedWei.toString(),
        // a claim may be in a block before its batch is marked here
        claimableWei: (finalWei > claimedWei ? finalWei - claimedWei : 0n).toString(),
        payouts: rows.map(({ payout, receipt, batchStatus, modelName, title }) => ({
          receiptSequence: payout.receiptSequence,
          modelName,
          contributionId: payout.contributionId as Hex,
          contributionTitle: title,
          sharePpm: payout.sharePpm,
          amountWei: payout.amountWei.toString(),
          reasons: reasonsOf(receipt.attribution as Attribution.Attribution, payout.contributionId),
          ...((batchStatus === 'settled' && standings.get(receipt.batch!)) || SETTLING),
          timestamp: receipt.timestamp,
        })),
      }
    },
  }
}

const reasonsOf = (
  { shares }: Attribution.Attribution,
  contributionId: string | null,
): Attribution.Reason[] => shares.find((share) => share.contributionId === contributionId)?.reasons ?? []
