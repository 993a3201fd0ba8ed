import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { type Crypto, plainCrypto } from '../Crypto.ts'
import * as Rlp from './Rlp.ts'

export type AccessList = readonly { readonly address: Hex; readonly storageKeys: readonly Hex[] }[]

export type Authorization = {
  readonly chainId: bigint
  readonly address: Hex
  readonly nonce: bigint
  readonly yParity: number
  readonly r: bigint
  readonly s: bigint
}

type Payload = {
  readonly nonce: bigint
  /** The gas limit. */
  readonly gas: bigint
  /** `null` creates a contract. */
  readonly to: Hex | null
  readonly value: bigint
  readonly data: Uint8Array
}
type Signature = { readonly yParity: 0 | 1; readonly r: bigint; readonly s: bigint }

export type LegacyTransaction = Payload &
  Signature & {
    readonly type: 0
    readonly gasPrice: bigint
    /** `undefined` before EIP-155: valid on every chain. */
    readonly chainId: bigint | undefined
  }
export type AccessListTransaction = Payload &
  Signature & {
    readonly type: 1
    readonly chainId: bigint
    readonly gasPrice: bigint
    readonly accessList: AccessList
  }
type DynamicFee = {
  readonly chainId: bigint
  readonly maxFeePerGas: bigint
  readonly maxPriorityFeePerGas: bigint
  readonly accessList: AccessList
}
export type FeeMarketTransaction = Payload & Signature & DynamicFee & { readonly type: 2 }
/** Carries blobs on Ethereum itself; an OP Stack chain refuses it. @see EIP-4844. */
export type BlobTransaction = Payload &
  Signature &
  DynamicFee & {
    readonly type: 3
    readonly maxFeePerBlobGas: bigint
    readonly blobVersionedHashes: readonly Hex[]
  }
export type SetCodeTransaction = Payload &
  Signature &
  DynamicFee & { readonly type: 4; readonly authorizationList: readonly Authorization[] }
export type SignedTransaction =
  | LegacyTransaction
  | AccessListTransaction
  | FeeMarketTransaction
  | BlobTransaction
  | SetCodeTransaction

/**
 * Carries a message from the L1 that needs no signature.
 * @see OP specs, deposits, "The Deposited Transaction Type".
 */
export type DepositTransaction = {
  readonly type: 0x7e
  readonly sourceHash: Hex
  readonly from: Hex
  readonly to: Hex | null
  readonly mint: bigint
  readonly value: bigint
  readonly gas: bigint
  readonly isSystemTx: boolean
  readonly data: Uint8Array
}

export type Transaction = SignedTransaction | DepositTransaction
export type TransactionType = Transaction['type']

const SECP256K1_N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/**
 * Decodes the bytes of a block body or of `eth_sendRawTransaction`.
 *
 * Checks the form and the ranges, never a signature: {@link sender} does that.
 *
 * @throws {MalformedTransactionError} on anything that is not exactly one transaction of a known type.
 */
export function decode(raw: Uint8Array): Transaction {
  const first = raw[0]
  if (first === undefined) throw new MalformedTransactionError('no bytes')
  try {
    if (first >= 0xc0) return decodeLegacy(raw)
    const fields = Rlp.decode(raw.subarray(1))
    if (first === 1) return decodeAccessList(fields)
    if (first === 2) return decodeFeeMarket(fields)
    if (first === 3) return decodeBlob(fields)
    if (first === 4) return decodeSetCode(fields)
    if (first === 0x7e) return decodeDeposit(fields)
  } catch (cause) {
    if (cause instanceof BaseError) throw new MalformedTransactionError(cause.message, cause)
    throw cause
  }
  throw new TransactionTypeError(first)
}

/** Encodes a transaction as it stands in a block and in a batch. */
export function encode(transaction: Transaction): Uint8Array {
  if (transaction.type === 0) {
    const { yParity, chainId, r, s } = transaction
    const v = chainId === undefined ? 27n + BigInt(yParity) : 35n + 2n * chainId + BigInt(yParity)
    return Rlp.encode([...legacyPayload(transaction), v, r, s])
  }
  if (transaction.type === 0x7e) return typed(0x7e, depositPayload(transaction))
  const { yParity, r, s } = transaction
  return typed(transaction.type, [...payload(transaction), yParity, r, s])
}

/** Hashes the encoded bytes: the transaction's id. */
export const hash = (raw: Uint8Array, crypto: Crypto = plainCrypto): Hex => bytesToHex(crypto.keccak256(raw))

