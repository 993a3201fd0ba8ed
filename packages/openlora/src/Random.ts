/** Draws numbers in [0, 1) with 53 random bits; the same seed gives the same sequence on every machine. */
export type Random = () => number

/**
 * Creates a xoshiro128** generator whose state is filled by splitmix32.
 * @param seed - Any safe integer; both its halves count.
 * @see Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021.
 */
export function createRandom(seed: number): Random {
  let mix = (Math.floor(seed / 2 ** 32) ^ (seed >>> 0)) >>> 0
  const splitmix = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0
    let z = mix
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
    return (z ^ (z >>> 16)) >>> 0
  }
  let a = splitmix()
  let b = splitmix()
  let c = splitmix()
  let d = splitmix()
  const next = (): number => {
    const scrambled = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotateLeft(d, 11)
    return scrambled
  }
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53
}

const rotateLeft = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits))
