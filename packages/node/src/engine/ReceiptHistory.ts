import { type Crypto, Transaction } from '@openledger/rollup'
import type { ChainStore } from './ChainStore.ts'
import type { HistoryBlocks } from './WorldHistory.ts'

/** So many blocks are forgotten with each new one at most, which never holds it up for long; a shorter window is reached in time. */
const PRUNED_AT_ONCE = 4n

/**
 * Forgets on disk the receipts, logs and places of transactions before the kept ones; what is not final is kept in any
 * case. Blocks and their transactions stay: other nodes derive them from L1 as well, receipts only who executes again.
 */
export function pruneReceipts(store: ChainStore, crypto: Crypto, kept: HistoryBlocks): void {
  if (kept === 'archive') return
  const [head, finalized, oldest] = [store.head()!, store.mark('finalized'), store.oldestReceipts()]
  const first = head - kept < finalized ? head - kept : finalized
  const end = oldest + PRUNED_AT_ONCE < first ? oldest + PRUNED_AT_ONCE : first
  if (end <= oldest) return
  const pruned = Array.from({ length: Number(end - oldest) }, (_, i) => {
    const block = store.block(oldest + BigInt(i))!
    return { ...block, hashes: block.transactions.map(({ raw }) => Transaction.hash(raw, crypto)) }
  })
  store.pruneReceipts(pruned)
}
