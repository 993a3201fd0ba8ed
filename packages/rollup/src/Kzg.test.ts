import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { Bytes } from '@openledger/primitives'
import { beforeAll, describe, expect, test } from 'vitest'
import { createKzg, type Kzg, type TrustedSetup, versionedHashOf } from './Kzg.ts'

/** The setup of Ethereum's ceremony, as viem carries it. The oracle is the pairing equation of EIP-4844's precompile. */
const require = createRequire(import.meta.url)
const setup = JSON.parse(
  readFileSync(join(dirname(require.resolve('viem/package.json')), 'trusted-setups', 'mainnet.json'), 'utf8'),
) as TrustedSetup & { readonly g2_monomial: readonly string[] }
const { Fr } = bls12_381.fields
const [G1, G2] = [bls12_381.G1.Point, bls12_381.G2.Point]
let kzg: Kzg

beforeAll(() => {
  kzg = createKzg(setup)
}, 120_000)

/** A blob of the values of `constant + slope · x` at the roots of unity, in the order of blobs. */
function lineBlob(constant: bigint, slope: bigint): Uint8Array {
  const root = Fr.pow(7n, (Fr.ORDER - 1n) / 4096n)
  const blob = new Uint8Array(131_072)
  for (let i = 0; i < 4096; i++) {
    const reversed = Number.parseInt(i.toString(2).padStart(12, '0').split('').reverse().join(''), 2)
    const value = Fr.add(constant, Fr.mul(slope, Fr.pow(root, BigInt(reversed))))
    blob.set(Bytes.fromUint(value, 32), i * 32)
  }
  return blob
}

describe('a commitment', () => {
  test('to a constant is that multiple of the generator, and its name begins with version 1', () => {
    const commitment = kzg.commit(lineBlob(5n, 0n))
    expect(commitment).toEqual(G1.BASE.multiply(5n).toBytes(true))
    expect(versionedHashOf(commitment)).toMatch(/^0x01[0-9a-f]{62}$/)
  }, 120_000)

  test('is proved at the blob’s challenge: the pairing equation holds, and fails for another value', () => {
    const [constant, slope] = [12_345n, 678_910n]
    const blob = lineBlob(constant, slope)
    const commitment = kzg.commit(blob)
    const proof = G1.fromBytes(kzg.prove(blob, commitment))
    const challenge = Bytes.sha256(
      Bytes.concat(Bytes.fromUtf8('FSBLOBVERIFY_V1_'), Bytes.fromUint(4096n, 16), blob, commitment),
    )
    const z = Fr.create(Bytes.toUint(challenge))
    const y = Fr.add(constant, Fr.mul(slope, z))
    const tau = G2.fromHex(setup.g2_monomial[1]!.replace(/^0x/, ''))
    const holds = (value: bigint): boolean => {
      const left = bls12_381.pairing(G1.fromBytes(commitment).subtract(G1.BASE.multiply(value)), G2.BASE)
      const right = bls12_381.pairing(proof, tau.subtract(G2.BASE.multiply(z)))
      return bls12_381.fields.Fp12.eql(left, right)
    }
    expect(holds(y)).toBe(true)
    expect(holds(Fr.add(y, 1n))).toBe(false)
  }, 120_000)

  test('is refused of what is no field element or no blob, and is not proved when it is none', () => {
    expect(() => kzg.commit(new Uint8Array(131_072).fill(0xff))).toThrowError(/below the field/)
    expect(() => kzg.commit(new Uint8Array(131_071))).toThrowError(/131072 bytes, got 131071/)
    const blob = new Uint8Array(131_072)
    expect(() => kzg.prove(blob, new Uint8Array(47))).toThrowError(/Expected a commitment/)
    expect(() => kzg.prove(blob, new Uint8Array(48).fill(0xbf))).toThrowError(/Expected a commitment/)
  })
})
