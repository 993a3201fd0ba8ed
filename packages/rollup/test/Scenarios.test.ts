import { readFileSync } from 'node:fs'
import { Bytes, type Hex } from '@openledger/primitives'
import { describe, expect, test } from 'vitest'
import * as Batch from '../src/codec/Batch.ts'
import * as Channel from '../src/codec/Channel.ts'
import { TRANSACTION_DEPOSITED_TOPIC } from '../src/codec/Deposit.ts'
import * as L1Info from '../src/codec/L1Info.ts'
import { CONFIG_UPDATE_TOPIC } from '../src/codec/SystemConfig.ts'
import * as Transaction from '../src/codec/Transaction.ts'
import { createChannelAssembler } from '../src/derivation/ChannelAssembler.ts'
import { actionScenarios } from './ActionScenarios.ts'
import {
  type ActionOptions,
  createActions,
  INVALID_FILL,
  PORTAL,
  SYSTEM_CONFIG,
  type ToyBlock,
  transaction,
} from './Actions.ts'

/**
 * The scenarios of `op-e2e/actions/proofs` (ethereum-optimism/optimism), with their names, inputs and expected safe heads.
 * Where op-e2e goes on to prove the result, the result itself is held against the sequencer's chain here.
 */
type Actions = ReturnType<typeof createActions>
const word = (value: bigint | Hex): string =>
  (typeof value === 'bigint' ? value.toString(16) : value.slice(2)).padStart(64, '0')

const depositLog = (mint: bigint) => {
  const opaque = `${word(mint)}${word(0n)}${'00000000000186a0'}00`
  const length = opaque.length / 2
  return {
    address: PORTAL,
    topics: [
      TRANSACTION_DEPOSITED_TOPIC,
      `0x${word(`0x${'a1'.repeat(20)}`)}`,
      `0x${word(`0x${'a1'.repeat(20)}`)}`,
      `0x${word(0n)}`,
    ] as Hex[],
    data: `0x${word(32n)}${word(BigInt(length))}${opaque.padEnd(Math.ceil(length / 32) * 64, '0')}` as Hex,
  }
}
const configLog = (type: bigint, ...words: readonly (bigint | Hex)[]) => ({
  address: SYSTEM_CONFIG,
  topics: [CONFIG_UPDATE_TOPIC, `0x${word(0n)}`, `0x${word(type)}`] as Hex[],
  data: `0x${word(32n)}${word(BigInt(32 * words.length))}${words.map(word).join('')}` as Hex,
})

/** Expects that exactly the blocks up to `head` are derived, and that they are the sequencer's. */
const expectChain = (actions: Actions, head: number): void => {
  const derived = actions.derive()
  expect(derived.map(({ hash }) => hash)).toEqual(actions.chain.slice(0, head + 1).map(({ hash }) => hash))
}
const buildWithTransactions = (actions: Actions, count: number, from = 1): void => {
  for (let i = from; i < from + count; i++) actions.build({ transactions: [transaction(i)] })
}
const singular = (actions: Actions, number: number, change: Partial<Batch.SingularBatch> = {}) => ({
  ...actions.batchOf(number),
  ...change,
})
const transactionsOf = (block: ToyBlock): number => block.transactions.length

describe('holocene_frame_test.go', () => {
  test.each([
    ['ordered', [0, 1, 2], 3],
    ['disordered-a', [2, 1, 0], 0],
    ['disordered-b', [0, 1, 0, 2], 0],
    ['duplicates', [0, 1, 1, 2], 3],
  ])('%s: frames %j', (_, order, safeHead) => {
    const actions = createActions()
    buildWithTransactions(actions, 3)
    const frames = actions.framesOf(
      [1, 2, 3].map((n) => Batch.encodeSingular(actions.batchOf(n))),
      3,
    )
    expect(frames).toHaveLength(3)
    for (const frame of order) actions.mine({ transactions: [frames[frame]!] })
    expectChain(actions, safeHead)
  })

  test.each([
    ['ordered', [0, 1, 2], 3],
    // within one transaction a repeated first frame is itself out of order (frame_queue_test.go)
    ['disordered-b', [0, 1, 0, 2], 3],
    ['duplicates', [0, 1, 1, 2], 3],
  ])('%s, in one L1 transaction: frames %j', (_, order, safeHead) => {
    const actions = createActions()
    buildWithTransactions(actions, 3)
    const frames = actions.framesOf(
      [1, 2, 3].map((n) => Batch.encodeSingular(actions.batchOf(n))),
      3,
    )
    actions.mine({
      transactions: [Bytes.concat(Uint8Array.of(0), ...order.map((i) => frames[i]!.subarray(1)))],
    })
    expectChain(actions, safeHead)
  })
})

