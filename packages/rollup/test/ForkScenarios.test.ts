import type { Hex } from '@openledger/primitives'
import { describe, expect, test } from 'vitest'
import * as Batch from '../src/codec/Batch.ts'
import * as L1Info from '../src/codec/L1Info.ts'
import { CONFIG_UPDATE_TOPIC } from '../src/codec/SystemConfig.ts'
import * as Transaction from '../src/codec/Transaction.ts'
import { type ActionOptions, createActions } from './Actions.ts'
import { buildWithTransactions, configLog, expectChain } from './ScenarioSteps.ts'

describe('batcher_change_test.go', () => {
  test('the batcher counts that the SystemConfig names at that L1 block', () => {
    const actions = createActions()
    const second: Hex = `0x${'bb'.repeat(20)}`
    buildWithTransactions(actions, 3)
    const frames = (n: number): Uint8Array[] => actions.framesOf([Batch.encodeSingular(actions.batchOf(n))])
    actions.mine({ transactions: frames(1) })
    actions.mine({ transactions: frames(2), from: second })
    expectChain(actions, 1)
    actions.mine({ logs: [configLog(0n, second)] })
    actions.mine({ transactions: frames(2) })
    expectChain(actions, 1)
    actions.mine({ transactions: frames(2), from: second })
    expectChain(actions, 2)
    // reading again from a safe block far behind begins with the configuration of that time
    actions.mine({ transactions: frames(3), from: second })
    expect(actions.derive(actions.chain.slice(0, 2)).map(({ hash }) => hash)).toEqual(
      actions.chain.map(({ hash }) => hash),
    )
  })
})

describe('operator_fee_test.go and system_config_test.go', () => {
  test('updates of the SystemConfig reach the first block of their L1 block, malformed ones nobody', () => {
    const actions = createActions()
    actions.mine({
      logs: [
        configLog(5n, (20_000n << 64n) + 500n),
        configLog(2n, 40_000_000n),
        configLog(2n, 1n << 70n),
        configLog(4n, (250n << 32n) + 6n),
        configLog(4n, 250n << 32n),
        configLog(1n, 0n, (1n << 248n) + (77n << 32n) + 88n),
        configLog(1n, 0n, 2n << 248n),
        configLog(3n, `0x${'51'.repeat(20)}`),
        configLog(99n, 1n),
        { ...configLog(2n, 1n), data: '0x1234' },
        { ...configLog(2n, 1n), topics: [CONFIG_UPDATE_TOPIC] },
      ],
    })
    for (let i = 0; i < 13; i++) actions.build()
    const [before, after] = [actions.chain[11]!, actions.chain[12]!]
    expect([before.origin.number, after.origin.number]).toEqual([0n, 1n])
    expect(before.attributes!.gasLimit).toBe(30_000_000n)
    expect(after.attributes).toMatchObject({ gasLimit: 40_000_000n, eip1559Params: '0x000000fa00000006' })
    const info = L1Info.decode(Transaction.decode(after.attributes!.deposits[0]!).data)
    expect(info).toMatchObject({
      operatorFeeScalar: 20_000n,
      operatorFeeConstant: 500n,
      blobBaseFeeScalar: 77n,
      baseFeeScalar: 88n,
    })
    actions.publish([...actions.chain.keys()].slice(1), true)
    expectChain(actions, 13)
  })
})

describe('isthmus_setcode_tx_test.go, isthmus_fork_test.go, simple_program_test.go, end_of_source_test.go', () => {
  test('one block, derived; and nothing more when the source ends', () => {
    const actions = createActions()
    buildWithTransactions(actions, 1)
    actions.publish([1])
    expectChain(actions, 1)
    actions.mine()
    expectChain(actions, 1)
  })
})

