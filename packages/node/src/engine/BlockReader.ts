import { BaseError, type Hex } from '@openledger/primitives'
import type { Crypto } from '@openledger/rollup'
import type { ChainStore } from './ChainStore.ts'
import type { Engine, LogRecord, ReceiptRecord, TransactionRecord } from './Engine.ts'
import { type BlockView, blockView, matchesLog, PrunedReceiptsError, UnknownBlockError } from './Records.ts'
import type { StoredBlock } from './StoredBlock.ts'

/** Answers questions about blocks, keeping the ones last asked for. */
export type BlockReader = {
  view(number: bigint): BlockView | undefined
  /** @throws {UnknownBlockError} */
  required(number: bigint): BlockView
  /** Takes in a block that was just written. */
  remember(stored: StoredBlock): BlockView
  /** Forgets blocks that were taken back. */
  forgetAfter(number: bigint): void
  hash(number: bigint): Hex | undefined
  number(hash: Hex): bigint | undefined
  transaction(hash: Hex): TransactionRecord | undefined
  receipt(hash: Hex): ReceiptRecord | undefined
  /** @throws {TooManyLogsError | PrunedReceiptsError} */
  logs(filter: Parameters<Engine['logs']>[0]): LogRecord[]
}

const VIEWS_MAX = 512
const LOGS_MAX = 20_000
/** Blocks that one log question may have to read. */
const LOG_BLOCKS_MAX = 10_000

/** Creates the reader of a chain's blocks. */
export function createBlockReader(store: ChainStore, crypto: Crypto): BlockReader {
  const views = new Map<bigint, BlockView>()
  const remember = (stored: StoredBlock): BlockView => {
    if (views.size >= VIEWS_MAX) views.delete(views.keys().next().value!)
    const view = blockView(stored, crypto)
    views.set(stored.number, view)
    return view
  }
  const view = (number: bigint): BlockView | undefined => {
    const known = views.get(number)
    if (known !== undefined) return known
    const stored = store.block(number)
    return stored === undefined ? undefined : remember(stored)
  }
  const required = (number: bigint): BlockView => {
    const found = view(number)
    if (found === undefined) throw new UnknownBlockError(number)
    return found
  }

  return {
    view,
    required,
    remember,
    forgetAfter(number) {
      for (const later of views.keys()) if (later > number) views.delete(later)
    },
    hash: (number) => views.get(number)?.record.hash ?? store.blockHash(number),
    number: (hash) => store.blockNumber(hash),
    transaction(hash) {
      const place = store.place(hash)
      return place === undefined ? undefined : view(place.blockNumber)?.record.transactions[place.index]
    },
    receipt(hash) {
      const place = store.place(hash)
      return place === undefined ? undefined : view(place.blockNumber)?.receipts[place.index]
    },
    logs(filter) {
      if (filter.fromBlock < store.oldestReceipts()) throw new PrunedReceiptsError(filter.fromBlock)
      const topics = (filter.topics ?? []).map((choice) => choice?.map(lower) ?? null)
      const addresses = (filter.addresses ?? []).map(lower)
      const keys = [addresses, ...topics].filter(
        (group): group is Hex[] => group !== null && group.length > 0,
      )
      const wanted = addresses.length === 0 ? undefined : new Set(addresses)
      const found: LogRecord[] = []
      const numbers = store.blocksWithLogs(filter.fromBlock, filter.toBlock, keys, LOG_BLOCKS_MAX + 1)
      if (numbers.length > LOG_BLOCKS_MAX) throw new TooManyLogsError(LOGS_MAX, LOG_BLOCKS_MAX)
      for (const number of numbers) {
        for (const receipt of required(number).receipts) {
          for (const log of receipt.logs) if (matchesLog(log, wanted, topics)) found.push(log)
        }
        if (found.length > LOGS_MAX) throw new TooManyLogsError(LOGS_MAX, LOG_BLOCKS_MAX)
      }
      return found
    },
  }
}

const lower = (hex: Hex): Hex => hex.toLowerCase() as Hex

export class TooManyLogsError extends BaseError {
  constructor(logsMax: number, blocksMax: number) {
    super({
      code: 'engine.too_many_logs',
      message: `Expected at most ${logsMax} logs in at most ${blocksMax} blocks. Ask for a shorter range, or for one address.`,
      context: { logsMax, blocksMax },
    })
  }
}
