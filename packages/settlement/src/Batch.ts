import { Bytes, createGrowingMerkleSum, type Hex, type MerkleSum } from '@openledger/primitives'
import { Abi, Receipt } from '@openledger/protocol'
import { encodeAbiParameters, encodePacked, getAbiItem, keccak256 } from 'viem'
import * as Credits from './Credits.ts'

/** A receipt with what a batch needs of it besides. */
export type SettledReceipt = {
  readonly receipt: Receipt.Receipt
  readonly signature: Hex
  readonly platformWei: bigint
  readonly ownerWei: bigint
  readonly stakersWei: bigint
}

/** One payment to or from an account for one answer. */
export type PaymentLine = { readonly account: Hex; readonly sequence: bigint; readonly amountWei: bigint }

export type Header = {
  readonly lastSequence: bigint
  readonly lastTimestamp: bigint
  readonly receiptsRoot: Hex
  readonly lastReceiptHash: Hex
  readonly debitLinesRoot: Hex
  readonly creditLinesRoot: Hex
  /** Lines of the ledger after it. */
  readonly accountCount: number
}

/** Where the receipts of a batch end. */
export type Head = Pick<Header, 'lastSequence' | 'lastTimestamp' | 'lastReceiptHash'>

export type Group = {
  readonly modelId: bigint
  readonly splitVersion: number
  readonly stakeVersion: number
  readonly receiptCount: number
  readonly firstTimestamp: bigint
  readonly lastTimestamp: bigint
  readonly feeWei: bigint
  readonly platformWei: bigint
  readonly ownerWei: bigint
  readonly stakersWei: bigint
}

export type Segment = { readonly credits: Hex; readonly ledgerRoot: Hex }

/** The arguments of `Settlement.settle`. */
export type Posted = {
  readonly header: Header
  readonly debits: Hex
  readonly groups: readonly Group[]
  readonly segments: readonly Segment[]
}

/** Credits of one segment: so many can be recomputed on chain in one transaction. */
export const SEGMENT_CREDIT_COUNT = 256

/**
 * Divides segments into calls: all parts but the last go ahead (`postCredits`), the last goes with `settle`.
 * @param bytesMax - Most bytes of credits in a part; a segment that has more is a part of its own.
 */
export function partsOf(segments: readonly Segment[], bytesMax: number): (readonly Segment[])[] {
  const parts: Segment[][] = [[]]
  let bytes = 0
  for (const segment of segments) {
    const size = (segment.credits.length - 2) / 2
    if (bytes + size > bytesMax && parts.at(-1)!.length > 0) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(segment)
    bytes += size
  }
  return parts
}

export const settleArguments = ({ header, debits, groups, segments }: Posted) =>
  [header, debits, groups, segments] as const

/**
 * Packs receipts, and what all receipts that were not credited yet pay to whom, into a batch.
 *
 * @param credits - By account and answer; empty to leave the crediting to a later batch.
 * @param receipts - None for a batch that only credits.
 * @param ledger - Changed: it stands after the batch when this returns.
 * @param before - Where the batch before ended; a batch without receipts ends there too.
 * @param segmentCreditCount - Credits of a segment.
 * @returns The batch, and the ledger's lines that it changes.
 */
export function make(
  receipts: readonly SettledReceipt[],
  credits: readonly PaymentLine[],
  ledger: Credits.Lines,
  before?: Head,
  segmentCreditCount = SEGMENT_CREDIT_COUNT,
): { posted: Posted; changed: number[] } {
  const last = receipts.at(-1)?.receipt
  const head =
    last === undefined
      ? before!
      : {
          lastSequence: last.sequence,
          lastTimestamp: last.timestamp,
          lastReceiptHash: Receipt.hash(last),
        }
  const debits = receipts.map(
    ({ receipt }): PaymentLine => ({
      account: receipt.payer,
      sequence: receipt.sequence,
      amountWei: receipt.feeWei,
    }),
  )
  const { segments, changed } = segmentsOf(credits, ledger, segmentCreditCount)
  const posted = {
    header: {
      lastSequence: head.lastSequence,
      lastTimestamp: head.lastTimestamp,
      receiptsRoot: rootOf(receipts.map(({ receipt, signature }) => Receipt.leaf(receipt, signature))),
      lastReceiptHash: head.lastReceiptHash,
      debitLinesRoot: rootOf(sortLines(debits).map(lineLeaf)),
      creditLinesRoot: rootOf(sortLines(credits).map(lineLeaf)),
      accountCount: ledger.lines.length,
    },
    debits: packDebits(debits),
    groups: groupsOf(receipts),
    segments,
  }
  return { posted, changed }
}

/** The leaf of a line: `keccak(account 20 ‖ sequence 8 ‖ amount 12)`, and the amount as sum. */
export const lineLeaf = ({ account, sequence, amountWei }: PaymentLine): MerkleSum.Node => ({
  hash: Bytes.keccak256(
    Bytes.concat(Bytes.fromHex(account), Bytes.fromUint(sequence, 8), Bytes.fromUint(amountWei, 12)),
  ),
  sum: amountWei,
})

/** Lines by account, then by sequence; one for each pair, without those of zero. */
export function sortLines(lines: readonly PaymentLine[]): PaymentLine[] {
  const sorted = lines
    .filter(({ amountWei }) => amountWei > 0n)
    .sort((a, b) =>
      a.account === b.account ? Number(a.sequence - b.sequence) : a.account < b.account ? -1 : 1,
    )
  const merged: PaymentLine[] = []
  for (const line of sorted) {
    const before = merged.at(-1)
    if (before?.account === line.account && before.sequence === line.sequence) {
      merged[merged.length - 1] = { ...line, amountWei: before.amountWei + line.amountWei }
    } else merged.push(line)
  }
  return merged
}

