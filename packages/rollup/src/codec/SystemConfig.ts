import { hexToBytes } from '@ethereumjs/util'
import { Bytes, type Hex } from '@openledger/primitives'
import type { Log } from './Receipt.ts'

/** The parameters that the L1's SystemConfig contract sets, as they stand after one L1 block. */
export type SystemConfig = {
  readonly batcherAddress: Hex
  readonly baseFeeScalar: bigint
  readonly blobBaseFeeScalar: bigint
  readonly gasLimit: bigint
  /** 8 bytes: denominator, elasticity; zero means the chain's defaults. */
  readonly eip1559Params: Hex
  readonly operatorFeeScalar: bigint
  readonly operatorFeeConstant: bigint
  /** In wei per gas, from Jovian on; absent means none. */
  readonly minBaseFee?: bigint
  /** From Jovian on; absent or 0 means the default of 400. */
  readonly daFootprintGasScalar?: bigint
}

/** `keccak256("ConfigUpdate(uint256,uint8,bytes)")`. */
export const CONFIG_UPDATE_TOPIC: Hex = '0x1d2b0bda21d56b8bd12d4f94ebacffdfb35f5e226f84b461103bb8beab6353be'

const BATCHER = 0n
const FEE_SCALARS = 1n
const GAS_LIMIT = 2n
const EIP1559_PARAMS = 4n
const OPERATOR_FEE = 5n
const MIN_BASE_FEE = 6n
const DA_FOOTPRINT = 7n

const UINT64_MAX = (1n << 64n) - 1n

/**
 * Applies one `ConfigUpdate` log; what is malformed, out of range or of an unknown type changes nothing, because every
 * node must pass over it alike.
 *
 * @param log - Of the SystemConfig contract, out of a successful transaction.
 * @see OP specs, system-config, "System Config Updates"; Holocene, Isthmus and Jovian, "System Config".
 */
export function applyUpdate(config: SystemConfig, log: Pick<Log, 'topics' | 'data'>): SystemConfig {
  const [topic, version, type] = log.topics
  if (topic !== CONFIG_UPDATE_TOPIC || log.topics.length !== 3) return config
  if (BigInt(version!) !== 0n) return config
  const data = hexToBytes(log.data)
  const kind = BigInt(type!)
  const words = wordsOf(data, kind === FEE_SCALARS ? 2 : 1)
  if (words === undefined) return config
  return change(config, kind, words) ?? config
}

function change(config: SystemConfig, kind: bigint, words: readonly Uint8Array[]): SystemConfig | undefined {
  const word = words[0]!
  const value = Bytes.toUint(word)
  const uint = (from: number, to: number): bigint => Bytes.toUint(word.subarray(from, to))
  switch (kind) {
    case BATCHER:
      return value >> 160n === 0n ? { ...config, batcherAddress: Bytes.toHex(word.subarray(12)) } : undefined
    case FEE_SCALARS:
      return changeScalars(config, words[1]!)
    case GAS_LIMIT:
      return value <= UINT64_MAX ? { ...config, gasLimit: value } : undefined
    case EIP1559_PARAMS: {
      // both are zero, or neither
      const isSound = (uint(24, 28) === 0n) === (uint(28, 32) === 0n)
      return isSound ? { ...config, eip1559Params: Bytes.toHex(word.subarray(24)) } : undefined
    }
    case OPERATOR_FEE:
      return { ...config, operatorFeeScalar: uint(20, 24), operatorFeeConstant: uint(24, 32) }
    case MIN_BASE_FEE:
      return value <= UINT64_MAX ? { ...config, minBaseFee: value } : undefined
    case DA_FOOTPRINT:
      return value <= 0xffffn ? { ...config, daFootprintGasScalar: value } : undefined
    default:
      return undefined
  }
}

/** Ecotone's encoding: version 1 ‖ 23 zero bytes ‖ blob base fee scalar ‖ base fee scalar; version 0 has no blob scalar. */
function changeScalars(config: SystemConfig, scalar: Uint8Array): SystemConfig | undefined {
  const version = scalar[0]!
  const padding = scalar.subarray(1, version === 0 ? 28 : 24)
  if (version > 1 || padding.some((byte) => byte !== 0)) return undefined
  return {
    ...config,
    blobBaseFeeScalar: version === 0 ? 0n : Bytes.toUint(scalar.subarray(24, 28)),
    baseFeeScalar: Bytes.toUint(scalar.subarray(28, 32)),
  }
}

/** Unpacks ABI-encoded `bytes` of exactly so many words. */
function wordsOf(data: Uint8Array, count: number): Uint8Array[] | undefined {
  if (data.length !== 64 + 32 * count) return undefined
  if (Bytes.toUint(data.subarray(0, 32)) !== 32n) return undefined
  if (Bytes.toUint(data.subarray(32, 64)) !== BigInt(32 * count)) return undefined
  return Array.from({ length: count }, (_, i) => data.subarray(64 + 32 * i, 96 + 32 * i))
}