/** Hashes what the sender signs. */
export function signingHash(transaction: SignedTransaction, crypto: Crypto = plainCrypto): Uint8Array {
  if (transaction.type !== 0) return crypto.keccak256(typed(transaction.type, payload(transaction)))
  const replay = transaction.chainId === undefined ? [] : [transaction.chainId, 0n, 0n]
  return crypto.keccak256(Rlp.encode([...legacyPayload(transaction), ...replay]))
}

/**
 * Finds who sent a transaction: the signer, or a deposit's `from`.
 * @throws {InvalidSignatureError} when r or s is out of range, s is in the upper half, or no key fits.
 */
export function sender(transaction: Transaction, crypto: Crypto = plainCrypto): Hex {
  if (transaction.type === 0x7e) return transaction.from
  return recover(signingHash(transaction, crypto), transaction, crypto)
}

/**
 * Finds who signed an EIP-7702 authorization.
 * @returns `undefined` when the signature is not valid: the protocol skips such an authorization.
 */
export function authority(authorization: Authorization, crypto: Crypto = plainCrypto): Hex | undefined {
  const { chainId, address, nonce, yParity } = authorization
  if (yParity !== 0 && yParity !== 1) return undefined
  const message = Bytes.concat(Uint8Array.of(5), Rlp.encode([chainId, hexToBytes(address), nonce]))
  try {
    return recover(crypto.keccak256(message), { ...authorization, yParity }, crypto)
  } catch {
    return undefined
  }
}

/** The address of a public key without its prefix byte. */
export const addressOf = (publicKey: Uint8Array, crypto: Crypto = plainCrypto): Hex =>
  bytesToHex(crypto.keccak256(publicKey).subarray(12))

/** The address of the contract that an account creates with a nonce. */
export const creationAddress = (creator: Hex, nonce: bigint, crypto: Crypto = plainCrypto): Hex =>
  bytesToHex(crypto.keccak256(Rlp.encode([hexToBytes(creator), nonce])).subarray(12))

/** The code that delegates an account to `address`; the zero address takes a delegation away. @see EIP-7702. */
export const delegationCode = (address: Hex): Uint8Array =>
  BigInt(address) === 0n
    ? new Uint8Array()
    : Bytes.concat(Uint8Array.of(0xef, 0x01, 0x00), hexToBytes(address))

/** The price per gas that a transaction pays at a base fee; deposits pay nothing. */
export function effectiveGasPrice(transaction: Transaction, baseFeePerGas: bigint): bigint {
  if (transaction.type === 0x7e) return 0n
  if (transaction.type === 0 || transaction.type === 1) return transaction.gasPrice
  const { maxFeePerGas, maxPriorityFeePerGas } = transaction
  const capped = baseFeePerGas + maxPriorityFeePerGas
  return capped < maxFeePerGas ? capped : maxFeePerGas
}

/** The most that a transaction may pay per gas. */
export const maxFeePerGas = (transaction: SignedTransaction): bigint =>
  transaction.type === 0 || transaction.type === 1 ? transaction.gasPrice : transaction.maxFeePerGas

/** The most that a transaction gives the block's builder per gas. */
export const maxPriorityFeePerGas = (transaction: SignedTransaction): bigint =>
  transaction.type === 0 || transaction.type === 1 ? transaction.gasPrice : transaction.maxPriorityFeePerGas

function recover(digest: Uint8Array, { r, s, yParity }: Signature, crypto: Crypto): Hex {
  if (r === 0n || s === 0n || r >= SECP256K1_N || s > SECP256K1_N / 2n) {
    throw new InvalidSignatureError('r or s is out of range')
  }
  const signature = hexToBytes(`0x${r.toString(16).padStart(64, '0')}${s.toString(16).padStart(64, '0')}`)
  try {
    return addressOf(crypto.recoverPublicKey(digest, signature, yParity), crypto)
  } catch (cause) {
    throw new InvalidSignatureError('no key fits it', cause)
  }
}

function typed(type: number, fields: Rlp.RlpInput): Uint8Array {
  const body = Rlp.encode(fields)
  const raw = new Uint8Array(body.length + 1)
  raw[0] = type
  raw.set(body, 1)
  return raw
}

const toBytes = (to: Hex | null): Uint8Array => (to === null ? new Uint8Array() : hexToBytes(to))

function legacyPayload(transaction: LegacyTransaction): Rlp.RlpInput[] {
  const { nonce, gasPrice, gas, to, value, data } = transaction
  return [nonce, gasPrice, gas, toBytes(to), value, data]
}

