import type { Adapter, Gradients, Scorer } from '@openledger/model'
import type { Decoder, RowOutput } from '@openledger/model/decoder/Decoder'
import { logSumExp } from '../engine/Sampler.ts'

/** An answer read again under its adapter and without it. */
export type Replay = {
  /** `[answer]` `log p` of each token under the adapter, in nats. */
  readonly logProbabilities: Float64Array
  /** The same without it: under the base, or under what else was merged. */
  readonly restLogProbabilities: Float64Array
  /** `[parameters]` of the answer's mean log-likelihood, with respect to the adapter. */
  readonly gradient: Float32Array
}

/**
 * Reads a prompt and its answer once under the adapter, backwards as well, and once without it: each alone, so that the
 * numbers do not depend on what else was served.
 *
 * @param rest - What is left without the adapter; undefined for the base.
 * @param answerIds - At least one.
 * @param scorer - Of any adapter over the same base, or of none.
 * @param gradients - Of any adapter over the same base.
 */
export async function replay(
  { scorer, gradients }: { readonly scorer: Scorer; readonly gradients: Gradients },
  { adapter, rest }: { readonly adapter: Adapter.Adapter; readonly rest: Adapter.Adapter | undefined },
  promptIds: readonly number[],
  answerIds: readonly number[],
): Promise<Replay> {
  const ids = Int32Array.from([...promptIds, ...answerIds])
  const lossMask = new Float32Array(ids.length).fill(1 / answerIds.length, promptIds.length)
  const { gradient, logProbabilities } = await gradients.withAdapter(adapter).read({ ids, lossMask })
  const without = await scorer.withAdapter(rest).logProbabilities(ids)
  return {
    logProbabilities: Float64Array.from(logProbabilities.subarray(promptIds.length)),
    restLogProbabilities: Float64Array.from(without.subarray(promptIds.length)),
    gradient,
  }
}

/**
 * Reads a prompt and its answer once, alone.
 *
 * @param adapter - Undefined for the base.
 * @param answerIds - At least one.
 * @param decoder - Of one row or more, all empty; empty again afterwards.
 * @returns `[answer]` `log p` of each token, in nats.
 */
export async function read(
  decoder: Decoder,
  adapter: Adapter.Adapter | undefined,
  promptIds: readonly number[],
  answerIds: readonly number[],
): Promise<Float64Array> {
  const { logits } = await readAlone(decoder, adapter, promptIds, answerIds)
  const { vocabularySize } = decoder
  return Float64Array.from(answerIds, (id, i) => {
    const row = logits.subarray(i * vocabularySize, (i + 1) * vocabularySize)
    return row[id]! - logSumExp(row)
  })
}

/** Reads as `read` does and gives `[answer, hidden]`: the last hidden states that each answer token is chosen from. */
export const readHidden = async (
  decoder: Decoder,
  adapter: Adapter.Adapter | undefined,
  promptIds: readonly number[],
  answerIds: readonly number[],
): Promise<Float32Array> => (await readAlone(decoder, adapter, promptIds, answerIds)).hidden

async function readAlone(
  decoder: Decoder,
  adapter: Adapter.Adapter | undefined,
  promptIds: readonly number[],
  answerIds: readonly number[],
): Promise<RowOutput> {
  try {
    decoder.setAdapter(0, adapter)
    const ids = [...promptIds, ...answerIds.slice(0, -1)]
    const [output] = await decoder.extendWithHidden([{ row: 0, ids, logitsFrom: promptIds.length - 1 }])
    return output!
  } finally {
    decoder.free(0)
  }
}
