import type { Hex } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { and, asc, type Database, desc, eq, gte, lt, max, schema } from '@openledger/store'
import * as ChallengeWindow from './ChallengeWindow.ts'
import type { Contest, Contract } from './Contract.ts'

const { batches } = schema

/** Where payouts and batches stand, and when they are final. */
export type BatchStates = {
  /** Batches, newest first. */
  readonly list: (page: { readonly limit: number; readonly before?: number }) => Promise<Http.Batch[]>
  /** Where what receipts of settled batches pay stands, by the number of the batch. */
  readonly ofPayouts: (numbers: readonly number[]) => Promise<Map<number, Http.PayoutStanding>>
}

/** Creates the view of batches over the database and what the chain says of disputes. */
export function createBatchStates(deps: {
  readonly database: Database
  readonly contract: Pick<Contract, 'challengeWindow' | 'contests' | 'nowSeconds'>
}): BatchStates {
  const { database, contract } = deps
  return {
    async list({ limit, before }) {
      const [contests, nowSeconds, window] = await Promise.all([
        contract.contests(),
        contract.nowSeconds(),
        contract.challengeWindow(),
      ])
      const rows = await database.orm
        .select()
        .from(batches)
        .where(before === undefined ? undefined : lt(batches.number, before))
        .orderBy(desc(batches.number))
        .limit(limit)
      return rows.map((row) => {
        const finalAt = row.settledAt === null ? null : ChallengeWindow.finalAt(window, row.settledAt)
        return {
          number: row.number,
          firstSequence: row.firstSequence,
          receiptCount: row.lastSequence - row.firstSequence + 1,
          isCredited: row.isCredited,
          state: stateOf(row, contests, finalAt === null ? undefined : nowSeconds >= finalAt),
          finalAt,
          operator: row.operator as Hex,
          settlementTransaction: row.transactionHash as Hex | null,
        }
      })
    },
    async ofPayouts(numbers) {
      if (numbers.length === 0) return new Map()
      const [contests, nowSeconds, window] = await Promise.all([
        contract.contests(),
        contract.nowSeconds(),
        contract.challengeWindow(),
      ])
      const disputed = contests.filter(isDisputed).map(({ batch }) => batch)
      const standing = await database.orm
        .select({ number: batches.number, settledAt: batches.settledAt })
        .from(batches)
        .where(
          and(
            eq(batches.status, 'settled'),
            eq(batches.isCredited, true),
            eq(batches.isRewound, false),
            gte(batches.number, Math.min(...numbers, ...disputed)),
          ),
        )
        .orderBy(asc(batches.number))
      const [taken] = await database.orm
        .select({ newest: max(batches.number) })
        .from(batches)
        .where(eq(batches.isRewound, true))
      // the first that credited after it credited its receipts
      const creditingOf = (number: number) => standing.find((credited) => credited.number >= number)
      const excluded = new Set(disputed.map((number) => creditingOf(number)?.number))
      const standingOf = (number: number): Http.PayoutStanding => {
        const crediting = creditingOf(number)
        if (crediting === undefined) {
          return { state: (taken?.newest ?? 0) >= number ? 'struck' : 'uncredited', finalAt: null }
        }
        const finalAt = ChallengeWindow.finalAt(window, crediting.settledAt!)
        if (excluded.has(crediting.number)) return { state: 'disputed', finalAt: null }
        return { state: nowSeconds < finalAt ? 'open' : 'final', finalAt }
      }
      return new Map(numbers.map((number) => [number, standingOf(number)]))
    },
  }
}

const isDisputed = ({ until }: Contest): boolean => until === Number.POSITIVE_INFINITY

/** @param isPast - Whether its challenge window is; nothing while no chain has it. */
function stateOf(
  { number, isRewound }: typeof batches.$inferSelect,
  contests: readonly Contest[],
  isPast: boolean | undefined,
): Http.Batch['state'] {
  if (isPast === undefined) return 'settling'
  const own = contests.filter(({ batch }) => batch === number)
  if (own.some(isDisputed)) return 'disputed'
  if (isRewound || own.length > 0) return 'struck'
  return isPast ? 'final' : 'open'
}
