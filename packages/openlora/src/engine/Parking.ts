import type { PrefixSnapshot } from '@openledger/model/decoder/DecoderCache'

/** An answer that gave its row to another: where it stands, and what the row held. */
export type Parked<State> = { readonly state: State; readonly snapshot: PrefixSnapshot }

/** Creates the place of answers that gave way; it takes one more as long as it holds less than `bytesMax`. */
export function createParking<State>(bytesMax: number) {
  const parked = new Map<number, Parked<State>>()
  let bytes = 0
  return {
    hasRoom: (): boolean => bytes < bytesMax,
    count: (): number => parked.size,
    find: (id: number): State | undefined => parked.get(id)?.state,
    put(id: number, state: State, snapshot: PrefixSnapshot): void {
      parked.set(id, { state, snapshot })
      bytes += sizeOf(snapshot)
    },
    take(id: number): Parked<State> | undefined {
      const one = parked.get(id)
      if (one === undefined) return undefined
      parked.delete(id)
      bytes -= sizeOf(one.snapshot)
      return one
    },
  }
}

/** Bytes of the keys and values that a snapshot holds. */
export const sizeOf = ({ keys, values }: PrefixSnapshot): number => keys.byteLength + values.byteLength
