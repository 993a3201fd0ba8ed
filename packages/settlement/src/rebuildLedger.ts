import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { Abi, Receipt } from '@openledger/protocol'
import { decodeFunctionData, type PublicClient, parseEventLogs } from 'viem'
import * as Credits from './Credits.ts'

/** Everything that a settlement contract ever settled, as its chain tells it. */
export type RebuiltLedger = {
  readonly lines: readonly Credits.Line[]
  readonly ledgerRoot: Hex
  readonly ledgerSumWei: bigint
  readonly receipts: readonly Receipt.Receipt[]
  readonly batchCount: number
  /** Sums over all receipts, from the contract's events. */
  readonly totals: {
    readonly feeWei: bigint
    readonly platformWei: bigint
    readonly ownerWei: bigint
    readonly stakersWei: bigint
    readonly contributorsWei: bigint
  }
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
 * Every batch is checked on the way: receipts chain by hash without a gap, each fee is the sum of its parts, credits
 * sum to the contributors' parts, and the posted root is the one that follows. What comes out is what `claim` pays.
 *
 * @throws {LedgerAuditError} naming the batch and what does not agree.
 */
export async function rebuildLedger(options: RebuildOptions): Promise<RebuiltLedger> {
  let lines: Credits.Line[] = []
  const receipts: Receipt.Receipt[] = []
  const totals = { feeWei: 0n, platformWei: 0n, ownerWei: 0n, stakersWei: 0n, contributorsWei: 0n }
  let previousHash: Hex = Receipt.ZERO_HASH
  let root = { hash: Bytes.fromHex(Receipt.ZERO_HASH), sum: 0n }
  let batchNumber = 0
  for await (const batch of readBatches(options)) {
    batchNumber++
    const check = (what: string, expected: unknown, got: unknown): void => {
      if (expected !== got) throw new LedgerAuditError(batchNumber, what, expected, got)
    }
    check('number', batchNumber, batch.number)
    for (const receipt of batch.receipts) {
      check('sequence', BigInt(receipts.length + 1), receipt.sequence)
      check(`receipt ${receipt.sequence}'s previous hash`, previousHash, receipt.previousHash)
      previousHash = Receipt.hash(receipt)
      receipts.push(receipt)
    }
    check('count of receipt events', batch.receipts.length, batch.parts.length)
    let contributorsWei = 0n
    for (const [i, parts] of batch.parts.entries()) {
      const { platformWei, ownerWei, stakersWei } = parts
      check('receipt hash', Receipt.hash(batch.receipts[i]!), parts.receiptHash)
      check('fee', batch.receipts[i]!.feeWei, parts.feeWei)
      check('sum of parts', parts.feeWei, platformWei + ownerWei + stakersWei + parts.contributorsWei)
      contributorsWei += parts.contributorsWei
      for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += parts[key]
    }
    check(
      'sum of credits',
      contributorsWei,
      batch.credits.reduce((sum, credit) => sum + credit.amountWei, 0n),
    )
    lines = Credits.apply(lines, batch.credits)
    root = Credits.tree(lines).root
    check('ledger root', Bytes.toHex(root.hash), batch.ledgerRoot)
    check('ledger sum', root.sum, batch.ledgerSumWei)
  }
  return {
    lines,
    ledgerRoot: Bytes.toHex(root.hash),
    ledgerSumWei: root.sum,
    receipts,
    batchCount: batchNumber,
    totals,
  }
}

type SettledBatch = {
  readonly number: number
  readonly receipts: readonly Receipt.Receipt[]
  readonly credits: readonly Credits.Credit[]
  readonly ledgerRoot: Hex
  readonly ledgerSumWei: bigint
  readonly parts: readonly {
    readonly receiptHash: Hex
    readonly feeWei: bigint
    readonly platformWei: bigint
    readonly ownerWei: bigint
    readonly stakersWei: bigint
    readonly contributorsWei: bigint
  }[]
}

/** Reads batches in order, each from the transaction that settled it. */
async function* readBatches({
  publicClient,
  settlement,
  fromBlock,
}: RebuildOptions): AsyncGenerator<SettledBatch> {
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
    for (const event of events) {
      const [transaction, { logs }] = await Promise.all([
        publicClient.getTransaction({ hash: event.transactionHash }),
        publicClient.getTransactionReceipt({ hash: event.transactionHash }),
      ])
      const number = Number(event.args.batch)
      if (transaction.to?.toLowerCase() !== settlement.toLowerCase()) {
        throw new LedgerAuditError(number, 'called contract', settlement, transaction.to)
      }
      const { functionName, args } = decodeFunctionData({ abi: Abi.settlementAbi, data: transaction.input })
      if (functionName !== 'settle') throw new LedgerAuditError(number, 'function', 'settle', functionName)
      const [receipts, credits, ledgerRoot, ledgerSumWei] = args
      const own = logs.filter((log) => log.address.toLowerCase() === settlement.toLowerCase())
      yield {
        number,
        receipts: receipts.map((receipt) => ({ ...receipt, payer: receipt.payer.toLowerCase() as Hex })),
        credits: Credits.unpack(credits),
        ledgerRoot,
        ledgerSumWei,
        parts: parseEventLogs({ abi: Abi.settlementAbi, eventName: 'ReceiptSettled', logs: own }).map(
          ({ args: parts }) => parts,
        ),
      }
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
