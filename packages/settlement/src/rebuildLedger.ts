import { Bytes, type Hex } from '@openledger/primitives'
import * as Batch from './Batch.ts'
import { type CreditedBatch, newestProving, type ProvenClaims, proveClaims } from './ClaimProofs.ts'
import type { Contest } from './Contract.ts'
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
  /** The newest batch whose credits stand. */
  readonly claimable: CreditedBatch | undefined
  /** Every batch that credited, those too whose credits the court took back. */
  readonly credited: readonly CreditedBatch[]
  /** The ledger after one of them. */
  readonly bookAt: (batch: number) => Credits.Lines
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
  /** Batches whose credits stand. */
  let standing: CreditedBatch[] = []
  const credited = new Map<number, CreditedBatch>()
  const placedBy = new Map<number, readonly Credits.Placed[]>()
  const bookAt = (batch: number): Credits.Lines => {
    const way: number[] = []
    for (let at = batch; at !== 0; at = credited.get(at)!.previous) way.unshift(at)
    const made = emptyBook()
    for (const number of way) Credits.apply(made, placedBy.get(number)!)
    return made
  }
  const paid = new Map<Hex, bigint>()
  const totals = { feeWei: 0n, platformWei: 0n, ownerWei: 0n, stakersWei: 0n, contributorsWei: 0n }
  let creditedWei = 0n
  let failure: { readonly batch: number; readonly error: LedgerAuditError } | undefined
  let receiptCount = 0
  let batchNumber = 0
  for await (const read of readBatches(options)) {
    if (read.kind === 'rewound') {
      if (failure !== undefined && failure.batch > read.toBatch) failure = undefined
      standing = standing.filter(({ number }) => number <= read.toBatch)
      book = bookAt(read.toBatch)
      creditedWei = book.tree.root().sum
      continue
    }
    const { event, posted, settledAt, operator } = read
    batchNumber++
    const check = (what: string, expected: unknown, got: unknown): void => {
      if (expected !== got) throw new LedgerAuditError(batchNumber, what, expected, got)
    }
    // what the credits lead to is for the court, which may have taken them back since
    const expect = (what: string, expected: unknown, got: unknown): void => {
      if (expected === got) return
      failure ??= { batch: batchNumber, error: new LedgerAuditError(batchNumber, what, expected, got) }
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
      const { credits: placed, malformedAt } = Credits.read(
        credits,
        (index) => book.lines[index]?.account,
        book.lines.length,
      )
      expect('end of credits', undefined, malformedAt)
      Credits.apply(book, placed)
      batchPlaced.push(...placed)
      creditedWei += placed.reduce((sum, { amountWei }) => sum + amountWei, 0n)
      expect('ledger root', Bytes.toHex(book.tree.root().hash), ledgerRoot)
    }
    expect('sum of credits', totals.contributorsWei, creditedWei)
    expect('number of accounts', BigInt(book.lines.length), event.accountCount)
    check('ledger sum', totals.contributorsWei, event.ledgerSum)
    const previous = standing.at(-1)?.number ?? 0
    const one: CreditedBatch = {
      number: batchNumber,
      previous,
      settledAt,
      ledger: {
        root: event.ledgerRoot,
        sum: event.ledgerSum.toString(),
        accountCount: book.lines.length,
        settledAt,
        previous,
        operator,
        bodyHash: event.bodyHash,
      },
    }
    standing.push(one)
    credited.set(batchNumber, one)
    placedBy.set(batchNumber, batchPlaced)
  }
  if (failure !== undefined) throw failure.error
  return {
    lines: book.lines,
    ledgerRoot: Bytes.toHex(book.tree.root().hash),
    ledgerSumWei: creditedWei,
    paid: [...paid].map(([account, amountWei]) => ({ account, amountWei })),
    receiptCount,
    batchCount: batchNumber,
    claimable: standing.at(-1),
    credited: [...credited.values()],
    bookAt,
    totals: { ...totals, uncreditedWei: totals.contributorsWei - creditedWei },
    book,
  }
}

/**
 * Proves accounts' lines from a rebuilt ledger, without what disputed batches credited.
 *
 * @param settledUpTo - Unix seconds: only batches of that time or before are past their challenge window.
 * @returns Nothing when no such batch credited.
 */
export async function proveRebuilt(
  { credited, bookAt }: Pick<RebuiltLedger, 'credited' | 'bookAt'>,
  contests: readonly Contest[],
  settledUpTo: number,
  accounts: readonly Hex[],
): Promise<ProvenClaims | undefined> {
  const batch = newestProving(
    credited.filter(({ settledAt }) => settledAt <= settledUpTo),
    contests,
  )
  const books = {
    batchOf: async (wanted: number) => credited.find(({ number }) => number === wanted)!,
    bookAt: async (wanted: number) => bookAt(wanted),
  }
  return batch && (await proveClaims(books, batch, contests, accounts))
}
