import type { Feed } from '@openledger/tensor'

/** Lengths of the keys and values of all rows, and where their feeds begin. */
export type DecoderCacheShape = {
  readonly layers: number
  readonly rows: number
  /** Key and value heads. */
  readonly heads: number
  readonly headWidth: number
  /** Tokens a row may hold at most. */
  readonly context: number
}

/** Keys `[layers, heads, headWidth, tokens]` and values `[layers, heads, tokens, headWidth]` of the start of a row. */
export type PrefixSnapshot = {
  readonly tokens: number
  readonly keys: Float32Array
  readonly values: Float32Array
}

/** Keys and values of every row, in our own memory: a run reads them in place and returns only the new ones. */
export type DecoderCache = {
  /** Tokens a row has room for at the moment. */
  readonly capacity: () => number
  /** Makes room for `tokens` in every row, or takes back room when the longest row needs much less. */
  readonly reserve: (tokens: number) => void
  /**
   * Writes new keys and values behind the first `at` tokens of a row.
   * @param keys - `[rows, heads, headWidth, tokens]` as the run returned them; `index` is the row in it.
   * @param values - `[rows, heads, tokens, headWidth]`.
   * @param width - Tokens in `keys` and `values`, padding included.
   */
  readonly write: (write: {
    readonly layer: number
    readonly row: number
    readonly at: number
    readonly count: number
    readonly keys: Float32Array
    readonly values: Float32Array
    readonly index: number
    readonly width: number
  }) => void
  /** Copies the first `tokens` of a row. */
  readonly copy: (row: number, tokens: number) => PrefixSnapshot
  /** Writes the first `tokens` of a snapshot to the start of a row. */
  readonly paste: (row: number, snapshot: PrefixSnapshot, tokens: number) => void
  /** Gives the keys `[count, heads, 1, headWidth, capacity]` of neighbouring rows, not copied. */
  readonly keys: (layer: number, firstRow: number, count: number) => Feed
  /** Gives the values `[count, heads, 1, capacity, headWidth]` of neighbouring rows, not copied. */
  readonly values: (layer: number, firstRow: number, count: number) => Feed
  /** Forgets a row: zeros, since what is masked out is still multiplied by zero. */
  readonly clear: (row: number) => void
}

const CAPACITY_MIN = 64

/**
 * Creates the key-value cache of a decoder.
 *
 * Keys lie transposed, so that a product with them needs no packing; the last axis of both is the capacity, a power of two or
 * one and a half of one that follows the longest row, because a step costs as much as the capacity and not as what is used of
 * it: with many rows it reads more keys and values than weights.
 */
export function createDecoderCache(shape: DecoderCacheShape): DecoderCache {
  const { layers, rows, heads, headWidth, context } = shape
  let capacity = Math.min(CAPACITY_MIN, context)
  const allocate = (length: number): Float32Array[] =>
    Array.from({ length: layers }, () => new Float32Array(rows * heads * headWidth * length))
  let keys = allocate(capacity)
  let values = allocate(capacity)

  const capacityFor = (tokens: number): number => {
    let length = CAPACITY_MIN
    while (length < tokens) length = Number.isInteger(Math.log2(length)) ? 1.5 * length : (4 * length) / 3
    return Math.min(length, context)
  }

  function resize(length: number): void {
    const nextKeys = allocate(length)
    const nextValues = allocate(length)
    const kept = Math.min(length, capacity)
    for (let layer = 0; layer < layers; layer++) {
      for (let line = 0; line < rows * heads * headWidth; line++) {
        const from = line * capacity
        nextKeys[layer]!.set(keys[layer]!.subarray(from, from + kept), line * length)
      }
      for (let block = 0; block < rows * heads; block++) {
        const from = block * capacity * headWidth
        const moved = values[layer]!.subarray(from, from + kept * headWidth)
        nextValues[layer]!.set(moved, block * length * headWidth)
      }
    }
    keys = nextKeys
    values = nextValues
    capacity = length
  }

  return {
    capacity: () => capacity,
    reserve(tokens) {
      const wanted = capacityFor(tokens)
      // shrinking waits until three quarters are unused, so that rows about as long as a power of two do not swing
      if (wanted > capacity || (wanted < capacity && 4 * tokens <= capacity)) resize(wanted)
    },
    write({ layer, row, at, count, keys: newKeys, values: newValues, index, width }) {
      const keyCache = keys[layer]!
      for (let line = 0; line < heads * headWidth; line++) {
        const to = (row * heads * headWidth + line) * capacity + at
        const from = (index * heads * headWidth + line) * width
        for (let t = 0; t < count; t++) keyCache[to + t] = newKeys[from + t]!
      }
      for (let head = 0; head < heads; head++) {
        const to = ((row * heads + head) * capacity + at) * headWidth
        const from = (index * heads + head) * width * headWidth
        values[layer]!.set(newValues.subarray(from, from + count * headWidth), to)
      }
    },
    copy(row, tokens) {
      const lines = heads * headWidth
      const copied = {
        tokens,
        keys: new Float32Array(layers * lines * tokens),
        values: new Float32Array(layers * lines * tokens),
      }
      for (let layer = 0; layer < layers; layer++) {
        for (let line = 0; line < lines; line++) {
          const from = (row * lines + line) * capacity
          copied.keys.set(keys[layer]!.subarray(from, from + tokens), (layer * lines + line) * tokens)
        }
        for (let head = 0; head < heads; head++) {
          const from = (row * heads + head) * capacity * headWidth
          const part = values[layer]!.subarray(from, from + tokens * headWidth)
          copied.values.set(part, (layer * heads + head) * tokens * headWidth)
        }
      }
      return copied
    },
    paste(row, snapshot, tokens) {
      const lines = heads * headWidth
      for (let layer = 0; layer < layers; layer++) {
        for (let line = 0; line < lines; line++) {
          const from = (layer * lines + line) * snapshot.tokens
          keys[layer]!.set(snapshot.keys.subarray(from, from + tokens), (row * lines + line) * capacity)
        }
        for (let head = 0; head < heads; head++) {
          const from = (layer * heads + head) * snapshot.tokens * headWidth
          const part = snapshot.values.subarray(from, from + tokens * headWidth)
          values[layer]!.set(part, (row * heads + head) * capacity * headWidth)
        }
      }
    },
    keys(layer, firstRow, count) {
      const stride = heads * headWidth * capacity
      const data = keys[layer]!.subarray(firstRow * stride, (firstRow + count) * stride)
      return { data, shape: [count, heads, 1, headWidth, capacity] }
    },
    values(layer, firstRow, count) {
      const stride = heads * headWidth * capacity
      const data = values[layer]!.subarray(firstRow * stride, (firstRow + count) * stride)
      return { data, shape: [count, heads, 1, capacity, headWidth] }
    },
    clear(row) {
      const stride = heads * headWidth * capacity
      for (const cache of [...keys, ...values]) cache.fill(0, row * stride, (row + 1) * stride)
    },
  }
}
