import type { Genesis } from '@openledger/rollup'
import { describe, expect, test } from 'vitest'
import { withForkTimes } from './ForkTimes.ts'

const genesis = (config: object): Genesis => ({ config: { chainId: 1, ...config } }) as unknown as Genesis

describe('the times of later forks', () => {
  test('are set and moved while they lie ahead, Karst with Osaka', () => {
    const set = withForkTimes(genesis({}), { jovianTime: 200, karstTime: 300 }, 100)
    expect(set.config).toEqual({ chainId: 1, jovianTime: 200, karstTime: 300, osakaTime: 300 })
    expect(withForkTimes(set, { jovianTime: 250 }, 100).config).toMatchObject({ jovianTime: 250 })
    expect(withForkTimes(set, {}, 1_000)).toEqual(set)
    expect(withForkTimes(set, { jovianTime: 200 }, 1_000)).toEqual(set)
  })

  test.each([
    ['a fork that has begun', { jovianTime: 50 }, { jovianTime: 200 }],
    ['the past', {}, { jovianTime: 100 }],
    ['Karst before Jovian', { jovianTime: 300 }, { karstTime: 200 }],
    ['Karst without Jovian', {}, { karstTime: 200 }],
  ])('are refused for %s', (_, config, forks) => {
    expect(() => withForkTimes(genesis(config), forks, 100)).toThrow(
      expect.objectContaining({ code: 'node.fork_time' }),
    )
  })
})