describe('jovian_activation_test.go, jovian_minbasefee_test.go, jovian_dafootprint_test.go, activation_block_test.go', () => {
  const upgrade = { transactions: [Uint8Array.of(0x7e, 0xc0)] }
  const jovian: ActionOptions = { jovianTime: 1_000_003n, upgrades: { jovian: upgrade } }

  test('the fork’s first block is told by the old contract and deploys the new one; from then on it has Jovian’s fields', () => {
    const actions = createActions(jovian)
    for (let i = 0; i < 5; i++) actions.build()
    const infos = actions.chain
      .slice(1)
      .map(({ attributes }) => L1Info.decode(Transaction.decode(attributes!.deposits[0]!).data))
    expect(infos.map(({ daFootprintGasScalar }) => daFootprintGasScalar)).toEqual([
      undefined,
      undefined,
      undefined,
      400n,
      400n,
    ])
    expect(actions.chain.slice(1).map(({ attributes }) => attributes!.minBaseFee)).toEqual([
      undefined,
      undefined,
      0n,
      0n,
      0n,
    ])
    expect(actions.chain[3]!.attributes!.deposits).toHaveLength(2)
    actions.publish([1, 2, 3, 4, 5])
    expectChain(actions, 5)
  })

  test.each([
    ['singular', false],
    ['span', true],
  ])('user transactions in the fork’s first block end the channel (%s)', (_, isSpan) => {
    const actions = createActions(jovian)
    buildWithTransactions(actions, 5)
    actions.publish([1, 2, 3, 4, 5], isSpan)
    expectChain(actions, 2)
    expect(actions.refused()).toEqual(['drop: transactions in a fork’s first block'])
  })

  test('minimum base fee and DA footprint scalar come from the SystemConfig', () => {
    const actions = createActions({ jovianTime: 0n })
    actions.mine({ logs: [configLog(6n, 1_000n), configLog(7n, 300n), configLog(7n, 0x10000n)] })
    for (let i = 0; i < 13; i++) actions.build()
    const { attributes } = actions.chain[12]!
    expect(attributes!.minBaseFee).toBe(1_000n)
    const info = L1Info.decode(Transaction.decode(attributes!.deposits[0]!).data)
    expect(info.daFootprintGasScalar).toBe(300n)
    actions.publish([...actions.chain.keys()].slice(1))
    expectChain(actions, 13)
  })

  test('karst_fork_test.go, nut_bundle_activation_test.go: the first block has gas of its own for what it deploys', () => {
    const actions = createActions({
      jovianTime: 0n,
      karstTime: 1_000_002n,
      upgrades: { karst: { ...upgrade, gas: 5_000_000n } },
    })
    for (let i = 0; i < 3; i++) actions.build()
    expect(actions.chain.slice(1).map(({ attributes }) => attributes!.gasLimit)).toEqual([
      30_000_000n,
      35_000_000n,
      30_000_000n,
    ])
    expect(() => createActions({ karstTime: 1_000_001n }).build()).toThrowError(
      /upgrade transactions of karst/,
    )
  })
})

describe('jovian_minbasefee_test.go and jovian_dafootprint_test.go, with their values', () => {
  test.each([
    ['JovianActivationAfterGenesis', 0n, 1_000_010n],
    ['JovianActivationAtGenesisZeroMinBaseFee', 0n, 0n],
    ['JovianActivationAtGenesisMinBaseFeeMedium', 1_000_000_000n, 0n],
    ['JovianActivationAtGenesisMinBaseFeeHigh', 2_000_000_000n, 0n],
  ])('%s: a minimum base fee of %s holds from its L1 block on', (_, minBaseFee, jovianTime) => {
    const actions = createActions({ jovianTime, upgrades: { jovian: { transactions: [] } } })
    actions.mine({ logs: [configLog(6n, minBaseFee)] })
    for (let i = 0; i < 14; i++) actions.build()
    for (const { attributes, origin, timestamp } of actions.chain.slice(1)) {
      const expected = timestamp < jovianTime ? undefined : origin.number === 0n ? 0n : minBaseFee
      expect(attributes!.minBaseFee).toBe(expected)
    }
    actions.publish([...actions.chain.keys()].slice(1), true)
    expectChain(actions, 14)
  })

  test.each([
    [0n, 400n],
    [1n, 1n],
    [1_000n, 1_000n],
    [65_535n, 65_535n],
  ])('a footprint scalar of %s is told as %s', (set, told) => {
    const actions = createActions({ jovianTime: 0n })
    actions.mine({ logs: [configLog(7n, set)] })
    for (let i = 0; i < 13; i++) actions.build()
    const infos = actions.chain
      .slice(1)
      .map(({ attributes }) => L1Info.decode(Transaction.decode(attributes!.deposits[0]!).data))
    expect(infos[0]!.daFootprintGasScalar).toBe(400n)
    expect(infos.at(-1)!.daFootprintGasScalar).toBe(told)
    actions.publish([...actions.chain.keys()].slice(1))
    expectChain(actions, 13)
  })
})

describe('l1_prague_fork_test.go and rewind_el_test.go', () => {
  test('l1_prague_fork_test.go: a set-code transaction of the batcher is no batch', () => {
    const actions = createActions()
    buildWithTransactions(actions, 1)
    const frames = actions.framesOf([Batch.encodeSingular(actions.batchOf(1))])
    actions.mine({ transactions: frames, type: 4 })
    expectChain(actions, 0)
    actions.mine({ transactions: frames, type: 0 })
    expectChain(actions, 1)
  })

  test('rewind_el_test.go: set back to any block, the same chain is derived again', () => {
    const actions = createActions()
    buildWithTransactions(actions, 6)
    actions.publish([1, 2, 3], true)
    actions.publish([4])
    actions.publish([5, 6])
    const whole = actions.derive().map(({ hash }) => hash)
    for (let head = 1; head <= 7; head++) {
      expect(actions.derive(actions.chain.slice(0, head)).map(({ hash }) => hash)).toEqual(whole)
    }
  })
})
