import type { Hex } from '@openledger/primitives'
import { type ExecutableTransaction, Transaction, TransactionRejectedError } from '@openledger/rollup'

export type PoolLimits = {
  /** Transactions in all. */
  readonly transactionsMax: number
  /** Transactions of one sender, and so how far ahead of the account a nonce may be. */
  readonly perSenderMax: number
  readonly transactionBytesMax: number
  readonly lifetimeMs: number
}

export const POOL_LIMITS: PoolLimits = {
  transactionsMax: 20_000,
  perSenderMax: 1024,
  transactionBytesMax: 131_072,
  lifetimeMs: 3 * 3_600_000,
}

/** A signed transaction that waits for a block. */
export type PooledTransaction = ExecutableTransaction & {
  readonly transaction: Transaction.SignedTransaction
  /** The most it can cost, value included, at the L1 price of its arrival. */
  readonly costWei: bigint
  readonly arrivedMs: number
}

/** What a new transaction is measured against. */
export type SenderView = { readonly nonce: bigint; readonly balance: bigint }

/** Holds transactions by sender and nonce; knows nothing about blocks. */
export type Pool = {
  readonly size: number
  has(hash: Hex): boolean
  get(hash: Hex): PooledTransaction | undefined
  /**
   * Adds a transaction, replacing one of the same sender and nonce whose both prices it raises by a tenth.
   * @returns the hashes that had to leave.
   * @throws {TransactionRejectedError}
   */
  add(transaction: PooledTransaction, sender: SenderView): Hex[]
  remove(hash: Hex): void
  /** The sender's transaction of that nonce. */
  at(sender: Hex, nonce: bigint): PooledTransaction | undefined
  /** The first nonce from `nonce` on that the pool does not hold. */
  nextNonce(sender: Hex, nonce: bigint): bigint
  senders(): Iterable<Hex>
  all(): Iterable<PooledTransaction>
  /** Removes a sender's transactions below a nonce. @returns their hashes. */
  removeBelow(sender: Hex, nonce: bigint): Hex[]
  /** Removes what has waited longer than a lifetime. @returns their hashes. */
  removeExpired(nowMs: number): Hex[]
  /** Those that could be in the next block, each sender's nonces in order. */
  executable(nonceOf: (sender: Hex) => bigint): PooledTransaction[]
}

