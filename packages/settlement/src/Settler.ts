import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import {
  Abi,
  type Attribution,
  type Deployment,
  type Receipt,
  type Sender,
  TransactionRevertedError,
} from '@openledger/protocol'
import { and, asc, type Database, desc, eq, gte, isNull, lte, type Orm, schema } from '@openledger/store'
import type { PublicClient } from 'viem'
import type { Contract } from './Contract.ts'
import * as Credits from './Credits.ts'
import { readLines, writeCredits } from './Ledger.ts'

const { batches, payouts, receipts } = schema

export type SettlerStatus = {
  /** `blocked`: the chain refuses the prepared batch or disagrees with it; `failure` says why, and it is tried again. */
  readonly state: 'idle' | 'settling' | 'blocked'
  readonly lastSequence: number
  readonly batchNumber: number
  readonly failure: { readonly code: string; readonly message: string } | null
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
  readonly onError?: (error: unknown) => void
}

type Batch = typeof batches.$inferSelect

/** How often in a row a batch is packed anew because stake came or went while it was on its way. */
const REPACK_COUNT_MAX = 5

/**
 * Creates the settler: takes receipts that are not on chain, packs them with what they credit into a batch, stores
 * the batch whole, sends it, and marks it settled when the chain has it.
 *
 * A prepared batch is never altered. Whether one that was being sent when the process died has landed is read from the
 * chain's last sequence, so it is neither lost nor settled twice. Only a batch that the chain has refused, because stake
 * behind a model came or went since it was packed, is taken apart and packed anew.
 */
