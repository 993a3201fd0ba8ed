import { Bytes } from '@openledger/primitives'
import type { TransactionRecord } from '../engine/Engine.ts'
import * as Format from './Format.ts'
import type { Methods } from './Methods.ts'
import * as Params from './Params.ts'
import type { RpcEngine } from './RpcEngine.ts'

/** Methods about the node's program, whoever executes its blocks. */
export const createVersionMethods = (chainId: number, version: string): Methods => ({
  net_version: () => chainId.toString(),
  net_listening: () => true,
  net_peerCount: () => '0x0',
  web3_clientVersion: () => version,
  web3_sha3: ([data]) => Bytes.toHex(Bytes.keccak256(Params.bytes(data, 'data'))),
})

/** Methods about the node itself, and its pool. */
export function createNodeMethods(engine: RpcEngine, version: string): Methods {
  const byNonce = <T>(
    records: readonly TransactionRecord[],
    format: (record: TransactionRecord) => T,
  ): Record<string, Record<string, T>> => {
    const pool: Record<string, Record<string, T>> = {}
    for (const record of records) {
      pool[record.from] ??= {}
      pool[record.from]![record.nonce.toString()] = format(record)
    }
    return pool
  }
  const waiting = async () => {
    const pool = engine.pending()
    return { transactions: await pool.transactions(), queued: await pool.queued() }
  }
  const bySenderAndNonce = async <T>(format: (record: TransactionRecord) => T) => {
    const { transactions, queued } = await waiting()
    return { pending: byNonce(transactions, format), queued: byNonce(queued, format) }
  }
  return {
    eth_chainId: () => Format.quantity(engine.chainId),
    eth_syncing: () => false,
    eth_capabilities: () => {
      const { number, hash } = engine.head()
      const all = { disabled: false, oldestBlock: '0x0' }
      const states = { disabled: false, oldestBlock: Format.quantity(engine.oldestState()) }
      const receipts = { disabled: false, oldestBlock: Format.quantity(engine.oldestReceipts()) }
      return {
        head: { number: Format.quantity(number), hash },
        state: states,
        tx: receipts,
        logs: receipts,
        receipts,
        blocks: all,
        stateproofs: states,
      }
    },
    eth_accounts: () => [],
    ...createVersionMethods(engine.chainId, version),
    txpool_status: async () => {
      const { transactions, queued } = await waiting()
      return { pending: Format.quantity(transactions.length), queued: Format.quantity(queued.length) }
    },
    txpool_contentFrom: async ([address]) => {
      const from = Params.address(address, 'address')
      const { pending, queued } = await bySenderAndNonce(Format.transaction)
      return { pending: pending[from] ?? {}, queued: queued[from] ?? {} }
    },
    txpool_content: () => bySenderAndNonce(Format.transaction),
    txpool_inspect: () =>
      bySenderAndNonce(
        ({ to, value, gas, gasPrice, maxFeePerGas }) =>
          `${to ?? 'contract creation'}: ${value} wei + ${gas} gas × ${maxFeePerGas ?? gasPrice ?? 0n} wei`,
      ),
  }
}
