import { expect, test } from 'vitest'
import { blobBaseFeeOf } from './BlobBaseFee.ts'

const CANCUN = 1_710_338_135n

test.each([
  // as go-ethereum's TestCalcBlobFee has them
  [0n, 1n],
  [2_314_057n, 1n],
  [2_314_058n, 2n],
  [10_485_760n, 23n],
])('after Cancun, %s of excess blob gas cost %s wei', (excess, fee) => {
  expect(blobBaseFeeOf(1, CANCUN, excess)).toBe(fee)
})

test('the price rises more slowly with each fork, and is not known of other chains', () => {
  const excess = 100_000_000n
  const at = (timestamp: bigint) => blobBaseFeeOf(1, timestamp, excess)
  const fees = [CANCUN, 1_746_612_311n, 1_764_798_551n, 1_765_290_071n, 1_767_747_671n].map(at)
  // e^(10^8 / fraction), by floating point
  const expected = [3_338_477, 5_007_716, 5_007_716, 8_346_193, 11_684_671].map((f) => Math.exp(1e8 / f))
  for (const [i, fee] of fees.entries()) expect(Number(fee) / expected[i]!).toBeCloseTo(1, 3)
  expect(at(CANCUN - 1n)).toBeUndefined()
  expect(blobBaseFeeOf(31_337, CANCUN, excess)).toBeUndefined()
})
