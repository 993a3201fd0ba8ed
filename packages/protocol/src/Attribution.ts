import { SCALE } from '@openledger/primitives/Share'
import { z } from 'zod'
import { addressSchema, hashSchema, weiSchema } from './Scalars.ts'

/**
 * Why an answer pays whom: the part of a receipt that people read. Everything in it is an integer or a text, so that
 * its canonical JSON hashes to the same value wherever it is recomputed.
 */

/** One reason for a share: a record that influenced the answer, a span that the answer repeats, or a passage of its prompt. */
export const reasonSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('influence'),
    recordId: hashSchema,
    /** Influence above the threshold, in thousandths of a robust standard deviation. */
    milliZ: z.number().int(),
    sharePpm: z.number().int(),
  }),
  z.object({
    kind: z.literal('span'),
    recordId: hashSchema,
    /** UTF-16 range of the answer, end exclusive. */
    start: z.number().int(),
    end: z.number().int(),
    /** How often the span occurs in the model's training records. */
    occurrences: z.number().int(),
    sharePpm: z.number().int(),
  }),
  z.object({
    kind: z.literal('context'),
    /** The first of the passage's cluster of duplicates. */
    recordId: hashSchema,
    /** What the passage does to the answer's log-likelihood, in thousandths of a nat: its Shapley value. */
    milliNats: z.number().int(),
    sharePpm: z.number().int(),
  }),
])

export const shareSchema = z.object({
  contributionId: hashSchema,
  beneficiary: addressSchema,
  /** Parts per million of the contributors' part of the fee. */
  sharePpm: z.number().int(),
  amountWei: weiSchema,
  reasons: z.array(reasonSchema),
})

/** Models whose adapters made one answer together, each with a receipt for its part of the tokens. */
export const mergeSchema = z.object({
  /** In the order of the request; weights in millionths. */
  models: z.array(z.object({ modelId: z.string(), weightPpm: z.number().int() })),
  /** Place of the receipt's model among them. */
  index: z.number().int(),
  /** Tokens of the whole answer. */
  inputTokens: z.number().int(),
  outputTokens: z.number().int(),
})
export type Merge = z.infer<typeof mergeSchema>

/**
 * Tokens that a merged model is paid for: its weight's part of all of them, rounded up, and no more than all.
 *
 * What else is merged makes no model cheaper: otherwise a worthless one beside it would.
 */
export function mergedTokens(tokens: number, weightPpm: number): number {
  const size = BigInt(Math.abs(weightPpm))
  const part = size < SCALE ? size : SCALE
  return Number((BigInt(tokens) * part + SCALE - 1n) / SCALE)
}

/** Memory that an owner paid for: a model's adapter stays where it is answered with. */
export const pinSchema = z.object({
  /** Unix seconds at which it ends. */
  untilSeconds: z.number().int(),
  /** What is paid for; an adapter that was kept already stays for that much longer. */
  seconds: z.number().int(),
  sizeBytes: z.number().int(),
  /** Of a MiB for an hour. */
  priceWei: weiSchema,
})
export type Pin = z.infer<typeof pinSchema>

/** `sizeBytes * seconds * priceWei`, a MiB and an hour being one, rounded up. */
export function pinFeeWei({ sizeBytes, seconds, priceWei }: Omit<Pin, 'untilSeconds'>): bigint {
  const unit = 2n ** 20n * 3_600n
  return (BigInt(sizeBytes) * BigInt(seconds) * BigInt(priceWei) + unit - 1n) / unit
}

export const attributionSchema = z.object({
  engineVersion: z.string(),
  /** Names the bytes of what was computed in floating point; every share follows from it in whole numbers. */
  evidenceCid: z.string().optional(),
  /** Where the text came with the request instead of from the model. */
  textFrom: z.literal('caller').optional(),
  policy: z.object({
    influenceBps: z.number().int(),
    spansBps: z.number().int(),
    /** Of the model, where it was measured: influence pays in the measure of its square. */
    agreementPpm: z.number().int().optional(),
  }),
  /**
   * Log-likelihood of the answer under the adapter minus under the base, or under what else was merged, in thousandths of a
   * nat.
   */
  liftMilliNats: z.number().int(),
  /** Where several models answered together: each has a receipt of its own. */
  merge: mergeSchema.optional(),
  /** Where no answer was paid for, but keeping the model's adapter in memory. */
  pin: pinSchema.optional(),
  /** Where the prompt was given with passages. */
  context: z
    .object({
      /** In the order of the prompt. */
      passages: z.array(hashSchema),
      /** Log-likelihood of the answer with all of them minus with none, under the adapter; `liftMilliNats` is with none. */
      liftMilliNats: z.number().int(),
    })
    .optional(),
  shares: z.array(shareSchema),
  commons: z.object({
    sharePpm: z.number().int(),
    amountWei: weiSchema,
    beneficiary: addressSchema,
    reason: z.string(),
  }),
})

/** Ends the commons' reason where nobody stakes behind the model, so that the stakers' part joins it. */
export const JOINED_REASON = "The stakers' part joins it, because nobody stakes behind the model."

export type Reason = z.infer<typeof reasonSchema>
export type Share = z.infer<typeof shareSchema>
export type Attribution = z.infer<typeof attributionSchema>

/** How many records moved an answer, how many of its passages repeat one, and how many stood in its prompt; each counts once. */
export function tally(reasons: readonly Reason[]): { moved: number; passages: number; given: number } {
  const moved = new Set<string>()
  const passages = new Set<string>()
  const given = new Set<string>()
  for (const reason of reasons) {
    if (reason.kind === 'influence') moved.add(reason.recordId)
    else if (reason.kind === 'span') passages.add(`${reason.start}-${reason.end}`)
    else given.add(reason.recordId)
  }
  return { moved: moved.size, passages: passages.size, given: given.size }
}