function payload(transaction: Exclude<SignedTransaction, LegacyTransaction>): Rlp.RlpInput[] {
  const { chainId, nonce, gas, to, value, data } = transaction
  const prices =
    transaction.type === 1
      ? [transaction.gasPrice]
      : [transaction.maxPriorityFeePerGas, transaction.maxFeePerGas]
  const accessList = transaction.accessList.map(({ address, storageKeys }) => [
    hexToBytes(address),
    storageKeys.map((key) => hexToBytes(key)),
  ])
  const fields = [chainId, nonce, ...prices, gas, toBytes(to), value, data, accessList]
  if (transaction.type === 3) {
    const { maxFeePerBlobGas, blobVersionedHashes } = transaction
    return [...fields, maxFeePerBlobGas, blobVersionedHashes.map((hash) => hexToBytes(hash))]
  }
  if (transaction.type !== 4) return fields
  return [
    ...fields,
    transaction.authorizationList.map((entry) => [
      entry.chainId,
      hexToBytes(entry.address),
      entry.nonce,
      entry.yParity,
      entry.r,
      entry.s,
    ]),
  ]
}

function depositPayload(deposit: DepositTransaction): Rlp.RlpInput[] {
  const { sourceHash, from, to, mint, value, gas, isSystemTx, data } = deposit
  return [hexToBytes(sourceHash), hexToBytes(from), toBytes(to), mint, value, gas, isSystemTx ? 1 : 0, data]
}

function decodeLegacy(raw: Uint8Array): LegacyTransaction {
  const fields = Rlp.list(Rlp.decode(raw), 'a legacy transaction', 9)
  const v = Rlp.uint64(fields[6], 'v')
  if (v !== 27n && v !== 28n && v < 35n) throw new MalformedTransactionError(`v ${v} is not a recovery id`)
  const protectedById = v >= 35n
  return {
    type: 0,
    nonce: Rlp.uint64(fields[0], 'nonce'),
    gasPrice: Rlp.uint(fields[1], 'gasPrice'),
    gas: Rlp.uint64(fields[2], 'gas'),
    to: toAddress(fields[3]),
    value: Rlp.uint(fields[4], 'value'),
    data: Rlp.bytes(fields[5], 'data'),
    chainId: protectedById ? (v - 35n) / 2n : undefined,
    yParity: (protectedById ? (v - 35n) % 2n : v - 27n) === 0n ? 0 : 1,
    r: Rlp.uint(fields[7], 'r'),
    s: Rlp.uint(fields[8], 's'),
  }
}

function decodeAccessList(item: Rlp.RlpItem): AccessListTransaction {
  const fields = Rlp.list(item, 'an EIP-2930 transaction', 11)
  return {
    type: 1,
    chainId: Rlp.uint64(fields[0], 'chainId'),
    nonce: Rlp.uint64(fields[1], 'nonce'),
    gasPrice: Rlp.uint(fields[2], 'gasPrice'),
    gas: Rlp.uint64(fields[3], 'gas'),
    to: toAddress(fields[4]),
    value: Rlp.uint(fields[5], 'value'),
    data: Rlp.bytes(fields[6], 'data'),
    accessList: decodeAccessListItems(fields[7]),
    ...signatureOf(fields, 8),
  }
}

function dynamicFee(fields: Rlp.RlpItem[]) {
  return {
    chainId: Rlp.uint64(fields[0], 'chainId'),
    nonce: Rlp.uint64(fields[1], 'nonce'),
    maxPriorityFeePerGas: Rlp.uint(fields[2], 'maxPriorityFeePerGas'),
    maxFeePerGas: Rlp.uint(fields[3], 'maxFeePerGas'),
    gas: Rlp.uint64(fields[4], 'gas'),
    to: toAddress(fields[5]),
    value: Rlp.uint(fields[6], 'value'),
    data: Rlp.bytes(fields[7], 'data'),
    accessList: decodeAccessListItems(fields[8]),
  }
}

function decodeFeeMarket(item: Rlp.RlpItem): FeeMarketTransaction {
  const fields = Rlp.list(item, 'an EIP-1559 transaction', 12)
  return { type: 2, ...dynamicFee(fields), ...signatureOf(fields, 9) }
}

function decodeBlob(item: Rlp.RlpItem): BlobTransaction {
  const fields = Rlp.list(item, 'an EIP-4844 transaction', 14)
  const common = dynamicFee(fields)
  if (common.to === null) throw new MalformedTransactionError('an EIP-4844 transaction must name its target')
  const blobVersionedHashes = Rlp.list(fields[10], 'blobVersionedHashes').map((hash) =>
    bytesToHex(Rlp.bytes(hash, 'blobVersionedHash', 32)),
  )
  const maxFeePerBlobGas = Rlp.uint(fields[9], 'maxFeePerBlobGas')
  return { type: 3, ...common, maxFeePerBlobGas, blobVersionedHashes, ...signatureOf(fields, 11) }
}

