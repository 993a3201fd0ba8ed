import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import type { Header } from '../codec/Header.ts'
import type { OptimismConfig } from './Genesis.ts'

export type Eip1559Parameters = {
  readonly denominator: bigint
  readonly elasticity: bigint
  /** In wei per gas; `undefined` before Jovian. */
  readonly minBaseFee: bigint | undefined
}

const ZERO_PARAMETERS: Hex = '0x0000000000000000'

const JOVIAN_VERSION = 1
const HOLOCENE_SIZE_BYTES = 9
const JOVIAN_SIZE_BYTES = 17
/** Of EIP-1559 on Ethereum itself. */
const ETHEREUM: Eip1559Parameters = { denominator: 8n, elasticity: 2n, minBaseFee: undefined }
const ETHEREUM_INITIAL_WEI = 1_000_000_000n

/**
 * Writes the parameters of the next block's base fee as this block's `extraData`: version, denominator, elasticity,
 * and from Jovian on the least base fee.
 *
 * @param eip1559Params - 8 bytes from the payload attributes; all zero means the chain's defaults.
 * @param minBaseFee - In wei per gas; `undefined` before Jovian.
 * @see OP specs, Holocene, "Dynamic EIP-1559 Parameters"; Jovian, "Minimum Base Fee in Block Header".
 */
export function encodeExtraData(eip1559Params: Hex, config: OptimismConfig, minBaseFee?: bigint): Hex {
  const { denominator, elasticity } = defaults(config)
  const parameters =
    eip1559Params === ZERO_PARAMETERS
      ? Bytes.concat(Bytes.fromUint(denominator, 4), Bytes.fromUint(elasticity, 4))
      : hexToBytes(eip1559Params)
  return bytesToHex(
    minBaseFee === undefined
      ? Bytes.concat(Uint8Array.of(0), parameters)
      : Bytes.concat(Uint8Array.of(JOVIAN_VERSION), parameters, Bytes.fromUint(minBaseFee, 8)),
  )
}

/**
 * Reads a header's `extraData`.
 * @throws {InvalidExtraDataError} when it is neither 9 bytes of version 0 nor 17 of version 1, with denominator and
 * elasticity above zero.
 */
export function decodeExtraData(extraData: Hex): Eip1559Parameters {
  const bytes = hexToBytes(extraData)
  const isJovian = bytes[0] === JOVIAN_VERSION && bytes.length === JOVIAN_SIZE_BYTES
  const isHolocene = bytes[0] === 0 && bytes.length === HOLOCENE_SIZE_BYTES
  const denominator = Bytes.toUint(bytes.subarray(1, 5))
  const elasticity = Bytes.toUint(bytes.subarray(5, 9))
  if (!(isJovian || isHolocene) || denominator === 0n || elasticity === 0n) {
    throw new InvalidExtraDataError(extraData)
  }
  return { denominator, elasticity, minBaseFee: isJovian ? Bytes.toUint(bytes.subarray(9, 17)) : undefined }
}

/** What of a block the base fee of the next one depends on. */
export type BaseFeeParent = Pick<
  Header,
  'number' | 'extraData' | 'gasLimit' | 'gasUsed' | 'blobGasUsed' | 'baseFeePerGas' | 'era'
>

/**
 * Computes the base fee of the block after `parent`, in wei per gas.
 *
 * From Jovian on it follows the scarcer of gas and DA footprint, which the header has as `blobGasUsed`.
 *
 * @param config - `undefined` on Ethereum itself, from London on.
 * @see EIP-1559; OP specs, Holocene, "Base fee computation"; Jovian, "DA Footprint Block Limit".
 */
export function nextBaseFee(parent: BaseFeeParent, config: OptimismConfig | undefined): bigint {
  if (config === undefined) {
    return parent.era === 'frontier' ? ETHEREUM_INITIAL_WEI : adjust(parent, parent.gasUsed, ETHEREUM)
  }
  // a genesis need not carry parameters
  const isPlainGenesis = parent.number === 0n && !/^0x(00.{16}|01.{32})$/.test(parent.extraData)
  const parameters = isPlainGenesis ? defaults(config) : decodeExtraData(parent.extraData)
  const { minBaseFee } = parameters
  if (minBaseFee === undefined) return adjust(parent, parent.gasUsed, parameters)
  const metered = parent.blobGasUsed > parent.gasUsed ? parent.blobGasUsed : parent.gasUsed
  const next = adjust(parent, metered, parameters)
  return next < minBaseFee ? minBaseFee : next
}

function adjust(
  { baseFeePerGas, gasLimit }: BaseFeeParent,
  gasUsed: bigint,
  { denominator, elasticity }: Eip1559Parameters,
): bigint {
  const target = gasLimit / elasticity
  if (gasUsed === target) return baseFeePerGas
  if (gasUsed > target) {
    const step = (baseFeePerGas * (gasUsed - target)) / target / denominator
    return baseFeePerGas + (step > 1n ? step : 1n)
  }
  const next = baseFeePerGas - (baseFeePerGas * (target - gasUsed)) / target / denominator
  return next > 0n ? next : 0n
}

function defaults(config: OptimismConfig): Eip1559Parameters {
  return {
    denominator: BigInt(config.eip1559DenominatorCanyon ?? config.eip1559Denominator),
    elasticity: BigInt(config.eip1559Elasticity),
    minBaseFee: undefined,
  }
}

export class InvalidExtraDataError extends BaseError {
  constructor(extraData: Hex) {
    super({
      code: 'header.invalid_extra_data',
      message: `Expected extraData of 00 or 01, 4 bytes denominator, 4 bytes elasticity, none of them zero, and after 01 an 8-byte least base fee; got ${extraData}.`,
      context: { extraData },
    })
  }
}
