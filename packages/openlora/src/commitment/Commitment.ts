import type { DecoderPrecision } from '@openledger/model/decoder/DecoderGraph'
import { Bytes, type Hex } from '@openledger/primitives'
import { CHUNK_TOKENS, distance, prove, toBfloat16 } from './ActivationProof.ts'

/** Version of the commitment's form; a change of any constant of it or of the proofs is a new version. */
export const COMMITMENT_VERSION = 'openledger.inference.2'

/**
 * How far the activations of a chunk may be from those that were proved.
 *
 * Measured by `npm run attack -- substitution`: one false alarm fails it, or one dishonest answer in a hundred that is near.
 */
export const TOLERANCE = {
  f32: { exponentMismatchesPpm: 25_000, mantissaErrorMean: 0.15 },
  int8: { exponentMismatchesPpm: 60_000, mantissaErrorMean: 0.67 },
  int4: { exponentMismatchesPpm: 60_000, mantissaErrorMean: 0.8 },
} as const satisfies Record<DecoderPrecision, { exponentMismatchesPpm: number; mantissaErrorMean: number }>

/** How an answer was decoded, fixed while it was. */
export type Decoding = {
  /** How exactly the base was kept. */
  readonly precision: DecoderPrecision
  /** One for every `CHUNK_TOKENS` tokens of the answer: of the last hidden states that they were chosen from. */
  readonly proofs: readonly Hex[]
}

/** Hidden states of an answer in the making, rounded to bfloat16: two bytes for each. */
export type Activations = {
  /** Keeps what the next token was chosen from: `[hidden]`. */
  readonly push: (hidden: Float32Array) => void
  /** Proves the activations of the first `tokens` tokens. */
  readonly prove: (tokens: number) => Hex[]
}

export function createActivations(): Activations {
  const kept: Uint16Array[] = []
  return {
    push: (hidden) => {
      kept.push(toBfloat16(hidden))
    },
    prove: (tokens) => chunksOf(kept.slice(0, tokens)).map((chunk) => Bytes.toHex(prove(chunk))),
  }
}

/**
 * Compares how an answer was decoded with the same computed again in the same precision.
 * @param hidden - `[answer, hidden]`: what each token would be chosen from.
 * @returns The first proof that is further away than rounding explains, if one is.
 */
export function decodingDifference(
  { precision, proofs }: Decoding,
  hidden: Float32Array,
  answerTokens: number,
): { readonly line: string; readonly expected: string; readonly claimed: string } | undefined {
  const chunks = chunksOfHidden(hidden, answerTokens)
  if (proofs.length !== chunks.length) {
    return { line: 'proofs', expected: `${chunks.length} proofs`, claimed: `${proofs.length}` }
  }
  const { exponentMismatchesPpm, mantissaErrorMean } = TOLERANCE[precision]
  for (const [i, chunk] of chunks.entries()) {
    const away = distance(Bytes.fromHex(proofs[i]!), chunk)
    const mismatchesMax = away === undefined ? 0 : Math.ceil((away.count * exponentMismatchesPpm) / 1e6)
    const isNear =
      away !== undefined &&
      away.exponentMismatches <= mismatchesMax &&
      away.mantissaErrorMean <= mantissaErrorMean
    if (isNear) continue
    return {
      line: `proofs[${i}]`,
      expected: `activations of this prompt, answer, base and adapter in ${precision}: at most ${mismatchesMax} other exponents, mantissas ${mantissaErrorMean} apart in the mean`,
      claimed:
        away === undefined
          ? 'a proof of another size'
          : `${away.exponentMismatches} of ${away.count} other exponents, mantissas ${away.mantissaErrorMean.toFixed(2)} apart`,
    }
  }
  return undefined
}

/** How far the worst chunk is: share of other exponents, and mean distance of mantissas; for measuring tolerances. */
export function worstDistance(
  { proofs }: Decoding,
  hidden: Float32Array,
  answerTokens: number,
): { readonly exponents: number; readonly mantissas: number } {
  const found = chunksOfHidden(hidden, answerTokens).map((chunk, i) =>
    distance(Bytes.fromHex(proofs[i] ?? '0x'), chunk),
  )
  return {
    exponents: Math.max(...found.map((away) => (away ? away.exponentMismatches / away.count : 1))),
    mantissas: Math.max(...found.map((away) => away?.mantissaErrorMean ?? 0x80)),
  }
}

function chunksOfHidden(hidden: Float32Array, answerTokens: number): Uint16Array[] {
  const width = hidden.length / answerTokens
  return chunksOf(
    Array.from({ length: answerTokens }, (_, i) => toBfloat16(hidden.subarray(i * width, (i + 1) * width))),
  )
}

function chunksOf(rows: readonly Uint16Array[]): Uint16Array[] {
  return Array.from({ length: Math.ceil(rows.length / CHUNK_TOKENS) }, (_, i) => {
    const part = rows.slice(i * CHUNK_TOKENS, (i + 1) * CHUNK_TOKENS)
    const chunk = new Uint16Array(part.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const row of part) {
      chunk.set(row, at)
      at += row.length
    }
    return chunk
  })
}

const PRECISION_CODES: Record<DecoderPrecision, number> = { f32: 1, int4: 2, int8: 3 }

/**
 * Commits to an inference, so that another model, adapter, prompt, answer or precision shows.
 *
 * `keccak256(version ‖ baseHash ‖ adapterHash ‖ n(prompt) ‖ prompt ‖ n(answer) ‖ answer ‖ precision ‖ n(proofs) ‖ proofs)`; counts
 * and token ids are 4 bytes big-endian, as is the precision (1 for f32, 2 for int4, 3 for int8, 0 where nothing tells how the
 * answer was decoded); each proof is its length in bytes and they.
 *
 * @param adapterHash - Zero for the base model alone.
 * @param decoding - Undefined for texts that were not decoded here.
 */
export function commitmentOf(inference: {
  readonly baseHash: Hex
  readonly adapterHash: Hex
  readonly promptIds: readonly number[]
  readonly answerIds: readonly number[]
  readonly decoding: Decoding | undefined
}): Hex {
  const { baseHash, adapterHash, promptIds, answerIds, decoding } = inference
  const proofs = decoding?.proofs ?? []
  const precision = decoding === undefined ? 0 : PRECISION_CODES[decoding.precision]
  return Bytes.toHex(
    Bytes.keccak256(
      Bytes.concat(
        Bytes.fromUtf8(COMMITMENT_VERSION),
        Bytes.fromHex(baseHash),
        Bytes.fromHex(adapterHash),
        wordsOf([promptIds.length, ...promptIds, answerIds.length, ...answerIds, precision, proofs.length]),
        ...proofs.flatMap((proof) => {
          const bytes = Bytes.fromHex(proof)
          return [wordsOf([bytes.length]), bytes]
        }),
      ),
    ),
  )
}

function wordsOf(numbers: readonly number[]): Uint8Array {
  const words = new DataView(new ArrayBuffer(4 * numbers.length))
  for (const [i, number] of numbers.entries()) words.setUint32(4 * i, number)
  return new Uint8Array(words.buffer)
}
