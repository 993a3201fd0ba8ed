import { describe, expect, test } from 'vitest'
import { createByteCache } from './ByteCache.ts'

const load = (value: string, sizeBytes: number) => () => Promise.resolve({ value, sizeBytes })

describe('createByteCache', () => {
  test('evicts what was used longest ago, and never what is in use', async () => {
    const evicted: string[] = []
    const cache = createByteCache<string>(100, (value) => evicted.push(value))
    for (const key of ['a', 'b']) {
      await cache.acquire(key, load(key, 50))
      cache.release(key)
    }
    await cache.acquire('a', load('a', 50))
    await cache.acquire('c', load('c', 50))
    expect(evicted).toEqual(['b'])
    await cache.acquire('d', load('d', 50))
    expect(cache.state()).toMatchObject({ entryCount: 3, heldBytes: 150, hits: 1, misses: 4 })
    cache.release('a')
    expect(evicted).toEqual(['b', 'a'])
  })

  test('loads once for all who ask at the same time', async () => {
    let loads = 0
    const cache = createByteCache<string>(100)
    const slow = async () => {
      loads++
      await Promise.resolve()
      return { value: 'x', sizeBytes: 1 }
    }
    expect(await Promise.all([cache.acquire('k', slow), cache.acquire('k', slow)])).toEqual(['x', 'x'])
    expect(loads).toBe(1)
  })

  test('forgets a failed load', async () => {
    const cache = createByteCache<string>(100)
    await expect(cache.acquire('k', () => Promise.reject(new Error('lost')))).rejects.toThrow('lost')
    cache.release('k')
    expect(await cache.acquire('k', load('v', 1))).toBe('v')
    expect(cache.peek('k')).toBe('v')
  })
})
