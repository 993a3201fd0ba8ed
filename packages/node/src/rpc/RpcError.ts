import { BaseError } from '@openledger/primitives'

/**
 * The error codes of JSON-RPC 2.0, and those of Ethereum's clients: 3 carries revert data, -32000 is geth's for a
 * transaction or state that cannot be had, -32005 for a request beyond a limit.
 */
export const Codes = {
  reverted: 3,
  parse: -32_700,
  invalidRequest: -32_600,
  methodNotFound: -32_601,
  invalidParams: -32_602,
  internal: -32_603,
  server: -32_000,
  limitExceeded: -32_005,
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

/** geth's words for the reasons a pool refuses: client libraries recognise failures by them. */
const REJECTIONS: Readonly<Record<string, string>> = {
  'transaction.nonce_too_low': 'nonce too low',
  'transaction.nonce_too_high': 'nonce too high',
  'transaction.underpriced': 'transaction underpriced',
  'transaction.fee_cap_too_low': 'max fee per gas less than block base fee',
  'transaction.tip_above_fee_cap': 'max priority fee per gas higher than max fee per gas',
  'transaction.insufficient_funds': 'insufficient funds for gas * price + value',
  'transaction.wrong_chain': 'invalid chain id for signer',
  'transaction.already_known': 'already known',
  'transaction.replacement_underpriced': 'replacement transaction underpriced',
  'transaction.intrinsic_gas_too_low': 'intrinsic gas too low',
  'transaction.gas_limit_exceeded': 'exceeds block gas limit',
  'transaction.type_not_supported': 'transaction type not supported',
  'transaction.invalid_signature': 'invalid sender',
  'transaction.pool_full': 'txpool is full',
  'transaction.too_large': 'oversized data',
  'transaction.init_code_too_large': 'max initcode size exceeded',
  'transaction.sender_not_eoa': 'sender not an eoa',
}

/** Turns whatever a method threw into an answer; `undefined` for what nobody foresaw. */
export function toRpcError(error: unknown): RpcError | undefined {
  if (error instanceof RpcError) return error
  if (!(error instanceof BaseError)) return undefined
  const revertData = error.context['data']
  if (typeof revertData === 'string' && /revert/.test(error.code)) return reverted(revertData, error)
  if (error.code === 'transaction.malformed') {
    return new RpcError({ rpcCode: Codes.invalidParams, message: error.message, cause: error })
  }
  const words = REJECTIONS[error.code]
  return serverError(words === undefined ? error.message : `${words}: ${error.message}`, error)
}

/** An `execution reverted` answer with the reason in words where the data is an `Error(string)`. */
export function reverted(data: string, cause?: unknown): RpcError {
  const reason = reasonOf(data)
  return new RpcError({
    rpcCode: Codes.reverted,
    message: reason === undefined ? 'execution reverted' : `execution reverted: ${reason}`,
    data,
    cause,
  })
}

function reasonOf(data: string): string | undefined {
  // Error(string): selector, offset, length, bytes
  if (!data.startsWith('0x08c379a0') || data.length < 138) return undefined
  const length = Number.parseInt(data.slice(74, 138), 16)
  const hex = data.slice(138, 138 + 2 * length)
  return hex.length === 2 * length ? Buffer.from(hex, 'hex').toString('utf8') : undefined
}
