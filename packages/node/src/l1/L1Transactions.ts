import { BaseError } from '@openledger/primitives'
import { hexToBytes, type Transaction } from '@openledger/rollup'
import { type Hex, hexToBigInt, hexToNumber } from 'viem'

/** A transaction as `eth_getBlockByNumber` gives it; which fields are there depends on its type. */
export type RpcTransaction = {
  readonly hash: Hex
  readonly type: Hex
  readonly from: Hex
  readonly to: Hex | null
  readonly nonce: Hex
  readonly gas: Hex
  readonly value: Hex
  readonly input: Hex
  readonly chainId?: Hex
  readonly gasPrice?: Hex
  readonly maxFeePerGas?: Hex
  readonly maxPriorityFeePerGas?: Hex
  readonly maxFeePerBlobGas?: Hex
  readonly accessList?: Transaction.AccessList
  readonly blobVersionedHashes?: readonly Hex[]
  readonly authorizationList?: readonly {
    readonly chainId: Hex
    readonly address: Hex
    readonly nonce: Hex
    readonly yParity: Hex
    readonly r: Hex
    readonly s: Hex
  }[]
  readonly v: Hex
  readonly yParity?: Hex
  readonly r: Hex
  readonly s: Hex
}

/**
 * Reads a transaction out of JSON, field by field, so that it can be hashed again.
 * @throws {L1TransactionTypeError} for other types than 0 to 4: what such a transaction consists of is not known.
 */
export function parseTransaction(json: RpcTransaction): Transaction.SignedTransaction {
  const type = hexToNumber(json.type)
  const uint = (value: Hex | undefined): bigint => (value === undefined ? 0n : hexToBigInt(value))
  const payload = {
    nonce: uint(json.nonce),
    gas: uint(json.gas),
    to: json.to,
    value: uint(json.value),
    data: hexToBytes(json.input),
    r: uint(json.r),
    s: uint(json.s),
  }
  if (type === 0) {
    const v = uint(json.v)
    // before EIP-155 v says nothing of the chain
    const [chainId, yParity] = v < 35n ? [undefined, v - 27n] : [(v - 35n) / 2n, (v - 35n) % 2n]
    return { type, ...payload, gasPrice: uint(json.gasPrice), chainId, yParity: yParity === 0n ? 0 : 1 }
  }
  const typed = {
    ...payload,
    chainId: uint(json.chainId),
    accessList: json.accessList ?? [],
    yParity: uint(json.yParity ?? json.v) === 0n ? (0 as const) : (1 as const),
  }
  if (type === 1) return { type, ...typed, gasPrice: uint(json.gasPrice) }
  const priced = {
    ...typed,
    maxFeePerGas: uint(json.maxFeePerGas),
    maxPriorityFeePerGas: uint(json.maxPriorityFeePerGas),
  }
  if (type === 2) return { type, ...priced }
  if (type === 3) {
    const { blobVersionedHashes = [] } = json
    return { type, ...priced, maxFeePerBlobGas: uint(json.maxFeePerBlobGas), blobVersionedHashes }
  }
  if (type !== 4) throw new L1TransactionTypeError(json.hash, type)
  const authorizationList = (json.authorizationList ?? []).map((entry) => ({
    chainId: uint(entry.chainId),
    address: entry.address,
    nonce: uint(entry.nonce),
    yParity: hexToNumber(entry.yParity),
    r: uint(entry.r),
    s: uint(entry.s),
  }))
  return { type, ...priced, authorizationList }
}

export class L1TransactionTypeError extends BaseError {
  constructor(hash: Hex, type: number) {
    super({
      code: 'l1.transaction_type',
      message: `Expected L1 transaction ${hash} to be of type 0 to 4, got type ${type}: this L1 is newer than this node, or no Ethereum; update the node.`,
      context: { hash, type },
      severity: 'retry',
    })
  }
}
