import { describe, expect, test } from 'vitest'
import { rulesOf, scheduleOf } from './Fork.ts'

describe('a schedule of forks', () => {
  test('has an OP Stack chain at Isthmus from genesis, and at Jovian and Karst from their times on', () => {
    const schedule = scheduleOf({ optimism: {}, isthmusTime: 0, jovianTime: 100, karstTime: '200' })
    const forkAt = (timestamp: bigint) => schedule({ number: 1_000_000n, timestamp }).fork
    expect([0n, 99n, 100n, 199n, 200n].map(forkAt)).toEqual([
      'isthmus',
      'isthmus',
      'jovian',
      'jovian',
      'karst',
    ])
    expect(scheduleOf({ optimism: {} })({ number: 1n, timestamp: 10n ** 12n }).fork).toBe('isthmus')
  })

  test('has Ethereum itself by block numbers before its merge and by times after it', () => {
    const schedule = scheduleOf({ homesteadBlock: 0, byzantiumBlock: 9, londonBlock: 27, shanghaiTime: 390 })
    expect(schedule({ number: 8n, timestamp: 80n }).fork).toBe('homestead')
    expect(schedule({ number: 9n, timestamp: 90n }).fork).toBe('byzantium')
    expect(schedule({ number: 38n, timestamp: 380n }).fork).toBe('london')
    expect(schedule({ number: 39n, timestamp: 390n }).fork).toBe('shanghai')
  })

  test('keeps what a fork brought in every later one', () => {
    const order = ['holocene', 'isthmus', 'jovian', 'karst'] as const
    const flags = order.map((fork) => Object.entries(rulesOf(fork)).filter(([, value]) => value === true))
    for (const [i, later] of flags.slice(1).entries()) {
      expect(later.map(([name]) => name)).toEqual(expect.arrayContaining(flags[i]!.map(([name]) => name)))
    }
  })
})
