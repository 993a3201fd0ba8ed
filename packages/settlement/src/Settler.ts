import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { Abi, type Deployment, type Sender } from '@openledger/protocol'
import { and, asc, type Database, desc, eq, gt, isNull, lte, type Orm, schema } from '@openledger/store'
import { encodeFunctionData, type PublicClient } from 'viem'
import * as Batch from './Batch.ts'
import { createBatchPosting, type Landed } from './BatchPosting.ts'
import type { Contract } from './Contract.ts'
import type * as Credits from './Credits.ts'
import { applyCall, bookOf, readLines, writeLines } from './Ledger.ts'
import { toReceipt } from './Receipts.ts'
import { createRecovery } from './Recovery.ts'
import {
  headOf,
  inSequence,
  isRecrediting,
  lastCredited,
  newestCredited,
  newestSequence,
  preparedBatch,
  type StoredBatch,
  uncredited,
} from './StoredBatches.ts'

const { batches, receipts } = schema

export type SettlerStatus = {
  /** `blocked`: the chain refuses the prepared batch or disagrees with it; `failure` says why, and it is tried again. */
  readonly state: 'idle' | 'settling' | 'blocked'
  readonly lastSequence: number
  readonly batchNumber: number
  readonly failure: { readonly code: string; readonly message: string } | null
  /** Receipts that a panel overturned: credits wait until somebody tells the shares that it found. */
  readonly awaitedShares: readonly number[]
}

export type Settler = {
  /** Settles what is there now, batch after batch. @throws what made it stop; `status` keeps it too. */
  readonly settle: () => Promise<void>
  /** Settles every `intervalMs`, and promptly after `notify`. */
  readonly start: () => void
  readonly notify: () => void
  readonly status: () => SettlerStatus
  /** Waits for the batch in hand and stops. */
  readonly close: () => Promise<void>
}

export type SettlerOptions = {
  readonly intervalMs?: number
  /** Gathers the receipts of this long into one batch before the first is sent. */
  readonly gatherMs?: number
  readonly receiptCountMax?: number
  /**
   * Most bytes of credits in one transaction: pools refuse those above 128 KiB. Credits that wait are posted, and the batch
   * ends before the receipt that would exceed them. What the court took back may be more: it goes in several transactions.
   */
  readonly creditBytesMax?: number
  /** Credits of a segment, which is what one transaction can recompute before the court. */
  readonly segmentCreditCount?: number
  /** A batch credits at once when it is for at most so many accounts; else credits are gathered, to be fewer. */
  readonly creditCountAtOnce?: number
  /** How long credits are gathered at most; the contract bears a day. */
  readonly ledgerIntervalMs?: number
  readonly onError?: (error: unknown) => void
}

/** The ledger in memory after a batch, and the lines which that batch changed. */
type Book = { readonly batch: number; readonly lines: Credits.Lines; readonly changed: readonly number[] }

/**
 * Creates the settler: takes receipts that are not on chain, packs them with what they credit into a batch, stores
 * the batch whole, sends it, and marks it settled when the chain has it.
 *
 * A prepared batch is never altered. Whether one that was being sent when the process died has landed is read from the
 * chain's last sequence, so it is neither lost nor settled twice. What the court takes back is credited anew, and a new
 * operator goes on where the one before stopped, see {createRecovery}.
 */
