import { BaseError, type Clock, type Hex, systemClock } from '@openledger/primitives'
import {
  assertWellPriced,
  type BlockEnvironment,
  beginBlock,
  bytesToHex,
  createEvm,
  createGenesisBlock,
  createStateTrie,
  EMPTY_CODE_HASH,
  type ExecutableTransaction,
  type ExecutedBlock,
  Header,
  isSenderCode,
  L1Cost,
  loadCrypto,
  maxCost,
  outputRoot,
  type PendingChange,
  padSlot,
  receiptOf,
  rulesOf,
  Transaction,
  TransactionRejectedError,
  toExecutable,
  type WorldState,
} from '@openledger/rollup'
import { type CallLimits, createCalls } from './Calls.ts'
import { type ChainStore, openChainStore, type StoredBlock } from './ChainStore.ts'
import type {
  BlockRecord,
  Engine,
  Genesis,
  LogRecord,
  PayloadAttributes,
  TransactionRecord,
} from './Engine.ts'
import {
  createPool,
  createSelection,
  type PooledTransaction,
  type PoolLimits,
  type SenderView,
} from './Pool.ts'
import { type BlockView, blockView, matchesLog, transactionRecord } from './Records.ts'
import { createWorldHistory, UnknownBlockError } from './WorldHistory.ts'

export type EmbeddedEngineOptions = {
  /** Where the chain lives; created when missing. */
  readonly directory: string
  readonly genesis: Genesis
  readonly clock?: Clock
  /** How long a block may go on taking transactions from the pool. Default 1,500 ms. */
  readonly buildTimeMaxMs?: number
  readonly poolLimits?: PoolLimits
  readonly callLimits?: CallLimits
  /** Told what the engine survives but someone should know. */
  readonly warn?: (fields: Readonly<Record<string, unknown>>, message: string) => void
}

/** Active from genesis on every chain that this engine opens. */
const FORK = 'isthmus'
const BUILD_TIME_MAX_MS = 1500
/** How long a build holds the thread before others get a turn. */
const TURN_MS = 20
const VIEWS_MAX = 512
const LOGS_MAX = 20_000
const LOG_BLOCKS_MAX = 100_000

/**
 * Opens the execution engine that runs in this process, with its chain in a directory.
 *
 * The head after a restart is the last block whose `build` returned, or one that was durable and not yet returned.
 *
 * @throws {GenesisMismatchError} when the directory holds another chain.
 */
