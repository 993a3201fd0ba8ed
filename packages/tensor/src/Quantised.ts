/** Weights in 4 bits: for each block of 32 neighbours one scale, each weight a whole multiple of it from -8 to 7. */
export type Quantised = {
  /** `[N, K / 32, 16]`: two weights a byte, the first in the low half, plus 8. */
  readonly packed: Uint8Array
  /** `[N, K / 32]`. */
  readonly scales: Float32Array
}

/** Weights that share a scale. */
export const BLOCK = 32

/**
 * Rounds a matrix to 4 bits; the scale of a block is its value of largest magnitude / -8, as in ggml's Q4_0.
 * @param weights - `[N, K]`, K a multiple of 32.
 */
export function quantise(weights: Float32Array): Quantised {
  const blocks = weights.length / BLOCK
  const packed = new Uint8Array(weights.length / 2)
  const scales = new Float32Array(blocks)
  for (let block = 0; block < blocks; block++) {
    let extreme = 0
    for (let i = 0; i < BLOCK; i++) {
      const value = weights[block * BLOCK + i]!
      if (Math.abs(value) > Math.abs(extreme)) extreme = value
    }
    const scale = extreme / -8
    scales[block] = scale
    for (let i = 0; i < BLOCK; i += 2) {
      const low = code(weights[block * BLOCK + i]!, scale)
      const high = code(weights[block * BLOCK + i + 1]!, scale)
      packed[(block * BLOCK + i) / 2] = low | (high << 4)
    }
  }
  return { packed, scales }
}

/** Weights in 8 bits: one scale for each row of the matrix, each weight a whole multiple of it from -127 to 127. */
export type EightBits = {
  /** `[K, N]`: the matrix transposed, as products read it. */
  readonly codes: Int8Array
  /** `[N]`. */
  readonly scales: Float32Array
}

/**
 * Rounds a matrix to 8 bits.
 * @param weights - `[N, K]`.
 */
export function toEightBits(weights: Float32Array, rows: number): EightBits {
  const columns = weights.length / rows
  const codes = new Int8Array(weights.length)
  const scales = new Float32Array(rows)
  for (let row = 0; row < rows; row++) {
    const from = row * columns
    let largest = 0
    for (let k = 0; k < columns; k++) largest = Math.max(largest, Math.abs(weights[from + k]!))
    const scale = largest / 127
    scales[row] = scale
    const inverse = scale === 0 ? 0 : 1 / scale
    for (let k = 0; k < columns; k++) codes[k * rows + row] = Math.round(weights[from + k]! * inverse)
  }
  return { codes, scales }
}

const code = (value: number, scale: number): number =>
  scale === 0 ? 8 : Math.max(0, Math.min(15, Math.round(value / scale) + 8))

/** Gives the weights that quantised ones stand for. */
export function dequantise({ packed, scales }: Quantised): Float32Array {
  return Float32Array.from({ length: 2 * packed.length }, (_, i) => {
    const byte = packed[i >> 1]!
    return scales[Math.floor(i / BLOCK)]! * ((i % 2 === 0 ? byte & 15 : byte >> 4) - 8)
  })
}
