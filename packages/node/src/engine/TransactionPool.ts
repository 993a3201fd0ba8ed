import { BaseError, type Clock, type Hex } from '@openledger/primitives'
import {
  type Account,
  assertWellPriced,
  type Crypto,
  type ForkRules,
  isSenderCode,
  type L1FeeParameters,
  maxCost,
  Transaction,
  TransactionRejectedError,
  toExecutable,
} from '@openledger/rollup'
import type { ChainStore } from './ChainStore.ts'
import type { TransactionRecord } from './Engine.ts'
import {
  createPool,
  createSelection,
  type PooledTransaction,
  type PoolLimits,
  type Selection,
} from './Pool.ts'
import { transactionRecord } from './Records.ts'
import type { KnownSender, Senders } from './Senders.ts'

/** The pool as it meets the chain: checks against the head, durability, and what blocks do to it. */
export type TransactionPool = {
  /** Takes a transaction in once it is durable. @throws {TransactionRejectedError} */
  submit(raw: Uint8Array): Promise<Hex>
  transaction(hash: Hex): TransactionRecord | undefined
  executable(): TransactionRecord[]
  /** Those behind a missing nonce. */
  queued(): TransactionRecord[]
  nextNonce(address: Hex): bigint
  select(baseFeePerGas: bigint): Selection
  /** Takes out what is in the new block, what can never be in any, and what is too old. */
  settle(block: readonly { readonly sender: Hex }[], dropped: readonly Hex[]): void
  /** Waits until all that arrived is written. */
  close(): Promise<void>
}

export type TransactionPoolDependencies = {
  readonly store: ChainStore
  readonly crypto: Crypto
  readonly senders: Senders
  readonly clock: Clock
  readonly chainId: bigint
  /** Of the head, asked at each use. */
  readonly rules: () => ForkRules
  readonly limits: PoolLimits | undefined
  /** The head, asked at each use. */
  readonly head: () => {
    readonly gasLimit: bigint
    readonly account: (address: Hex) => Account | undefined
    readonly l1Parameters: L1FeeParameters
  }
  readonly code: (codeHash: Hex) => Uint8Array
}

/** Transactions whose senders are being found; each may be as large as the pool allows. */
const ARRIVALS_MAX = 20_000
/** So many do not wait for their turn to end: a block that is about to be built would keep their senders from being found beside it. */
const MANY_ARRIVALS = 100

/** Opens the pool with what was in it when the process ended. */
export function openTransactionPool(dependencies: TransactionPoolDependencies): TransactionPool {
  const { store, crypto, senders, clock, chainId, rules, head, code } = dependencies
  const pool = createPool(dependencies.limits)

  const senderView = (address: Hex) => {
    const account = head().account(address)
    return { nonce: account?.nonce ?? 0n, balance: account?.balance ?? 0n }
  }
  const nonceOf = (address: Hex): bigint => senderView(address).nonce

  const check = (raw: Uint8Array, known?: KnownSender): PooledTransaction => {
    const executable = toExecutable(raw, crypto, known)
    const { transaction, sender } = executable
    if (transaction.type === 0x7e) {
      throw new TransactionRejectedError('deposit_not_allowed', 'a signed transaction', 'a deposit')
    }
    const { gasLimit, account, l1Parameters } = head()
    // a price below the current base fee may wait for a cheaper block, one of zero never fits
    assertWellPriced(transaction, { chainId, gasLimit, baseFeePerGas: 1n, rules: rules() })
    const own = account(sender)
    if (own !== undefined && !isSenderCode(code(own.codeHash))) {
      throw new TransactionRejectedError('sender_has_code', 'a sender without code', sender)
    }
    const costWei = maxCost(transaction, executable.compressedLength, l1Parameters)
    return { ...executable, transaction, costWei, arrivedMs: clock.nowMs() }
  }

  for (const raw of store.pooled()) {
    try {
      const pooled = check(raw)
      pool.add(pooled, senderView(pooled.sender))
    } catch (error) {
      // it became invalid while the process was away, or is in a block already
      store.removePooled([Transaction.hash(raw, crypto)])
      if (!(error instanceof BaseError)) throw error
    }
  }

  type Arrival = {
    readonly raw: Uint8Array
    readonly resolve: (hash: Hex) => void
    readonly reject: (reason: unknown) => void
  }
  let arrived: Arrival[] = []
  let waitingCount = 0
  let taking: Promise<void> = Promise.resolve()
  /** Has the turn's arrivals taken in before it ends. */
  let begin = (): void => {}
  /** Takes in and writes at once all that arrived in one turn of the event loop. */
  const take = async (): Promise<void> => {
    const arrivals = arrived
    arrived = []
    const known = await senders.find(arrivals.map(({ raw }) => raw))
    const accepted: { readonly arrival: Arrival; readonly pooled: PooledTransaction }[] = []
    const left: Hex[] = []
    for (const [i, arrival] of arrivals.entries()) {
      try {
        const pooled = check(arrival.raw, known[i])
        left.push(...pool.add(pooled, senderView(pooled.sender)))
        accepted.push({ arrival, pooled })
      } catch (error) {
        arrival.reject(error)
      }
    }
    waitingCount -= arrivals.length
    try {
      const added = accepted.map(({ pooled }) => pooled).filter(({ hash }) => pool.has(hash))
      if (added.length > 0) store.addPooled(added)
      if (left.length > 0) store.removePooled(left)
      // what is not durable must not be acknowledged
      for (const { arrival, pooled } of accepted) arrival.resolve(pooled.hash)
    } catch (error) {
      for (const { arrival, pooled } of accepted) {
        pool.remove(pooled.hash)
        arrival.reject(error)
      }
    }
  }

  const record = (pooled: PooledTransaction): TransactionRecord =>
    transactionRecord(pooled.transaction, pooled, undefined, undefined)

  return {
    async submit(raw) {
      if (waitingCount >= ARRIVALS_MAX) {
        throw new TransactionRejectedError(
          'pool_full',
          `at most ${ARRIVALS_MAX} transactions that are being checked`,
          'one more: send it again in a moment',
        )
      }
      waitingCount++
      // the caller may reuse its buffer, and decoded parts are views into it
      const copy = Uint8Array.from(raw)
      return new Promise<Hex>((resolve, reject) => {
        arrived.push({ raw: copy, resolve, reject })
        if (arrived.length === MANY_ARRIVALS) begin()
        if (arrived.length > 1) return
        const turn = new Promise<void>((resolve) => {
          begin = resolve
          setImmediate(resolve)
        })
        taking = Promise.all([taking, turn]).then(take)
      })
    },
    transaction(hash) {
      const pooled = pool.get(hash)
      return pooled === undefined ? undefined : record(pooled)
    },
    executable: () => pool.executable(nonceOf).map(record),
    queued() {
      const ready = new Set(pool.executable(nonceOf))
      return [...pool.all()].filter((waiting) => !ready.has(waiting)).map(record)
    },
    nextNonce: (address) => pool.nextNonce(address, nonceOf(address)),
    select: (baseFeePerGas) => createSelection(pool, baseFeePerGas, nonceOf),
    settle(block, dropped) {
      const gone: Hex[] = [...dropped]
      for (const hash of dropped) pool.remove(hash)
      for (const sender of new Set(block.map((transaction) => transaction.sender))) {
        gone.push(...pool.removeBelow(sender, nonceOf(sender)))
      }
      gone.push(...pool.removeExpired(clock.nowMs()))
      if (gone.length > 0) store.removePooled(gone)
    },
    async close() {
      await taking
    },
  }
}