export async function createEmbeddedEngine(options: EmbeddedEngineOptions): Promise<Engine> {
  const { genesis, clock = systemClock } = options
  const { chainId } = genesis.config
  const warn = options.warn ?? (() => {})
  const crypto = await loadCrypto()
  const trie = createStateTrie(crypto)
  const store = openChainStore(options.directory)
  const opened = openState(store, genesis, trie, crypto)
  const history = createWorldHistory(store, trie, opened.header.number, opened.state)
  const pool = createPool(options.poolLimits)
  let total = opened.total

  const codes = new Map<Hex, Uint8Array>()
  const code = (codeHash: Hex): Uint8Array => {
    if (codeHash === EMPTY_CODE_HASH) return NO_BYTES
    const known = codes.get(codeHash)
    if (known !== undefined) return known
    const read = store.code(codeHash)
    if (read === undefined) throw new MissingCodeError(codeHash)
    codes.set(codeHash, read)
    return read
  }
  const views = new Map<bigint, BlockView>()
  const view = (number: bigint): BlockView | undefined => {
    const known = views.get(number)
    if (known !== undefined) return known
    const stored = store.block(number)
    if (stored === undefined) return undefined
    return remember(blockView(stored, crypto))
  }
  const remember = (fresh: BlockView): BlockView => {
    if (views.size >= VIEWS_MAX) views.delete(views.keys().next().value!)
    views.set(fresh.record.number, fresh)
    return fresh
  }
  const blockHash = (number: bigint): Hex | undefined =>
    views.get(number)?.record.hash ?? store.blockHash(number)

  const newEvm = () => createEvm({ chainId, crypto })
  const calls = createCalls({ crypto, trie, createEvm: newEvm, code, blockHash }, options.callLimits)
  const environment: BlockEnvironment = {
    evm: await newEvm(),
    crypto,
    trie,
    chainId: BigInt(chainId),
    fork: FORK,
    optimism: genesis.config.optimism,
    code,
    blockHash,
  }
  let head = view(opened.header.number)!

  const senderView = (address: Hex): SenderView => {
    const account = trie.account(history.head(), address)
    return { nonce: account?.nonce ?? 0n, balance: account?.balance ?? 0n }
  }
  const headParameters = () =>
    L1Cost.readParameters(
      (address, slot) => trie.storage(trie.account(history.head(), address), slot),
      rulesOf(FORK),
    )

  const toPooled = (raw: Uint8Array): PooledTransaction => {
    const executable = toExecutable(raw, crypto)
    const { transaction } = executable
    if (transaction.type === 0x7e) {
      throw new TransactionRejectedError('deposit_not_allowed', 'a signed transaction', 'a deposit')
    }
    assertWellPriced(transaction, {
      chainId: BigInt(chainId),
      gasLimit: head.header.gasLimit,
      // a price below the current base fee may wait for a cheaper block, one of zero never fits
      baseFeePerGas: 1n,
      rules: rulesOf(FORK),
    })
    const account = trie.account(history.head(), executable.sender)
    if (account !== undefined && !isSenderCode(code(account.codeHash))) {
      throw new TransactionRejectedError('sender_has_code', 'a sender without code', executable.sender)
    }
    const costWei = maxCost(transaction, executable.compressedLength, headParameters())
    return { ...executable, transaction, costWei, arrivedMs: clock.nowMs() }
  }

  for (const raw of store.pooled()) {
    try {
      const pooled = toPooled(raw)
      pool.add(pooled, senderView(pooled.sender))
    } catch (error) {
      // it became invalid while the process was away, or is in a block already
      store.removePooled([Transaction.hash(raw, crypto)])
      if (!(error instanceof BaseError)) throw error
    }
  }

  const blockListeners = new Set<(block: BlockRecord) => void>()
  const pendingListeners = new Set<(hash: Hex) => void>()

  const takeFromPool = async (block: ReturnType<typeof beginBlock>, dropped: Hex[]): Promise<void> => {
    const startedMs = clock.nowMs()
    let turnMs = startedMs
    const selection = createSelection(pool, block.context.baseFeePerGas, (sender) => senderView(sender).nonce)
    for (let next = selection.next(); next !== undefined; next = selection.next()) {
      const nowMs = clock.nowMs()
      if (nowMs - startedMs > (options.buildTimeMaxMs ?? BUILD_TIME_MAX_MS)) return
      if (nowMs - turnMs > TURN_MS) {
        await new Promise(setImmediate)
        turnMs = clock.nowMs()
      }
      if (block.gasLeft() < 21_000n) return
      try {
        await block.execute(next)
        selection.accepted()
      } catch (error) {
        selection.refused()
        if (!(error instanceof TransactionRejectedError)) {
          warn({ hash: next.hash, error }, 'a pooled transaction broke the executor and was dropped')
          dropped.push(next.hash)
        } else if (error.reason !== 'gas_limit_exceeded' && error.reason !== 'underpriced') {
          dropped.push(next.hash)
        }
      }
    }
  }

  const buildNow = async (attributes: PayloadAttributes): Promise<BlockRecord> => {
    if (attributes.timestamp <= head.header.timestamp) {
      throw new PayloadError(`a timestamp after ${head.header.timestamp}`, `${attributes.timestamp}`)
    }
    const block = beginBlock(
      { header: head.header, hash: head.record.hash },
      history.head(),
      attributes,
      environment,
    )
    for (const raw of [...attributes.deposits, ...(attributes.transactions ?? [])]) {
      await block.execute(toExecutable(raw, crypto))
    }
    const dropped: Hex[] = []
    if (attributes.noTxPool !== true) await takeFromPool(block, dropped)
    const executed = block.finish()
    const stored = storedOf(executed)
    store.append(stored, executed.changes, executed.codes)

    for (const [hash, bytes] of executed.codes) codes.set(hash, bytes)
    for (const { before, after } of executed.changes)
      total += (after?.balance ?? 0n) - (before?.balance ?? 0n)
    history.append(executed.header.number, executed.state, changeCount(executed))
    head = remember(blockView(stored, crypto))
    settlePool(executed, dropped)
    for (const listener of blockListeners) listener(head.record)
    return head.record
  }

  /** Takes out of the pool what is in the block, what can never be, and what is too old. */
  const settlePool = (executed: ExecutedBlock, dropped: readonly Hex[]): void => {
    const gone: Hex[] = [...dropped]
    for (const hash of dropped) pool.remove(hash)
    const senders = new Set(executed.transactions.map(({ sender }) => sender))
    for (const sender of senders) gone.push(...pool.removeBelow(sender, senderView(sender).nonce))
    gone.push(...pool.removeExpired(clock.nowMs()))
    if (gone.length > 0) store.removePooled(gone)
  }

  let building: Promise<unknown> = Promise.resolve()
  const pendingRecord = (pooled: PooledTransaction): TransactionRecord =>
    transactionRecord(pooled.transaction, pooled, undefined, undefined)
  const required = (number: bigint | undefined): BlockView => {
    if (number === undefined) return head
    const found = view(number)
    if (found === undefined) throw new UnknownBlockError(number)
    return found
  }
  const accountAt = (address: Hex, number: bigint | undefined) =>
    trie.account(number === undefined ? history.head() : history.at(number), lower(address))
  const marked = (name: 'safe' | 'finalized'): BlockRecord => required(store.mark(name)).record

  return {
    chainId,
    head: () => head.record,
    block(numberOrHash) {
      const number = typeof numberOrHash === 'bigint' ? numberOrHash : store.blockNumber(numberOrHash)
      return number === undefined ? undefined : view(number)?.record
    },
    transaction(hash) {
      const place = store.place(hash)
      if (place !== undefined) return view(place.blockNumber)?.record.transactions[place.index]
      const pooled = pool.get(lower(hash))
      return pooled === undefined ? undefined : pendingRecord(pooled)
    },
    receipt(hash) {
      const place = store.place(hash)
      return place === undefined ? undefined : view(place.blockNumber)?.receipts[place.index]
    },
    receipts: (number) => required(number).receipts,
    logs(filter) {
      const topics = (filter.topics ?? []).map((choice) => choice?.map(lower) ?? null)
      const addresses =
        filter.addresses === undefined || filter.addresses.length === 0
          ? undefined
          : filter.addresses.map(lower)
      const keys = [addresses, ...topics].filter(
        (group) => group !== undefined && group !== null && group.length > 0,
      )
      const numbers = store.blocksWithLogs(
        filter.fromBlock,
        filter.toBlock,
        keys as readonly (readonly Hex[])[],
        LOG_BLOCKS_MAX,
      )
      const wanted = addresses === undefined ? undefined : new Set(addresses)
      const found: LogRecord[] = []
      for (const number of numbers) {
        for (const receipt of required(number).receipts) {
          for (const log of receipt.logs) if (matchesLog(log, wanted, topics)) found.push(log)
        }
        if (found.length > LOGS_MAX) throw new TooManyLogsError(LOGS_MAX)
      }
      return found
    },
    account(address, blockNumber) {
      const account = accountAt(address, blockNumber)
      return {
        nonce: account?.nonce ?? 0n,
        balance: account?.balance ?? 0n,
        codeHash: account?.codeHash ?? EMPTY_CODE_HASH,
        storageRoot: trie.storageRoot(account),
      }
    },
    code(address, blockNumber) {
      const account = accountAt(address, blockNumber)
      return account === undefined ? NO_BYTES : code(account.codeHash)
    },
    storage(address, slot, blockNumber) {
      const value = trie.storage(accountAt(address, blockNumber), padSlot(slot))
      return padSlot(bytesToHex(value))
    },
    proof(address, slots, blockNumber) {
      const account = accountAt(address, blockNumber)
      return {
        address: lower(address),
        accountProof: trie.accountProof(history.at(blockNumber), lower(address)).map(bytesToHex),
        balance: account?.balance ?? 0n,
        codeHash: account?.codeHash ?? EMPTY_CODE_HASH,
        nonce: account?.nonce ?? 0n,
        storageHash: trie.storageRoot(account),
        storageProof: slots.map((slot) => ({
          key: slot,
          value: BigInt(padSlot(bytesToHex(trie.storage(account, padSlot(slot))))),
          proof: trie.storageProof(account, padSlot(slot)).map(bytesToHex),
        })),
      }
    },
    call: async (request, blockNumber, overrides) => calls.call(placeAt(blockNumber), request, overrides),
    estimateGas: async (request, blockNumber) => calls.estimateGas(placeAt(blockNumber), request),
    async submit(raw) {
      const pooled = toPooled(Uint8Array.from(raw))
      if (pool.has(pooled.hash)) {
        throw new TransactionRejectedError('already_known', 'a new transaction', pooled.hash)
      }
      const left = pool.add(pooled, senderView(pooled.sender))
      try {
        store.addPooled(pooled.hash, pooled.raw)
      } catch (error) {
        // what is not durable must not be acknowledged
        pool.remove(pooled.hash)
        throw error
      }
      if (left.length > 0) store.removePooled(left)
      for (const listener of pendingListeners) listener(pooled.hash)
      return pooled.hash
    },
    pending: () => ({
      transactions: pool.executable((sender) => senderView(sender).nonce).map(pendingRecord),
      nonce: (address) => pool.nextNonce(lower(address), senderView(lower(address)).nonce),
    }),
    build(attributes) {
      const built = building.then(() => buildNow(attributes))
      building = built.catch(() => {})
      return built
    },
    outputRoot(blockNumber) {
      const { record } = required(blockNumber)
      const proof = {
        stateRoot: record.stateRoot,
        // in an Isthmus header the withdrawals root is the storage root of the message passer
        messagePasserStorageRoot: record.withdrawalsRoot,
        blockHash: record.hash,
      }
      return { ...proof, outputRoot: outputRoot(proof, crypto) }
    },
    totalBalance: () => total,
    setSafe: (number) => store.setMark('safe', required(number).record.number),
    setFinalized: (number) => store.setMark('finalized', required(number).record.number),
    safe: () => marked('safe'),
    finalized: () => marked('finalized'),
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
      store.close()
    },
  }

  function placeAt(blockNumber: bigint | undefined): { header: Header.Header; state: WorldState } {
    if (blockNumber === undefined) return { header: head.header, state: history.head() }
    return { header: required(blockNumber).header, state: history.at(blockNumber) }
  }
}