describe('holocene_batches_test.go', () => {
  test.each([
    ['ordered', [1, 2, 3], 3, []],
    ['disordered-a', [1, 3, 2], 1, ['drop: future timestamp']],
    ['disordered-b', [2, 1, 3], 0, ['drop: future timestamp']],
    ['duplicates-a', [1, 1, 2, 3], 3, ['past: past timestamp']],
    ['duplicates-b', [2, 2, 1, 3], 0, ['drop: future timestamp']],
  ])('%s: blocks %j', (_, blocks, safeHead, refused) => {
    const actions = createActions()
    buildWithTransactions(actions, 3)
    actions.publish(blocks)
    expectChain(actions, safeHead)
    expect(actions.refused()).toEqual(refused)
  })
})

describe('holocene_invalid_batch_test.go', () => {
  test('valid', () => {
    const actions = createActions()
    buildWithTransactions(actions, 3)
    actions.publish([1, 2, 3])
    expectChain(actions, 3)
  })

  test.each([
    ['invalid-payload', false],
    ['invalid-payload-span', true],
  ])('%s: the block is reduced to its deposits, and the channel ends there', (_, isSpan) => {
    const actions = createActions()
    buildWithTransactions(actions, 3)
    const batches = [1, 2, 3].map((number) =>
      singular(actions, number, number === 2 ? { transactions: [transaction(2, INVALID_FILL)] } : {}),
    )
    actions.mine({
      transactions: actions.framesOf(isSpan ? [actions.spanOf(batches)] : batches.map(Batch.encodeSingular)),
    })
    const derived = actions.derive()
    expect(derived.map(transactionsOf)).toEqual([0, 1, 0])
    expect(derived[1]!.hash).toBe(actions.chain[1]!.hash)
    expect(derived[2]!.hash).not.toBe(actions.chain[2]!.hash)
  })

  test('invalid-parent-hash', () => {
    const actions = createActions()
    buildWithTransactions(actions, 3)
    const batches = [1, 2, 3].map((number) =>
      singular(actions, number, number === 2 ? { parentHash: `0x${'ff'.repeat(32)}` } : {}),
    )
    actions.mine({ transactions: actions.framesOf(batches.map(Batch.encodeSingular)) })
    expectChain(actions, 1)
    expect(actions.refused()).toEqual(['drop: other parent'])
  })

  test('seq-drift-span', () => {
    const actions = createActions()
    for (let parent = 0; parent < 2000; parent++) {
      const transactions = parent >= 1799 && parent <= 1801 ? [transaction(parent - 1798)] : []
      actions.build({ transactions, keepOrigin: true })
    }
    actions.publish(
      Array.from({ length: 2000 }, (_, i) => i + 1),
      true,
    )
    expectChain(actions, 1800)
    expect(actions.refused()).toEqual(['drop: transactions beyond the sequencer drift'])
  })

  test('future-l1-origin-span', () => {
    const actions = createActions()
    actions.mine()
    buildWithTransactions(actions, 4)
    const next = { epochNumber: 1n, epochHash: actions.l1[1]!.block.hash }
    const batches = [1, 2, 3, 4].map((number) => singular(actions, number, number >= 3 ? next : {}))
    actions.mine({ transactions: actions.framesOf([actions.spanOf(batches)]) })
    expectChain(actions, 2)
    expect(actions.refused()).toEqual(['drop: older than its origin'])
  })
})

describe('bad_tx_in_batch_test.go', () => {
  test('a transaction that cannot be executed leaves the block its deposits', () => {
    const actions = createActions()
    buildWithTransactions(actions, 1)
    const bad = singular(actions, 1, { transactions: [transaction(1, INVALID_FILL)] })
    actions.mine({ transactions: actions.framesOf([Batch.encodeSingular(bad)]) })
    expect(actions.derive().map(transactionsOf)).toEqual([0, 0])
  })

  test('ResubmitBadFirstFrame', () => {
    const actions = createActions()
    buildWithTransactions(actions, 2)
    const bad = singular(actions, 2, { transactions: [transaction(2, INVALID_FILL)] })
    actions.mine({
      transactions: actions.framesOf([actions.spanOf([actions.batchOf(1), bad])]),
    })
    expect(actions.derive().map(transactionsOf)).toEqual([0, 1, 0])
    // the honest blocks come too late: their heights are taken
    actions.publish([1, 2], true)
    expect(actions.derive().map(transactionsOf)).toEqual([0, 1, 0])
    actions.publish([1, 2])
    expect(actions.derive().map(transactionsOf)).toEqual([0, 1, 0])
  })
})