export function createSettler(
  deps: {
    readonly database: Database
    readonly contract: Pick<Contract, 'state' | 'hasStakers'>
    readonly publicClient: PublicClient
    readonly sender: Sender
    readonly deployment: Deployment
  },
  options: SettlerOptions = {},
): Settler {
  const { database, contract, publicClient, sender, deployment } = deps
  const { intervalMs = 2_000, gatherMs = 200, receiptCountMax = 50, onError = () => {} } = options
  let status: SettlerStatus = { state: 'idle', lastSequence: 0, batchNumber: 0, failure: null }
  let last: Promise<unknown> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let isRunning = false
  let dueAtMs = Number.POSITIVE_INFINITY
  let repackCount = 0

  async function settleOne(): Promise<boolean> {
    const batch = (await preparedBatch(database.orm)) ?? (await prepare(database, contract, receiptCountMax))
    if (batch === undefined) return false
    status = { ...status, state: 'settling' }
    const transactionHash = (await landed(batch)) ?? (await send(batch))
    if (transactionHash === undefined) return true
    await database.transaction(async (orm) => {
      const marked = await orm
        .update(batches)
        .set({ status: 'settled', transactionHash })
        .where(and(eq(batches.number, batch.number), eq(batches.status, 'prepared')))
        .returning({ number: batches.number })
      if (marked.length > 0) await writeCredits(orm, Credits.unpack(batch.credits as Hex))
    })
    status = { state: 'idle', lastSequence: batch.lastSequence, batchNumber: batch.number, failure: null }
    repackCount = 0
    return true
  }

  /** Gives the transaction that settled the batch, if the chain has it. */
  async function landed(batch: Batch): Promise<Hex | undefined> {
    const chain = await contract.state()
    if (chain.lastSequence < batch.firstSequence - 1) {
      throw new SequenceGapError(batch.firstSequence, chain.lastSequence)
    }
    if (chain.lastSequence < batch.lastSequence) return undefined
    const [event] = await publicClient.getContractEvents({
      address: deployment.l2.settlement,
      abi: Abi.settlementAbi,
      eventName: 'BatchSettled',
      args: { batch: BigInt(batch.number) },
      fromBlock: BigInt(deployment.l2StartBlock),
      strict: true,
    })
    if (
      event === undefined ||
      Number(event.args.lastSequence) !== batch.lastSequence ||
      event.args.ledgerRoot !== batch.ledgerRoot
    ) {
      throw new LedgerDivergedError(batch.number, batch.ledgerRoot as Hex, event?.args.ledgerRoot)
    }
    return event.transactionHash
  }

  /** Sends the batch and gives its transaction, or nothing when it was taken apart to be packed anew. */
  async function send(batch: Batch): Promise<Hex | undefined> {
    const rows = await database.orm
      .select()
      .from(receipts)
      .where(inSequence(receipts.sequence, batch.firstSequence, batch.lastSequence))
      .orderBy(asc(receipts.sequence))
    try {
      const receipt = await sender.send({
        address: deployment.l2.settlement,
        abi: Abi.settlementAbi,
        functionName: 'settle',
        args: [rows.map(toReceipt), batch.credits as Hex, batch.ledgerRoot as Hex, batch.ledgerSumWei],
      })
      return receipt.transactionHash
    } catch (error) {
      // another copy of the same batch, sent before a crash, may have landed first
      const transactionHash = await landed(batch)
      if (transactionHash !== undefined) return transactionHash
      if (!isStakeChange(error) || repackCount >= REPACK_COUNT_MAX) throw error
      repackCount++
      await discard(database, batch)
      return undefined
    }
  }

  const settle = (): Promise<void> => {
    const turn = last.then(async () => {
      try {
        while (await settleOne());
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

const inSequence = (
  column: typeof receipts.sequence | typeof payouts.receiptSequence,
  first: number,
  last: number,
) => and(gte(column, first), lte(column, last))

/** Says whether the chain refused because the stakers' part went another way than when the batch was packed. */
const isStakeChange = (error: unknown): boolean =>
  error instanceof TransactionRevertedError && error.errorName === 'SettlementCreditsMismatch'

async function preparedBatch(orm: Orm): Promise<Batch | undefined> {
  const [batch] = await orm.select().from(batches).where(eq(batches.status, 'prepared')).limit(1)
  return batch
}

/** Packs the oldest unsettled receipts into the next batch and stores it; nothing when there are none. */
async function prepare(
  database: Database,
  contract: Pick<Contract, 'hasStakers'>,
  receiptCountMax: number,
): Promise<Batch | undefined> {
  const modelIds = await database.orm
    .selectDistinct({ modelId: receipts.modelId })
    .from(receipts)
    .where(isNull(receipts.batch))
  if (modelIds.length === 0) return undefined
  const stakedModels = new Set<bigint>()
  for (const { modelId } of modelIds) if (await contract.hasStakers(modelId)) stakedModels.add(modelId)
  const knownModels = new Set(modelIds.map(({ modelId }) => modelId))

  return database.transaction(async (orm) => {
    const oldest = await orm
      .select()
      .from(receipts)
      .where(isNull(receipts.batch))
      .orderBy(asc(receipts.sequence))
      .limit(receiptCountMax)
    // a model that appeared since the chain was asked waits for the next batch
    const unknownAt = oldest.findIndex((row) => !knownModels.has(row.modelId))
    const rows = unknownAt < 0 ? oldest : oldest.slice(0, unknownAt)
    for (const row of rows) await moveStakersPart(orm, row, stakedModels.has(row.modelId))
    const firstSequence = rows[0]?.sequence
    const lastSequence = rows.at(-1)?.sequence
    if (firstSequence === undefined || lastSequence === undefined) return undefined
    const paid = await orm
      .select({ account: payouts.beneficiary, amountWei: payouts.amountWei })
      .from(payouts)
      .where(inSequence(payouts.receiptSequence, firstSequence, lastSequence))
      .orderBy(asc(payouts.receiptSequence), asc(payouts.position))
    const credits = Credits.merge(paid.map((row) => ({ ...row, account: row.account as Hex })))
    const tree = Credits.tree(Credits.apply(await readLines(orm), credits))
    const [previous] = await orm.select().from(batches).orderBy(desc(batches.number)).limit(1)
    const [batch] = await orm
      .insert(batches)
      .values({
        number: (previous?.number ?? 0) + 1,
        firstSequence,
        lastSequence,
        ledgerRoot: Bytes.toHex(tree.root.hash),
        ledgerSumWei: tree.root.sum,
        credits: Credits.pack(credits),
        status: 'prepared',
      })
      .returning()
    await orm
      .update(receipts)
      .set({ batch: batch!.number })
      .where(inSequence(receipts.sequence, firstSequence, lastSequence))
    return batch
  })
}

/**
 * Makes a receipt's stakers' part agree with the chain: paid to stakers where there are some, else joined to the
 * commons. Stake that came or went between answer and settlement makes the difference.
 */
async function moveStakersPart(
  orm: Orm,
  row: typeof receipts.$inferSelect,
  hasStakers: boolean,
): Promise<void> {
  const joined = and(
    eq(payouts.receiptSequence, row.sequence),
    isNull(payouts.contributionId),
    eq(payouts.sharePpm, 0),
  )
  let movedWei = 0n
  if (hasStakers) {
    const [payout] = await orm.delete(payouts).where(joined).returning()
    movedWei = payout?.amountWei ?? 0n
  } else if (row.stakersWei > 0n) {
    const { shares, commons } = row.attribution as Attribution.Attribution
    await orm.insert(payouts).values({
      receiptSequence: row.sequence,
      position: shares.length + 1,
      beneficiary: commons.beneficiary,
      contributionId: null,
      sharePpm: 0,
      amountWei: row.stakersWei,
    })
    movedWei = -row.stakersWei
  }
  if (movedWei === 0n) return
  await orm
    .update(receipts)
    .set({ stakersWei: row.stakersWei + movedWei, contributorsWei: row.contributorsWei - movedWei })
    .where(eq(receipts.sequence, row.sequence))
}

/** Takes a batch apart that the chain refused for good, so that its receipts are packed anew. */
async function discard(database: Database, batch: Batch): Promise<void> {
  await database.transaction(async (orm) => {
    await orm.update(receipts).set({ batch: null }).where(eq(receipts.batch, batch.number))
    await orm.delete(batches).where(and(eq(batches.number, batch.number), eq(batches.status, 'prepared')))
  })
}

/** Reads a stored receipt in the form that is signed and settled. */
export const toReceipt = (row: typeof receipts.$inferSelect): Receipt.Receipt => ({
  sequence: BigInt(row.sequence),
  previousHash: row.previousHash as Hex,
  payer: row.payer as Hex,
  modelId: row.modelId,
  promptHash: row.promptHash as Hex,
  answerHash: row.answerHash as Hex,
  inputTokens: row.inputTokens,
  outputTokens: row.outputTokens,
  feeWei: row.feeWei,
  splitVersion: row.splitVersion,
  sharesRoot: row.sharesRoot as Hex,
  attributionHash: row.attributionHash as Hex,
  inferenceCommitment: row.inferenceCommitment as Hex,
  timestamp: BigInt(row.timestamp),
})

export class SequenceGapError extends BaseError {
  constructor(firstSequence: number, chainSequence: number) {
    super({
      code: 'settlement.sequence_gap',
      message: `Expected the chain to stand just before receipt ${firstSequence}, but its last is ${chainSequence}. The chain lost a settled batch or belongs to another database; connect the chain that this database was made with.`,
      context: { firstSequence, chainSequence },
    })
  }
}

export class LedgerDivergedError extends BaseError {
  constructor(batchNumber: number, expectedRoot: Hex, chainRoot: Hex | undefined) {
    super({
      code: 'settlement.diverged',
      message: `Expected batch ${batchNumber} on chain with ledger root ${expectedRoot}, found ${chainRoot ?? 'no such batch'}. Another operator settled in between or the database is not this chain's; nothing more is settled until that is resolved.`,
      context: { batchNumber, expectedRoot, chainRoot },
    })
  }
}
