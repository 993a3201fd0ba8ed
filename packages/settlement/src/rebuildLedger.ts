import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { Abi } from '@openledger/protocol'
import { decodeFunctionData, type PublicClient } from 'viem'
import * as Batch from './Batch.ts'
import * as Credits from './Credits.ts'
import { emptyBook } from './Ledger.ts'

/** Everything that a settlement contract ever settled, as its chain tells it. */
export type RebuiltLedger = {
  readonly lines: readonly Credits.Line[]
  readonly ledgerRoot: Hex
  readonly ledgerSumWei: bigint
  /** What each payer has paid in all. */
  readonly paid: readonly Credits.Credit[]
  readonly receiptCount: number
  readonly batchCount: number
  /** The newest batch whose ledger pays, with what `claim` wants to know of it. */
  readonly claimable: ClaimableLedger | undefined
  readonly totals: {
    readonly feeWei: bigint
    readonly platformWei: bigint
    readonly ownerWei: bigint
    readonly stakersWei: bigint
    readonly contributorsWei: bigint
    /** Of the contributors' parts, what no batch has credited yet. */
    readonly uncreditedWei: bigint
  }
  /** The ledger's tree, to prove lines with. */
  readonly book: Credits.Lines
}

export type ClaimableLedger = {
  readonly batch: number
  readonly root: Hex
  readonly sum: bigint
  readonly accountCount: number
  readonly settledAt: number
  readonly bodyHash: Hex
}

export type RebuildOptions = {
  readonly publicClient: PublicClient
  readonly settlement: Hex
  /** First block that may hold its events. */
  readonly fromBlock: bigint
}

const BLOCKS_PER_QUERY = 5_000n

/**
 * Rebuilds the ledger from the chain alone: call data and events, nothing that an operator keeps.
 *
 * Every batch is checked on the way: receipts are counted without a gap, debits and the parts of the fees sum to the
 * same, credits sum to the contributors' parts, every segment's root is the one that follows, and what was posted is
 * what the contract keeps the hash of. What comes out is what `claim` pays.
 *
 * @throws {LedgerAuditError} naming the batch and what does not agree.
 */
export async function rebuildLedger(options: RebuildOptions): Promise<RebuiltLedger> {
  const book = emptyBook()
  const paid = new Map<Hex, bigint>()
  const totals = { feeWei: 0n, platformWei: 0n, ownerWei: 0n, stakersWei: 0n, contributorsWei: 0n }
  let creditedWei = 0n
  let receiptCount = 0
  let batchNumber = 0
  let claimable: ClaimableLedger | undefined
  for await (const { event, posted, settledAt } of readBatches(options)) {
    batchNumber++
    const check = (what: string, expected: unknown, got: unknown): void => {
      if (expected !== got) throw new LedgerAuditError(batchNumber, what, expected, got)
    }
    check('number', batchNumber, Number(event.batch))
    check('first sequence', BigInt(receiptCount + 1), event.firstSequence)
    check('body', Batch.bodyHash(posted), event.bodyHash)
    let feeWei = 0n
    for (const group of posted.groups) {
      receiptCount += group.receiptCount
      feeWei += group.feeWei
      totals.platformWei += group.platformWei
      totals.ownerWei += group.ownerWei
      totals.stakersWei += group.stakersWei
      totals.contributorsWei += group.feeWei - group.platformWei - group.ownerWei - group.stakersWei
    }
    totals.feeWei += feeWei
    check('last sequence', BigInt(receiptCount), posted.header.lastSequence)
    let debitsWei = 0n
    for (const { account, amountWei } of Batch.unpackDebits(posted.debits)) {
      paid.set(account, (paid.get(account) ?? 0n) + amountWei)
      debitsWei += amountWei
    }
    check('sum of debits', feeWei, debitsWei)
    if (posted.segments.length === 0) continue
    for (const { credits, ledgerRoot } of posted.segments) {
      const placed = Credits.unpack(credits, (index) => book.lines[index]?.account, book.lines.length)
      Credits.apply(book, placed)
      creditedWei += placed.reduce((sum, { amountWei }) => sum + amountWei, 0n)
      check('ledger root', Bytes.toHex(book.tree.root().hash), ledgerRoot)
    }
    check('sum of credits', totals.contributorsWei, creditedWei)
    check('ledger sum', creditedWei, event.ledgerSum)
    check('number of accounts', BigInt(book.lines.length), event.accountCount)
    claimable = {
      batch: batchNumber,
      root: event.ledgerRoot,
      sum: event.ledgerSum,
      accountCount: book.lines.length,
      settledAt,
      bodyHash: event.bodyHash,
    }
  }
  return {
    lines: book.lines,
    ledgerRoot: Bytes.toHex(book.tree.root().hash),
    ledgerSumWei: creditedWei,
    paid: [...paid].map(([account, amountWei]) => ({ account, amountWei })),
    receiptCount,
    batchCount: batchNumber,
    claimable,
    totals: { ...totals, uncreditedWei: totals.contributorsWei - creditedWei },
    book,
  }
}

/** Reads batches in order, each from the transaction that settled it. */
async function* readBatches({ publicClient, settlement, fromBlock }: RebuildOptions) {
  const head = await publicClient.getBlockNumber()
  for (let from = fromBlock; from <= head; from += BLOCKS_PER_QUERY) {
    const to = from + BLOCKS_PER_QUERY - 1n
    const events = await publicClient.getContractEvents({
      address: settlement,
      abi: Abi.settlementAbi,
      eventName: 'BatchSettled',
      fromBlock: from,
      toBlock: to < head ? to : head,
      strict: true,
    })
    for (const { args: event, transactionHash, blockNumber } of events) {
      const [transaction, { timestamp }] = await Promise.all([
        publicClient.getTransaction({ hash: transactionHash }),
        publicClient.getBlock({ blockNumber }),
      ])
      const number = Number(event.batch)
      if (transaction.to?.toLowerCase() !== settlement.toLowerCase()) {
        throw new LedgerAuditError(number, 'called contract', settlement, transaction.to)
      }
      const { functionName, args } = decodeFunctionData({ abi: Abi.settlementAbi, data: transaction.input })
      if (functionName !== 'settle') throw new LedgerAuditError(number, 'function', 'settle', functionName)
      const [header, debits, groups, segments] = args
      yield { event, posted: { header, debits, groups, segments }, settledAt: Number(timestamp) }
    }
  }
}

export class LedgerAuditError extends BaseError {
  constructor(batchNumber: number, what: string, expected: unknown, got: unknown) {
    super({
      code: 'ledger.audit',
      message: `Batch ${batchNumber} does not agree with what went before: expected ${what} ${expected}, got ${got}. The operator's ledger is wrong from here on.`,
      context: { batchNumber, what, expected: String(expected), got: String(got) },
    })
  }
}
