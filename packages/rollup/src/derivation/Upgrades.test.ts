import { concat, getContractAddress, type Hex, keccak256, numberToHex, stringToHex } from 'viem'
import { describe, expect, test } from 'vitest'
import * as Transaction from '../codec/Transaction.ts'
import { jovianUpgrade, karstUpgrade } from './Upgrades.ts'

const decoded = (raws: readonly Uint8Array[]) =>
  raws.map((raw) => {
    const deposit = Transaction.decode(raw)
    if (deposit.type !== 0x7e) throw new Error('expected a deposit')
    return deposit
  })

describe('the network upgrade of Jovian', () => {
  const bytecode = { l1Block: Uint8Array.of(1), gasPriceOracle: Uint8Array.of(2) }
  const [l1Block, l1BlockProxy, oracle, oracleProxy, enable] = decoded(jovianUpgrade(bytecode).transactions)

  test('is told from every other deposit by the hashes that kona publishes', () => {
    expect([l1Block, l1BlockProxy, oracle, oracleProxy, enable].map((one) => one!.sourceHash)).toEqual([
      '0xbb1a656f65401240fac3db12e7a79ebb954b11e62f7626eb11691539b798d3bf',
      '0xf3275f829340521028f9ad5bce4ecb1c64a45d448794effa2a77674627338e76',
      '0x239b7021a6c2cf3a918481242bbb5a9499057f24501539467536c691bb133962',
      '0xa70c60aa53b8c1c0d52b39b1e901e7d7c09f7819595cb24048a6bb1983b401ff',
      '0xe836db6a959371756f8941be3e962d000f7e12a32e49e2c9ca42ba177a92716c',
    ])
  })

  test('creates with the bytecode that was given, and points each proxy to where that comes to stand', () => {
    expect([l1Block!.to, oracle!.to]).toEqual([null, null])
    expect([l1Block!.data, oracle!.data]).toEqual([bytecode.l1Block, bytecode.gasPriceOracle])
    for (const [creation, proxy] of [
      [l1Block!, l1BlockProxy!],
      [oracle!, oracleProxy!],
    ] as const) {
      const at = getContractAddress({ from: creation.from, nonce: 0n }).toLowerCase()
      expect(Buffer.from(proxy.data).toString('hex')).toBe(`3659cfe6${at.slice(2).padStart(64, '0')}`)
      expect(BigInt(proxy.from)).toBe(0n)
    }
  })
})

describe('the network upgrade of Karst', () => {
  const from: Hex = '0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001'
  const bundle = {
    metadata: { version: '1.0.0' },
    transactions: [
      { intent: 'First', from, to: null, data: '0x01' as Hex, gasLimit: 100 },
      { intent: 'Second', from, to: `0x${'4C'.repeat(20)}` as Hex, data: '0x' as Hex, gasLimit: 23 },
    ],
  }

  test('numbers what each is for, and adds the gas of all to its block', () => {
    const { transactions, gas } = karstUpgrade(bundle)
    const sourceHash = (intent: string): Hex =>
      keccak256(concat([numberToHex(2, { size: 32 }), keccak256(stringToHex(intent))]))
    expect(decoded(transactions).map((one) => [one.sourceHash, one.to, one.gas])).toEqual([
      [sourceHash('Karst 0: First'), null, 100n],
      [sourceHash('Karst 1: Second'), `0x${'4c'.repeat(20)}`, 23n],
    ])
    expect(gas).toBe(123n)
  })

  test('is refused in a version that is not known', () => {
    expect(() => karstUpgrade({ ...bundle, metadata: { version: '2.0.0' } })).toThrow(/1\.0\.0.*2\.0\.0/)
  })
})
