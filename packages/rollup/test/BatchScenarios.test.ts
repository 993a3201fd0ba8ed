import { Bytes } from '@openledger/primitives'
import { describe, expect, test } from 'vitest'
import * as Batch from '../src/codec/Batch.ts'
import * as Transaction from '../src/codec/Transaction.ts'
import { createActions, INVALID_FILL, transaction } from './Actions.ts'
import {
  type Actions,
  buildWithTransactions,
  expectChain,
  singular,
  transactionsOf,
} from './ScenarioSteps.ts'

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
