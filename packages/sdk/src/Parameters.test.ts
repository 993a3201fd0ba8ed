import { deploymentSchema } from '@openledger/protocol/Deployment'
import { concatHex, encodeAbiParameters, type Hex, parseAbiParameters, toFunctionSelector } from 'viem'
import { describe, expect, test } from 'vitest'
import * as Parameters from './Parameters.ts'

const addressOf = (n: number): Hex => `0x${n.toString(16).padStart(40, '0')}`
const [l1Names, l2Names] = (['l1', 'l2'] as const).map((layer) =>
  Object.keys(deploymentSchema.shape[layer].shape),
)
const deployment = deploymentSchema.parse({
  l1ChainId: 1,
  l2ChainId: 2,
  l2StartBlock: 0,
  l1: Object.fromEntries(l1Names!.map((name, i) => [name, addressOf(i + 1)])),
  l2: Object.fromEntries(l2Names!.map((name, i) => [name, addressOf(i + 100)])),
})
const someone = addressOf(0xabc)
const { l2 } = deployment

/** What the contracts' sources say is called, written by hand and encoded apart from our interfaces. */
const expected: readonly [string, readonly string[], Hex, string, readonly unknown[]][] = [
  [
    'split',
    ['9', '20', '20.5', '50.5'],
    l2.feePolicy,
    'setSplit((uint16,uint16,uint16,uint16))',
    [900, 2_000, 2_050, 5_050],
  ],
  [
    'bounds',
    ['15', '40', '30', '35'],
    l2.feePolicy,
    'setBounds((uint16,uint16,uint16,uint16))',
    [1_500, 4_000, 3_000, 3_500],
  ],
  ['treasury', [someone], l2.feePolicy, 'setTreasury(address)', [someone]],
  ['operator', [someone], l2.settlement, 'setOperator(address)', [someone]],
  ['windows', ['60', '30'], l2.settlement, 'setWindows(uint64,uint64)', [60, 30]],
  ['unbonding', ['86400'], l2.staking, 'setUnbonding(uint64)', [86_400]],
  ['security-unbonding', ['86400'], l2.securityStake, 'setUnbonding(uint64)', [86_400]],
  ['slasher', [someone, '10'], l2.securityStake, 'setSlasher(address,uint256)', [someone, 1_000]],
  ['court-terms', ['100', '1.5'], l2.court, 'setTerms(uint96,uint96)', [10n ** 20n, 15n * 10n ** 17n]],
  ['quorum', ['5'], l2.governor, 'setQuorumBps(uint256)', [500]],
  ['voting-delay', ['60'], l2.governor, 'setVotingDelay(uint48)', [60]],
  ['voting-period', ['60'], l2.governor, 'setVotingPeriod(uint32)', [60]],
  ['proposal-threshold', ['1000'], l2.governor, 'setProposalThreshold(uint256)', [10n ** 21n]],
  ['timelock-delay', ['60'], l2.timelock, 'updateDelay(uint256)', [60]],
]

describe('parameters', () => {
  test('are all held here against the contracts’ own signatures', () => {
    expect(expected.map(([key]) => key)).toEqual(Parameters.ALL.map(({ key }) => key))
  })

  test.each(expected)(
    '%s is the call that the contract has for it, and is read back',
    (key, words, target, signature, args) => {
      const types = signature
        .replace(/^\w+\(+|\)+$/g, '')
        .split(',')
        .join(', ')
      const data = concatHex([
        toFunctionSelector(signature),
        encodeAbiParameters(
          parseAbiParameters(types),
          args.map((arg) => (typeof arg === 'string' ? arg : BigInt(arg as number | bigint))) as never,
        ),
      ])
      const call = Parameters.callOf(deployment, key, words)
      expect(call).toEqual({ target, valueWei: 0n, data })
      const known = Parameters.recognise(deployment, call)!
      expect(known.parameter.key).toBe(key)
      const shown = known.values.map((value, i) => Parameters.format(known.parameter.fields[i]!, value))
      expect(shown.map((word) => word.split(' ')[0])).toEqual(words)
    },
  )

  test('a call of another contract, with money or of another function is no parameter', () => {
    const call = Parameters.callOf(deployment, 'bounds', ['15', '40', '30', '35'])
    expect(Parameters.recognise(deployment, { ...call, target: l2.staking })).toBeUndefined()
    expect(Parameters.recognise(deployment, { ...call, valueWei: 1n })).toBeUndefined()
    expect(Parameters.recognise(deployment, { ...call, data: '0x12345678' })).toBeUndefined()
  })

  test.each([
    ['a parameter that there is not', 'colour', ['1'], /one of split, bounds/],
    ['too few values', 'bounds', ['15'], /Platform at most \(percent\), .*got 1 values/],
    ['more than all', 'quorum', ['101'], /Quorum in percent/],
    ['a part of a hundredth', 'quorum', ['1.005'], /Quorum in percent/],
    ['a word for a time', 'voting-period', ['a week'], /Seconds in seconds, such as 3600/],
    ['half an address', 'treasury', ['0x12'], /0x and 40 hex digits/],
  ])('refuses %s and says what it expected', (_, key, words, message) => {
    expect(() => Parameters.callOf(deployment, key, words)).toThrow(message)
  })

  test('a raw call is taken as it is, or refused', () => {
    expect(Parameters.rawCall(someone, '0x', '1')).toEqual({
      target: someone,
      valueWei: 10n ** 18n,
      data: '0x',
    })
    expect(() => Parameters.rawCall('nobody', '0x')).toThrow(/call data in hex, got nobody/)
    expect(() => Parameters.rawCall(someone, '0x123')).toThrow(/call data/)
  })
})
