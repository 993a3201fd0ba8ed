import { BaseError, type Clock, type Hex, systemClock } from '@openledger/primitives'
import {
  type BlockAttributes,
  type BlockEnvironment,
  type BlockExecution,
  beginBlock,
  createStateTrie,
  type ExecutedBlock,
  Header,
  L1Cost,
  type L1FeeParameters,
  loadCrypto,
  receiptOf,
  sumAfter,
  TransactionRejectedError,
  toExecutable,
  type WorldState,
} from '@openledger/rollup'
import { createBlockReader } from './BlockReader.ts'
import type { CallLimits } from './Calls.ts'
import { createChainReads } from './ChainReads.ts'
import { openChainStore } from './ChainStore.ts'
import type { BlockRecord, DataLimits, Genesis, InspectableEngine, PayloadAttributes } from './Engine.ts'
import {
  createForkChoice,
  type FinishedBlock,
  type ForkChoice,
  type OpenBlock,
  type ParentBlock,
} from './ForkChoice.ts'
import { openHead, openPages } from './Head.ts'
import type { PoolLimits } from './Pool.ts'
import { pruneReceipts } from './ReceiptHistory.ts'
import { createSenders } from './Senders.ts'
import type { StoredBlock } from './StoredBlock.ts'
import { openTransactionPool } from './TransactionPool.ts'
import { createWorldHistory, HISTORY_BLOCKS, type HistoryBlocks } from './WorldHistory.ts'

export type EmbeddedEngineOptions = {
  /** Where the chain lives; created when missing. */
  readonly directory: string
  readonly genesis: Genesis
  readonly clock?: Clock
  /** How long a block may go on taking transactions from the pool. Default 1,500 ms. */
  readonly buildTimeMaxMs?: number
  readonly poolLimits?: PoolLimits
  readonly callLimits?: CallLimits
  /** How many blocks back states are kept; {@link HISTORY_BLOCKS} by default. */
  readonly historyBlocks?: HistoryBlocks
  /** How many blocks back receipts, logs and places of transactions are kept; `archive` by default. */
  readonly receiptBlocks?: HistoryBlocks
  /** How much of the state's rows may be in memory, where they take several times as much; 24 MiB by default. */
  readonly stateBytesMax?: number
  /** Told what the engine survives but someone should know. */
  readonly warn?: (fields: Readonly<Record<string, unknown>>, message: string) => void
}

/** The engine of this process: it also takes blocks from others, and has its head chosen, as the Engine API demands. */
export type EmbeddedEngine = InspectableEngine & { readonly forkChoice: ForkChoice }

const BUILD_TIME_MAX_MS = 1500
/** How long a build holds the thread before others get a turn. */
const TURN_MS = 20
const TRANSACTION_GAS_MIN = 21_000n
/** Refusals of a block that say nothing about the next one. */
const FITS_LATER: ReadonlySet<string> = new Set([
  'gas_limit_exceeded',
  'da_footprint_exceeded',
  'underpriced',
])

/**
 * Opens the execution engine that runs in this process, with its chain in a directory.
 *
 * The head after a restart is the last block whose `build` returned, or one that was durable and not yet returned.
 *
 * @throws {GenesisMismatchError} when the directory holds another chain.
 */
