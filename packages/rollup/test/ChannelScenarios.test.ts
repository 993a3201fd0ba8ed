import { Bytes, type Hex } from '@openledger/primitives'
import { describe, expect, test } from 'vitest'
import * as Batch from '../src/codec/Batch.ts'
import * as Channel from '../src/codec/Channel.ts'
import { createChannelAssembler } from '../src/derivation/ChannelAssembler.ts'
import { type ActionOptions, createActions, transaction } from './Actions.ts'
import {
  type Actions,
  buildWithTransactions,
  depositLog,
  expectChain,
  singular,
  transactionsOf,
} from './ScenarioSteps.ts'

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