const rootOf = (leaves: readonly MerkleSum.Node[]): Hex => {
  const tree = createGrowingMerkleSum()
  tree.put(leaves.map((node, index) => ({ index, node })))
  return Bytes.toHex(tree.root().hash)
}

/** What each payer pays in all: `(address 20 ‖ length 1 ‖ amount)*`, addresses ascending. */
function packDebits(debits: readonly PaymentLine[]): Hex {
  const sums = Credits.merge(debits).sort((a, b) => (a.account < b.account ? -1 : 1))
  return Bytes.toHex(
    Bytes.concat(
      ...sums.flatMap(({ account, amountWei }) => {
        const size = Credits.sizeOf(amountWei)
        return [Bytes.fromHex(account), Uint8Array.of(size), Bytes.fromUint(amountWei, size)]
      }),
    ),
  )
}

/** Reads packed debits back. */
export function unpackDebits(packed: Hex): Credits.Credit[] {
  const bytes = Bytes.fromHex(packed)
  const debits: Credits.Credit[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = bytes[at + 20]!
    debits.push({
      account: Bytes.toHex(bytes.subarray(at, at + 20)),
      amountWei: Bytes.toUint(bytes.subarray(at + 21, at + 21 + size)),
    })
    at += 21 + size
  }
  return debits
}

/** Adds receipts up by model, split and stake, in the order in which they first come; stake versions only go up. */
function groupsOf(receipts: readonly SettledReceipt[]): Group[] {
  const groups = new Map<string, Group>()
  for (const { receipt, platformWei, ownerWei, stakersWei } of receipts) {
    const { modelId, splitVersion, stakeVersion, timestamp, feeWei } = receipt
    const key = `${modelId}/${splitVersion}/${stakeVersion}`
    const group = groups.get(key)
    groups.set(key, {
      modelId,
      splitVersion,
      stakeVersion,
      receiptCount: (group?.receiptCount ?? 0) + 1,
      firstTimestamp: group?.firstTimestamp ?? timestamp,
      lastTimestamp: timestamp,
      feeWei: (group?.feeWei ?? 0n) + feeWei,
      platformWei: (group?.platformWei ?? 0n) + platformWei,
      ownerWei: (group?.ownerWei ?? 0n) + ownerWei,
      stakersWei: (group?.stakersWei ?? 0n) + stakersWei,
    })
  }
  return [...groups.values()].sort((a, b) => a.stakeVersion - b.stakeVersion)
}

function segmentsOf(
  payments: readonly PaymentLine[],
  ledger: Credits.Lines,
  creditCount: number,
): { segments: Segment[]; changed: number[] } {
  const placed = Credits.place(
    Credits.merge(payments),
    (account) => ledger.indexOf.get(account),
    ledger.lines.length,
  )
  const segments: Segment[] = []
  for (let at = 0; at < placed.length; at += creditCount) {
    const part = placed.slice(at, at + creditCount)
    Credits.apply(ledger, part)
    segments.push({ credits: Credits.pack(part), ledgerRoot: Bytes.toHex(ledger.tree.root().hash) })
  }
  return { segments, changed: placed.map(({ index }) => index) }
}

const [batchInput, , groupsInput] = getAbiItem({ abi: Abi.settlementAbi, name: 'settle' }).inputs

/** Most bytes that a credit takes: its tag, then a gap or the new account, then the amount. */
const KNOWN_CREDIT_BYTES = 1 + 4 + 12
const NEW_CREDIT_BYTES = 1 + 20 + 12

/**
 * Gives the sequence of the first receipt whose payees' credits, with those of all receipts before it, could take more
 * than so many bytes; infinity when all fit.
 */
export function firstBeyond(
  payments: readonly PaymentLine[],
  ledger: Pick<Credits.Lines, 'indexOf'>,
  bytesMax: number,
): number {
  const accounts = new Set<Hex>()
  let bytes = 0
  const bySequence = [...payments].sort((a, b) => Number(a.sequence - b.sequence))
  for (const { account, sequence } of bySequence) {
    if (accounts.has(account)) continue
    accounts.add(account)
    bytes += ledger.indexOf.has(account) ? KNOWN_CREDIT_BYTES : NEW_CREDIT_BYTES
    if (bytes > bytesMax) return Number(sequence)
  }
  return Number.POSITIVE_INFINITY
}

/** What stands for each segment: `(keccak256(credits) ‖ ledgerRoot)*`. */
export const segmentDigests = (segments: readonly Segment[]): Hex =>
  encodePacked(
    segments.flatMap(() => ['bytes32', 'bytes32'] as const),
    segments.flatMap(({ credits, ledgerRoot }) => [keccak256(credits), ledgerRoot]),
  )

/** Hash of that; zero without segments. */
export const segmentsHash = (segments: readonly Segment[]): Hex =>
  segments.length === 0 ? Receipt.ZERO_HASH : keccak256(segmentDigests(segments))

/** Hash of all that a batch posts besides the ledger; what `BatchSettled` calls `bodyHash`. */
export function bodyHash({ header, debits, groups, segments }: Posted): Hex {
  return keccak256(
    encodeAbiParameters(
      [batchInput, { type: 'bytes32' }, { type: 'bytes32' }, { type: 'bytes32' }],
      [
        header,
        keccak256(debits),
        keccak256(encodeAbiParameters([groupsInput], [groups])),
        segmentsHash(segments),
      ],
    ),
  )
}
