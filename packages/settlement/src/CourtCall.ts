import { randomBytes } from 'node:crypto'
import { Bytes, type Hex, MerkleSum } from '@openledger/primitives'
import { Abi, type Deployment, type Sender } from '@openledger/protocol'
import { encodeAbiParameters, encodeFunctionData, keccak256, type PublicClient, zeroAddress } from 'viem'
import * as Batch from './Batch.ts'
import * as Credits from './Credits.ts'
import type { ReadBatch } from './readBatches.ts'
import type { Shown } from './Shown.ts'

/** A call of `Audit` or `Court`. */
export type Call = {
  readonly contract: 'audit' | 'court'
  readonly functionName: string
  readonly args: readonly unknown[]
  readonly isStaked?: boolean
}

/** What is wrong with a batch, in the contracts' word and in a sentence, and the call that says so on chain. */
export type Finding = { readonly fault: string; readonly says: string; readonly call: Call }

/** `ICourt.Posted`: everything that a batch posted but its debits and credits. */
export type PostedArgument = ReturnType<typeof postedArgument>

const ZERO: Hex = `0x${'00'.repeat(32)}`
const ITEMS = { Receipt: 0, DebitLine: 1, CreditLine: 2 } as const
export type Item = keyof typeof ITEMS

export function postedArgument({ event, posted, settledAt, operator }: ReadBatch, previous: number) {
  return {
    number: event.batch,
    ledger: {
      root: event.ledgerRoot,
      sum: event.ledgerSum,
      accountCount: event.accountCount,
      settledAt: BigInt(settledAt),
      previous: BigInt(previous),
      operator,
      bodyHash: event.bodyHash,
    },
    batch: posted.header,
    debitsHash: keccak256(posted.debits),
    groups: posted.groups,
    segmentsHash: Batch.segmentsHash(posted.segments),
  }
}

/** Stands where no batch is looked at. */
export const nothing: PostedArgument = {
  number: 0n,
  ledger: {
    root: ZERO,
    sum: 0n,
    accountCount: 0n,
    settledAt: 0n,
    previous: 0n,
    operator: zeroAddress,
    bodyHash: ZERO,
  },
  batch: {
    lastSequence: 0n,
    lastTimestamp: 0n,
    receiptsRoot: ZERO,
    lastReceiptHash: ZERO,
    debitLinesRoot: ZERO,
    creditLinesRoot: ZERO,
    accountCount: 0,
  },
  debitsHash: ZERO,
  groups: [],
  segmentsHash: ZERO,
}

/** Keeps an announcement from being guessed. */
export const salt = (): Hex => Bytes.toHex(randomBytes(32))

/** Demands what is not shown. */
export const demand = (posted: PostedArgument, item: Item, index: number, says: string): Finding => ({
  fault: 'Withheld',
  says,
  call: {
    contract: 'court',
    functionName: 'demand',
    isStaked: true,
    args: [posted, ITEMS[item], BigInt(index)],
  },
})

/** All siblings of a leaf, the empty ones too: `(hash 32 ‖ sum 12)*`. */
export const packPath = (tree: MerkleSum.Tree, index: number): Hex =>
  Bytes.toHex(
    Bytes.concat(...MerkleSum.prove(tree, index).flatMap(({ hash, sum }) => [hash, Bytes.fromUint(sum, 12)])),
  )

/** `ICourt.Filed`. */
export const filed = ({ receipt, signature, shares }: Shown, tree: MerkleSum.Tree, index: number) => ({
  receipt,
  signature,
  leafSum: receipt.feeWei,
  path: { index: BigInt(index), siblings: packPath(tree, index) },
  shares: packShares(shares),
})

/** `(account 20 ‖ amount 12)*`, accounts ascending. */
export const packShares = (shares: readonly Credits.Credit[]): Hex =>
  Bytes.toHex(
    Bytes.concat(
      ...Credits.merge(shares)
        .sort((a, b) => (a.account < b.account ? -1 : 1))
        .flatMap(({ account, amountWei }) => [Bytes.fromHex(account), Bytes.fromUint(amountWei, 12)]),
    ),
  )

const NO_LINE = {
  account: zeroAddress,
  sequence: 0n,
  amount: 0n,
  path: { index: 0n, siblings: '0x' },
} as const

