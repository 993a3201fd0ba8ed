import { pippenger } from '@noble/curves/abstract/curve.js'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'

/** Commits to blobs, so that who reads a blob knows that it is the one a transaction named. */
export type Kzg = {
  /** @param blob - 131,072 bytes. @returns 48 bytes. @throws {InvalidFieldElementError} */
  readonly commit: (blob: Uint8Array) => Uint8Array
  /** Proves at the blob's own challenge that it is committed to. @returns 48 bytes. */
  readonly prove: (blob: Uint8Array, commitment: Uint8Array) => Uint8Array
}

const ELEMENTS = 4096
const ELEMENT_BYTES = 32
const DOMAIN = 'FSBLOBVERIFY_V1_'
const VERSION = 1
const { Fp, Fr } = bls12_381.fields
const Point = bls12_381.G1.Point
type G1 = InstanceType<typeof Point>

/** Names a blob by its commitment. @see EIP-4844, `kzg_to_versioned_hash`. */
export function versionedHashOf(commitment: Uint8Array): Hex {
  const hash = Bytes.sha256(commitment)
  hash[0] = VERSION
  return Bytes.toHex(hash)
}

/**
 * Creates the commitment scheme of EIP-4844.
 * @param g1Lagrange - 4,096 compressed points of the trusted setup in Lagrange form; reading them takes seconds.
 * @see EIP-4844; consensus-specs, Deneb, "Polynomial Commitments".
 */
export function createKzg(g1Lagrange: readonly string[]): Kzg {
  const points = byReversedBits(g1Lagrange.map(pointOf))
  const roots = byReversedBits(rootsOfUnity())
  const combine = (scalars: readonly bigint[]): Uint8Array =>
    (pippenger(Point, points, [...scalars]) as G1).toBytes(true)

  /** @returns the value at `z`, which is no root of unity. */
  function evaluate(polynomial: readonly bigint[], inverses: readonly bigint[], z: bigint): bigint {
    const sum = polynomial.reduce(
      (total, value, i) => Fr.add(total, Fr.mul(Fr.mul(value, roots[i]!), inverses[i]!)),
      0n,
    )
    const scale = Fr.mul(Fr.sub(Fr.pow(z, BigInt(ELEMENTS)), 1n), Fr.inv(BigInt(ELEMENTS)))
    return Fr.mul(sum, scale)
  }

  return {
    commit: (blob) => combine(elementsOf(blob)),
    prove(blob, commitment) {
      const polynomial = elementsOf(blob)
      const seed = Bytes.concat(
        Bytes.fromUtf8(DOMAIN),
        Bytes.fromUint(BigInt(ELEMENTS), 16),
        blob,
        commitment,
      )
      const z = Fr.create(Bytes.toUint(Bytes.sha256(seed)))
      if (roots.includes(z)) throw new InvalidFieldElementError('a challenge that is no root of unity')
      const inverses = Fr.invertBatch(roots.map((root) => Fr.sub(z, root)))
      const y = evaluate(polynomial, inverses, z)
      return combine(polynomial.map((value, i) => Fr.mul(Fr.sub(y, value), inverses[i]!)))
    },
  }
}

/**
 * Reads a compressed point. That it is in the subgroup is the setup's matter: checking that of all would take longer than
 * everything else.
 */
function pointOf(hex: string): G1 {
  const bytes = Bytes.fromHex(hex.startsWith('0x') ? hex : `0x${hex}`)
  const isLargest = (bytes[0]! & 0x20) !== 0
  bytes[0]! &= 0x1f
  const x = Bytes.toUint(bytes)
  const y = Fp.sqrt(Fp.add(Fp.mul(Fp.sqr(x), x), 4n))
  return Point.fromAffine({ x, y: y > Fp.ORDER / 2n === isLargest ? y : Fp.neg(y) })
}

function elementsOf(blob: Uint8Array): bigint[] {
  return Array.from({ length: ELEMENTS }, (_, i) => {
    const value = Bytes.toUint(blob.subarray(i * ELEMENT_BYTES, (i + 1) * ELEMENT_BYTES))
    if (value >= Fr.ORDER) throw new InvalidFieldElementError(`element ${i} below the field's order`)
    return value
  })
}

function rootsOfUnity(): bigint[] {
  const root = Fr.pow(7n, (Fr.ORDER - 1n) / BigInt(ELEMENTS))
  const roots = [1n]
  while (roots.length < ELEMENTS) roots.push(Fr.mul(roots.at(-1)!, root))
  return roots
}

function byReversedBits<T>(items: readonly T[]): T[] {
  const bits = Math.log2(items.length)
  return items.map((_, i) => {
    let reversed = 0
    for (let bit = 0; bit < bits; bit++) reversed |= ((i >> bit) & 1) << (bits - 1 - bit)
    return items[reversed]!
  })
}

export class InvalidFieldElementError extends BaseError {
  constructor(expected: string) {
    super({
      code: 'kzg.invalid_field_element',
      message: `Expected a blob with ${expected}; another was given.`,
      context: { expected },
    })
  }
}
