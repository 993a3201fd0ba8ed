import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as ContextPool from './ContextPool.ts'
import { createRegistry } from './PayoutRecord.ts'

const UNITS = 10n ** 12n
const names = Array.from({ length: 12 }, (_, i) => `record-${i}`)
const registry = createRegistry(
  names.map((recordId, arrival) => ({
    recordId,
    contributionId: `c${arrival}`,
    contributor: `a${arrival}`,
    beneficiary: `a${arrival}`,
    // the last repeats the first
    clusterId: recordId === 'record-11' ? 'record-0' : recordId,
    arrival,
  })),
)

/** The oracle: what each player adds, over all orders in which they can come. */
function byOrders(players: number, worth: (coalition: readonly number[]) => number): number[] {
  const sums = Array<number>(players).fill(0)
  let orders = 0
  const visit = (order: readonly number[]): void => {
    for (let player = 0; player < players; player++) if (!order.includes(player)) visit([...order, player])
    if (order.length < players) return
    orders++
    for (const [at, player] of order.entries())
      sums[player]! += worth(order.slice(0, at + 1)) - worth(order.slice(0, at))
  }
  visit([])
  return sums.map((sum) => sum / orders)
}

const share = (plan: ContextPool.ContextPlan, milliNats: readonly number[], recordIds = names) =>
  ContextPool.split({ plan, milliNats, recordIds, registry, units: UNITS })

describe('passages of a prompt', () => {
  test('are paid by their Shapley values, as all orders of up to six give them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.integer({ min: -9_000, max: 9_000 }), { minLength: 64, maxLength: 64 }),
        (players, drawn) => {
          const plan = ContextPool.plan(names.slice(0, players))
          const milliNats = drawn.slice(0, 2 ** players)
          const worth = (coalition: readonly number[]) =>
            milliNats[coalition.reduce((mask, player) => mask | (1 << player), 0)]!
          const expected = byOrders(players, worth)
          const lines = share(plan, milliNats)
          const net = milliNats.at(-1)! - milliNats[0]!
          const gross = expected.reduce((sum, value) => sum + Math.max(0, value), 0)
          const owed = (value: number) =>
            net > 0 && value > 0 ? (value / gross) * Math.min(1, net / gross) : 0
          for (const [player, value] of expected.entries()) {
            const units = lines.find(({ recordId }) => recordId === names[player])?.units ?? 0
            expect(units / Number(UNITS)).toBeCloseTo(owed(value), 9)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  test('that repeat each other are one, and the first registrant is paid for both', () => {
    const plan = ContextPool.plan(['record-0', 'record-1', 'record-0'])
    expect(plan.players).toEqual([[0, 2], [1]])
    const lines = share(plan, [-5_000, -2_000, -4_000, -1_000], ['record-11', 'record-1', 'record-0'])
    expect(lines).toEqual([
      { recordId: 'record-0', passages: [0, 2], milliNats: 3_000, units: 750_000_000_000 },
      { recordId: 'record-1', passages: [1], milliNats: 1_000, units: 250_000_000_000 },
    ])
  })

  test('are told apart beyond six where each adds its own part', () => {
    const worths = names.slice(0, 10).map((_, i) => 100 * i)
    const plan = ContextPool.plan(names.slice(0, 10))
    expect(plan.coalitions).toHaveLength(22)
    const milliNats = plan.coalitions.map((players) =>
      players.reduce((sum, player) => sum + worths[player]!, -7_000),
    )
    const lines = share(plan, milliNats)
    expect(lines.map(({ milliNats }) => milliNats)).toEqual(worths.slice(1))
    expect(lines.reduce((sum, { units }) => sum + units, 0)).toBe(Number(UNITS))
  })

  test('that say nothing to the answer, or speak against it, leave the pool or its part unpaid', () => {
    const plan = ContextPool.plan(['record-0', 'record-1'])
    expect(share(plan, [-3_000, -3_000, -3_000, -3_000])).toEqual([])
    expect(share(plan, [-3_000, -2_000, -6_000, -5_000])).toEqual([])
    const [line, ...others] = share(plan, [-4_000, -2_000, -5_000, -3_000])
    expect(others).toEqual([])
    expect(line).toMatchObject({ recordId: 'record-0', milliNats: 2_000, units: 500_000_000_000 })
  })

  test('are refused with numbers that are not of the plan', () => {
    const plan = ContextPool.plan(['record-0'])
    expect(() => share(plan, [1])).toThrow('Expected 2 whole numbers, one for each coalition, got 1 numbers')
    expect(() => share(plan, [1, 0.5])).toThrow(ContextPool.ContextError)
    expect(() => ContextPool.plan(Array(257).fill('x'))).toThrow('Expected 256 passages at most, got 257')
  })
})
