import { expect, test } from 'vitest'
import type { BlockRecord } from '../engine/Engine.ts'
import { createBacklog, limitsAt } from './Backlog.ts'

const throttle = { fromBytes: 1_000, toBytes: 3_000 }

test('a small backlog limits nothing, a larger one blocks and transactions, in a straight line and no further', () => {
  expect([0, 999, 1_000, 2_000, 3_000, 1_000_000].map((bytes) => limitsAt(bytes, throttle))).toEqual([
    { blockBytes: 0n, transactionBytes: 0n },
    { blockBytes: 0n, transactionBytes: 0n },
    { blockBytes: 130_000n, transactionBytes: 20_000n },
    { blockBytes: 66_000n, transactionBytes: 10_075n },
    { blockBytes: 2_000n, transactionBytes: 150n },
    { blockBytes: 2_000n, transactionBytes: 150n },
  ])
})

test('a backlog is what stands after the newest block that L1 tells, also when blocks are taken back', () => {
  let chain = [0n, 10n, 20n, 30n].map((size, number) => ({
    size,
    number: BigInt(number),
    hash: `a${number}`,
  }))
  let asked = 0
  const backlog = createBacklog({
    head: () => chain.at(-1) as unknown as BlockRecord,
    block: (number) => {
      asked++
      return chain[Number(number)] as unknown as BlockRecord
    },
  })
  expect(backlog.bytes(0n)).toBe(60)
  expect(backlog.bytes(2n)).toBe(30)
  asked = 0
  expect(backlog.bytes(2n)).toBe(30)
  expect(asked).toBe(1)
  chain = [...chain.slice(0, 3), { size: 7n, number: 3n, hash: 'b3' }, { size: 8n, number: 4n, hash: 'b4' }]
  expect(backlog.bytes(2n)).toBe(15)
  expect(backlog.bytes(4n)).toBe(0)
})
