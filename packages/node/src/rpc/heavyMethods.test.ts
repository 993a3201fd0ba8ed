import { describe, expect, test } from 'vitest'
import { isForReading } from './heavyMethods.ts'

describe('a request is for a reading thread', () => {
  test('when its method is heavy, or it is a long batch of what such a thread answers', () => {
    expect(isForReading({ method: 'debug_traceTransaction' })).toBe(true)
    expect(isForReading({ method: 'eth_blockNumber' })).toBe(false)
    expect(isForReading(new Array(30).fill({ method: 'eth_getBalance' }))).toBe(true)
    expect(isForReading(new Array(3).fill({ method: 'eth_getBalance' }))).toBe(false)
  })

  // an object that cannot be made a text stands for a method as well as anything in a hostile body
  test.each([null, 7, 'x', {}, { method: null }, { method: { toString: 1, valueOf: 2 } }, []])(
    'never because of what is no request: %j',
    (parsed) => {
      expect(isForReading(parsed)).toBe(false)
      expect(isForReading(new Array(30).fill(parsed))).toBe(false)
    },
  )
})
