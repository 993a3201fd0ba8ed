import { BaseError } from '@openledger/primitives'

/** From when on a fork's blobs have a price, and how slowly it rises. */
type Blobs = { readonly fromSeconds: bigint; readonly updateFraction: bigint }

const UPDATE_FRACTIONS = [3_338_477n, 5_007_716n, 5_007_716n, 8_346_193n, 11_684_671n]
/** @see EIP-4844, EIP-7691, EIP-7892; the times are those of the networks' own configurations. */
const blobs = (...times: readonly bigint[]): readonly Blobs[] =>
  times.map((fromSeconds, i) => ({ fromSeconds, updateFraction: UPDATE_FRACTIONS[i]! }))

/** By chain id: Cancun, Prague, Osaka and the two blob parameter forks after it. */
const SCHEDULES: Readonly<Record<number, readonly Blobs[]>> = {
  // mainnet
  1: blobs(1_710_338_135n, 1_746_612_311n, 1_764_798_551n, 1_765_290_071n, 1_767_747_671n),
  // Holesky
  17000: blobs(1_707_305_664n, 1_740_434_112n, 1_759_308_480n, 1_759_800_000n, 1_760_389_824n),
  // Sepolia
  11155111: blobs(1_706_655_072n, 1_741_159_776n, 1_760_427_360n, 1_761_017_184n, 1_761_607_008n),
  // Hoodi
  560048: blobs(0n, 1_742_999_832n, 1_761_677_592n, 1_762_365_720n, 1_762_955_544n),
}

/**
 * The price of blob gas in wei. @see EIP-4844, `fake_exponential`.
 * @returns `undefined` for an L1 whose forks are not known here.
 */
export function blobBaseFeeOf(chainId: number, timestamp: bigint, excessBlobGas: bigint): bigint | undefined {
  const fraction = SCHEDULES[chainId]?.findLast(({ fromSeconds }) => fromSeconds <= timestamp)?.updateFraction
  return fraction === undefined ? undefined : exponential(excessBlobGas, fraction)
}

/** `e^(numerator / denominator)` by its Taylor series in integers, rounded down. */
function exponential(numerator: bigint, denominator: bigint): bigint {
  let sum = 0n
  let term = denominator
  for (let i = 1n; term > 0n; i++) {
    sum += term
    term = (term * numerator) / (denominator * i)
  }
  return sum / denominator
}

export class BlobBaseFeeError extends BaseError {
  constructor(number: bigint, expected: bigint, got: bigint) {
    super({
      code: 'l1.blob_base_fee',
      message: `Expected blob gas in L1 block ${number} to cost ${expected} wei by the forks known here, the endpoint says ${got}: it errs or lies, or L1 has blob parameters newer than this release; use another, or update the node.`,
      context: { number: number.toString(), expected: expected.toString(), got: got.toString() },
      severity: 'retry',
    })
  }
}
