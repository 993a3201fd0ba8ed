import { Bytes, type Hex } from '@openledger/primitives'
import { padSlot } from '../state/WorldState.ts'
import type { ForkRules } from './Fork.ts'
import { L1_BLOCK } from './Predeploys.ts'

/** What the L1Block predeploy says about fees; read once per block, after the L1-info deposit. */
export type L1FeeParameters = {
  readonly baseFee: bigint
  readonly blobBaseFee: bigint
  readonly baseFeeScalar: bigint
  readonly blobBaseFeeScalar: bigint
  readonly operatorFeeScalar: bigint
  readonly operatorFeeConstant: bigint
  /** Gas that a byte of published data counts for; absent before Jovian. */
  readonly daFootprintGasScalar?: bigint
}

const BASE_FEE_SLOT = padSlot('0x1')
const SCALARS_SLOT = padSlot('0x3')
const BLOB_BASE_FEE_SLOT = padSlot('0x7')
const OPERATOR_FEE_SLOT = padSlot('0x8')
const DA_FOOTPRINT_GAS_SCALAR_DEFAULT = 400n

/**
 * Reads the fee parameters from the L1Block predeploy.
 * @param storage - Answers a slot's value without leading zeros.
 * @see OP specs, Ecotone, Isthmus and Jovian L1 attributes, storage layout.
 */
export function readParameters(
  storage: (address: Hex, slot: Hex) => Uint8Array,
  rules: Pick<ForkRules, 'hasOperatorFee' | 'hasJovian'>,
): L1FeeParameters {
  const scalars = Bytes.toUint(storage(L1_BLOCK, SCALARS_SLOT))
  const operator = rules.hasOperatorFee ? Bytes.toUint(storage(L1_BLOCK, OPERATOR_FEE_SLOT)) : 0n
  return {
    baseFee: Bytes.toUint(storage(L1_BLOCK, BASE_FEE_SLOT)),
    blobBaseFee: Bytes.toUint(storage(L1_BLOCK, BLOB_BASE_FEE_SLOT)),
    baseFeeScalar: (scalars >> 96n) & 0xffffffffn,
    blobBaseFeeScalar: (scalars >> 64n) & 0xffffffffn,
    operatorFeeScalar: (operator >> 64n) & 0xffffffffn,
    operatorFeeConstant: operator & 0xffffffffffffffffn,
    ...(rules.hasJovian
      ? { daFootprintGasScalar: (operator >> 96n) & 0xffffn || DA_FOOTPRINT_GAS_SCALAR_DEFAULT }
      : {}),
  }
}

/**
 * Prices the publication of a transaction on the L1.
 *
 * `max(100e6, -42585600 + 836500 · fastlz) · (16 · baseFee · baseFeeScalar + blobBaseFee · blobBaseFeeScalar) / 1e12`
 *
 * @param compressedLength - {@link fastLzLength} of the encoded transaction.
 * @returns the fee in wei, and the L1 gas that a receipt shows.
 * @see OP specs, Fjord, "L1-Cost fees".
 */
export function l1Cost(
  compressedLength: number,
  parameters: L1FeeParameters,
): { feeWei: bigint; gasUsed: bigint } {
  const estimatedSize = estimatedSizeScaled(compressedLength)
  const price =
    16n * parameters.baseFee * parameters.baseFeeScalar +
    parameters.blobBaseFee * parameters.blobBaseFeeScalar
  return { feeWei: (estimatedSize * price) / 1_000_000_000_000n, gasUsed: (estimatedSize * 16n) / 1_000_000n }
}

/** The operator's fee for an amount of L2 gas, in wei. @see OP specs, Isthmus and Jovian, "Operator fee". */
export function operatorFee(gas: bigint, parameters: L1FeeParameters): bigint {
  const product = gas * parameters.operatorFeeScalar
  const variable = parameters.daFootprintGasScalar === undefined ? product / 1_000_000n : product * 100n
  return variable + parameters.operatorFeeConstant
}

/**
 * What a transaction takes of a block's room for published data, in units of gas.
 * @returns 0 before Jovian.
 * @see OP specs, Jovian, "DA Footprint Block Limit".
 */
export const daFootprint = (
  compressedLength: number,
  { daFootprintGasScalar = 0n }: L1FeeParameters,
): bigint => estimatedDataBytes(compressedLength) * daFootprintGasScalar

/** Bytes that a transaction is estimated to take on L1. @see OP specs, Fjord, "L1 fee". */
export const estimatedDataBytes = (compressedLength: number): bigint =>
  estimatedSizeScaled(compressedLength) / 1_000_000n

function estimatedSizeScaled(compressedLength: number): bigint {
  const scaled = -42_585_600 + 836_500 * compressedLength
  return BigInt(Math.max(scaled, 100_000_000))
}

const HASH_BITS = 13
const HASH_SIZE = 1 << HASH_BITS
const WINDOW = 8192
const MATCH_MAX = 262
const POSITION_MAX = 2 ** 31

/** Where each hash was last seen; 32 KiB that would cost more to allocate than most transactions to measure. */
const positions = new Uint32Array(HASH_SIZE)
let positionBase = 1

/**
 * Counts the bytes that FastLZ level 1 would give.
 *
 * The chain's fee depends on this exact number, so every comparison follows the specification's reference.
 *
 * @see OP specs, Fjord, "FastLZ Implementation"; Solady's LibZip.flzCompress.
 */
export function fastLzLength(data: Uint8Array): number {
  // positions are stored above a base that grows with each call, so that the table need not be cleared
  if (positionBase + data.length > POSITION_MAX) {
    positions.fill(0)
    positionBase = 1
  }
  const base = positionBase
  positionBase += data.length
  const word = (at: number): number => data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16)
  const slot = (value: number): number =>
    (Math.imul(2654435769, value) >>> (32 - HASH_BITS)) & (HASH_SIZE - 1)
  let length = 0
  const literals = (count: number): void => {
    length += 0x21 * Math.floor(count / 0x20)
    const rest = count % 0x20
    if (rest !== 0) length += rest + 1
  }
  const end = data.length - 13
  let anchor = 0
  let at = 2
  while (at < end) {
    let reference = 0
    let distance = 0
    for (;;) {
      const sequence = word(at)
      const hash = slot(sequence)
      reference = Math.max(positions[hash]! - base, 0)
      positions[hash] = base + at
      distance = at - reference
      if (at >= end) break
      at++
      if (distance < WINDOW && sequence === word(reference)) break
    }
    if (at >= end) break
    at--
    if (at > anchor) literals(at - anchor)
    const matched = matchLength(data, reference + 3, at + 3, end + 9)
    const extra = matched - 1
    length += 3 * Math.floor(extra / MATCH_MAX)
    length += extra % MATCH_MAX >= 6 ? 3 : 2
    at += matched
    positions[slot(word(at))] = base + at
    at++
    positions[slot(word(at))] = base + at
    at++
    anchor = at
  }
  literals(data.length - anchor)
  return length
}

/** Counts equal bytes from `a` and `b`; `b` may not pass `bound`. */
function matchLength(data: Uint8Array, a: number, b: number, bound: number): number {
  let count = 0
  const limit = bound - b
  for (; count < limit; count++) {
    if (data[a + count] !== data[b + count]) return count + 1
  }
  return count
}
