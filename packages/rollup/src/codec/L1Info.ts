import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { type Crypto, plainCrypto } from '../Crypto.ts'
import { L1_ATTRIBUTES_DEPOSITOR, L1_BLOCK } from '../execution/Predeploys.ts'
import { l1InfoSourceHash } from './Deposit.ts'
import type { DepositTransaction } from './Transaction.ts'

/** What an L2 block tells its contracts about its L1 origin. */
export type L1Info = {
  readonly number: bigint
  readonly timestamp: bigint
  readonly hash: Hex
  readonly baseFee: bigint
  readonly blobBaseFee: bigint
  /** How many L2 blocks of the same origin came before. */
  readonly sequenceNumber: bigint
  readonly batcherAddress: Hex
  readonly baseFeeScalar: bigint
  readonly blobBaseFeeScalar: bigint
  readonly operatorFeeScalar: bigint
  readonly operatorFeeConstant: bigint
  /** Present from Jovian's second block on. */
  readonly daFootprintGasScalar?: bigint
}

/** `setL1BlockValuesIsthmus()`. */
const ISTHMUS_SELECTOR: Hex = '0x098999be'
const ISTHMUS_SIZE_BYTES = 176
/** `setL1BlockValuesJovian()`. */
const JOVIAN_SELECTOR: Hex = '0x3db6be2b'
const JOVIAN_SIZE_BYTES = 178
const GAS = 1_000_000n

/** Makes the first transaction of a block. @see OP specs, Isthmus and Jovian, "L1 Attributes". */
export function toDeposit(info: L1Info, crypto: Crypto = plainCrypto): DepositTransaction {
  return {
    type: 0x7e,
    sourceHash: l1InfoSourceHash(info.hash, info.sequenceNumber, crypto),
    from: L1_ATTRIBUTES_DEPOSITOR,
    to: L1_BLOCK,
    mint: 0n,
    value: 0n,
    gas: GAS,
    isSystemTx: false,
    data: encode(info),
  }
}

/** Packs the values as the L1Block predeploy reads them: 176 bytes, with a DA footprint scalar 178. */
export function encode(info: L1Info): Uint8Array {
  const { daFootprintGasScalar } = info
  return Bytes.concat(
    hexToBytes(daFootprintGasScalar === undefined ? ISTHMUS_SELECTOR : JOVIAN_SELECTOR),
    Bytes.fromUint(info.baseFeeScalar, 4),
    Bytes.fromUint(info.blobBaseFeeScalar, 4),
    Bytes.fromUint(info.sequenceNumber, 8),
    Bytes.fromUint(info.timestamp, 8),
    Bytes.fromUint(info.number, 8),
    Bytes.fromUint(info.baseFee, 32),
    Bytes.fromUint(info.blobBaseFee, 32),
    hexToBytes(info.hash),
    new Uint8Array(12),
    hexToBytes(info.batcherAddress),
    Bytes.fromUint(info.operatorFeeScalar, 4),
    Bytes.fromUint(info.operatorFeeConstant, 8),
    daFootprintGasScalar === undefined ? new Uint8Array() : Bytes.fromUint(daFootprintGasScalar, 2),
  )
}

/** Unpacks the data of an L1-info deposit. @throws {InvalidL1InfoError} */
export function decode(data: Uint8Array): L1Info {
  const selector = bytesToHex(data.subarray(0, 4))
  const isJovian = data.length === JOVIAN_SIZE_BYTES && selector === JOVIAN_SELECTOR
  const isIsthmus = data.length === ISTHMUS_SIZE_BYTES && selector === ISTHMUS_SELECTOR
  if (!isJovian && !isIsthmus) throw new InvalidL1InfoError(data)
  const uint = (from: number, to: number): bigint => Bytes.toUint(data.subarray(from, to))
  return {
    baseFeeScalar: uint(4, 8),
    blobBaseFeeScalar: uint(8, 12),
    sequenceNumber: uint(12, 20),
    timestamp: uint(20, 28),
    number: uint(28, 36),
    baseFee: uint(36, 68),
    blobBaseFee: uint(68, 100),
    hash: bytesToHex(data.subarray(100, 132)),
    batcherAddress: bytesToHex(data.subarray(144, 164)),
    operatorFeeScalar: uint(164, 168),
    operatorFeeConstant: uint(168, 176),
    ...(isJovian ? { daFootprintGasScalar: uint(176, 178) } : {}),
  }
}

export class InvalidL1InfoError extends BaseError {
  constructor(data: Uint8Array) {
    super({
      code: 'l1_info.invalid',
      message: `Expected ${ISTHMUS_SIZE_BYTES} bytes that begin with ${ISTHMUS_SELECTOR} or ${JOVIAN_SIZE_BYTES} that begin with ${JOVIAN_SELECTOR}, got ${data.length} bytes.`,
      context: { sizeBytes: data.length },
    })
  }
}
