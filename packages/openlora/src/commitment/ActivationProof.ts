/** Tokens whose activations one proof covers. */
export const CHUNK_TOKENS = 32
/** Activations of a chunk that its proof holds: the largest in magnitude. */
export const TOP_COUNT = 128
/** The paper's prime: above the bits of every finite bfloat16, which are at most 65,407, and within two bytes. */
const PRIME = 65_497

/** The largest activations of a chunk: where they stand in it, and their bits. */
type Top = { readonly indices: readonly number[]; readonly bits: readonly number[] }

/** How far activations are from those that were proved; all are zero for the same ones. */
export type ActivationDistance = {
  /** Activations compared. */
  readonly count: number
  /** Those whose sign or exponent is another one. */
  readonly exponentMismatches: number
  /** Of all others: mean difference of mantissas, in units of the last of their 7 bits; 128 where there are none. */
  readonly mantissaErrorMean: number
}

/** Rounds float32 to bfloat16, to the nearest and of two to the even one. @returns Bit patterns. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length)
  const rounded = new Uint16Array(values.length)
  // for every token that is decoded: `from` with a function takes 25 times as long
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    rounded[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16
  }
  return rounded
}

/**
 * Proves which activations a chunk of tokens had, in 2 bytes for each of the largest of them: the polynomial over integers
 * modulo 65,497 that takes the bits of each at its index. Who has other activations among the largest finds chance there.
 *
 * @param chunk - `[tokens, hidden]` bit patterns of bfloat16.
 * @returns The modulus of the indices and the coefficients from the constant on, 2 bytes each, big-endian.
 * @see Ong et al. 2025, "TOPLOC", algorithm 1.
 */
export function prove(chunk: Uint16Array): Uint8Array {
  const { indices, bits } = topOf(chunk)
  const modulus = injectiveModulus(indices)
  const coefficients = interpolate(
    indices.map((index) => index % modulus),
    bits,
  )
  const bytes = new DataView(new ArrayBuffer(2 + 2 * coefficients.length))
  bytes.setUint16(0, modulus)
  for (const [i, coefficient] of coefficients.entries()) bytes.setUint16(2 + 2 * i, coefficient)
  return new Uint8Array(bytes.buffer)
}

/**
 * Compares a proof with activations computed again.
 * @returns Undefined for bytes that prove nothing about as many activations.
 * @see Ong et al. 2025, "TOPLOC", algorithm 2.
 */
export function distance(proof: Uint8Array, chunk: Uint16Array): ActivationDistance | undefined {
  const { indices, bits } = topOf(chunk)
  if (proof.length !== 2 + 2 * indices.length) return undefined
  const words = new DataView(proof.buffer, proof.byteOffset, proof.length)
  const modulus = words.getUint16(0)
  if (modulus === 0 || modulus > PRIME) return undefined
  let exponentMismatches = 0
  let mantissaErrors = 0
  for (const [i, index] of indices.entries()) {
    const proved = evaluate(words, index % modulus)
    const own = bits[i]!
    if (proved >>> 7 !== own >>> 7) exponentMismatches++
    else mantissaErrors += Math.abs((proved & 0x7f) - (own & 0x7f))
  }
  const compared = indices.length - exponentMismatches
  return {
    count: indices.length,
    exponentMismatches,
    mantissaErrorMean: compared === 0 ? 0x80 : mantissaErrors / compared,
  }
}

/** Finds the largest magnitudes; of equal ones the first come first. */
function topOf(chunk: Uint16Array): Top {
  const count = Math.min(TOP_COUNT, chunk.length)
  // bit patterns without their sign order as magnitudes do
  const counts = new Uint32Array(0x8000)
  for (let index = 0; index < chunk.length; index++) counts[chunk[index]! & 0x7fff]!++
  let least = 0x8000
  let above = 0
  while (above + counts[least - 1]! < count) above += counts[--least]!
  least--
  let equalLeft = count - above
  const indices: number[] = []
  for (let index = 0; index < chunk.length; index++) {
    const magnitude = chunk[index]! & 0x7fff
    if (magnitude > least || (magnitude === least && equalLeft-- > 0)) indices.push(index)
  }
  return { indices, bits: indices.map((index) => chunk[index]!) }
}

/** Largest modulus under which the indices stay apart. */
function injectiveModulus(indices: readonly number[]): number {
  for (let modulus = PRIME; modulus > 1; modulus--) {
    if (new Set(indices.map((index) => index % modulus)).size === indices.length) return modulus
  }
  return 1
}

/** Remainder of a whole number below 2^32; the engine's own operator takes three times as long. */
const modulo = (number: number): number => number - PRIME * Math.floor(number / PRIME)

let inverseTable: Uint16Array | undefined

/** Inverses in the field, each from smaller ones: `1/n = -(p div n) / (p mod n)`. */
function inverses(): Uint16Array {
  if (inverseTable !== undefined) return inverseTable
  const table = new Uint16Array(PRIME)
  table[1] = 1
  for (let n = 2; n < PRIME; n++) {
    table[n] = (PRIME - ((Math.floor(PRIME / n) * table[PRIME % n]!) % PRIME)) % PRIME
  }
  inverseTable = table
  return table
}

/** Coefficients, from the constant on, of the polynomial through points with distinct `xs`: Newton's, then expanded. */
function interpolate(xs: readonly number[], ys: readonly number[]): Float64Array {
  const inverse = inverses()
  const divided = Float64Array.from(ys)
  const count = xs.length
  for (let order = 1; order < count; order++) {
    for (let i = count - 1; i >= order; i--) {
      const rise = divided[i]! - divided[i - 1]! + PRIME
      const run = xs[i]! - xs[i - order]!
      divided[i] = modulo(modulo(rise) * inverse[run < 0 ? run + PRIME : run]!)
    }
  }
  const coefficients = new Float64Array(count)
  for (let i = count - 1; i >= 0; i--) {
    const negative = PRIME - xs[i]!
    // of higher powers there are none yet
    for (let power = count - 1 - i; power > 0; power--) {
      coefficients[power] = modulo(coefficients[power]! * negative + coefficients[power - 1]!)
    }
    coefficients[0] = modulo(coefficients[0]! * negative + divided[i]!)
  }
  return coefficients
}

/** @param words - A proof: its modulus, then the coefficients. */
function evaluate(words: DataView, x: number): number {
  let value = 0
  for (let at = words.byteLength - 2; at >= 2; at -= 2) value = modulo(value * x + words.getUint16(at))
  return value
}
