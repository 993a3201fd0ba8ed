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

/** The pool as it meets the chain: checks against the head, durability, and what blocks do to it. */
export type TransactionPool = {
  /** Takes a transaction in once it is durable. @throws {TransactionRejectedError} */
  submit(raw: Uint8Array): Promise<Hex>
  transaction(hash: Hex): TransactionRecord | undefined
  executable(): TransactionRecord[]
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
  readonly clock: Clock
  readonly chainId: bigint
  readonly rules: ForkRules
  readonly limits: PoolLimits | undefined
  /** The head, asked at each use. */
  readonly head: () => {
    readonly gasLimit: bigint
    readonly account: (address: Hex) => Account | undefined
    readonly l1Parameters: L1FeeParameters
  }
  readonly code: (codeHash: Hex) => Uint8Array
}

/** Opens the pool with what was in it when the process ended. */
export function openTransactionPool(dependencies: TransactionPoolDependencies): TransactionPool {
  const { store, crypto, clock, chainId, rules, head, code } = dependencies
  const pool = createPool(dependencies.limits)

  const senderView = (address: Hex) => {
    const account = head().account(address)
    return { nonce: account?.nonce ?? 0n, balance: account?.balance ?? 0n }
  }
  const nonceOf = (address: Hex): bigint => senderView(address).nonce

  const check = (raw: Uint8Array): PooledTransaction => {
    const executable = toExecutable(raw, crypto)
    const { transaction, sender } = executable
    if (transaction.type === 0x7e) {
      throw new TransactionRejectedError('deposit_not_allowed', 'a signed transaction', 'a deposit')
    }
    const { gasLimit, account, l1Parameters } = head()
    // a price below the current base fee may wait for a cheaper block, one of zero never fits
    assertWellPriced(transaction, { chainId, gasLimit, baseFeePerGas: 1n, rules })
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

  let arrived: PooledTransaction[] = []
  let left: Hex[] = []
  let writing: Promise<void> | undefined
  /** Writes all that arrived in one turn of the event loop at once. */
  const write = async (): Promise<void> => {
    await new Promise(setImmediate)
    writing = undefined
    const [added, removed] = [arrived, left]
    arrived = []
    left = []
    try {
      // what a block took meanwhile needs no place in the pool
      store.addPooled(added.filter(({ hash }) => pool.has(hash)))
      if (removed.length > 0) store.removePooled(removed)
    } catch (error) {
      for (const { hash } of added) pool.remove(hash)
      throw error
    }
  }

  const record = (pooled: PooledTransaction): TransactionRecord =>
    transactionRecord(pooled.transaction, pooled, undefined, undefined)

  return {
    async submit(raw) {
      // the caller may reuse its buffer, and decoded parts are views into it
      const pooled = check(Uint8Array.from(raw))
      left.push(...pool.add(pooled, senderView(pooled.sender)))
      arrived.push(pooled)
      writing ??= write()
      // what is not durable must not be acknowledged
      await writing
      return pooled.hash
    },
    transaction(hash) {
      const pooled = pool.get(hash)
      return pooled === undefined ? undefined : record(pooled)
    },
    executable: () => pool.executable(nonceOf).map(record),
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
      await writing
    },
  }
}
