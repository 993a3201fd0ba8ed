import { Bytes, type Hex } from '@openledger/primitives'
import * as Batch from './Batch.ts'
import * as Credits from './Credits.ts'
import { emptyBook } from './Ledger.ts'
import { type ChainOfBatches, LedgerAuditError, readBatches } from './readBatches.ts'

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
  readonly previous: number
  readonly operator: Hex
  readonly bodyHash: Hex
}

/**
 * Rebuilds the ledger from the chain alone: call data and events, nothing that an operator keeps.
 *
 * Every batch is checked on the way: receipts are counted without a gap, debits and the parts of the fees sum to the
 * same, credits sum to the contributors' parts, every segment's root is the one that follows, and what was posted is
 * what the contract keeps the hash of. What comes out is what `claim` pays.
 *
 * @throws {LedgerAuditError} naming the batch and what does not agree.
 */
export async function rebuildLedger(options: ChainOfBatches): Promise<RebuiltLedger> {
  let book = emptyBook()
  /** Batches whose credits stand, with these. */
  let standing: {
    readonly batch: number
    readonly placed: readonly Credits.Placed[]
    readonly claimable: ClaimableLedger
  }[] = []
  const paid = new Map<Hex, bigint>()
  const totals = { feeWei: 0n, platformWei: 0n, ownerWei: 0n, stakersWei: 0n, contributorsWei: 0n }
  let creditedWei = 0n
  let failure: { readonly batch: number; readonly error: LedgerAuditError } | undefined
  let receiptCount = 0
  let batchNumber = 0
  let claimable: ClaimableLedger | undefined
  for await (const read of readBatches(options)) {
    if (read.kind === 'rewound') {
      if (failure !== undefined && failure.batch > read.toBatch) failure = undefined
      standing = standing.filter(({ batch }) => batch <= read.toBatch)
      book = emptyBook()
      for (const { placed } of standing) Credits.apply(book, placed)
      creditedWei = book.tree.root().sum
      claimable = standing.at(-1)?.claimable
      continue
    }
    const { event, posted, settledAt, operator } = read
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
    const batchPlaced: Credits.Placed[] = []
    for (const { credits, ledgerRoot } of posted.segments) {
      const placed = Credits.unpack(credits, (index) => book.lines[index]?.account, book.lines.length)
      Credits.apply(book, placed)
      batchPlaced.push(...placed)
      creditedWei += placed.reduce((sum, { amountWei }) => sum + amountWei, 0n)
      const root = Bytes.toHex(book.tree.root().hash)
      // the court may have taken these credits back since
      if (root !== ledgerRoot) {
        failure ??= {
          batch: batchNumber,
          error: new LedgerAuditError(batchNumber, 'ledger root', root, ledgerRoot),
        }
      }
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
      previous: standing.at(-1)?.batch ?? 0,
      operator,
      bodyHash: event.bodyHash,
    }
    standing.push({ batch: batchNumber, placed: batchPlaced, claimable })
  }
  if (failure !== undefined) throw failure.error
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
