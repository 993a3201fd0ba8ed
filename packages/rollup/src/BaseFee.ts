import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import type { OptimismConfig } from './Genesis.ts'
import type { Header } from './Header.ts'

export type Eip1559Parameters = { readonly denominator: bigint; readonly elasticity: bigint }

const ZERO_PARAMETERS: Hex = '0x0000000000000000'

/**
 * Writes the parameters of the next block's base fee as this block's `extraData`: version 0, denominator, elasticity.
 *
 * @param eip1559Params - 8 bytes from the payload attributes; all zero means the chain's defaults.
 * @see OP specs, Holocene, "Dynamic EIP-1559 Parameters".
 */
export function encodeExtraData(eip1559Params: Hex, config: OptimismConfig): Hex {
  if (eip1559Params !== ZERO_PARAMETERS) return `0x00${eip1559Params.slice(2)}`
  const { denominator, elasticity } = defaults(config)
  return bytesToHex(
    Bytes.concat(Uint8Array.of(0), Bytes.fromUint(denominator, 4), Bytes.fromUint(elasticity, 4)),
  )
}

/**
 * Reads a Holocene header's `extraData`.
 * @throws {InvalidExtraDataError} when it is not 9 bytes of version 0 with denominator and elasticity above zero.
 */
export function decodeExtraData(extraData: Hex): Eip1559Parameters {
  const bytes = hexToBytes(extraData)
  const denominator = Bytes.toUint(bytes.subarray(1, 5))
  const elasticity = Bytes.toUint(bytes.subarray(5, 9))
  if (bytes.length !== 9 || bytes[0] !== 0 || denominator === 0n || elasticity === 0n) {
    throw new InvalidExtraDataError(extraData)
  }
  return { denominator, elasticity }
}

/**
 * Computes the base fee of the block after `parent`, in wei per gas.
 * @see EIP-1559; OP specs, Holocene, "Base fee computation".
 */
export function nextBaseFee(
  parent: Pick<Header, 'number' | 'extraData' | 'gasLimit' | 'gasUsed' | 'baseFeePerGas'>,
  config: OptimismConfig,
): bigint {
  // a genesis need not carry parameters
  const isPlainGenesis = parent.number === 0n && parent.extraData.length !== 20
  const { denominator, elasticity } = isPlainGenesis ? defaults(config) : decodeExtraData(parent.extraData)
  const { baseFeePerGas, gasUsed } = parent
  const target = parent.gasLimit / elasticity
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
  }
}

export class InvalidExtraDataError extends BaseError {
  constructor(extraData: Hex) {
    super({
      code: 'header.invalid_extra_data',
      message: `Expected Holocene extraData (00, 4 bytes denominator, 4 bytes elasticity, none of them zero), got ${extraData}.`,
      context: { extraData },
    })
  }
}
