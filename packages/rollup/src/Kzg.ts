import { pippenger } from '@noble/curves/abstract/curve.js'
import { bls12_381 } from '@noble/curves/bls12-381.js'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'

/** Commits to blobs, so that who reads a blob knows that it is the one a transaction named. */
export type Kzg = {
  /** @param blob - 131,072 bytes. @returns 48 bytes. @throws {InvalidFieldElementError | BlobSizeError} */
  readonly commit: (blob: Uint8Array) => Uint8Array
  /**
   * Proves at the blob's own challenge that it is committed to.
   * @returns 48 bytes. @throws {InvalidFieldElementError | BlobSizeError | InvalidCommitmentError}
   */
  readonly prove: (blob: Uint8Array, commitment: Uint8Array) => Uint8Array
  /** Proves each cell of the blob extended to twice its length. @returns 128 of 48 bytes. @see EIP-7594. */
  readonly proveCells: (blob: Uint8Array) => Uint8Array[]
}

/** Ethereum's trusted setup: 4,096 compressed points in both forms, with `0x` or without. */
export type TrustedSetup = {
  readonly g1_lagrange: readonly string[]
  readonly g1_monomial: readonly string[]
}

const ELEMENTS = 4096
const ELEMENT_BYTES = 32
const CELL_ELEMENTS = 64
const CELLS = 128
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
 * Creates the commitment scheme of EIP-4844 and EIP-7594, in JavaScript alone: a commitment or a proof takes about a
 * second, the proofs of all cells half a minute. Reading the setup takes seconds, each of its forms when it is needed.
 *
 * @see consensus-specs, Deneb, "Polynomial Commitments"; Fulu, "Polynomial Commitments Sampling".
 */
export function createKzg(setup: TrustedSetup): Kzg {
  const points = byReversedBits(setup.g1_lagrange.map(pointOf))
  const roots = byReversedBits(rootsOfUnity(ELEMENTS))
  const sumOf = (at: readonly G1[], scalars: readonly bigint[]): G1 =>
    pippenger(Point, [...at], [...scalars]) as G1
  const combine = (scalars: readonly bigint[]): Uint8Array => sumOf(points, scalars).toBytes(true)
  let monomial: readonly G1[] | undefined

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
      assertCommitment(commitment)
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
    proveCells(blob) {
      const coefficients = coefficientsOf(elementsOf(blob))
      monomial ??= setup.g1_monomial.map(pointOf)
      // the quotient by x^64 - a is the sum over j of a^j times the polynomial shifted down by 64 (j + 1)
      const shifted = Array.from({ length: CELLS }, (_, j) => {
        const rest = coefficients.slice(CELL_ELEMENTS * (j + 1))
        return rest.length === 0 ? Point.ZERO : sumOf(monomial!.slice(0, rest.length), rest)
      })
      // a cell's a is a 128th root of unity, so all sums together are one transform
      const proofs = transform(shifted, rootsOfUnity(CELLS), {
        add: (left, right) => left.add(right),
        subtract: (left, right) => left.subtract(right),
        scale: (point, by) => point.multiplyUnsafe(by),
      })
      return byReversedBits(proofs).map((point) => point.toBytes(true))
    },
  }
}

/** A polynomial's coefficients from its values at the roots of unity, in the order of blobs. */
function coefficientsOf(values: readonly bigint[]): bigint[] {
  const inverses = Fr.invertBatch(rootsOfUnity(ELEMENTS))
  const sums = transform(byReversedBits(values), inverses, {
    add: (left, right) => Fr.add(left, right),
    subtract: (left, right) => Fr.sub(left, right),
    scale: (value, by) => Fr.mul(value, by),
  })
  const scale = Fr.inv(BigInt(ELEMENTS))
  return sums.map((sum) => Fr.mul(sum, scale))
}

type Sums<T> = {
  readonly add: (left: T, right: T) => T
  readonly subtract: (left: T, right: T) => T
  readonly scale: (value: T, by: bigint) => T
}

/** The discrete Fourier transform over a group, by halves (Cooley and Tukey); as many roots as values. */
function transform<T>(values: readonly T[], roots: readonly bigint[], sums: Sums<T>): T[] {
  if (values.length === 1) return [...values]
  const half = (from: number): T[] =>
    transform(
      values.filter((_, i) => i % 2 === from),
      roots.filter((_, i) => i % 2 === 0),
      sums,
    )
  const [even, odd] = [half(0), half(1)]
  const turned = odd.map((value, i) => sums.scale(value, roots[i]!))
  return [
    ...even.map((value, i) => sums.add(value, turned[i]!)),
    ...even.map((value, i) => sums.subtract(value, turned[i]!)),
  ]
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

function assertCommitment(commitment: Uint8Array): void {
  try {
    const point = Point.fromBytes(commitment)
    if (!point.is0()) point.assertValidity()
  } catch (cause) {
    throw new InvalidCommitmentError(Bytes.toHex(commitment), cause)
  }
}

function elementsOf(blob: Uint8Array): bigint[] {
  if (blob.length !== ELEMENTS * ELEMENT_BYTES) throw new BlobSizeError(blob.length)
  return Array.from({ length: ELEMENTS }, (_, i) => {
    const value = Bytes.toUint(blob.subarray(i * ELEMENT_BYTES, (i + 1) * ELEMENT_BYTES))
    if (value >= Fr.ORDER) throw new InvalidFieldElementError(`element ${i} below the field's order`)
    return value
  })
}

function rootsOfUnity(count: number): bigint[] {
  const root = Fr.pow(7n, (Fr.ORDER - 1n) / BigInt(count))
  const roots = [1n]
  while (roots.length < count) roots.push(Fr.mul(roots.at(-1)!, root))
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

export class BlobSizeError extends BaseError {
  constructor(sizeBytes: number) {
    super({
      code: 'kzg.blob_size',
      message: `Expected a blob of ${ELEMENTS * ELEMENT_BYTES} bytes, got ${sizeBytes}.`,
      context: { sizeBytes },
    })
  }
}

export class InvalidCommitmentError extends BaseError {
  constructor(commitment: Hex, cause: unknown) {
    super({
      code: 'kzg.invalid_commitment',
      message: `Expected a commitment, 48 bytes of a point in the group that proofs are made in, got ${commitment}.`,
      context: { commitment },
      cause,
    })
  }
}
