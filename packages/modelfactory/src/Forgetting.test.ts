import { Adapter, loraTargets } from '@openledger/model'
import { expect, test } from 'vitest'
import { scaled, scaleWithin } from './Forgetting.ts'

const config = {
  vocabularySize: 8,
  hiddenSize: 4,
  feedForwardSize: 8,
  layers: 1,
  heads: 1,
  keyValueHeads: 1,
  headSize: 4,
  contextMax: 8,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  isHeadTied: true,
  bosId: 1,
  eosId: 0,
  padId: 0,
}
const fresh = Adapter.create(config, { rank: 1, alpha: 1, targets: loraTargets, seed: 1 })
const whole = Adapter.from({
  ...fresh,
  tensors: new Map([...fresh.tensors].map(([name, { a, b }]) => [name, { a, b: b.map(() => 1) }])),
})
const partOf = (adapter: Adapter.Adapter | undefined): number =>
  [...(adapter?.tensors.values() ?? [])][0]?.b[0] ?? 0
/** A loss that rises with the square of what is kept, as one near the base's least does. */
const lossOf = async (adapter: Adapter.Adapter | undefined) => 2 + 0.4 * partOf(adapter) ** 2

test.each([
  // 0.4 x² = ln(1 + bound), cut to 64ths
  [0.1, 31 / 64],
  [0.15, 37 / 64],
  [0.5, 1],
  [0.01, 10 / 64],
])('a bound of %d keeps %d of an adapter', async (forgettingMax, expected) => {
  const scale = await scaleWithin({ lossOf }, whole, { forgettingMax })
  expect(scale).toBe(expected)
  const risen = Math.expm1((await lossOf(scaled(whole, scale))) - (await lossOf(undefined)))
  expect(risen).toBeLessThanOrEqual(forgettingMax)
})

test('scaling multiplies what an adapter adds, and nothing else', () => {
  const half = scaled(whole, 0.5)
  for (const [name, { a, b }] of half.tensors) {
    expect(a).toEqual(whole.tensors.get(name)!.a)
    expect(b).toEqual(whole.tensors.get(name)!.b.map((value) => value / 2))
  }
  expect(half.hash).not.toBe(whole.hash)
  expect(scaled(whole, 1)).toBe(whole)
})
