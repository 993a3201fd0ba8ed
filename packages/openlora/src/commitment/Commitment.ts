import { Bytes, type Hex } from '@openledger/primitives'
import { best } from '../engine/Sampler.ts'

/** Version of the commitment's form; a change of any constant here is a new version. */
export const COMMITMENT_VERSION = 'openledger.inference.1'
/** Every this many answer tokens, from the first on, the scores that the token was chosen from are committed to. */
export const STRIDE_TOKENS = 8
/** Tokens committed to at each such position, best first. */
export const TOP_COUNT = 8
/** Logits are rounded to whole steps of this many nats: far above what another machine rounds differently (1e-4). */
export const STEP_NATS = 1 / 4

/** The scores at one position of the answer. */
export type FingerprintEntry = {
  /** Answer token whose choice the scores decided, from 0. */
  readonly position: number
  /** Best tokens with their logits in steps of `STEP_NATS`. */
  readonly top: readonly { readonly tokenId: number; readonly steps: number }[]
}

/**
 * Takes the fingerprint of an answer's computation.
 * @param logits - `[answer, vocabulary]`; row `i` is what answer token `i` was chosen from.
 */
export function fingerprintOf(logits: Float32Array, vocabularySize: number): FingerprintEntry[] {
  const entries: FingerprintEntry[] = []
  for (let position = 0; position < logits.length / vocabularySize; position += STRIDE_TOKENS) {
    const row = logits.subarray(position * vocabularySize, (position + 1) * vocabularySize)
    const top = best(row, TOP_COUNT).map((tokenId) => ({
      tokenId,
      steps: Math.round(row[tokenId]! / STEP_NATS),
    }))
    entries.push({ position, top })
  }
  return entries
}

/**
 * Commits to an inference, so that another model, adapter, prompt, answer or precision shows.
 *
 * `keccak256(version ‖ baseHash ‖ adapterHash ‖ n(prompt) ‖ prompt ‖ n(answer) ‖ answer ‖ n(entries) ‖ entries)`; counts,
 * token ids and positions are 4 bytes big-endian, an entry is its position, its count and for each of its tokens the id
 * and the steps plus 2^31.
 *
 * @param adapterHash - Zero for the base model alone.
 */
export function commitmentOf(inference: {
  readonly baseHash: Hex
  readonly adapterHash: Hex
  readonly promptIds: readonly number[]
  readonly answerIds: readonly number[]
  readonly fingerprint: readonly FingerprintEntry[]
}): Hex {
  const { baseHash, adapterHash, promptIds, answerIds, fingerprint } = inference
  const numbers = [promptIds.length, ...promptIds, answerIds.length, ...answerIds, fingerprint.length]
  for (const { position, top } of fingerprint) {
    numbers.push(position, top.length)
    for (const { tokenId, steps } of top) numbers.push(tokenId, steps + 2 ** 31)
  }
  const words = new DataView(new ArrayBuffer(4 * numbers.length))
  for (const [i, number] of numbers.entries()) words.setUint32(4 * i, number)
  return Bytes.toHex(
    Bytes.keccak256(
      Bytes.concat(
        Bytes.fromUtf8(COMMITMENT_VERSION),
        Bytes.fromHex(baseHash),
        Bytes.fromHex(adapterHash),
        new Uint8Array(words.buffer),
      ),
    ),
  )
}
