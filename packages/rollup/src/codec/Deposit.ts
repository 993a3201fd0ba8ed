import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { type Crypto, plainCrypto } from '../Crypto.ts'
import type { Log } from './Receipt.ts'
import type { DepositTransaction } from './Transaction.ts'

/** `keccak256("TransactionDeposited(address,address,uint256,bytes)")`. */
export const TRANSACTION_DEPOSITED_TOPIC: Hex =
  '0xb3813568d9991fc951961fcb4c784893574240a28925604d09fc577c55bb7c32'

const USER_DOMAIN = 0n
const L1_INFO_DOMAIN = 1n
const UPGRADE_DOMAIN = 2n

/** Identifies the deposit of a log. @see OP specs, deposits, "Source hash computation". */
export const userSourceHash = (l1BlockHash: Hex, logIndex: number, crypto: Crypto = plainCrypto): Hex =>
  sourceHash(USER_DOMAIN, l1BlockHash, BigInt(logIndex), crypto)

/** Identifies the L1-info deposit of a block. */
export const l1InfoSourceHash = (
  l1BlockHash: Hex,
  sequenceNumber: bigint,
  crypto: Crypto = plainCrypto,
): Hex => sourceHash(L1_INFO_DOMAIN, l1BlockHash, sequenceNumber, crypto)

/** Identifies a deposit of a network upgrade by what it is for, in UTF-8. */
export const upgradeSourceHash = (intent: Uint8Array, crypto: Crypto = plainCrypto): Hex =>
  inDomain(UPGRADE_DOMAIN, crypto.keccak256(intent), crypto)

/**
 * Reads the deposit that the portal announced in a log.
 * @param log - Of the portal, with its index in its block.
 * @throws {InvalidDepositLogError} when it is not a `TransactionDeposited` log of version 0.
 * @see OP specs, deposits, "Deposit Contract".
 */
export function fromLog(
  log: Log & { readonly logIndex: number },
  l1BlockHash: Hex,
  crypto: Crypto = plainCrypto,
): DepositTransaction {
  const [topic, from, to, version] = log.topics
  if (topic !== TRANSACTION_DEPOSITED_TOPIC || log.topics.length !== 4) {
    throw new InvalidDepositLogError(
      'the topics of TransactionDeposited',
      `${log.topics.length} topics, ${topic}`,
    )
  }
  if (BigInt(version!) !== 0n) throw new InvalidDepositLogError('version 0', version!)
  const data = hexToBytes(log.data)
  const room = data.length - 64
  if (room < 0 || room % 32 !== 0) {
    throw new InvalidDepositLogError('at least two whole words of data', `${data.length} bytes`)
  }
  const length = Number(Bytes.toUint(data.subarray(32, 64)))
  // padded to whole words, and no further
  const isTight = length <= room && length + 32 > room
  if (Bytes.toUint(data.subarray(0, 32)) !== 32n || length < 73 || !isTight) {
    throw new InvalidDepositLogError('at least 73 bytes of opaque data', `${length} in ${data.length} bytes`)
  }
  const opaque = data.subarray(64, 64 + length)
  // any byte but zero, as op-node reads it; the portal writes 0 or 1
  const isCreation = opaque[72] !== 0
  return {
    type: 0x7e,
    sourceHash: userSourceHash(l1BlockHash, log.logIndex, crypto),
    from: addressOf(from!),
    to: isCreation ? null : addressOf(to!),
    mint: Bytes.toUint(opaque.subarray(0, 32)),
    value: Bytes.toUint(opaque.subarray(32, 64)),
    gas: Bytes.toUint(opaque.subarray(64, 72)),
    isSystemTx: false,
    data: opaque.slice(73),
  }
}

const addressOf = (topic: Hex): Hex => `0x${topic.slice(26).toLowerCase()}`

const sourceHash = (domain: bigint, l1BlockHash: Hex, id: bigint, crypto: Crypto): Hex =>
  inDomain(domain, crypto.keccak256(Bytes.concat(hexToBytes(l1BlockHash), Bytes.fromUint(id, 32))), crypto)

const inDomain = (domain: bigint, id: Uint8Array, crypto: Crypto): Hex =>
  bytesToHex(crypto.keccak256(Bytes.concat(Bytes.fromUint(domain, 32), id)))

export class InvalidDepositLogError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'deposit.invalid_log',
      message: `Expected a deposit log with ${expected}, got ${got}.`,
      context: { expected, got },
    })
  }
}