const NO_BYTES = new Uint8Array()
const lower = (hex: Hex): Hex => hex.toLowerCase() as Hex

/** Loads the state at the head, or writes block 0. */
function openState(
  store: ChainStore,
  genesis: Genesis,
  trie: ReturnType<typeof createStateTrie>,
  crypto: Awaited<ReturnType<typeof loadCrypto>>,
): { header: Header.Header; state: WorldState; total: bigint } {
  const first = createGenesisBlock(genesis, trie, crypto)
  const known = store.genesisHash()
  if (known === undefined) {
    const stored: StoredBlock = {
      number: 0n,
      hash: first.hash,
      header: Header.encode(first.header),
      transactions: [],
      receipts: [],
      l1Parameters: undefined,
    }
    store.append(stored, first.changes, first.codes)
  } else if (known !== first.hash) {
    throw new GenesisMismatchError(known, first.hash)
  }
  let total = 0n
  const pending: PendingChange[] = []
  store.forEachAccount((change) => {
    total += change.after?.balance ?? 0n
    pending.push(change)
  })
  const { state } = trie.apply(undefined, pending)
  const stored = store.block(store.head()!)!
  const header = Header.decode(stored.header)
  const root = trie.root(state)
  if (root !== header.stateRoot) throw new CorruptStateError(header.stateRoot, root)
  return { header, state, total }
}