export async function createEmbeddedEngine(options: EmbeddedEngineOptions): Promise<EmbeddedEngine> {
  const { genesis, clock = systemClock, warn = () => {} } = options
  const { chainId } = genesis.config
  const crypto = await loadCrypto()
  const trie = createStateTrie(crypto)
  const store = openChainStore(options.directory)
  const pages = openPages(store, trie, crypto, options.stateBytesMax)
  const opened = openHead(store, genesis, trie, pages, crypto)
  const history = createWorldHistory(store, trie, opened.number, opened.state)
  const blocks = createBlockReader(store, crypto)
  let head = blocks.required(opened.number)
  let total = opened.total

  const { reads, environment } = await createChainReads({
    genesis,
    store,
    trie,
    crypto,
    blocks,
    history,
    head: () => head,
    clock,
    callLimits: options.callLimits,
  })
  const { schedule, code } = environment

  let priced: { readonly state: WorldState; readonly parameters: L1FeeParameters } | undefined
  const l1Parameters = (state: WorldState): L1FeeParameters => {
    if (priced === undefined || priced.state !== state) {
      const storage = (address: Hex, slot: Hex) => trie.storage(trie.account(state, address), slot)
      priced = { state, parameters: L1Cost.readParameters(storage, schedule(head.header)) }
    }
    return priced.parameters
  }
  const senders = createSenders(crypto)
  const pool = openTransactionPool({
    store,
    crypto,
    senders,
    clock,
    chainId: BigInt(chainId),
    rules: () => schedule(head.header),
    limits: options.poolLimits,
    code,
    head: () => {
      const state = history.head()
      return {
        gasLimit: head.header.gasLimit,
        account: (address) => trie.account(state, address),
        l1Parameters: l1Parameters(state),
      }
    },
  })

  const blockListeners = new Set<(block: BlockRecord) => void>()
  const pendingListeners = new Set<(hash: Hex) => void>()
  /** A listener's fault is its own: what it is told about has happened. */
  const tell = (call: () => void): void => {
    try {
      call()
    } catch (error) {
      warn({ error }, 'a listener of the engine failed')
    }
  }

  const fillTimeMaxMs = options.buildTimeMaxMs ?? BUILD_TIME_MAX_MS
  let dataLimits: DataLimits = { transactionBytes: 0n, blockBytes: 0n }
  const isBeyond = (limit: bigint, bytes: bigint): boolean => limit > 0n && bytes > limit
  /** @param taken - What earlier calls took for this block, with its bytes on L1. */
  const takeFromPool = async (
    block: BlockExecution,
    timeMaxMs: number,
    dropped: Hex[],
    taken: Map<Hex, bigint>,
  ): Promise<void> => {
    const startedMs = clock.nowMs()
    let takenBytes = [...taken.values()].reduce((sum, bytes) => sum + bytes, 0n)
    let turnMs = startedMs
    const selection = pool.select(block.context.baseFeePerGas)
    for (let next = selection.next(); next !== undefined; next = selection.next()) {
      const nowMs = clock.nowMs()
      if (nowMs - startedMs > timeMaxMs || block.gasLeft() < TRANSACTION_GAS_MIN) return
      if (taken.has(next.hash)) {
        selection.accepted()
        continue
      }
      const bytes = L1Cost.estimatedDataBytes(next.compressedLength)
      const { transactionBytes, blockBytes } = dataLimits
      if (isBeyond(transactionBytes, bytes) || isBeyond(blockBytes, takenBytes + bytes)) {
        // it waits, and what its sender sent after it
        selection.refused()
        continue
      }
      if (nowMs - turnMs > TURN_MS) {
        await new Promise(setImmediate)
        turnMs = clock.nowMs()
      }
      try {
        await block.execute(next)
        taken.set(next.hash, bytes)
        takenBytes += bytes
        selection.accepted()
      } catch (error) {
        selection.refused()
        if (!(error instanceof TransactionRejectedError)) {
          warn({ hash: next.hash, error }, 'a pooled transaction broke the executor and was dropped')
          dropped.push(next.hash)
        } else if (!FITS_LATER.has(error.reason)) {
          dropped.push(next.hash)
        }
      }
    }
  }

  const open = async (
    parent: ParentBlock,
    attributes: BlockAttributes & { readonly transactions: readonly Uint8Array[] },
    blockHash: BlockEnvironment['blockHash'] = blocks.hash,
  ): Promise<OpenBlock> => {
    if (attributes.timestamp <= parent.header.timestamp) {
      throw new PayloadError(`a timestamp after ${parent.header.timestamp}`, `${attributes.timestamp}`)
    }
    const block = beginBlock(parent, parent.state, attributes, { ...environment, blockHash })
    // deposits carry their sender
    const signed = attributes.transactions.filter((raw) => raw[0] !== 0x7e)
    const found = (await senders.find(signed)).values()
    for (const raw of attributes.transactions) {
      const sender = raw[0] === 0x7e ? undefined : found.next().value
      await block.execute(toExecutable(raw, crypto, sender))
    }
    const dropped: Hex[] = []
    const taken = new Map<Hex, bigint>()
    return {
      fill: (timeMaxMs) => takeFromPool(block, timeMaxMs, dropped, taken),
      finish: () => ({ executed: block.finish(), dropped }),
    }
  }

  const prune = (): void => {
    try {
      history.prune(options.historyBlocks ?? HISTORY_BLOCKS)
      pruneReceipts(store, crypto, options.receiptBlocks ?? 'archive')
    } catch (error) {
      warn({ error }, 'old states or receipts could not be forgotten; they are with the next block')
    }
  }

  /** Makes a block on the head the head. */
  const commit = ({ executed, dropped }: FinishedBlock): BlockRecord => {
    const stored = storedOf(executed)
    const written = pages.changes(executed.state, stored.number)
    const nextTotal = sumAfter(total, executed.changes)
    store.append(stored, executed.changes, executed.codes, { rows: written.rows, total: nextTotal })

    // durable from here on: memory follows, and nothing below may fail the build
    total = nextTotal
    history.append(stored.number, written.settle(), changeCount(executed))
    head = blocks.remember(stored)
    const { record } = head
    prune()
    tell(() => pool.settle(executed.transactions, dropped))
    for (const listener of blockListeners) tell(() => listener(record))
    return record
  }

  const build = async (attributes: PayloadAttributes): Promise<BlockRecord> => {
    const parent = { header: head.header, hash: head.record.hash, state: history.head() }
    const transactions = [...attributes.deposits, ...(attributes.transactions ?? [])]
    const block = await open(parent, { ...attributes, transactions })
    if (attributes.noTxPool !== true) await block.fill(fillTimeMaxMs)
    return commit(block.finish())
  }

  const rewind = async (number: bigint): Promise<BlockRecord> => {
    const finalized = store.mark('finalized')
    if (number < finalized) throw new FinalizedBlockError(number, finalized)
    blocks.required(number)
    const returned: Uint8Array[] = []
    for (let undone = number + 1n; undone <= head.record.number; undone++) {
      for (const { type, raw } of blocks.required(undone).record.transactions)
        if (type !== 0x7e) returned.push(raw)
    }
    const applied = trie.apply(history.head(), store.undo(number + 1n, head.record.number))
    const written = pages.changes(applied.state, number)
    total = sumAfter(total, applied.changes)
    store.truncate(number, { rows: written.rows, total })
    blocks.forgetAfter(number)
    // what was loaded names blocks that are gone
    pages.clear()
    history.rewind(number, pages.open(trie.root(applied.state), number))
    head = blocks.required(number)
    for (const raw of returned) {
      await pool.submit(raw).catch((error: unknown) => {
        // what needs a deposit that is gone, for example, may not come back
        warn({ error }, 'a transaction of a block that was taken back did not return to the pool')
      })
    }
    return head.record
  }

  let building: Promise<unknown> = Promise.resolve()
  /** One after the other: both change the head. */
  const enqueue = <T>(change: () => Promise<T>): Promise<T> => {
    const changed = building.then(change)
    building = changed.catch(() => {})
    return changed
  }
  const forkChoice = createForkChoice({
    crypto,
    canonical(hash) {
      const number = blocks.number(hash)
      if (number === undefined) return undefined
      const { header, record } = blocks.required(number)
      return {
        header,
        record,
        hash: record.hash,
        // an old one has to be rebuilt
        get state() {
          return history.at(number)
        },
      }
    },
    head: () => head.record,
    blockAt: blocks.required,
    canonicalHash: blocks.hash,
    open,
    commit,
    rewind,
    enqueue,
    fillTimeMaxMs,
  })

  return {
    ...reads,
    forkChoice,
    transaction: (hash) => reads.transaction(hash) ?? pool.transaction(lower(hash)),
    async submit(raw) {
      const hash = await pool.submit(raw)
      for (const listener of pendingListeners) tell(() => listener(hash))
      return hash
    },
    pending: () => ({
      transactions: pool.executable,
      queued: pool.queued,
      nonce: (address) => pool.nextNonce(lower(address)),
    }),
    build: (attributes) => enqueue(() => build(attributes)),
    rewind: (number) => enqueue(() => rewind(number)),
    totalBalance: () => total,
    setSafe: (number) => store.setMark('safe', blocks.required(number).record.number),
    setFinalized: (number) => store.setMark('finalized', blocks.required(number).record.number),
    limitData(limits) {
      dataLimits = limits
    },
    onBlock(listener) {
      blockListeners.add(listener)
      return () => blockListeners.delete(listener)
    },
    onPending(listener) {
      pendingListeners.add(listener)
      return () => pendingListeners.delete(listener)
    },
    async close() {
      await building
      await pool.close()
      await senders.close()
      store.close()
    },
  }
}

const lower = (hex: Hex): Hex => hex.toLowerCase() as Hex

const storedOf = (executed: ExecutedBlock): StoredBlock => ({
  number: executed.header.number,
  hash: executed.hash,
  header: Header.encode(executed.header),
  transactions: executed.transactions.map(({ raw, hash, sender }) => ({ raw, hash, sender })),
  receipts: executed.transactions.map(receiptOf),
  l1Parameters: executed.l1Parameters,
})

const changeCount = (executed: ExecutedBlock): number =>
  executed.changes.reduce((sum, { slots }) => sum + 1 + slots.size, 0)

export class FinalizedBlockError extends BaseError {
  constructor(number: bigint, finalized: bigint) {
    super({
      code: 'engine.finalized_block',
      message: `Expected to go back to the finalised block ${finalized} at most, was asked for ${number}. The L1 lost what it had finalised, or it is another L1.`,
      context: { number: number.toString(), finalized: finalized.toString() },
    })
  }
}

export class PayloadError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'engine.invalid_payload',
      message: `Expected ${expected}, got ${got}.`,
      context: { expected, got },
    })
  }
}
