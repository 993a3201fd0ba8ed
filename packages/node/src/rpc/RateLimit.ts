import type { Clock } from '@openledger/primitives'
import { isHeavy } from './heavyMethods.ts'

/** How much one address may ask: a bucket that fills with time. A plain method costs one unit, a heavy one more. */
export type RateLimit = {
  readonly unitsPerSecond: number
  readonly burstUnits: number
  /** Callers on this machine are not counted; default true. */
  readonly isLoopbackFree?: boolean
}

export const HEAVY_UNITS = 20
/** Buckets kept; a full one is the same as none. */
const ADDRESSES_MAX = 10_000

export type RateLimiter = {
  /**
   * Takes what a method costs from an address's bucket.
   * @returns `undefined` when it was there, else how long to wait for it.
   */
  readonly take: (address: string | undefined, method: string) => number | undefined
}

/** Creates a limiter by address. */
export function createRateLimiter(limit: RateLimit | undefined, clock: Clock): RateLimiter {
  if (limit === undefined) return { take: () => undefined }
  const { unitsPerSecond, burstUnits, isLoopbackFree = true } = limit
  const buckets = new Map<string, { units: number; atMs: number }>()
  return {
    take(address = '', method) {
      if (isLoopbackFree && isLoopback(address)) return undefined
      const nowMs = clock.nowMs()
      const bucket = buckets.get(address) ?? { units: burstUnits, atMs: nowMs }
      const earned = (Math.max(0, nowMs - bucket.atMs) / 1_000) * unitsPerSecond
      const units = Math.min(burstUnits, bucket.units + earned)
      const cost = Math.min(burstUnits, isHeavy(method) ? HEAVY_UNITS : 1)
      buckets.delete(address)
      if (buckets.size >= ADDRESSES_MAX) buckets.delete(buckets.keys().next().value!)
      const isThere = units >= cost
      buckets.set(address, { units: isThere ? units - cost : units, atMs: nowMs })
      return isThere ? undefined : Math.ceil(((cost - units) / unitsPerSecond) * 1_000)
    },
  }
}

const isLoopback = (address: string): boolean =>
  address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.')
