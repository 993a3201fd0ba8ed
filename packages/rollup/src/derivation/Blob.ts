import { BaseError } from '@openledger/primitives'

/** 4,096 field elements of 32 bytes. */
export const SIZE_BYTES = 131_072
/** What fits into one blob: 127 bytes in every four field elements, less version and length. */
export const DATA_BYTES_MAX = 130_044
const VERSION = 0
const ROUNDS = 1024
const HIGH_BITS = 0b1100_0000

/**
 * Writes data into a blob: 31 bytes of every field element, and 6 bits of its first byte, which must stay below the
 * field's modulus.
 * @throws {MalformedBlobError} when it does not fit.
 * @see OP specs, Ecotone, derivation, "Blob Encoding".
 */
export function encode(data: Uint8Array): Uint8Array {
  if (data.length > DATA_BYTES_MAX) {
    throw new MalformedBlobError(`at most ${DATA_BYTES_MAX} bytes of data`, `${data.length}`)
  }
  const blob = new Uint8Array(SIZE_BYTES)
  // the first element begins with version and length, so the data reads as if 4 bytes stood before it
  const framed = new Uint8Array(ROUNDS * 127)
  framed.set([VERSION, data.length >> 16, (data.length >> 8) & 255, data.length & 255])
  framed.set(data, 4)
  for (let round = 0; round < ROUNDS; round++) {
    const from = round * 127
    if (from >= data.length + 4) break
    const at = round * 128
    const [x, y, z] = [framed[from + 31]!, framed[from + 63]!, framed[from + 95]!]
    const highs = [x & 63, (y & 15) | ((x & 192) >> 2), z & 63, ((z & 192) >> 2) | ((y & 240) >> 4)]
    for (let element = 0; element < 4; element++) {
      blob[at + 32 * element] = highs[element]!
      blob.set(framed.subarray(from + 32 * element, from + 32 * element + 31), at + 32 * element + 1)
    }
  }
  return blob
}

/**
 * Reads the data of a blob.
 * @throws {MalformedBlobError} when version, length or a field element's high bits are wrong.
 */
export function decode(blob: Uint8Array): Uint8Array {
  if (blob.length !== SIZE_BYTES) throw new MalformedBlobError(`${SIZE_BYTES} bytes`, `${blob.length}`)
  if (blob[1] !== VERSION) throw new MalformedBlobError(`version ${VERSION}`, `${blob[1]}`)
  const length = (blob[2]! << 16) | (blob[3]! << 8) | blob[4]!
  if (length > DATA_BYTES_MAX) throw new MalformedBlobError(`at most ${DATA_BYTES_MAX} bytes`, `${length}`)
  const framed = new Uint8Array(ROUNDS * 127)
  for (let round = 0; round < ROUNDS; round++) {
    const from = round * 127
    // elements beyond the data are not looked at, except in the first round
    if (round > 0 && from - 4 >= length) break
    const at = round * 128
    const highs: number[] = []
    for (let element = 0; element < 4; element++) {
      const high = blob[at + 32 * element]!
      if ((high & HIGH_BITS) !== 0 && (round > 0 || element > 0)) {
        throw new MalformedBlobError('field elements below 2^254', `${high} as the first byte of one`)
      }
      highs.push(high)
      framed.set(blob.subarray(at + 32 * element + 1, at + 32 * element + 32), from + 32 * element)
    }
    framed[from + 31] = (highs[0]! & 63) | ((highs[1]! & 48) << 2)
    framed[from + 63] = (highs[1]! & 15) | ((highs[3]! & 15) << 4)
    framed[from + 95] = (highs[2]! & 63) | ((highs[3]! & 48) << 2)
  }
  return framed.slice(4, 4 + length)
}

export class MalformedBlobError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'blob.malformed',
      message: `Expected a blob with ${expected}, got ${got}.`,
      context: { expected, got },
    })
  }
}
