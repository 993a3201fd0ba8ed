import { type Hex, MerkleSum } from '@openledger/primitives'
import { Abi, type Attribution, type Deployment, Receipt, type Sender } from '@openledger/protocol'
import { and, asc, type Database, eq, gt, isNotNull, lte, schema } from '@openledger/store'
import { decodeFunctionData, type PublicClient } from 'viem'
import type * as Batch from './Batch.ts'
import * as CourtCall from './CourtCall.ts'
import { toReceipt } from './Receipts.ts'
import { creditLinesOf, type Shown, sharesOf } from './Shown.ts'

const { batches, payouts, receipts } = schema

export type Defence = {
  /** Answers every demand before the court that is open; gives how many it answered. */
  readonly answer: () => Promise<number>
  /** Does so every `intervalMs`. */
  readonly start: () => void
  readonly close: () => Promise<void>
}

type Row = typeof batches.$inferSelect

/**
 * Creates the operator's defence: what is demanded before the court is shown from the database, in time.
 *
 * An operator that keeps its database loses no demand, and earns the challenger's stake with each.
 */
export function createDefence(
  deps: {
    readonly database: Database
    readonly publicClient: PublicClient
    readonly sender: Sender
    readonly deployment: Deployment
  },
  options: { readonly intervalMs?: number; readonly onError?: (error: unknown) => void } = {},
): Defence {
  const { database, publicClient, sender, deployment } = deps
  const { intervalMs = 4_000, onError = () => {} } = options
  const { l2 } = deployment
  let nextBlock = BigInt(deployment.l2StartBlock)
  let timer: NodeJS.Timeout | undefined
  let last: Promise<unknown> = Promise.resolve()

  const rowOf = async (number: number): Promise<Row | undefined> => {
    const [row] = await database.orm
      .select()
      .from(batches)
      .where(and(eq(batches.number, number), eq(batches.status, 'settled')))
    return row
  }

  const answerOne = async (batch: bigint, item: number, index: bigint): Promise<boolean> => {
    const [, until] = await publicClient.readContract({
      address: l2.court,
      abi: Abi.courtAbi,
      functionName: 'demandOf',
      args: [batch, item, index],
    })
    const row = await rowOf(Number(batch))
    if (until === 0n || row === undefined) return false
    const posted = postedOf(row)
    const call = item === 0 ? await receiptCall(row, posted, index) : await lineCall(row, posted, item, index)
    await CourtCall.file({ publicClient, sender, l2 }, call)
    return true
  }

  const receiptCall = async (
    row: Row,
    posted: CourtCall.PostedArgument,
    index: bigint,
  ): Promise<CourtCall.Call> => {
    const shown = await readShown(database, row.firstSequence - 1, row.lastSequence)
    const tree = MerkleSum.build(shown.map(({ receipt, signature }) => Receipt.leaf(receipt, signature)))
    return {
      contract: 'court',
      functionName: 'produceReceipt',
      args: [posted, CourtCall.filed(shown[Number(index)]!, tree, Number(index))],
    }
  }

  const lineCall = async (
    row: Row,
    posted: CourtCall.PostedArgument,
    item: number,
    index: bigint,
  ): Promise<CourtCall.Call> => {
    const isCredit = item === 2
    const before = isCredit ? await rowOf(row.previousBatch) : undefined
    const from = isCredit ? (before?.lastSequence ?? 0) : row.firstSequence - 1
    const shown = await readShown(database, from, row.lastSequence)
    const lines = CourtCall.linesOf(shown.flatMap((one) => (isCredit ? creditLinesOf(one) : debitLines(one))))
    return {
      contract: 'court',
      functionName: 'produceLine',
      args: [posted, isCredit, index, lines.line(Math.min(Number(index), lines.count - 1))],
    }
  }

  const answer = async (): Promise<number> => {
    const head = await publicClient.getBlockNumber({ cacheTime: 0 })
    if (head < nextBlock) return 0
    const events = await publicClient.getContractEvents({
      address: l2.court,
      abi: Abi.courtAbi,
      eventName: 'Demanded',
      fromBlock: nextBlock,
      toBlock: head,
      strict: true,
    })
    let count = 0
    for (const { args } of events) {
      if (await answerOne(args.batch, args.item, args.index)) count++
    }
    // only now: what failed is tried again
    nextBlock = head + 1n
    return count
  }

  return {
    answer,
    start() {
      timer = setInterval(() => {
        last = last.then(answer).catch(onError)
      }, intervalMs)
    },
    async close() {
      clearInterval(timer)
      await last
    },
  }
}

/** What a stored batch posted, as the court wants it. */
export function postedOf(row: Row): CourtCall.PostedArgument {
  const { args } = decodeFunctionData({ abi: Abi.settlementAbi, data: row.callData as Hex })
  const [header, debits, groups, segments] = args as unknown as [
    Batch.Header,
    Hex,
    Batch.Group[],
    Batch.Segment[],
  ]
  return CourtCall.postedArgument(
    {
      kind: 'settled',
      event: {
        batch: BigInt(row.number),
        firstSequence: BigInt(row.firstSequence),
        lastSequence: BigInt(row.lastSequence),
        receiptsRoot: header.receiptsRoot,
        ledgerRoot: row.isCredited ? (row.ledgerRoot as Hex) : Receipt.ZERO_HASH,
        ledgerSum: row.ledgerSumWei,
        accountCount: BigInt(row.accountCount),
        bodyHash: row.bodyHash as Hex,
      },
      posted: { header, debits, groups, segments },
      settledAt: row.settledAt!,
      operator: row.operator as Hex,
    },
    row.previousBatch,
  )
}

/** Receipts with their shares, in order; `after` is not among them. */
async function readShown(database: Database, after: number, upTo: number): Promise<Shown[]> {
  const rows = await database.orm
    .select()
    .from(receipts)
    .where(and(gt(receipts.sequence, after), lte(receipts.sequence, upTo)))
    .orderBy(asc(receipts.sequence))
  const corrections = await database.orm
    .select({ payout: payouts })
    .from(payouts)
    .innerJoin(
      receipts,
      and(eq(receipts.sequence, payouts.receiptSequence), isNotNull(receipts.correctedRoot)),
    )
    .where(and(gt(payouts.receiptSequence, after), lte(payouts.receiptSequence, upTo)))
  return rows.map((row) => ({
    receipt: toReceipt(row),
    signature: row.signature as Hex,
    shares: sharesOf(row.attribution as Attribution.Attribution),
    ...(row.correctedRoot === null
      ? {}
      : {
          correctedShares: corrections
            .filter(({ payout }) => payout.receiptSequence === row.sequence)
            .map(({ payout }) => ({ account: payout.beneficiary as Hex, amountWei: payout.amountWei })),
        }),
  }))
}

const debitLines = ({ receipt }: Shown): Batch.PaymentLine[] => [
  { account: receipt.payer, sequence: receipt.sequence, amountWei: receipt.feeWei },
]
