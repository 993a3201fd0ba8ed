import { constants, deflateSync, inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inflate } from './Inflate.ts'

const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }),
  fc.array(fc.constantFrom(1, 2, 3, 3, 3, 200), { maxLength: 60_000 }).map((bytes) => Uint8Array.from(bytes)),
)
const options = fc.record({
  level: fc.integer({ min: 0, max: 9 }),
  strategy: fc.constantFrom(
    constants.Z_DEFAULT_STRATEGY,
    constants.Z_FIXED,
    constants.Z_HUFFMAN_ONLY,
    constants.Z_RLE,
  ),
})

describe('inflate', () => {
  test('gives back what zlib compressed, at every level and strategy', () => {
    fc.assert(
      fc.property(anyBytes, options, (bytes, how) => {
        expect(Buffer.from(inflate(deflateSync(bytes, how), 1e6)).equals(bytes)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  test('of cut-off data gives what zlib gives when told to stop at the end', () => {
    fc.assert(
      fc.property(anyBytes, options, fc.double({ min: 0, max: 1, noNaN: true }), (bytes, how, part) => {
        const whole = deflateSync(bytes, how)
        const cut = whole.subarray(0, Math.floor(whole.length * part))
        const theirs =
          cut.length === 0 ? Buffer.alloc(0) : inflateSync(cut, { finishFlush: constants.Z_SYNC_FLUSH })
        expect(Buffer.from(inflate(cut, 1e6)).equals(theirs)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  test('of damaged data gives the sound beginning, never an error and never too much', () => {
    fc.assert(
      fc.property(anyBytes, fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, at, flip) => {
        const damaged = deflateSync(bytes)
        damaged[at % damaged.length]! ^= flip
        expect(inflate(damaged, 5000).length).toBeLessThanOrEqual(5000)
      }),
      { numRuns: 300 },
    )
  })

  test('stops at its bound: a bomb of 30 MB gives the megabyte that was allowed', () => {
    const bomb = deflateSync(new Uint8Array(30_000_000))
    expect(inflate(bomb, 1_000_000)).toEqual(new Uint8Array(1_000_000))
  })

  test('reads nothing without a zlib header', () => {
    expect(inflate(Uint8Array.of(0x78), 10)).toEqual(new Uint8Array())
    expect(inflate(Uint8Array.of(0x79, 0x9c, 3, 0), 10)).toEqual(new Uint8Array())
  })
})
