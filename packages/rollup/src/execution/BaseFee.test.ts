import { expect, test } from 'vitest'
import * as BaseFee from './BaseFee.ts'

const config = { eip1559Elasticity: 6, eip1559Denominator: 50, eip1559DenominatorCanyon: 250 }
const parent: Parameters<typeof BaseFee.nextBaseFee>[0] = {
  number: 5n,
  extraData: '0x00000000fa00000006',
  blobGasUsed: 0n,
  gasLimit: 60_000_000n,
  gasUsed: 10_000_000n,
  baseFeePerGas: 1_000_000_000n,
}

test('the base fee stays at the target, rises and falls by the parent’s own parameters', () => {
  const next = (change: Partial<typeof parent>): bigint =>
    BaseFee.nextBaseFee({ ...parent, ...change }, config)
  expect(next({})).toBe(1_000_000_000n)
  expect(next({ gasUsed: 60_000_000n })).toBe(1_020_000_000n)
  expect(next({ gasUsed: 0n })).toBe(996_000_000n)
  expect(next({ gasUsed: 60_000_000n, extraData: '0x000000003200000002' })).toBe(1_020_000_000n)
  expect(next({ gasUsed: 10_000_001n, baseFeePerGas: 7n })).toBe(8n)
  expect(next({ gasUsed: 0n, baseFeePerGas: 100n })).toBe(100n)
})

test('from Jovian on the base fee follows the DA footprint where that is scarcer, and has a floor', () => {
  const jovian = { ...parent, extraData: '0x01000000fa00000006000000003b9ac9ff' } as const
  const next = (change: Partial<typeof parent>): bigint =>
    BaseFee.nextBaseFee({ ...jovian, ...change }, config)
  expect(next({ gasUsed: 0n, blobGasUsed: 60_000_000n })).toBe(1_020_000_000n)
  expect(next({ gasUsed: 60_000_000n, blobGasUsed: 1n })).toBe(1_020_000_000n)
  expect(next({ gasUsed: 0n })).toBe(999_999_999n)
  expect(next({ gasUsed: 0n, baseFeePerGas: 1n })).toBe(999_999_999n)
})

test('on Ethereum itself the base fee begins at London, and changes by an eighth at most', () => {
  expect(BaseFee.nextBaseFee({ ...parent, era: 'frontier', baseFeePerGas: 0n }, undefined)).toBe(10n ** 9n)
  expect(BaseFee.nextBaseFee({ ...parent, gasUsed: 60_000_000n }, undefined)).toBe(1_125_000_000n)
})

test('a header carries the parameters given, or the chain’s defaults', () => {
  expect(BaseFee.encodeExtraData('0x0000000000000000', config)).toBe('0x00000000fa00000006')
  expect(BaseFee.encodeExtraData('0x0000003200000002', config)).toBe('0x000000003200000002')
  expect(BaseFee.decodeExtraData('0x000000003200000002')).toEqual({
    denominator: 50n,
    elasticity: 2n,
    minBaseFee: undefined,
  })
  const jovian = BaseFee.encodeExtraData('0x0000003200000002', config, 7n)
  expect(jovian).toBe('0x0100000032000000020000000000000007')
  expect(BaseFee.decodeExtraData(jovian)).toEqual({ denominator: 50n, elasticity: 2n, minBaseFee: 7n })
  for (const wrong of [
    '0x',
    '0x0000000032000000020000000000000007',
    '0x010000003200000002',
    '0x000000000000000002',
    '0x000000003200000000',
  ] as const) {
    expect(() => BaseFee.decodeExtraData(wrong)).toThrow(BaseFee.InvalidExtraDataError)
  }
})