/** Creates an empty pool. */
export function createPool(limits: PoolLimits = POOL_LIMITS): Pool {
  const byHash = new Map<Hex, PooledTransaction>()
  const bySender = new Map<Hex, Map<bigint, PooledTransaction>>()
  const committedWei = new Map<Hex, bigint>()

  const remove = (hash: Hex): void => {
    const known = byHash.get(hash)
    if (known === undefined) return
    byHash.delete(hash)
    const own = bySender.get(known.sender)!
    own.delete(known.transaction.nonce)
    committedWei.set(known.sender, committedWei.get(known.sender)! - known.costWei)
    if (own.size > 0) return
    bySender.delete(known.sender)
    committedWei.delete(known.sender)
  }

  const assertReplaces = (next: PooledTransaction, known: PooledTransaction): void => {
    const raised = (price: (transaction: Transaction.SignedTransaction) => bigint): boolean =>
      price(next.transaction) * 10n >= price(known.transaction) * 11n &&
      price(next.transaction) > price(known.transaction)
    if (raised(Transaction.maxFeePerGas) && raised(Transaction.maxPriorityFeePerGas)) return
    throw new TransactionRejectedError(
      'replacement_underpriced',
      `fees at least a tenth above ${Transaction.maxFeePerGas(known.transaction)} and ${Transaction.maxPriorityFeePerGas(known.transaction)} wei per gas`,
      `${Transaction.maxFeePerGas(next.transaction)} and ${Transaction.maxPriorityFeePerGas(next.transaction)}`,
    )
  }

  /** Only a sender's last transaction may leave for a better one, so that no gap opens. */
  const cheapestTail = (): PooledTransaction | undefined => {
    let cheapest: PooledTransaction | undefined
    for (const own of bySender.values()) {
      let tail: PooledTransaction | undefined
      for (const candidate of own.values()) {
        if (tail === undefined || candidate.transaction.nonce > tail.transaction.nonce) tail = candidate
      }
      if (
        cheapest === undefined ||
        Transaction.maxPriorityFeePerGas(tail!.transaction) <
          Transaction.maxPriorityFeePerGas(cheapest.transaction)
      ) {
        cheapest = tail
      }
    }
    return cheapest
  }

  return {
    get size() {
      return byHash.size
    },
    has: (hash) => byHash.has(hash),
    get: (hash) => byHash.get(hash),
    add(next, sender) {
      const { nonce } = next.transaction
      if (byHash.has(next.hash))
        throw new TransactionRejectedError('already_known', 'a new transaction', next.hash)
      if (next.raw.length > limits.transactionBytesMax) {
        throw new TransactionRejectedError(
          'too_large',
          `at most ${limits.transactionBytesMax} bytes`,
          `${next.raw.length}`,
        )
      }
      if (nonce < sender.nonce) {
        throw new TransactionRejectedError('nonce_too_low', `a nonce of at least ${sender.nonce}`, `${nonce}`)
      }
      const own = bySender.get(next.sender)
      const known = own?.get(nonce)
      if (known !== undefined) assertReplaces(next, known)
      else if (
        (own?.size ?? 0) >= limits.perSenderMax ||
        nonce - sender.nonce >= BigInt(limits.perSenderMax)
      ) {
        throw new TransactionRejectedError(
          'account_limit',
          `at most ${limits.perSenderMax} waiting transactions of one sender`,
          `nonce ${nonce} at account nonce ${sender.nonce}`,
        )
      }
      const committed = (committedWei.get(next.sender) ?? 0n) + next.costWei - (known?.costWei ?? 0n)
      if (committed > sender.balance) {
        throw new TransactionRejectedError(
          'insufficient_funds',
          `a balance of at least ${committed} wei for this and the sender’s waiting transactions`,
          `${sender.balance}`,
        )
      }
      const left: Hex[] = []
      if (known !== undefined) left.push(known.hash)
      else if (byHash.size >= limits.transactionsMax) {
        const cheapest = cheapestTail()
        const tip = Transaction.maxPriorityFeePerGas(next.transaction)
        if (cheapest === undefined || tip <= Transaction.maxPriorityFeePerGas(cheapest.transaction)) {
          throw new TransactionRejectedError(
            'pool_full',
            `a tip above the cheapest of ${byHash.size}`,
            `${tip}`,
          )
        }
        left.push(cheapest.hash)
      }
      for (const hash of left) remove(hash)
      byHash.set(next.hash, next)
      committedWei.set(next.sender, (committedWei.get(next.sender) ?? 0n) + next.costWei)
      let slots = bySender.get(next.sender)
      if (slots === undefined) {
        slots = new Map()
        bySender.set(next.sender, slots)
      }
      slots.set(nonce, next)
      return left
    },
    remove,
    at: (sender, nonce) => bySender.get(sender)?.get(nonce),
    nextNonce(sender, nonce) {
      const own = bySender.get(sender)
      let next = nonce
      while (own?.has(next) === true) next++
      return next
    },
    senders: () => [...bySender.keys()],
    all: () => byHash.values(),
    removeBelow(sender, nonce) {
      const removed: Hex[] = []
      for (const [own, waiting] of bySender.get(sender) ?? []) if (own < nonce) removed.push(waiting.hash)
      for (const hash of removed) remove(hash)
      return removed
    },
    removeExpired(nowMs) {
      const removed: Hex[] = []
      for (const { hash, arrivedMs } of byHash.values()) {
        // insertion order is arrival order
        if (nowMs - arrivedMs <= limits.lifetimeMs) break
        removed.push(hash)
      }
      for (const hash of removed) remove(hash)
      return removed
    },
    executable(nonceOf) {
      const ready: PooledTransaction[] = []
      for (const [sender, own] of bySender) {
        for (let nonce = nonceOf(sender); ; nonce++) {
          const next = own.get(nonce)
          if (next === undefined) break
          ready.push(next)
        }
      }
      return ready
    },
  }
}

/** Hands out transactions best tip first, each sender's in nonce order. */
export type Selection = {
  /** The best candidate, or `undefined` when none is left. */
  next(): PooledTransaction | undefined
  /** After the last candidate was executed: its sender's next one joins. */
  accepted(): void
  /** After the last candidate was refused: its sender is out of this block. */
  refused(): void
}

/** Orders a pool for one block. */
export function createSelection(
  pool: Pool,
  baseFeePerGas: bigint,
  nonceOf: (sender: Hex) => bigint,
): Selection {
  const heap: { candidate: PooledTransaction; tip: bigint }[] = []
  const tipOf = ({ transaction }: PooledTransaction): bigint =>
    Transaction.effectiveGasPrice(transaction, baseFeePerGas) - baseFeePerGas
  const isBefore = (a: (typeof heap)[number], b: (typeof heap)[number]): boolean =>
    a.tip !== b.tip ? a.tip > b.tip : a.candidate.arrivedMs < b.candidate.arrivedMs
  const push = (candidate: PooledTransaction | undefined): void => {
    if (candidate === undefined) return
    const tip = tipOf(candidate)
    if (tip < 0n) return
    const entry = { candidate, tip }
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(entry, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = entry
  }
  const pop = (): PooledTransaction | undefined => {
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top?.candidate
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return top.candidate
  }
  for (const sender of pool.senders()) push(pool.at(sender, nonceOf(sender)))
  let current: PooledTransaction | undefined
  return {
    next() {
      current = pop()
      return current
    },
    accepted() {
      if (current !== undefined) push(pool.at(current.sender, current.transaction.nonce + 1n))
    },
    refused() {
      current = undefined
    },
  }
}
