import { type EngineApiClient, EngineApiError } from '../engineApi/EngineApiClient.ts'
import type { Methods } from './Methods.ts'
import { RpcError } from './RpcError.ts'

/** What execution clients answer at their authenticated endpoint beside the Engine API. */
const FORWARDED = [
  'eth_accounts',
  'eth_blobBaseFee',
  'eth_blockNumber',
  'eth_call',
  'eth_chainId',
  'eth_createAccessList',
  'eth_estimateGas',
  'eth_feeHistory',
  'eth_fillTransaction',
  'eth_gasPrice',
  'eth_getBalance',
  'eth_getBlockByHash',
  'eth_getBlockByNumber',
  'eth_getBlockReceipts',
  'eth_getBlockTransactionCountByHash',
  'eth_getBlockTransactionCountByNumber',
  'eth_getCode',
  'eth_getFilterChanges',
  'eth_getFilterLogs',
  'eth_getLogs',
  'eth_getProof',
  'eth_getStorageAt',
  'eth_getTransactionByBlockHashAndIndex',
  'eth_getTransactionByBlockNumberAndIndex',
  'eth_getTransactionByHash',
  'eth_getTransactionCount',
  'eth_getTransactionReceipt',
  'eth_maxPriorityFeePerGas',
  'eth_newBlockFilter',
  'eth_newFilter',
  'eth_newPendingTransactionFilter',
  'eth_sendRawTransaction',
  'eth_simulateV1',
  'eth_syncing',
  'eth_uninstallFilter',
] as const

/**
 * JSON-RPC over an engine in another process: everybody's questions go there with this node's token, and its answers
 * come back as they are, errors included. What it offers beyond these, tracing for one, is at its own port.
 */
export function createForwardedMethods({ request }: Pick<EngineApiClient, 'request'>): Methods {
  const forward = (name: string) => async (params: readonly unknown[]) => {
    try {
      return await request(name, params)
    } catch (error) {
      if (!(error instanceof EngineApiError)) throw error
      const { rpcCode, reason, data } = error
      throw new RpcError({ rpcCode, message: reason, data, cause: error })
    }
  }
  return Object.fromEntries(FORWARDED.map((name) => [name, forward(name)]))
}
