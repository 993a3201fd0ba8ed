import { BaseError } from '@openledger/primitives'
import { CallRevertedError } from '../engine/Calls.ts'
import { revertReason } from '../engine/revertReason.ts'
import { SimulationError } from '../engine/SimulatedCall.ts'

/**
 * The error codes of JSON-RPC 2.0, and those of Ethereum's clients: 3 carries revert data, -32000 is geth's for a
 * transaction or state that cannot be had, -32005 for a request beyond a limit.
 */
export const Codes = {
  reverted: 3,
  /** EIP-7966: the transaction waits, the answer does not. */
  timeout: 4,
  parse: -32_700,
  invalidRequest: -32_600,
  methodNotFound: -32_601,
  invalidParams: -32_602,
  internal: -32_603,
  server: -32_000,
  limitExceeded: -32_005,
  /** EIP-4444, as geth answers it. */
  prunedHistory: 4444,
} as const

/** An answer that is an error. */
export class RpcError extends BaseError {
  readonly rpcCode: number
  readonly data: unknown

  constructor({
    rpcCode,
    message,
    data,
    cause,
  }: {
    readonly rpcCode: number
    readonly message: string
    readonly data?: unknown
    readonly cause?: unknown
  }) {
    super({ code: 'rpc.error', message, context: { rpcCode }, cause })
    this.rpcCode = rpcCode
    this.data = data
  }
}

/** Says which parameter was wrong, and what was expected in its place. */
export const invalidParams = (name: string, expected: string, got: unknown): RpcError =>
  new RpcError({
    rpcCode: Codes.invalidParams,
    message: `invalid argument ${name}: expected ${expected}, got ${show(got)}`,
  })

export const serverError = (message: string, cause?: unknown): RpcError =>
  new RpcError({ rpcCode: Codes.server, message, cause })

function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** Turns whatever a method threw into an answer; `undefined` for what nobody foresaw. */
export function toRpcError(error: unknown): RpcError | undefined {
  if (error instanceof RpcError) return error
  if (!(error instanceof BaseError)) return undefined
  if (error instanceof CallRevertedError) return callFailure(error.message, error.data, error)
  if (error instanceof SimulationError) {
    return new RpcError({ rpcCode: error.rpcCode, message: error.message, cause: error })
  }
  switch (error.code) {
    case 'transaction.malformed':
    case 'rlp.malformed':
      return new RpcError({ rpcCode: Codes.invalidParams, message: error.message, cause: error })
    case 'transaction.invalid_signature':
      return serverError(`invalid sender: ${error.message}`, error)
    case 'transaction.type_not_supported':
      return serverError(`transaction type not supported: ${error.message}`, error)
    case 'engine.too_many_logs':
    case 'engine.calls_busy':
    case 'engine.trace_limit':
      return new RpcError({ rpcCode: Codes.limitExceeded, message: error.message, cause: error })
    case 'engine.pruned_receipts':
      return new RpcError({ rpcCode: Codes.prunedHistory, message: error.message, cause: error })
    default:
      return serverError(error.message, error)
  }
}

/** Answers a failed call as geth does: code 3 with the data on a revert, -32000 with the reason on anything else. */
export function callFailure(message: string, data: string, cause?: unknown): RpcError {
  if (data === '0x' && message !== 'execution reverted') return serverError(message, cause)
  return reverted(data, cause)
}

/** An `execution reverted` answer with the reason in words where the data is an `Error(string)`. */
function reverted(data: string, cause?: unknown): RpcError {
  const reason = revertReason(data)
  return new RpcError({
    rpcCode: Codes.reverted,
    message: reason === undefined ? 'execution reverted' : `execution reverted: ${reason}`,
    data,
    cause,
  })
}
