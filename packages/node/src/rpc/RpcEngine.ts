import type { Hex } from '@openledger/primitives'
import type { ChainReads } from '../engine/ChainReads.ts'
import type { Engine, TransactionRecord } from '../engine/Engine.ts'

type Awaitable<T> = T | Promise<T>

/**
 * What JSON-RPC asks of an engine: to read its chain, to take transactions in, and to tell of both. An embedded engine is
 * one; where another thread reads its chain, what waits in the pool is asked of it and takes a moment.
 */
export type RpcEngine = Omit<ChainReads, 'transaction'> &
  Pick<Engine, 'submit' | 'onBlock' | 'onPending'> & {
    /** Whether it stands in a block or waits. */
    transaction(hash: Hex): Awaitable<TransactionRecord | undefined>
    pending(): {
      transactions(): Awaitable<readonly TransactionRecord[]>
      queued(): Awaitable<readonly TransactionRecord[]>
      nonce(address: Hex): Awaitable<bigint>
    }
  }
