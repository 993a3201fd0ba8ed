import { Bytes, type Hex, MerkleSum, packSiblings } from '@openledger/primitives'
import { Abi, FeeSplit, Receipt, TypedData } from '@openledger/protocol'
import { recoverAddress, size } from 'viem'
import { auditLines } from './auditLines.ts'
import * as Batch from './Batch.ts'
import * as ChallengeWindow from './ChallengeWindow.ts'
import { packClaims } from './ClaimProofs.ts'
import * as CourtCall from './CourtCall.ts'
import * as Credits from './Credits.ts'
import { emptyBook } from './Ledger.ts'
import { type ChainOfBatches, type ReadBatch, readBatches } from './readBatches.ts'
import { creditLinesOf, type Shown } from './Shown.ts'

export type AuditOptions = ChainOfBatches & {
  readonly chainId: number
  readonly feePolicy: Hex
  readonly staking: Hex
  /** Asks whoever serves for a receipt; nothing when it is not shown. */
  readonly show: (sequence: bigint) => Promise<Shown | undefined>
}

/** What an audit found of one batch. */
export type BatchAudit = {
  readonly batch: number
  readonly receiptCount: number
  readonly finalAt: number
  /** Whether it can be challenged still; batches that cannot be are not looked into. */
  readonly isOpen: boolean
  /** What is wrong, and the call that proves it or demands what is not shown; nothing when all follows. */
  readonly finding: CourtCall.Finding | undefined
}

type Standing = { readonly read: ReadBatch; readonly posted: CourtCall.PostedArgument }

/**
 * Recomputes every batch that can be challenged, from the chain and from the receipts that are shown, and finds for each
 * the smallest call that challenges what does not follow.
 *
 * Root by root, receipt by receipt, line by line, total by total: the order in which the court's proofs build on each
 * other. What is not shown is demanded on chain. Attribution needs a model, so it is not recomputed here.
 */
export async function* auditBatches(options: AuditOptions): AsyncGenerator<BatchAudit> {
  const { publicClient, settlement } = options
  const window = await ChallengeWindow.read(publicClient, settlement)
  const { timestamp } = await publicClient.getBlock({ blockTag: 'latest' })
  const shown = new Map<bigint, Promise<Shown | undefined>>()
  const show = (sequence: bigint): Promise<Shown | undefined> => {
    const known = shown.get(sequence) ?? options.show(sequence)
    shown.set(sequence, known)
    return known
  }
  let standing: (Standing & { readonly placed: readonly Credits.Placed[] })[] = []
  let book = emptyBook()
  const batches: Standing[] = []
  for await (const read of readBatches(options)) {
    if (read.kind === 'rewound') {
      standing = standing.filter(({ posted }) => Number(posted.number) <= read.toBatch)
      book = emptyBook()
      for (const { placed } of standing) Credits.apply(book, placed)
      continue
    }
    const previous = standing.at(-1)
    const posted = CourtCall.postedArgument(read, Number(previous?.posted.number ?? 0n))
    batches.push({ read, posted })
    const finalAt = ChallengeWindow.finalAt(window, read.settledAt)
    const isOpen = Number(timestamp) <= finalAt
    const place = { posted, previous: previous?.posted ?? CourtCall.nothing }
    const { wrong, placed } = followRoots(read, place, book)
    let finding = isOpen ? wrong : undefined
    if (isOpen && finding === undefined) {
      finding =
        (await auditReceipts(options, read, place, show)) ??
        (await auditTotals(options, read, place, { before: previous?.read, batches, show, placed, book }))
    }
    if (placed.length > 0) standing.push({ read, posted, placed })
    const { firstSequence, lastSequence } = read.event
    const receiptCount = Number(lastSequence - firstSequence) + 1
    yield { batch: Number(posted.number), receiptCount, finalAt, isOpen, finding }
  }
}

type Place = {
  readonly posted: CourtCall.PostedArgument
  readonly previous: CourtCall.PostedArgument
}

/**
 * Applies a batch's credits, and finds the first segment whose ledger does not follow (root, or at the end sum and number of
 * lines), or an account that gets a second line.
 */
