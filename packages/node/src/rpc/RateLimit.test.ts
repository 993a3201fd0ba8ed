import { describe, expect, test } from 'vitest'
import { createRateLimiter, HEAVY_UNITS } from './RateLimit.ts'

describe('a limit on the rate', () => {
  const limit = { unitsPerSecond: 10, burstUnits: 40 }

  test('lets a burst through, then what the rate allows, and counts heavy methods for more', () => {
    let nowMs = 0
    const { take } = createRateLimiter(limit, { nowMs: () => nowMs })
    for (let i = 0; i < 40; i++) expect(take('192.0.2.1', 'eth_chainId')).toBeUndefined()
    expect(take('192.0.2.1', 'eth_chainId')).toBe(100)
    expect(take('192.0.2.1', 'debug_traceCall')).toBe((HEAVY_UNITS / limit.unitsPerSecond) * 1_000)
    nowMs += 2_000
    expect(take('192.0.2.1', 'debug_traceCall')).toBeUndefined()
    expect(take('192.0.2.1', 'eth_chainId')).toBeDefined()
  })

  test('is for each address on its own, and not for callers on this machine unless it says so', () => {
    const clock = { nowMs: () => 0 }
    const { take } = createRateLimiter({ ...limit, burstUnits: 1 }, clock)
    expect(take('192.0.2.1', 'eth_chainId')).toBeUndefined()
    expect(take('192.0.2.1', 'eth_chainId')).toBeDefined()
    expect(take('192.0.2.2', 'eth_chainId')).toBeUndefined()
    for (let i = 0; i < 100; i++) expect(take('127.0.0.1', 'eth_chainId')).toBeUndefined()
    const strict = createRateLimiter({ ...limit, burstUnits: 1, isLoopbackFree: false }, clock)
    expect(strict.take('::1', 'eth_chainId')).toBeUndefined()
    expect(strict.take('::1', 'eth_chainId')).toBeDefined()
  })
})
