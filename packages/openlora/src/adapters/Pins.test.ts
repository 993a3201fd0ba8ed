import { expect, test } from 'vitest'
import { createAdapterCache } from './AdapterCache.ts'
import { createPins } from './Pins.ts'

const hash = `0x${'11'.repeat(32)}` as const
const reference = (cid: string) => ({ cid, hash })

/** Adapters of 100 bytes; what nobody uses leaves memory at once. */
function openPins(sizeBytesMax: number) {
  const cache = createAdapterCache(
    async () => ({
      rank: 1,
      alpha: 1,
      targets: [],
      layers: [],
      hash,
      memory: new SharedArrayBuffer(100),
    }),
    0,
  )
  return { ...createPins(cache, sizeBytesMax), heldBytes: () => cache.state().heldBytes }
}

test('keeps what is pinned by name, within its part of memory, until it is let go', async () => {
  const pins = openPins(200)
  expect(await pins.pin('a', reference('1'))).toEqual({ isNew: true, sizeBytes: 100 })
  expect(await pins.pin('a', reference('1'))).toEqual({ isNew: false, sizeBytes: 100 })
  await pins.pin('b', reference('2'))
  await expect(pins.pin('c', reference('3'))).rejects.toMatchObject({ code: 'openlora.pins_full' })
  expect([pins.list(), pins.heldBytes()]).toEqual([[reference('1'), reference('2')], 200])
  expect([pins.unpin('b'), pins.unpin('b'), pins.heldBytes()]).toEqual([true, false, 100])
})

test('keeps for a time what is asked for again and again, and not after', async () => {
  const pins = openPins(200)
  await pins.keepFor(reference('1'), 60_000)
  await pins.keepFor(reference('1'), 60_000)
  expect([pins.list(), pins.heldBytes()]).toEqual([[], 100])
  await pins.keepFor(reference('1'), 10)
  await expect.poll(pins.heldBytes).toBe(0)
})