function followRoots(
  { posted: { segments }, event }: ReadBatch,
  { posted, previous }: Place,
  book: Credits.Lines,
): { wrong: CourtCall.Finding | undefined; placed: Credits.Placed[] } {
  let wrong: CourtCall.Finding | undefined
  let doubled: readonly [first: number, second: number] | undefined
  const all: Credits.Placed[] = []
  for (const [place, { credits, ledgerRoot }] of segments.entries()) {
    const width = book.lines.length
    const { credits: placed, malformedAt } = Credits.read(
      credits,
      (index) => book.lines[index]?.account,
      width,
    )
    const known = placed.filter(({ isNew }) => !isNew).map(({ index }) => index)
    const shownLines = width === 0 ? [] : [...new Set([...known, width - 1])]
    const lines = packClaims(shownLines.map((index) => ({ index, ...book.lines[index]! })))
    const siblings = shownLines.length === 0 ? '0x' : Bytes.toHex(packSiblings(book.tree.prove(shownLines)))
    for (const { account, index, isNew } of placed) {
      const first = book.indexOf.get(account) ?? all.findLast((one) => one.account === account)?.index
      if (isNew && first !== undefined) doubled ??= [first, index]
    }
    Credits.apply(book, placed)
    all.push(...placed)
    const { hash, sum } = book.tree.root()
    const root = Bytes.toHex(hash)
    const isTooMuch = placed.some(({ index }) => book.lines[index]!.cumulativeWei > Credits.AMOUNT_MAX)
    const isLast = place === segments.length - 1
    const accountCount = BigInt(book.lines.length)
    const says =
      malformedAt !== undefined || isTooMuch
        ? `segment ${place} has what is no credit`
        : root !== ledgerRoot
          ? `segment ${place} leads to ${root}, the operator posted ${ledgerRoot}`
          : isLast && (sum !== event.ledgerSum || accountCount !== event.accountCount)
            ? `the credits lead to ${sum} wei on ${accountCount} lines, owed are ${event.ledgerSum} on ${event.accountCount}`
            : undefined
    if (wrong !== undefined || says === undefined) continue
    wrong = {
      fault: 'Root',
      says,
      call: {
        contract: 'audit',
        functionName: 'proveRoot',
        args: [
          posted,
          previous,
          {
            digests: Batch.segmentDigests(segments),
            place: BigInt(place),
            credits,
            width: BigInt(width),
            lines,
            siblings,
          },
          CourtCall.salt(),
        ],
      },
    }
  }
  if (wrong === undefined && doubled !== undefined) wrong = findDoubled({ posted, previous }, book, doubled)
  return { wrong, placed: all }
}

/** An account with two lines: what it earns on one it could claim beside the other. */
function findDoubled(
  { posted, previous }: Place,
  book: Credits.Lines,
  places: readonly [first: number, second: number],
): CourtCall.Finding {
  const tree = CourtCall.ledgerTree(book)
  const [one, other] = places.map((index) => {
    const { account, cumulativeWei: cumulative } = book.lines[index]!
    return { account, cumulative, path: { index: BigInt(index), siblings: CourtCall.packPath(tree, index) } }
  })
  return {
    fault: 'Doubled',
    says: `${one!.account} has two lines, ${places[0]} and ${places[1]}`,
    call: {
      contract: 'audit',
      functionName: 'proveDoubled',
      args: [posted, previous, one, other, CourtCall.salt()],
    },
  }
}

type Show = (sequence: bigint) => Promise<Shown | undefined>

/** Looks at each receipt of a batch and at what its leaves sum to. */
async function auditReceipts(
  options: AuditOptions,
  { event, posted: batch, operator }: ReadBatch,
  { posted }: Place,
  show: Show,
): Promise<CourtCall.Finding | undefined> {
  const receipts: Shown[] = []
  for (let sequence = event.firstSequence; sequence <= event.lastSequence; sequence++) {
    const one = await show(sequence)
    if (one === undefined) {
      return CourtCall.demand(posted, 'Receipt', receipts.length, `receipt ${sequence} is not shown`)
    }
    receipts.push(one)
  }
  const tree = MerkleSum.build(receipts.map(({ receipt, signature }) => Receipt.leaf(receipt, signature)))
  if (Bytes.toHex(tree.root.hash) !== batch.header.receiptsRoot) {
    return CourtCall.demand(posted, 'Receipt', 0, 'the receipts shown are not those of the batch')
  }
  const domain = TypedData.contractDomain('OpenLedger Settlement', options.chainId, options.settlement)
  const fees = batch.groups.reduce((sum, { feeWei }) => sum + feeWei, 0n)
  for (const [index, one] of receipts.entries()) {
    const { receipt, signature, shares } = one
    const signer = await recoverAddress({ hash: Receipt.digest(receipt, domain), signature }).catch(() => '')
    const group = batch.groups.find(
      ({ modelId, splitVersion, stakeVersion, firstTimestamp, lastTimestamp }) =>
        modelId === receipt.modelId &&
        splitVersion === receipt.splitVersion &&
        stakeVersion === receipt.stakeVersion &&
        receipt.timestamp >= firstTimestamp &&
        receipt.timestamp <= lastTimestamp,
    )
    const earned = shares.reduce((sum, { amountWei }) => sum + amountWei, 0n)
    const fault =
      signer.toLowerCase() !== operator
        ? 'Unsigned'
        : receipt.sequence !== event.firstSequence + BigInt(index)
          ? 'Misplaced'
          : tree.root.sum !== fees
            ? 'Sum'
            : group === undefined
              ? 'Ungrouped'
              : Receipt.sharesRoot(shares) === receipt.sharesRoot &&
                  earned !== (await contributorsWei(options, receipt))
                ? 'Shares'
                : undefined
    if (fault === undefined) continue
    return {
      fault,
      says: `receipt ${event.firstSequence + BigInt(index)} is ${fault.toLowerCase()}`,
      call: {
        contract: 'audit',
        functionName: 'proveReceipt',
        args: [posted, CourtCall.filed(one, tree, index), CourtCall.salt()],
      },
    }
  }
  return undefined
}

