/** Mixes whole numbers into one of 32 bits, so that neighbours draw differently. */
export function mixSeed(...parts: readonly number[]): number {
  let state = 0
  for (const part of parts) {
    state = Math.imul(state ^ (part >>> 0), 0x9e3779b1)
    state ^= state >>> 15
  }
  return state >>> 0
}

/**
 * Draws a dropout mask from a seed of 32 bits: 0 with probability `dropout`, otherwise `1 / (1 - dropout)`.
 *
 * The same on every machine and thread, so that a training can be repeated; the probability is rounded to 2^-16.
 * @see Srivastava et al. 2014, "Dropout"; the draws are Marsaglia's xorshift32, two to a number.
 */
export function drawMask(count: number, dropout: number, seed: number): Float32Array {
  const mask = new Float32Array(count)
  const threshold = Math.round(dropout * 65_536)
  const kept = 1 / (1 - threshold / 65_536)
  // zero is the one state that never changes
  let state = seed | 0 || 1
  const draw = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state
  }
  for (let i = 0; i < 8; i++) draw()
  for (let i = 0; i < count; i += 2) {
    const drawn = draw()
    if ((drawn & 0xffff) >= threshold) mask[i] = kept
    if (i + 1 < count && drawn >>> 16 >= threshold) mask[i + 1] = kept
  }
  return mask
}
