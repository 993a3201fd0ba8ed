import type { Hex } from '@openledger/primitives'
import { Abi } from '@openledger/protocol'
import { and, desc, eq, gte, lte, type Orm, schema, sum } from '@openledger/store'
import { decodeFunctionData } from 'viem'
import type { Head, Header, PaymentLine } from './Batch.ts'

const { batches, payouts, receipts } = schema

/** A batch as the database has it. */
export type StoredBatch = typeof batches.$inferSelect

/** Restricts to receipts from one sequence to another, both included. */
export const inSequence = (
  column: typeof receipts.sequence | typeof payouts.receiptSequence,
  first: number,
  last: number,
) => and(gte(column, first), lte(column, last))

/** Sequence of the newest receipt; zero before the first. */
export async function newestSequence(orm: Orm): Promise<number> {
  const [row] = await orm
    .select({ sequence: receipts.sequence })
    .from(receipts)
    .orderBy(desc(receipts.sequence))
    .limit(1)
  return row?.sequence ?? 0
}

/** The batch that was stored and not seen on chain yet; there is one at most. */
export async function preparedBatch(orm: Orm): Promise<StoredBatch | undefined> {
  const [batch] = await orm.select().from(batches).where(eq(batches.status, 'prepared')).limit(1)
  return batch
}

/** Says whether credits that the court took back have not been made anew. */
export async function isRecrediting(orm: Orm): Promise<boolean> {
  const [struck] = await orm
    .select({ lastSequence: batches.lastSequence })
    .from(batches)
    .where(eq(batches.isRewound, true))
    .orderBy(desc(batches.number))
    .limit(1)
  return struck !== undefined && struck.lastSequence > (await lastCredited(orm))
}

/** Where the receipts of a batch end, for one that has none of its own. */
export function headOf({ callData }: StoredBatch): Head {
  const { args } = decodeFunctionData({ abi: Abi.settlementAbi, data: callData as Hex })
  return args![0] as Header
}

/** Sequence of the last receipt whose payments are in the ledger. */
export const lastCredited = async (orm: Orm): Promise<number> =>
  (await newestCredited(orm))?.lastSequence ?? 0

/** The newest batch whose credits stand: the next ones build on its ledger. */
export async function newestCredited(orm: Orm) {
  const [batch] = await orm
    .select({ number: batches.number, lastSequence: batches.lastSequence })
    .from(batches)
    .where(and(eq(batches.isCredited, true), eq(batches.isRewound, false)))
    .orderBy(desc(batches.number))
    .limit(1)
  return batch
}

/** What receipts up to one pay to whom and are not in the ledger yet, by account and answer. */
export async function uncredited(orm: Orm, lastSequence: number): Promise<PaymentLine[]> {
  const rows = await orm
    .select({
      account: payouts.beneficiary,
      sequence: payouts.receiptSequence,
      amountWei: sum(payouts.amountWei),
    })
    .from(payouts)
    .where(inSequence(payouts.receiptSequence, (await lastCredited(orm)) + 1, lastSequence))
    .groupBy(payouts.beneficiary, payouts.receiptSequence)
  return rows.map(({ account, sequence, amountWei }) => ({
    account: account as Hex,
    sequence: BigInt(sequence),
    amountWei: BigInt(amountWei ?? 0),
  }))
}
