import { BaseError, type Hex } from '@openledger/primitives'
import { Abi } from '@openledger/protocol'
import { decodeFunctionData, getAbiItem, type PublicClient } from 'viem'
import type * as Batch from './Batch.ts'

export type ChainOfBatches = {
  readonly publicClient: PublicClient
  readonly settlement: Hex
  /** First block that may hold its events. */
  readonly fromBlock: bigint
}

/** A batch as its transactions and its event tell it: segments that were posted ahead stand with the others. */
export type ReadBatch = {
  readonly kind: 'settled'
  readonly event: {
    readonly batch: bigint
    readonly firstSequence: bigint
    readonly lastSequence: bigint
    readonly receiptsRoot: Hex
    readonly ledgerRoot: Hex
    readonly ledgerSum: bigint
    readonly accountCount: bigint
    readonly bodyHash: Hex
  }
  readonly posted: Batch.Posted
  readonly settledAt: number
  /** Who posted it. */
  readonly operator: Hex
}

/** The court had credits taken back: the ledger stands as after this batch again. */
export type ReadRewind = { readonly kind: 'rewound'; readonly toBatch: number }

const BLOCKS_PER_QUERY = 5_000n
const events = [
  getAbiItem({ abi: Abi.settlementAbi, name: 'BatchSettled' }),
  getAbiItem({ abi: Abi.settlementAbi, name: 'LedgerRewound' }),
  getAbiItem({ abi: Abi.settlementAbi, name: 'CreditsPosted' }),
] as const

/** Reads batches in order, each from the transaction that settled it, and when the ledger was rewound between them. */
export async function* readBatches({
  publicClient,
  settlement,
  fromBlock,
}: ChainOfBatches): AsyncGenerator<ReadBatch | ReadRewind> {
  let ahead: readonly Batch.Segment[] = []
  let batchCount = 0
  const head = await publicClient.getBlockNumber({ cacheTime: 0 })
  for (let from = fromBlock; from <= head; from += BLOCKS_PER_QUERY) {
    const to = from + BLOCKS_PER_QUERY - 1n
    const logs = await publicClient.getLogs({
      address: settlement,
      events,
      fromBlock: from,
      toBlock: to < head ? to : head,
      strict: true,
    })
    for (const log of logs) {
      if (log.eventName === 'LedgerRewound') {
        yield { kind: 'rewound', toBatch: Number(log.args.batch) }
        continue
      }
      const { transactionHash, blockNumber } = log
      const [transaction, { timestamp }] = await Promise.all([
        publicClient.getTransaction({ hash: transactionHash }),
        publicClient.getBlock({ blockNumber }),
      ])
      const number = log.eventName === 'BatchSettled' ? Number(log.args.batch) : batchCount + 1
      if (transaction.to?.toLowerCase() !== settlement.toLowerCase()) {
        throw new LedgerAuditError(number, 'called contract', settlement, transaction.to)
      }
      const call = decodeFunctionData({ abi: Abi.settlementAbi, data: transaction.input })
      if (log.eventName === 'CreditsPosted' && call.functionName === 'postCredits') {
        const [kept, segments] = call.args
        ahead = [...ahead.slice(0, Number(kept)), ...segments]
        continue
      }
      if (log.eventName !== 'BatchSettled' || call.functionName !== 'settle') {
        throw new LedgerAuditError(number, 'function', 'settle or postCredits', call.functionName)
      }
      batchCount = number
      const { args: event } = log
      const [header, debits, groups, last] = call.args
      const segments = last.length === 0 ? [] : [...ahead, ...last]
      if (last.length > 0) ahead = []
      yield {
        kind: 'settled',
        event,
        posted: { header, debits, groups, segments },
        settledAt: Number(timestamp),
        operator: transaction.from.toLowerCase() as Hex,
      }
    }
  }
}

export class LedgerAuditError extends BaseError {
  constructor(batchNumber: number, what: string, expected: unknown, got: unknown) {
    super({
      code: 'ledger.audit',
      message: `Batch ${batchNumber} does not agree with what went before: expected ${what} ${expected}, got ${got}. The operator's ledger is wrong from here on; challenge it with \`openledger audit-batches\` while its window is open.`,
      context: { batchNumber, what, expected: String(expected), got: String(got) },
    })
  }
}
