import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import type { Deployment, Http } from '@openledger/protocol'
import { L1Info, Predeploys } from '@openledger/rollup'
import type { Block, PublicClient, Transaction, TransactionReceipt } from 'viem'
import { createTransactionWords, type TransactionWords } from './TransactionWords.ts'

/** The chain as people read it: blocks with their origin, transactions in words. */
export type Explorer = {
  /** Newest first. @param before - Only blocks with a lower number. */
  readonly blocks: (filter: { before?: number | undefined; limit: number }) => Promise<Http.Block[]>
  /** @throws {BlockNotFoundError} */
  readonly block: (numberOrHash: string) => Promise<Http.BlockDetail>
  /** @throws {TransactionNotFoundError} also while it is in no block. */
  readonly transaction: (hash: Hex) => Promise<Http.Transaction>
  readonly heads: () => Promise<{ unsafe: number; safe: number; finalized: number }>
}

/** Transactions of one block that are shown with everything about them. */
const TRANSACTION_COUNT_MAX = 200

/** Creates the explorer over the L2's JSON-RPC. */
export function createExplorer(client: PublicClient, deployment: Deployment): Explorer {
  const words = createTransactionWords(deployment)

  const heads = async () => {
    const numberAt = async (blockTag: 'latest' | 'safe' | 'finalized'): Promise<number> =>
      Number((await client.getBlock({ blockTag })).number ?? 0n)
    const [unsafe, safe, finalized] = await Promise.all([
      numberAt('latest'),
      numberAt('safe'),
      numberAt('finalized'),
    ])
    return { unsafe, safe, finalized }
  }

  return {
    heads,
    async blocks({ before, limit }) {
      const known = await heads()
      const newest = Math.min(known.unsafe, (before ?? Number.POSITIVE_INFINITY) - 1)
      const count = Math.min(limit, newest + 1)
      const numbers = Array.from({ length: Math.max(count, 0) }, (_, i) => BigInt(newest - i))
      const blocks = await Promise.all(
        numbers.map((blockNumber) => client.getBlock({ blockNumber, includeTransactions: true })),
      )
      return blocks.map((block) => toBlock(block, known))
    },
    async block(numberOrHash) {
      const where = /^0x/.test(numberOrHash)
        ? { blockHash: numberOrHash as Hex }
        : { blockNumber: BigInt(numberOrHash) }
      const [known, block] = await Promise.all([
        heads(),
        client.getBlock({ ...where, includeTransactions: true }).catch(() => undefined),
      ])
      if (block === undefined) throw new BlockNotFoundError(numberOrHash)
      const transactions = await Promise.all(
        block.transactions
          .slice(0, TRANSACTION_COUNT_MAX)
          .map(async (transaction) =>
            toTransaction(
              transaction,
              await client.getTransactionReceipt({ hash: transaction.hash }),
              Number(block.timestamp),
              words,
            ),
          ),
      )
      return { ...toBlock(block, known), transactions }
    },
    async transaction(hash) {
      const [transaction, receipt] = await Promise.all([
        client.getTransaction({ hash }).catch(() => undefined),
        client.getTransactionReceipt({ hash }).catch(() => undefined),
      ])
      if (transaction === undefined || receipt === undefined) throw new TransactionNotFoundError(hash)
      const { timestamp } = await client.getBlock({ blockHash: receipt.blockHash })
      return toTransaction(transaction, receipt, Number(timestamp), words)
    },
  }
}

function toBlock(
  block: Block<bigint, true>,
  heads: { readonly safe: number; readonly finalized: number },
): Http.Block {
  const number = Number(block.number)
  return {
    number,
    hash: block.hash!,
    parentHash: block.parentHash,
    stateRoot: block.stateRoot,
    timestamp: Number(block.timestamp),
    transactionCount: block.transactions.length,
    gasUsed: block.gasUsed.toString(),
    l1Origin: originOf(block),
    status: number <= heads.finalized ? 'finalized' : number <= heads.safe ? 'safe' : 'unsafe',
  }
}

/** Reads which L1 block a block follows from the deposit that every block begins with; genesis has none. */
export function originOf(block: Block<bigint, true>): { number: number; hash: Hex } | null {
  const [first] = block.transactions
  if (first?.to?.toLowerCase() !== Predeploys.L1_BLOCK) return null
  try {
    const { number, hash } = L1Info.decode(Bytes.fromHex(first.input))
    return { number: Number(number), hash }
  } catch (error) {
    // another form of the same deposit, from before or after this version
    if (error instanceof BaseError) return null
    throw error
  }
}

function toTransaction(
  transaction: Transaction,
  receipt: TransactionReceipt,
  timestamp: number,
  words: TransactionWords,
): Http.Transaction {
  return {
    hash: transaction.hash,
    blockNumber: Number(receipt.blockNumber),
    timestamp,
    from: transaction.from.toLowerCase() as Hex,
    to: (transaction.to?.toLowerCase() as Hex | undefined) ?? null,
    valueWei: transaction.value.toString(),
    type: TYPE_NAMES[transaction.typeHex ?? ''] ?? transaction.type ?? 'unknown',
    success: receipt.status === 'success',
    gasUsed: receipt.gasUsed.toString(),
    summary: words.summary(transaction, receipt),
    events: words.events(receipt),
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  '0x0': 'legacy',
  '0x1': 'eip2930',
  '0x2': 'eip1559',
  '0x4': 'eip7702',
  '0x7e': 'deposit',
}

export class BlockNotFoundError extends BaseError {
  constructor(numberOrHash: string) {
    super({
      code: 'block.not_found',
      message: `Expected the number or hash of an L2 block, got ${numberOrHash.slice(0, 80)}. GET /api/blocks lists the newest.`,
      context: { numberOrHash: numberOrHash.slice(0, 80) },
    })
  }
}

export class TransactionNotFoundError extends BaseError {
  constructor(hash: Hex) {
    super({
      code: 'transaction.not_found',
      message: `Expected the hash of an L2 transaction in a block, got ${hash}. If it was just sent, try again in two seconds.`,
      context: { hash },
    })
  }
}
