import { BaseError } from '@openledger/primitives'
import type { AdapterCache, AdapterReference } from './AdapterCache.ts'

/** Adapters that stay in memory, whether or not anybody asks for them. */
export type Pins = {
  /**
   * Keeps an adapter under a name until `unpin`; what the name keeps already stays.
   * @throws {PinsFullError} {AdapterHashMismatchError}
   */
  readonly pin: (
    name: string,
    reference: AdapterReference,
  ) => Promise<{
    /** False when it was kept already. */
    readonly isNew: boolean
    readonly sizeBytes: number
  }>
  /** Lets an adapter leave memory again. @returns False when it was not kept. */
  readonly unpin: (name: string) => boolean
  /**
   * Keeps an adapter for a time, which each call begins anew.
   * @throws {PinsFullError} {AdapterHashMismatchError}
   */
  readonly keepFor: (reference: AdapterReference, ms: number) => Promise<void>
  /** What is pinned by name. */
  readonly list: () => readonly AdapterReference[]
}

/** @param sizeBytesMax - Memory that all of them may take together. */
export function createPins(adapters: AdapterCache, sizeBytesMax: number): Pins {
  const pins = new Map<string, { readonly reference: AdapterReference; sizeBytes: number }>()
  const ends = new Map<string, NodeJS.Timeout>()

  async function pin(name: string, reference: AdapterReference) {
    const kept = pins.get(name)
    if (kept !== undefined) {
      // its size is known once it is there
      const { memory } = await adapters.acquire(kept.reference)
      adapters.release(kept.reference)
      return { isNew: false, sizeBytes: memory.byteLength }
    }
    const own = { reference, sizeBytes: 0 }
    pins.set(name, own)
    try {
      own.sizeBytes = (await adapters.acquire(reference)).memory.byteLength
    } catch (error) {
      pins.delete(name)
      throw error
    }
    const sizeBytes = [...pins.values()].reduce((sum, one) => sum + one.sizeBytes, 0)
    if (sizeBytes <= sizeBytesMax) return { isNew: true, sizeBytes: own.sizeBytes }
    unpin(name)
    throw new PinsFullError(sizeBytesMax)
  }

  function unpin(name: string): boolean {
    const own = pins.get(name)
    if (own === undefined) return false
    pins.delete(name)
    adapters.release(own.reference)
    return true
  }

  return {
    pin,
    unpin,
    async keepFor(reference, ms) {
      // no name of a model begins so
      const name = `/${reference.cid}/${reference.hash}`
      clearTimeout(ends.get(name))
      const end = setTimeout(() => {
        ends.delete(name)
        unpin(name)
      }, ms)
      end.unref()
      ends.set(name, end)
      await pin(name, reference)
    },
    list: () => [...pins].flatMap(([name, { reference }]) => (name.startsWith('/') ? [] : [reference])),
  }
}

export class PinsFullError extends BaseError {
  constructor(sizeBytesMax: number) {
    super({
      code: 'openlora.pins_full',
      message: `Expected room among the adapters that are kept in memory, at most ${sizeBytesMax} bytes, but they are full. It is served without; unload another, or raise adapterBytesMax.`,
      context: { pinnedBytesMax: sizeBytesMax },
    })
  }
}
