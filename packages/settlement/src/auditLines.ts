import { Bytes, type Hex, MerkleSum } from '@openledger/primitives'
import { Abi, Receipt } from '@openledger/protocol'
import { decodeFunctionData, keccak256 } from 'viem'
import * as CourtCall from './CourtCall.ts'
import type { ChainOfBatches, ReadBatch } from './readBatches.ts'
import { creditLinesOf, type Shown } from './Shown.ts'

/** `IAudit.Line`: a line as the operator showed it on demand. */
type Line = {
  readonly account: Hex
  readonly sequence: bigint
  readonly amount: bigint
  readonly path: { readonly index: bigint; readonly siblings: Hex }
}

export type LinesOfBatch = {
  readonly isCredit: boolean
  readonly posted: CourtCall.PostedArgument
  readonly previous: CourtCall.PostedArgument
  /** First receipt that its lines may be of. */
  readonly firstSequence: bigint
  /** What the lines have to sum to. */
  readonly totalWei: bigint
  /** The lines as receipts say. */
  readonly expected: ReturnType<typeof CourtCall.linesOf>
  /** Every batch up to this one, to find a line's receipt in. */
  readonly batches: readonly { readonly read: ReadBatch; readonly posted: CourtCall.PostedArgument }[]
  readonly show: (sequence: bigint) => Promise<Shown | undefined>
}

/**
 * Finds what is wrong with lines whose root is not the one that receipts lead to: from the lines that the operator showed on
 * demand, or by demanding the next.
 */
export async function auditLines(chain: ChainOfBatches, lines: LinesOfBatch): Promise<CourtCall.Finding> {
  const { isCredit, posted, expected, totalWei } = lines
  const produced = await readProduced(chain, posted.number, isCredit)
  const side = isCredit ? 'credits' : 'debits'
  for (const [index, line] of [...produced].sort(([a], [b]) => a - b)) {
    const right = expected.line(index)
    const isRight =
      line.account.toLowerCase() === right.account &&
      line.sequence === right.sequence &&
      line.amount === right.amount
    if (isRight && totalOf(line) === totalWei) continue
    const isOfTheBatch =
      line.sequence >= lines.firstSequence && line.sequence <= posted.batch.lastSequence && line.amount !== 0n
    if (!isOfTheBatch || totalOf(line) !== totalWei) {
      return proveLines(lines, line, line, `line ${index} behind the ${side} does not belong there`)
    }
    const wrong = await findWrongLine(lines, index, line)
    if (wrong !== undefined) return wrong
    // what its receipt says, so it is doubled or out of order beside a neighbour
    const [before, after] = [produced.get(index - 1), produced.get(index + 1)]
    if (before !== undefined && !isAscending(before, line)) {
      return proveLines(
        lines,
        before,
        line,
        `lines ${index - 1} and ${index} behind the ${side} do not ascend`,
      )
    }
    if (after !== undefined && !isAscending(line, after)) {
      return proveLines(
        lines,
        line,
        after,
        `lines ${index} and ${index + 1} behind the ${side} do not ascend`,
      )
    }
  }
  let next = 0
  while (produced.has(next)) next++
  return CourtCall.demand(
    posted,
    isCredit ? 'CreditLine' : 'DebitLine',
    next,
    `the lines behind the ${side} are not those of the receipts`,
  )
}

/** A line that is not what its receipt says, if it is one. */
async function findWrongLine(
  { isCredit, posted, previous, batches, show }: LinesOfBatch,
  index: number,
  line: Line,
): Promise<CourtCall.Finding | undefined> {
  const home = batches.find(
    ({ read: { event } }) => line.sequence >= event.firstSequence && line.sequence <= event.lastSequence,
  )
  if (home === undefined) return undefined
  const { firstSequence, lastSequence } = home.read.event
  const receipts: Shown[] = []
  for (let sequence = firstSequence; sequence <= lastSequence; sequence++) {
    const one = await show(sequence)
    if (one === undefined) return undefined
    receipts.push(one)
  }
  const place = Number(line.sequence - firstSequence)
  const one = receipts[place]!
  const paid = isCredit
    ? creditLinesOf(one)
    : [{ account: one.receipt.payer.toLowerCase(), amountWei: one.receipt.feeWei }]
  const saidWei = paid
    .filter(({ account }) => account === line.account.toLowerCase())
    .reduce((sum, { amountWei }) => sum + amountWei, 0n)
  if (saidWei === line.amount) return undefined
  const tree = MerkleSum.build(receipts.map(({ receipt, signature }) => Receipt.leaf(receipt, signature)))
  const filed = CourtCall.filed({ ...one, shares: one.correctedShares ?? one.shares }, tree, place)
  return {
    fault: 'Line',
    says: `line ${index} gives ${line.account} ${line.amount} wei for receipt ${line.sequence}, which says ${saidWei}`,
    call: {
      contract: 'audit',
      functionName: 'proveLine',
      args: [
        posted,
        isCredit,
        line,
        home.posted,
        { ...filed, signature: keccak256(filed.signature) },
        previous,
        CourtCall.salt(),
      ],
    },
  }
}

const proveLines = (
  { isCredit, posted, previous }: LinesOfBatch,
  first: Line,
  second: Line,
  says: string,
): CourtCall.Finding => ({
  fault: 'Lines',
  says,
  call: {
    contract: 'audit',
    functionName: 'proveLines',
    args: [posted, previous, isCredit, first, second, CourtCall.salt()],
  },
})

/** What all lines sum to, by the sums beside a line's way up. */
function totalOf({ amount, path }: Line): bigint {
  const siblings = Bytes.fromHex(path.siblings)
  let total = amount
  for (let at = 32; at < siblings.length; at += 44) total += Bytes.toUint(siblings.subarray(at, at + 12))
  return total
}

const isAscending = (first: Line, second: Line): boolean =>
  first.account === second.account
    ? first.sequence < second.sequence
    : first.account.toLowerCase() < second.account.toLowerCase()

/** The lines of a batch that were shown on demand, by their place. */
async function readProduced(
  { publicClient, settlement, fromBlock }: ChainOfBatches,
  batch: bigint,
  isCredit: boolean,
): Promise<Map<number, Line>> {
  const court = await publicClient.readContract({
    address: settlement,
    abi: Abi.settlementAbi,
    functionName: 'COURT',
  })
  const events = await publicClient.getContractEvents({
    address: court,
    abi: Abi.courtAbi,
    eventName: 'Produced',
    args: { batch },
    fromBlock,
    strict: true,
  })
  const produced = new Map<number, Line>()
  for (const { transactionHash } of events) {
    const { input, to } = await publicClient.getTransaction({ hash: transactionHash })
    // shown through another contract: its index can be demanded again by nobody, its neighbours can
    if (to?.toLowerCase() !== court.toLowerCase()) continue
    const { functionName, args } = decodeFunctionData({ abi: Abi.courtAbi, data: input })
    if (functionName !== 'produceLine' || args[1] !== isCredit) continue
    const line = args[3]
    produced.set(Number(line.path.index), line)
  }
  return produced
}