function decodeSetCode(item: Rlp.RlpItem): SetCodeTransaction {
  const fields = Rlp.list(item, 'an EIP-7702 transaction', 13)
  const common = dynamicFee(fields)
  if (common.to === null) throw new MalformedTransactionError('an EIP-7702 transaction must name its target')
  const authorizationList = decodeAuthorizations(fields[9])
  if (authorizationList.length === 0)
    throw new MalformedTransactionError('authorizationList must not be empty')
  return { type: 4, ...common, authorizationList, ...signatureOf(fields, 10) }
}

function decodeDeposit(item: Rlp.RlpItem): DepositTransaction {
  const fields = Rlp.list(item, 'a deposit', 8)
  const isSystemTx = Rlp.uint(fields[6], 'isSystemTx')
  if (isSystemTx > 1n) throw new MalformedTransactionError('isSystemTx must be 0 or 1')
  return {
    type: 0x7e,
    sourceHash: bytesToHex(Rlp.bytes(fields[0], 'sourceHash', 32)),
    from: bytesToHex(Rlp.bytes(fields[1], 'from', 20)),
    to: toAddress(fields[2]),
    mint: Rlp.uint(fields[3], 'mint'),
    value: Rlp.uint(fields[4], 'value'),
    gas: Rlp.uint64(fields[5], 'gas'),
    isSystemTx: isSystemTx === 1n,
    data: Rlp.bytes(fields[7], 'data'),
  }
}

function toAddress(item: Rlp.RlpItem | undefined): Hex | null {
  const to = Rlp.bytes(item, 'to')
  return to.length === 0 ? null : bytesToHex(Rlp.bytes(to, 'to', 20))
}

/** Reads the authorizations of a decoded EIP-7702 transaction. @throws {MalformedRlpError} */
export function decodeAuthorizations(item: Rlp.RlpItem | undefined): Authorization[] {
  return Rlp.list(item, 'authorizationList').map((entry): Authorization => {
    const tuple = Rlp.list(entry, 'authorization', 6)
    const yParity = Rlp.uint64(tuple[3], 'yParity')
    if (yParity > 255n) throw new MalformedTransactionError('an authorization’s yParity must fit 8 bits')
    return {
      chainId: Rlp.uint(tuple[0], 'chainId'),
      address: bytesToHex(Rlp.bytes(tuple[1], 'address', 20)),
      nonce: Rlp.uint64(tuple[2], 'nonce'),
      yParity: Number(yParity),
      r: Rlp.uint(tuple[4], 'r'),
      s: Rlp.uint(tuple[5], 's'),
    }
  })
}

/** Reads a decoded access list. @throws {MalformedRlpError} */
export function decodeAccessListItems(item: Rlp.RlpItem | undefined): AccessList {
  return Rlp.list(item, 'accessList').map((entry) => {
    const [address, keys] = Rlp.list(entry, 'accessList entry', 2)
    return {
      address: bytesToHex(Rlp.bytes(address, 'address', 20)),
      storageKeys: Rlp.list(keys, 'storageKeys').map((key) => bytesToHex(Rlp.bytes(key, 'storageKey', 32))),
    }
  })
}

function signatureOf(fields: Rlp.RlpItem[], at: number): Signature {
  const yParity = Rlp.uint(fields[at], 'yParity')
  if (yParity > 1n) throw new MalformedTransactionError('yParity must be 0 or 1')
  return {
    yParity: yParity === 0n ? 0 : 1,
    r: Rlp.uint(fields[at + 1], 'r'),
    s: Rlp.uint(fields[at + 2], 's'),
  }
}

export class MalformedTransactionError extends BaseError {
  constructor(problem: string, cause?: unknown) {
    super({
      code: 'transaction.malformed',
      message: `Expected the bytes of one signed transaction: ${problem}`,
      context: { problem },
      cause,
    })
  }
}

export class TransactionTypeError extends BaseError {
  constructor(type: number) {
    super({
      code: 'transaction.type_not_supported',
      message: `Expected a transaction of type 0 to 4 or 0x7e, got type 0x${type.toString(16)}.`,
      context: { type },
    })
  }
}

export class InvalidSignatureError extends BaseError {
  constructor(problem: string, cause?: unknown) {
    super({
      code: 'transaction.invalid_signature',
      message: `Expected a secp256k1 signature with a low s: ${problem}. Sign the transaction again.`,
      context: { problem },
      cause,
    })
  }
}
