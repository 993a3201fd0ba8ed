import { Bytes, type Hex } from '@openledger/primitives'
import { type Crypto, Header } from '@openledger/rollup'
import type { PayloadAttributes } from '../engine/Engine.ts'
import { type ForeignBlock, transactionsRoot } from '../engine/ForkChoice.ts'
import { quantity } from '../rpc/Format.ts'
import * as Params from '../rpc/Params.ts'
import { invalidParams } from '../rpc/RpcError.ts'

/** More transactions than any block's gas pays for. */
const TRANSACTIONS_MAX = 1_000_000

/**
 * An execution payload as it travels: `ExecutionPayloadV3` with the OP Stack's `withdrawalsRoot`.
 * @see execution-apis, "Engine API", Cancun; OP specs, Isthmus, exec-engine, "Update to ExecutionPayload".
 */
export type ExecutionPayload = {
  readonly parentHash: Hex
  readonly feeRecipient: Hex
  readonly stateRoot: Hex
  readonly receiptsRoot: Hex
  readonly logsBloom: Hex
  readonly prevRandao: Hex
  readonly blockNumber: Hex
  readonly gasLimit: Hex
  readonly gasUsed: Hex
  readonly timestamp: Hex
  readonly extraData: Hex
  readonly baseFeePerGas: Hex
  readonly blockHash: Hex
  readonly transactions: readonly Hex[]
  readonly withdrawals: readonly never[]
  readonly blobGasUsed: Hex
  readonly excessBlobGas: Hex
  readonly withdrawalsRoot: Hex
}

/** The attributes of a block to build, as they travel: `PayloadAttributesV3` with the OP Stack's fields. */
export type RpcPayloadAttributes = {
  readonly timestamp: Hex
  readonly prevRandao: Hex
  readonly suggestedFeeRecipient: Hex
  readonly withdrawals: readonly never[]
  readonly parentBeaconBlockRoot: Hex
  readonly transactions: readonly Hex[]
  readonly noTxPool: boolean
  readonly gasLimit: Hex
  readonly eip1559Params: Hex
  /** From Jovian on. */
  readonly minBaseFee?: Hex
}

export type PayloadStatus = {
  readonly status: 'VALID' | 'INVALID' | 'SYNCING'
  readonly latestValidHash: Hex | null
  readonly validationError: string | null
}

/** Writes a block as a payload. */
export const fromBlock = ({ hash, header, transactions }: ForeignBlock): ExecutionPayload => ({
  parentHash: header.parentHash,
  feeRecipient: header.miner,
  stateRoot: header.stateRoot,
  receiptsRoot: header.receiptsRoot,
  logsBloom: header.logsBloom,
  prevRandao: header.mixHash,
  blockNumber: quantity(header.number),
  gasLimit: quantity(header.gasLimit),
  gasUsed: quantity(header.gasUsed),
  timestamp: quantity(header.timestamp),
  extraData: header.extraData,
  baseFeePerGas: quantity(header.baseFeePerGas),
  blockHash: hash,
  transactions: transactions.map((raw) => Bytes.toHex(raw)),
  withdrawals: [],
  blobGasUsed: quantity(header.blobGasUsed),
  excessBlobGas: quantity(header.excessBlobGas),
  withdrawalsRoot: header.withdrawalsRoot,
})

/**
 * Reads a payload as the block that it claims to be; whether it is valid is another question.
 * @throws {RpcError} naming the field that is malformed or missing.
 */