/** The lines behind a batch's debits or credits, as the operator should have committed to them. */
export function linesOf(lines: readonly Batch.PaymentLine[]) {
  const sorted = Batch.sortLines(lines)
  const tree = MerkleSum.build(sorted.map(Batch.lineLeaf))
  const sums = new Map<Hex, bigint>()
  for (const { account, amountWei } of sorted) sums.set(account, (sums.get(account) ?? 0n) + amountWei)
  const line = (index: number) => {
    const found = sorted[index]
    if (found === undefined) return NO_LINE
    const { account, sequence, amountWei } = found
    return {
      account,
      sequence,
      amount: amountWei,
      path: { index: BigInt(index), siblings: packPath(tree, index) },
    }
  }
  return {
    root: Bytes.toHex(tree.root.hash),
    sums,
    line,
    count: sorted.length,
    /** `IAudit.Lines`: all lines of an account with what stands beside them. */
    allOf(account: Hex) {
      const first = sorted.findIndex((one) => one.account >= account)
      const isEmpty = first < 0 || sorted[first]!.account !== account
      const last = sorted.findLastIndex((one) => one.account === account)
      if (!isEmpty) {
        return {
          isEmpty,
          left: line(first - 1),
          first: line(first),
          last: line(last),
          right: line(last + 1),
        }
      }
      const left = first < 0 ? sorted.length - 1 : first - 1
      // a right neighbour that repeats the left one says that there is none
      const right = first < 0 ? left : first
      return { isEmpty, left: line(left), first: NO_LINE, last: NO_LINE, right: line(right) }
    },
  }
}

/** The ledger's tree, whole. */
export const ledgerTree = ({ lines }: Credits.Lines): MerkleSum.Tree =>
  MerkleSum.build(lines.map(Credits.leafOf))

/** An account's line in the ledger before a batch; none when it is new. */
export function lineBefore(
  { account, cumulativeWei }: Credits.Line,
  index: number,
  placed: readonly Credits.Placed[],
  book: Credits.Lines,
  previous: PostedArgument,
) {
  const count = Number(previous.ledger.accountCount)
  if (index >= count) return { account: zeroAddress, cumulative: 0n, path: NO_LINE.path }
  const earlier = book.lines.slice(0, count)
  for (const one of placed) {
    const line = earlier[one.index]
    if (line) earlier[one.index] = { ...line, cumulativeWei: line.cumulativeWei - one.amountWei }
  }
  const tree = MerkleSum.build(earlier.map(Credits.leafOf))
  return {
    account,
    cumulative: cumulativeWei,
    path: { index: BigInt(index), siblings: packPath(tree, index) },
  }
}

export const encode = ({ contract, functionName, args }: Call): Hex =>
  encodeFunctionData({
    abi: contract === 'audit' ? Abi.auditAbi : Abi.courtAbi,
    functionName,
    args,
  } as never)

/**
 * Makes a call before the court: announced a block earlier where a copy could win what it wins, with the stake where it
 * takes one.
 * @returns The transaction.
 */
export async function file(
  deps: { readonly publicClient: PublicClient; readonly sender: Sender; readonly l2: Deployment['l2'] },
  call: Call,
): Promise<Hex> {
  const { publicClient, sender, l2 } = deps
  const { contract, functionName, args, isStaked = false } = call
  const audit = { address: l2.audit, abi: Abi.auditAbi } as const
  if (contract === 'audit' || functionName === 'contest') {
    const announcement = keccak256(
      encodeAbiParameters([{ type: 'address' }, { type: 'bytes' }], [sender.account, encode(call)]),
    )
    await sender.send({ ...audit, functionName: 'announce', args: [announcement] })
  }
  const [, stakeWei] = await publicClient.readContract({
    address: l2.court,
    abi: Abi.courtAbi,
    functionName: 'terms',
  })
  const { transactionHash } = await sender.send({
    address: contract === 'audit' ? l2.audit : l2.court,
    abi: contract === 'audit' ? Abi.auditAbi : Abi.courtAbi,
    functionName,
    args,
    ...(isStaked ? { valueWei: stakeWei } : {}),
  } as never)
  return transactionHash
}
