import type { OptimismConfig } from '@openledger/rollup'
import { createDebugMethods } from './debugMethods.ts'
import { createFeeMethods } from './feeMethods.ts'
import type { Methods } from './Methods.ts'
import type { RpcEngine } from './RpcEngine.ts'
import { createSimulateMethods } from './simulateMethods.ts'
import { createStateMethods } from './stateMethods.ts'

/** Methods that may take long, for which no block should wait: they execute code, or read many blocks or nodes. */
export const HEAVY_METHODS = [
  'eth_call',
  'eth_estimateGas',
  'eth_createAccessList',
  'eth_simulateV1',
  'eth_getLogs',
  'eth_getProof',
  'eth_getStorageValues',
  'eth_getBlockReceipts',
  'eth_feeHistory',
  'debug_traceTransaction',
  'debug_traceBlock',
  'debug_traceBlockByNumber',
  'debug_traceBlockByHash',
  'debug_traceCall',
  'debug_getRawBlock',
  'debug_getRawReceipts',
] as const

const HEAVY: ReadonlySet<string> = new Set(HEAVY_METHODS)

export const isHeavy = (method: string): boolean => HEAVY.has(method)

/** Methods that a reading thread can answer as well as the engine: the heavy ones, and what long batches are made of. */
const READABLE: ReadonlySet<string> = new Set([
  ...HEAVY_METHODS,
  'eth_getBlockByNumber',
  'eth_getBlockByHash',
  'eth_getBlockTransactionCountByNumber',
  'eth_getBlockTransactionCountByHash',
  'eth_getTransactionByBlockNumberAndIndex',
  'eth_getTransactionByBlockHashAndIndex',
  'eth_getTransactionReceipt',
  'eth_getBalance',
  'eth_getCode',
  'eth_getStorageAt',
])
/** A batch of more requests is left to a reading thread where that can answer them all. */
const BATCH_HERE_MAX = 20

/** Tells whether a parsed request or batch is for a reading thread. */
export function isForReading(parsed: unknown): boolean {
  // whatever stands there is looked up as it is: turning an object into a text can fail
  const methodOf = (request: unknown): string => (request as { readonly method: string } | null)?.method ?? ''
  if (!Array.isArray(parsed)) return HEAVY.has(methodOf(parsed))
  return parsed.length > BATCH_HERE_MAX && parsed.every((request) => READABLE.has(methodOf(request)))
}

/** The methods of a reading thread, over an engine that is only read. */
export function createReadableMethods(engine: RpcEngine, optimism: OptimismConfig | undefined): Methods {
  const all: Methods = {
    ...createStateMethods(engine),
    ...createSimulateMethods(engine),
    ...createDebugMethods(engine),
    ...createFeeMethods(engine, optimism),
  }
  return Object.fromEntries([...READABLE].map((name) => [name, all[name]!]))
}