export function toBlock(value: unknown, parentBeaconBlockRoot: unknown, crypto: Crypto): ForeignBlock {
  const payload = Params.object(value, 'payload')
  const at = (name: string): readonly [unknown, string] => [payload[name], `payload.${name}`]
  const transactions = transactionsOf(...at('transactions'))
  noWithdrawals(...at('withdrawals'))
  return {
    hash: Params.hash(...at('blockHash')),
    transactions,
    header: {
      parentHash: Params.hash(...at('parentHash')),
      sha3Uncles: Header.EMPTY_UNCLES_HASH,
      miner: Params.address(...at('feeRecipient')),
      stateRoot: Params.hash(...at('stateRoot')),
      transactionsRoot: transactionsRoot(transactions, crypto),
      receiptsRoot: Params.hash(...at('receiptsRoot')),
      logsBloom: sized(...at('logsBloom'), 256),
      difficulty: 0n,
      number: Params.uint64(...at('blockNumber')),
      gasLimit: Params.uint64(...at('gasLimit')),
      gasUsed: Params.uint64(...at('gasUsed')),
      timestamp: Params.uint64(...at('timestamp')),
      extraData: extraDataOf(...at('extraData')),
      mixHash: Params.hash(...at('prevRandao')),
      nonce: '0x0000000000000000',
      baseFeePerGas: Params.quantity(...at('baseFeePerGas')),
      withdrawalsRoot: Params.hash(...at('withdrawalsRoot')),
      blobGasUsed: Params.uint64(...at('blobGasUsed')),
      excessBlobGas: Params.uint64(...at('excessBlobGas')),
      parentBeaconBlockRoot: Params.hash(parentBeaconBlockRoot, 'parentBeaconBlockRoot'),
      requestsHash: Header.EMPTY_REQUESTS_HASH,
    },
  }
}

/**
 * Reads payload attributes.
 * @throws {RpcError} naming the field that is malformed or missing.
 */
export function toAttributes(value: unknown): PayloadAttributes {
  const attributes = Params.object(value, 'payloadAttributes')
  const at = (name: string): readonly [unknown, string] => [attributes[name], `payloadAttributes.${name}`]
  noWithdrawals(...at('withdrawals'))
  return {
    timestamp: Params.uint64(...at('timestamp')),
    prevRandao: Params.hash(...at('prevRandao')),
    feeRecipient: Params.address(...at('suggestedFeeRecipient')),
    parentBeaconBlockRoot: Params.hash(...at('parentBeaconBlockRoot')),
    gasLimit: Params.uint64(...at('gasLimit')),
    eip1559Params: eip1559ParamsOf(...at('eip1559Params')),
    ...(attributes['minBaseFee'] == null ? {} : { minBaseFee: Params.uint64(...at('minBaseFee')) }),
    deposits: transactionsOf(attributes['transactions'] ?? [], 'payloadAttributes.transactions'),
    noTxPool: attributes['noTxPool'] == null ? false : Params.boolean(...at('noTxPool')),
  }
}

/** Writes payload attributes. */
export const fromAttributes = (attributes: PayloadAttributes): RpcPayloadAttributes => ({
  timestamp: quantity(attributes.timestamp),
  prevRandao: attributes.prevRandao,
  suggestedFeeRecipient: attributes.feeRecipient,
  withdrawals: [],
  parentBeaconBlockRoot: attributes.parentBeaconBlockRoot,
  transactions: [...attributes.deposits, ...(attributes.transactions ?? [])].map((raw) => Bytes.toHex(raw)),
  noTxPool: attributes.noTxPool ?? false,
  gasLimit: quantity(attributes.gasLimit),
  eip1559Params: attributes.eip1559Params,
  ...(attributes.minBaseFee === undefined ? {} : { minBaseFee: quantity(attributes.minBaseFee) }),
})

const transactionsOf = (value: unknown, name: string): Uint8Array[] =>
  Params.array(value, name, TRANSACTIONS_MAX).map((raw, i) => Params.bytes(raw, `${name}[${i}]`))

function noWithdrawals(value: unknown, name: string): void {
  if (Params.array(value, name, 0).length > 0) throw invalidParams(name, 'an empty list', value)
}

function sized(value: unknown, name: string, sizeBytes: number): Hex {
  const read = Params.data(value, name)
  if (read.length !== 2 + 2 * sizeBytes) throw invalidParams(name, `${sizeBytes} bytes`, value)
  return read
}

function extraDataOf(value: unknown, name: string): Hex {
  const read = Params.data(value, name)
  if (read.length > 66) throw invalidParams(name, 'at most 32 bytes', value)
  return read
}

function eip1559ParamsOf(value: unknown, name: string): Hex {
  const read = sized(value, name, 8)
  const isZero = (digits: string): boolean => /^0+$/.test(digits)
  const [denominator, elasticity] = [read.slice(2, 10), read.slice(10)]
  // a denominator of zero means the chain's defaults, and then both are zero; an elasticity of zero divides by zero
  if (isZero(denominator) !== isZero(elasticity)) {
    throw invalidParams(name, 'denominator and elasticity, both zero or neither', value)
  }
  return read
}