export function createSettler(
  deps: {
    readonly database: Database
    readonly contract: Pick<
      Contract,
      'state' | 'ledgerBatch' | 'postedCount' | 'coveredWei' | 'nowSeconds' | 'operator'
    >
    readonly publicClient: PublicClient
    readonly sender: Sender
    /** Signs anew what an operator before signed and did not settle. */
    readonly operator: { readonly sign: (parameters: { hash: Hex }) => Promise<Hex> }
    readonly deployment: Deployment
  },
  options: SettlerOptions = {},
): Settler {
  const { database, contract, sender } = deps
  const { intervalMs = 2_000, gatherMs = 200, receiptCountMax = 500, onError = () => {} } = options
  const { creditCountAtOnce = 1_024, ledgerIntervalMs = 3_600_000, creditBytesMax = 96_000 } = options
  const { segmentCreditCount = Batch.SEGMENT_CREDIT_COUNT } = options
  const posting = createBatchPosting(deps, creditBytesMax)
  const recovery = createRecovery(deps)
  let isSignedAnew = false
  let status: SettlerStatus = {
    state: 'idle',
    lastSequence: 0,
    batchNumber: 0,
    failure: null,
    awaitedShares: [],
  }
  let last: Promise<unknown> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let isRunning = false
  let dueAtMs = Number.POSITIVE_INFINITY
  /** The ledger after the newest batch, settled or prepared; nothing until it is needed, or when that is in doubt. */
  let book: Book | undefined

  async function settleOne(until: number): Promise<boolean> {
    const batch = (await preparedBefore()) ?? (await prepare(until))
    if (batch === undefined) return false
    status = { ...status, state: 'settling' }
    const { transactionHash, ...stands } = (await posting.landed(batch)) ?? (await post(batch))
    await database.transaction(async (orm) => {
      const { lines, changed } = await bookAfter(orm, batch.number)
      const marked = await orm
        .update(batches)
        .set({ status: 'settled', transactionHash, ...stands })
        .where(and(eq(batches.number, batch.number), eq(batches.status, 'prepared')))
        .returning({ number: batches.number })
      if (marked.length === 0) return
      await writeLines(
        orm,
        changed.map((index) => ({ index, ...lines.lines[index]! })),
      )
    })
    const { lastSequence, number: batchNumber } = batch
    status = { ...status, state: 'idle', lastSequence, batchNumber, failure: null }
    return true
  }

  /** The batch that was prepared before, unless the chain can never take it: its receipts wait again then. */
  async function preparedBefore(): Promise<StoredBatch | undefined> {
    const batch = await preparedBatch(database.orm)
    if (batch === undefined || (await posting.landed(batch)) || !(await recovery.isObsolete(batch)))
      return batch
    await recovery.forget(batch)
    book = undefined
    return undefined
  }

  const post = async (batch: StoredBatch): Promise<Landed> => {
    // it may have been prepared before a conviction
    await cover()
    return posting.send(batch)
  }

  /** Says whether receipts up to one wait, or credits that the court took back. */
  async function isAnythingDue(orm: Orm, until: number): Promise<boolean> {
    const [unsettled] = await orm
      .select()
      .from(receipts)
      .where(and(isNull(receipts.batch), lte(receipts.sequence, until)))
      .limit(1)
    return unsettled !== undefined || (await isRecrediting(orm))
  }

  /** Gives the fees that may pass in a challenge window, after the court has said so again where nothing may. */
  async function cover(): Promise<bigint> {
    const coveredWei = await contract.coveredWei()
    if (coveredWei !== 0n) return coveredWei
    await recovery.renewCoverage()
    return contract.coveredWei()
  }

  /** Follows the court, and sees to what the next batch needs of the operator; gives the fees that it may have. */
  async function standAnew(): Promise<{ coveredWei: bigint; awaitedShares: number[] }> {
    if (await recovery.follow()) book = undefined
    if (!isSignedAnew) await recovery.signAnew()
    isSignedAnew = true
    // whether anything waits or not: while nothing is covered, nothing is sold
    const coveredWei = await cover()
    return { coveredWei, awaitedShares: await recovery.awaited(await lastCredited(database.orm)) }
  }

  /** The ledger in memory as it stands after a batch that is stored. */
  async function bookAfter(orm: Orm, batchNumber: number): Promise<Book> {
    if (book?.batch === batchNumber) return book
    const lines = bookOf(await readLines(orm))
    // the table stands after the last settled batch; one that is prepared comes on top
    const [prepared] = await orm.select().from(batches).where(eq(batches.status, 'prepared'))
    const changed =
      prepared?.number === batchNumber
        ? applyCall(lines, prepared.callData as Hex).map(({ index }) => index)
        : []
    book = { batch: batchNumber, lines, changed }
    return book
  }

  /** Packs the oldest unsettled receipts into the next batch and stores it; nothing when there are none up to one. */
  async function prepare(until: number): Promise<StoredBatch | undefined> {
    const { coveredWei, awaitedShares } = await standAnew()
    status = { ...status, awaitedShares }
    if (!(await isAnythingDue(database.orm, until))) return undefined
    try {
      return await database.transaction(async (orm) => {
        const waiting = await orm
          .select()
          .from(receipts)
          .where(isNull(receipts.batch))
          .orderBy(asc(receipts.sequence))
          .limit(receiptCountMax)
        const isRecredit = await isRecrediting(orm)
        if (waiting.length === 0 && (!isRecredit || awaitedShares.length > 0)) return undefined
        const [previous] = await orm.select().from(batches).orderBy(desc(batches.number)).limit(1)
        const number = (previous?.number ?? 0) + 1
        const { lines } = await bookAfter(orm, number - 1)
        const owed = await uncredited(orm, waiting.at(-1)?.sequence ?? previous!.lastSequence)
        const fullFrom = Batch.firstBeyond(owed, lines, creditBytesMax)
        // one receipt at least, or nothing would ever move
        let feesWei = 0n
        const rows = waiting.filter(({ sequence, feeWei }, at) => {
          feesWei += feeWei
          return at === 0 || (sequence < fullFrom && feesWei <= coveredWei)
        })
        const firstSequence = (previous?.lastSequence ?? 0) + 1
        const lastSequence = rows.at(-1)?.sequence ?? firstSequence - 1
        const payments = owed.filter(({ sequence }) => sequence <= lastSequence)
        const accounts = new Set(payments.map(({ account }) => account))
        const isCredited =
          awaitedShares.length === 0 &&
          (isRecredit ||
            rows.length < waiting.length ||
            accounts.size <= creditCountAtOnce ||
            (await isLedgerDue(orm)))
        const { posted, changed } = Batch.make(
          rows.map(toSettled),
          isCredited ? payments : [],
          lines,
          previous && headOf(previous),
          segmentCreditCount,
        )
        book = { batch: number, lines, changed }
        const [batch] = await orm
          .insert(batches)
          .values({
            number,
            firstSequence,
            lastSequence,
            status: 'prepared',
            accountCount: lines.lines.length,
            receiptsRoot: posted.header.receiptsRoot,
            ledgerRoot: Bytes.toHex(lines.tree.root().hash),
            ledgerSumWei: lines.tree.root().sum,
            bodyHash: Batch.bodyHash(posted),
            previousBatch: (await newestCredited(orm))?.number ?? 0,
            operator: sender.account.toLowerCase(),
            isCredited: posted.segments.length > 0,
            callData: encodeFunctionData({
              abi: Abi.settlementAbi,
              functionName: 'settle',
              args: Batch.settleArguments(posted),
            }),
          })
          .returning()
        await orm
          .update(receipts)
          .set({ batch: number })
          .where(inSequence(receipts.sequence, firstSequence, lastSequence))
        return batch
      })
    } catch (error) {
      // the ledger in memory may have been moved by a batch that was not stored
      book = undefined
      throw error
    }
  }

  /** Says whether credits have been gathered for long enough. */
  async function isLedgerDue(orm: Orm): Promise<boolean> {
    const since = await lastCredited(orm)
    const [oldest] = await orm
      .select({ timestamp: receipts.timestamp })
      .from(receipts)
      .where(gt(receipts.sequence, since))
      .orderBy(asc(receipts.sequence))
      .limit(1)
    const [newest] = await orm
      .select({ timestamp: receipts.timestamp })
      .from(receipts)
      .orderBy(desc(receipts.sequence))
      .limit(1)
    return (newest!.timestamp - oldest!.timestamp) * 1_000 >= ledgerIntervalMs
  }

  const settle = (): Promise<void> => {
    const turn = last.then(async () => {
      try {
        // what comes while a batch is on its way waits for the next turn: else nothing would be gathered under load
        const until = await newestSequence(database.orm)
        while (await settleOne(until));
      } catch (error) {
        const failure =
          error instanceof BaseError
            ? { code: error.code, message: error.message }
            : { code: 'settlement.failed', message: error instanceof Error ? error.message : String(error) }
        status = { ...status, state: 'blocked', failure }
        throw error
      }
    })
    last = turn.catch(() => {})
    return turn
  }

  const schedule = (delayMs: number): void => {
    const at = Date.now() + delayMs
    if (!isRunning || at >= dueAtMs) return
    clearTimeout(timer)
    dueAtMs = at
    timer = setTimeout(() => {
      dueAtMs = Number.POSITIVE_INFINITY
      settle()
        .catch(onError)
        .finally(() => schedule(intervalMs))
    }, delayMs)
  }

  return {
    settle,
    start() {
      isRunning = true
      schedule(0)
    },
    notify: () => {
      // a chain that refuses is not asked again by every answer
      if (status.state !== 'blocked') schedule(gatherMs)
    },
    status: () => status,
    async close() {
      isRunning = false
      clearTimeout(timer)
      await last
    },
  }
}

const toSettled = (row: typeof receipts.$inferSelect): Batch.SettledReceipt => ({
  receipt: toReceipt(row),
  signature: row.signature as Hex,
  platformWei: row.platformWei,
  ownerWei: row.ownerWei,
  stakersWei: row.stakersWei,
})