describe('garbage_channel_test.go', () => {
  test.each([
    ['STRIP_VERSION', (frame: Uint8Array) => frame.subarray(1)],
    ['RANDOM', (frame: Uint8Array) => frame.map((byte, i) => (byte * 31 + i * 17 + 7) & 255)],
    ['TRUNCATE_END', (frame: Uint8Array) => frame.subarray(0, frame.length - 4)],
    ['DIRTY_APPEND', (frame: Uint8Array) => Bytes.concat(frame, Uint8Array.of(0x42))],
  ])('%s in the middle of a channel', (_, spoil) => {
    const actions = createActions()
    buildWithTransactions(actions, 10)
    const blocks = Array.from({ length: 10 }, (_x, i) => Batch.encodeSingular(actions.batchOf(i + 1)))
    const [first, second] = actions.framesOf(blocks, 2)
    actions.mine({ transactions: [first!] })
    expectChain(actions, 0)
    actions.mine({ transactions: [spoil(second!)] })
    expectChain(actions, 0)
    actions.mine({ transactions: [second!] })
    expectChain(actions, 10)
  })
})

describe('channel_timeout_test.go', () => {
  const prepare = (): { actions: Actions; first: Uint8Array; last: Uint8Array } => {
    const actions = createActions()
    buildWithTransactions(actions, 10)
    const blocks = Array.from({ length: 10 }, (_, i) => Batch.encodeSingular(actions.batchOf(i + 1)))
    const [first, last] = actions.framesOf(blocks, 2)
    actions.mine({ transactions: [first!] })
    for (let i = 0; i < 51; i++) actions.mine()
    return { actions, first: first!, last: last! }
  }

  test('HonestClaim: resubmitted after the timeout', () => {
    const { actions, first, last } = prepare()
    expectChain(actions, 0)
    actions.mine({ transactions: [first] })
    actions.mine({ transactions: [last] })
    expectChain(actions, 10)
  })

  test('CloseChannelLate', () => {
    const { actions, first, last } = prepare()
    actions.mine({ transactions: [last] })
    expectChain(actions, 0)
    for (const frame of [first, last]) actions.mine({ transactions: [frame] })
    expectChain(actions, 10)
  })

  test('a frame in the last block of the timeout still counts', () => {
    const actions = createActions()
    buildWithTransactions(actions, 2)
    const blocks = [1, 2].map((n) => Batch.encodeSingular(actions.batchOf(n)))
    const [first, last] = actions.framesOf(blocks, 2)
    actions.mine({ transactions: [first!] })
    for (let i = 0; i < 49; i++) actions.mine()
    actions.mine({ transactions: [last!] })
    expectChain(actions, 2)
  })
})

describe('sequence_window_expiry_test.go', () => {
  const WINDOW: ActionOptions = { sequencingWindowBlocks: 10n }

  test('HonestClaim: deposits come in without the sequencer, and it recovers', () => {
    const actions = createActions(WINDOW)
    actions.mine()
    for (let i = 1; i <= 11; i++) actions.mine({ logs: [depositLog(BigInt(i))] })
    const derived = actions.derive()
    // epochs 0 and 1 have expired, and each has as many blocks as the next origin is too young for
    expect(derived.at(-1)!.origin.number).toBe(2n)
    expect(derived.length).toBeGreaterThan(12)
    expect(derived.every((block) => transactionsOf(block) === 0)).toBe(true)
    const first = derived.find(({ origin }) => origin.number === 2n)!
    expect(first.attributes!.deposits).toHaveLength(2)

    // the sequencer goes on from there, with empty blocks until its origins are young again
    actions.chain.splice(0, actions.chain.length, ...derived)
    let next = derived.length
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 24 && actions.chain.at(-1)!.timestamp < actions.l1.at(-1)!.block.timestamp; i++) {
        actions.build()
      }
      actions.publish(Array.from({ length: actions.chain.length - next }, (_, i) => next + i))
      next = actions.chain.length
    }
    expectChain(actions, actions.chain.length - 1)
    const block = actions.build({ transactions: [transaction(1)] })
    actions.publish([actions.chain.length - 1])
    expect(actions.derive().at(-1)!.hash).toBe(block.hash)
  })

  test('ChannelCloseAfterWindowExpiry', () => {
    const actions = createActions({ sequencingWindowBlocks: 120n })
    buildWithTransactions(actions, 2)
    const [first, last] = actions.framesOf(
      [1, 2].map((n) => Batch.encodeSingular(actions.batchOf(n))),
      2,
    )
    actions.mine({ transactions: [first!] })
    for (let i = 0; i < 121; i++) actions.mine({ logs: [depositLog(1n)] })
    actions.mine({ transactions: [last!] })
    const derived = actions.derive()
    expect(derived.length).toBeGreaterThan(1)
    expect(derived.every((block) => transactionsOf(block) === 0)).toBe(true)
  })

  test('a batch in the last block of the window is taken, one later is not', () => {
    for (const late of [0, 1]) {
      const actions = createActions(WINDOW)
      buildWithTransactions(actions, 1)
      for (let i = 0; i < 9 + late; i++) actions.mine()
      actions.publish([1])
      expect(transactionsOf(actions.derive()[1]!)).toBe(1 - late)
    }
  })
})