const storedOf = (executed: ExecutedBlock): StoredBlock => ({
  number: executed.header.number,
  hash: executed.hash,
  header: Header.encode(executed.header),
  transactions: executed.transactions.map(({ raw, hash, sender }: ExecutableTransaction) => ({
    raw,
    hash,
    sender,
  })),
  receipts: executed.transactions.map(receiptOf),
  l1Parameters: executed.l1Parameters,
})

const changeCount = (executed: ExecutedBlock): number =>
  executed.changes.reduce((sum, { slots }) => sum + 1 + slots.size, 0)

export class GenesisMismatchError extends BaseError {
  constructor(found: Hex, expected: Hex) {
    super({
      code: 'engine.genesis_mismatch',
      message: `Expected the chain with genesis ${expected} in this directory, found ${found}. Use another directory, or the genesis it was made with.`,
      context: { expected, found },
    })
  }
}

export class CorruptStateError extends BaseError {
  constructor(expected: Hex, got: Hex) {
    super({
      code: 'engine.corrupt_state',
      message: `Expected the stored accounts to have the head's state root ${expected}, they have ${got}. Restore the directory from a backup, or derive the chain again.`,
      context: { expected, got },
    })
  }
}

export class MissingCodeError extends BaseError {
  constructor(codeHash: Hex) {
    super({
      code: 'engine.missing_code',
      message: `Expected the code with hash ${codeHash} in the chain's database, found none. Restore the directory from a backup.`,
      context: { codeHash },
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

export class TooManyLogsError extends BaseError {
  constructor(logsMax: number) {
    super({
      code: 'engine.too_many_logs',
      message: `Expected at most ${logsMax} logs. Ask for fewer blocks, or for one address.`,
      context: { logsMax },
    })
  }
}
