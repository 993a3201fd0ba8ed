/** A stream of numbers that its seed decides; the same on every machine. */
export type Random = {
  /** Uniform in [0, 1). */
  readonly next: () => number
  /** Uniform integer in [0, limit). */
  readonly below: (limit: number) => number
  /** Standard normal. */
  readonly normal: () => number
  /** Reorders a copy of the items. */
  readonly shuffle: <Item>(items: readonly Item[]) => Item[]
}

/**
 * Starts a stream (sfc32 with 53-bit output).
 * @param seed - Any integer; its low 32 bits count.
 * @see Chris Doty-Humphrey, PractRand, "sfc".
 */
export function createRandom(seed: number): Random {
  let a = 0x9e3779b9
  let b = 0x243f6a88
  let c = seed | 0
  let counter = 1
  const bits = (): number => {
    const result = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + result
    c |= 0
    return result >>> 0
  }
  for (let i = 0; i < 16; i++) bits()
  const next = (): number => (bits() * 2 ** 21 + (bits() >>> 11)) / 2 ** 53
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    next,
    below,
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    shuffle: (items) => {
      const mixed = [...items]
      for (let i = mixed.length - 1; i > 0; i--) {
        const j = below(i + 1)
        ;[mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!]
      }
      return mixed
    },
  }
}