describe('l1_lookback_test.go', () => {
  test('HonestClaim: a channel whose frames are spread over many L1 blocks', () => {
    const actions = createActions()
    buildWithTransactions(actions, 8)
    const blocks = Array.from({ length: 8 }, (_, i) => Batch.encodeSingular(actions.batchOf(i + 1)))
    for (const frame of actions.framesOf(blocks, 8)) actions.mine({ transactions: [frame] })
    expectChain(actions, 8)
  })

  test('ReopenChannel: a second first frame begins the channel anew', () => {
    const actions = createActions()
    buildWithTransactions(actions, 8)
    const blocks = Array.from({ length: 8 }, (_, i) => Batch.encodeSingular(actions.batchOf(i + 1)))
    const [first, ...rest] = actions.framesOf(blocks, 4)
    actions.mine({ transactions: [first!] })
    for (const frame of [first!, ...rest]) actions.mine({ transactions: [frame] })
    expectChain(actions, 8)
  })
})

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

describe('big_channel_test.go', () => {
  test('case-0: what is beyond the bound when decompressed is cut off', () => {
    const actions = createActions()
    buildWithTransactions(actions, 2)
    const large = singular(actions, 2, { transactions: [new Uint8Array(Channel.RLP_BYTES_MAX).fill(1)] })
    const batches = [actions.batchOf(1), large].map(Batch.encodeSingular)
    actions.mine({ transactions: actions.framesOf(batches) })
    expectChain(actions, 1)
  })

  test('case-1: frames beyond the bound are no channel', () => {
    const channels = createChannelAssembler()
    const data = new Uint8Array(1_000_000)
    const frame = (number: number, isLast: boolean) => ({ channelId: '0x01' as Hex, number, data, isLast })
    for (let number = 0; number < 100; number++)
      expect(channels.add(frame(number, false), 1n)).toBeUndefined()
    expect(channels.add(frame(100, true), 1n)).toBeUndefined()
    // one frame less, and it is one
    for (let number = 0; number < 98; number++) channels.add(frame(number, false), 1n)
    expect(channels.add(frame(98, true), 1n)).toHaveLength(99_000_000)
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

test('the table of scenarios names every file of op-e2e’s proofs actions, and tests that exist', () => {
  const root = new URL('../../../', import.meta.url)
  const files = actionScenarios.map(({ file }) => file)
  expect(new Set(files).size).toBe(files.length)
  expect(files).toHaveLength(36)
  const wrong = actionScenarios.flatMap((scenario) => {
    if ('notHere' in scenario) return scenario.notHere.length > 10 ? [] : [scenario.file]
    const missing = scenario.shownBy.filter(
      ([path, title]) => !readFileSync(new URL(path, root), 'utf8').includes(title),
    )
    return missing.map(([path, title]) => `${scenario.file}: ${path} has no test "${title}"`)
  })
  expect(wrong).toEqual([])
})

describe('deny_overlap_test.go: a span that tells safe blocks again', () => {
  const prepare = (change: Partial<Batch.SingularBatch>): Actions => {
    const actions = createActions()
    buildWithTransactions(actions, 4)
    actions.publish([1, 2])
    const batches = [2, 3, 4].map((number) => singular(actions, number, number === 2 ? change : {}))
    actions.mine({ transactions: actions.framesOf([actions.spanOf(batches)]) })
    return actions
  }

  test('as they are is taken from the first new block on', () => expectChain(prepare({}), 4))

  test.each([
    ['another transaction', { transactions: [transaction(9)] }],
    ['no transaction', { transactions: [] }],
  ])('with %s is dropped', (_, change) => {
    const actions = prepare(change)
    expectChain(actions, 2)
    expect(actions.refused()).toEqual(['drop: tells a safe block otherwise'])
  })
})

describe('a span that cannot be read, as op-node v1.19.6 takes it (channel_in_reader.go)', () => {
  /** A span of block 1 whose transaction's last column but three, its data, is no list of what belongs there. */
  const withData = (actions: Actions, change: (data: number[]) => number[]): Uint8Array => {
    const span = [...actions.spanOf([actions.batchOf(1)])]
    // value 5, prices 1 and 100, no data, no access list: the only type 2 list of the span
    const sound = [0x02, 0xc5, 0x05, 0x01, 0x64, 0x80, 0xc0]
    const at = span.findIndex((_, i) => sound.every((byte, k) => span[i + k] === byte))
    expect(at).toBeGreaterThan(0)
    span.splice(at, sound.length, ...change(sound))
    return Uint8Array.from(span)
  }
  const publishBefore = (change: (data: number[]) => number[]): Actions => {
    const actions = createActions()
    buildWithTransactions(actions, 2)
    const rest = [1, 2].map((number) => Batch.encodeSingular(actions.batchOf(number)))
    actions.mine({ transactions: actions.framesOf([withData(actions, change), ...rest]) })
    return actions
  }

  test.each([
    ['a field is missing', () => [0x02, 0xc4, 0x05, 0x01, 0x64, 0x80]],
    ['a number has a leading zero', () => [0x02, 0xc6, 0x05, 0x01, 0x82, 0x00, 0x64, 0x80, 0xc0]],
    ['an inner list is cut off', () => [0x02, 0xc5, 0x05, 0x01, 0x64, 0x80, 0xc9]],
    ['the type is unknown', (data: number[]) => [0x05, ...data.slice(1)]],
  ])('costs itself alone where the columns can be read: %s', (_, change) => {
    const actions = publishBefore(change)
    expectChain(actions, 2)
    expect(actions.refused()).toHaveLength(1)
  })

  test.each([
    ['the data is no list', () => [0x02, 0x85, 0x05, 0x01, 0x64, 0x80, 0xc0]],
    ['the columns end early', () => [0x02, 0xf8, 0xff]],
  ])('ends its channel where they cannot: %s', (_, change) => expectChain(publishBefore(change), 0))

  test('holds a number that no block can: the block is reduced to its deposits', () => {
    const huge = [0xa1, ...new Array<number>(33).fill(0xff)]
    const actions = createActions()
    buildWithTransactions(actions, 2)
    const span = Batch.decode(
      withData(actions, () => [0x02, 0xc0 + 4 + huge.length, ...huge, 0x01, 0x64, 0x80, 0xc0]),
      901n,
    )
    expect(span).toMatchObject({ version: 1, span: { blocks: [{ transactions: [expect.anything()] }] } })
    const [raw] = (span as Extract<Batch.Batch, { version: 1 }>).span.blocks[0]!.transactions
    expect(() => Transaction.decode(raw!)).toThrow(Transaction.MalformedTransactionError)
  })

  test('is read although bytes follow it, and so is a singular batch', () => {
    const actions = createActions()
    buildWithTransactions(actions, 2)
    const followed = (batch: Uint8Array): Uint8Array => Bytes.concat(batch, Uint8Array.of(1, 2, 3))
    actions.mine({
      transactions: actions.framesOf([
        followed(actions.spanOf([actions.batchOf(1)])),
        followed(Batch.encodeSingular(actions.batchOf(2))),
      ]),
    })
    expectChain(actions, 2)
  })

  test('whose time goes beyond 64 bits is past, not future, and does not end its channel', () => {
    const actions = createActions()
    buildWithTransactions(actions, 1)
    const early = { ...actions.batchOf(1), timestamp: 1_000_000n + (1n << 64n) - 1_000_000n }
    const batches = [actions.spanOf([early]), Batch.encodeSingular(actions.batchOf(1))]
    actions.mine({ transactions: actions.framesOf(batches) })
    expectChain(actions, 1)
    expect(actions.refused()).toEqual(['past: no new block'])
  })

  test('with a transaction of a fork to come ends its channel', () => {
    const actions = createActions()
    buildWithTransactions(actions, 2)
    const post = singular(actions, 1, { transactions: [Uint8Array.of(0x7d, 0xc0)] })
    const batches = [post, actions.batchOf(1), actions.batchOf(2)].map(Batch.encodeSingular)
    actions.mine({ transactions: actions.framesOf(batches) })
    expectChain(actions, 0)
    expect(actions.refused()).toEqual(['drop: transactions that only a node makes'])
  })
})