/** The contributors' part of a fee as the policy and the stake of its time say. */
async function contributorsWei(options: AuditOptions, receipt: Receipt.Receipt): Promise<bigint> {
  const { publicClient, feePolicy, staking } = options
  const [split, [staked]] = await Promise.all([
    publicClient.readContract({
      address: feePolicy,
      abi: Abi.feePolicyAbi,
      functionName: 'splitOf',
      args: [receipt.splitVersion],
    }),
    publicClient.readContract({
      address: staking,
      abi: Abi.stakingAbi,
      functionName: 'stakeAt',
      args: [receipt.modelId, receipt.stakeVersion],
    }),
  ])
  const parts = FeeSplit.split(receipt.feeWei, split)
  return parts.contributorsWei + (staked === 0n ? parts.stakersWei : 0n)
}

/** Holds what was charged and credited against the lines of the receipts. */
async function auditTotals(
  options: AuditOptions,
  { event, posted: batch }: ReadBatch,
  { posted, previous }: Place,
  followed: {
    /** The batch that credited before. */
    readonly before: ReadBatch | undefined
    readonly batches: readonly Standing[]
    readonly show: Show
    readonly placed: readonly Credits.Placed[]
    readonly book: Credits.Lines
  },
): Promise<CourtCall.Finding | undefined> {
  const { before, batches, show, placed, book } = followed
  const lines = { posted, previous, batches, show }
  const debitLines: Batch.PaymentLine[] = []
  for (let sequence = event.firstSequence; sequence <= event.lastSequence; sequence++) {
    const { receipt } = (await show(sequence))!
    debitLines.push({ account: receipt.payer.toLowerCase() as Hex, sequence, amountWei: receipt.feeWei })
  }
  const debits = CourtCall.linesOf(debitLines)
  if (debits.root !== batch.header.debitLinesRoot) {
    const totalWei = batch.groups.reduce((sum, { feeWei }) => sum + feeWei, 0n)
    const { firstSequence } = event
    return auditLines(options, { ...lines, isCredit: false, firstSequence, totalWei, expected: debits })
  }
  const charged = new Map(
    Batch.unpackDebits(batch.debits).map(({ account, amountWei }) => [account, amountWei]),
  )
  for (const payer of new Set([...charged.keys(), ...debits.sums.keys()])) {
    if ((charged.get(payer) ?? 0n) === (debits.sums.get(payer) ?? 0n)) continue
    return {
      fault: 'Total',
      says: `${payer} was charged ${charged.get(payer) ?? 0n} wei for answers of ${debits.sums.get(payer) ?? 0n}`,
      call: {
        contract: 'audit',
        functionName: 'proveDebit',
        args: [posted, payer, batch.debits, debits.allOf(payer), CourtCall.salt()],
      },
    }
  }
  if (placed.length === 0) return undefined
  const creditLines: Batch.PaymentLine[] = []
  for (let sequence = (before?.event.lastSequence ?? 0n) + 1n; sequence <= event.lastSequence; sequence++) {
    const one = await show(sequence)
    if (one === undefined) return undefined
    creditLines.push(...creditLinesOf(one))
  }
  const credits = CourtCall.linesOf(creditLines)
  if (credits.root !== batch.header.creditLinesRoot) {
    const totalWei = event.ledgerSum - previous.ledger.sum
    const firstSequence = previous.batch.lastSequence + 1n
    return auditLines(options, { ...lines, isCredit: true, firstSequence, totalWei, expected: credits })
  }
  for (const { account, amountWei, index } of placed) {
    if ((credits.sums.get(account) ?? 0n) === amountWei) continue
    const cumulative = book.lines[index]!.cumulativeWei
    const path = { index: BigInt(index), siblings: CourtCall.packPath(CourtCall.ledgerTree(book), index) }
    const earlier = { ...book.lines[index]!, cumulativeWei: cumulative - amountWei }
    return {
      fault: 'Total',
      says: `${account} was credited ${amountWei} wei for shares of ${credits.sums.get(account) ?? 0n}`,
      call: {
        contract: 'audit',
        functionName: 'proveCredit',
        args: [
          posted,
          previous,
          { account, cumulative, path },
          CourtCall.lineBefore(earlier, index, placed, book, previous),
          credits.allOf(account),
          CourtCall.salt(),
        ],
      },
    }
  }
  return undefined
}

/** Bytes of call data that a finding's proof takes. */
export const proofBytes = ({ call }: CourtCall.Finding): number => size(CourtCall.encode(call))
