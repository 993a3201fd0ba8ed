import { expect, test } from 'vitest'
import { PREFIX_BLOCK_TOKENS as BLOCK, createPrefixCache } from './PrefixCache.ts'

const count = (from: number, length: number): number[] => Array.from({ length }, (_, i) => from + i)
const shared = count(100, 3 * BLOCK + 5)
const create = (sizeBytesMax = 1e6) =>
  createPrefixCache<{ tokens: number }>(sizeBytesMax, ({ tokens }) => 10 * tokens)
const copy = (tokens: number) => ({ tokens })

test('keeps what two prompts share, and nothing of one that came once', () => {
  const cache = create()
  cache.remember('a', [...shared, ...count(0, 40)], copy)
  expect(cache.state().entryCount).toBe(0)
  cache.remember('a', [...shared, ...count(50, 40)], copy)
  expect(cache.state()).toMatchObject({ entryCount: 1, heldBytes: 30 * BLOCK })
  expect(cache.find('a', [...shared, 7, 8])?.tokens).toBe(3 * BLOCK)
  expect(cache.find('b', [...shared, 7, 8])).toBeUndefined()
  expect(cache.find('a', [99, ...shared])).toBeUndefined()
})

test('leaves the last token to be read, whose scores are wanted', () => {
  const cache = create()
  const prompt = count(0, 2 * BLOCK)
  cache.remember('a', prompt, copy)
  cache.remember('a', prompt, copy)
  expect(cache.find('a', prompt)?.tokens).toBe(BLOCK)
  expect(cache.find('a', [...prompt, 1])?.tokens).toBe(2 * BLOCK)
})

test('forgets what was used longest ago when memory is short', () => {
  const cache = create(25 * BLOCK)
  for (const scope of ['a', 'b', 'c']) {
    for (let i = 0; i < 2; i++) cache.remember(scope, count(0, BLOCK), copy)
    cache.find('a', count(0, BLOCK + 1))
  }
  const isKnown = (scope: string): boolean => cache.find(scope, count(0, BLOCK + 1)) !== undefined
  expect(['a', 'b', 'c'].map(isKnown)).toEqual([true, false, true])
  expect(cache.state()).toMatchObject({ entryCount: 2, heldBytes: 20 * BLOCK })
})
