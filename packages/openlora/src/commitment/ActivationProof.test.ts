import { Bytes } from '@openledger/primitives'
import { expect, test } from 'vitest'
import { distance, prove, toBfloat16 } from './ActivationProof.ts'

const noise = (count: number): Uint16Array =>
  toBfloat16(Float32Array.from({ length: count }, (_, i) => 4 * Math.sin(i * i) * ((i * 7) % 11)))

/** Made by `compute_newton_coefficients` of toploc 0.1.6 (PyPI), its points sorted and packed as its `to_bytes` does. */
const proved: readonly [count: number, sha256: string][] = [
  [5, '0x85d0fb84ce769c4a28a3add25e1bcb366c465e5bdc75f639af48c839c5e3ef75'],
  [40, '0x79af04c8fc01e57049aa61023e689742ca7228f8d336296962d67936a7ca235d'],
  [6_144, '0x1e01c409c5cb6fb9f882ba486d0318d67356e73a3f3e6f87ba50a785b916448b'],
  [80_000, '0x18cdd891f6aabb0d362c4520f66e08f8feadf0b5c208c2635ec5476e5d74da2c'],
]

test.for(proved)(
  'a proof of %i activations is, byte for byte, the one that toploc makes',
  ([count, sha256]) => {
    const proof = prove(noise(count))
    expect(Bytes.toHex(Bytes.sha256(proof))).toBe(sha256)
    expect(proof.length).toBe(2 + 2 * Math.min(count, 128))
    expect(distance(proof, noise(count))).toEqual({
      count: Math.min(count, 128),
      exponentMismatches: 0,
      mantissaErrorMean: 0,
    })
  },
)

test('float32 is rounded to bfloat16 to the nearest, of two to the even one', () => {
  // 1 + n/256: halves between neighbours that are 1/128 apart, and what is a hair above
  const values = Float32Array.of(1, 1 + 1 / 256, 1 + 3 / 256, 1 + 1 / 256 + 2 ** -20, -2.5, 0, 3e38)
  expect([...toBfloat16(values)]).toEqual([0x3f80, 0x3f80, 0x3f82, 0x3f81, 0xc020, 0, 0x7f62])
})

test('activations that differ are as far away as they differ', () => {
  const chunk = noise(300)
  const proof = prove(chunk)
  const largest = [...chunk.keys()].sort((a, b) => (chunk[b]! & 0x7fff) - (chunk[a]! & 0x7fff))
  const near = chunk.slice()
  const turned = chunk.slice()
  for (const index of largest.slice(0, 32)) {
    near[index]! ^= 1
    turned[index]! ^= 0x8000
  }
  expect(distance(proof, near)).toEqual({ count: 128, exponentMismatches: 0, mantissaErrorMean: 32 / 128 })
  expect(distance(proof, turned)).toEqual({ count: 128, exponentMismatches: 32, mantissaErrorMean: 0 })
  // others among the largest find chance in the polynomial
  const others = chunk.slice().reverse()
  expect(distance(proof, others)!.exponentMismatches).toBeGreaterThan(90)
})

test('bytes of another size, or with a modulus out of range, prove nothing', () => {
  const chunk = noise(300)
  const proof = prove(chunk)
  const withModulus = (high: number, low: number) => Uint8Array.of(high, low, ...proof.subarray(2))
  expect([
    distance(proof.subarray(2), chunk),
    distance(new Uint8Array(), chunk),
    distance(withModulus(0, 0), chunk),
    distance(withModulus(255, 255), chunk),
    distance(proof, chunk.subarray(0, 60)),
  ]).toEqual([undefined, undefined, undefined, undefined, undefined])
})
