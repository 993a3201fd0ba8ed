import type { Adapter, Gradients } from '@openledger/model'
import type { Decoder } from '@openledger/model/decoder/Decoder'
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
 * @param decoder - Of one row or more, all empty; empty again afterwards.
 * @param gradients - Of any adapter over the same base.
 */
export async function replay(
  { decoder, gradients }: { readonly decoder: Decoder; readonly gradients: Gradients },
  { adapter, rest }: { readonly adapter: Adapter.Adapter; readonly rest: Adapter.Adapter | undefined },
  promptIds: readonly number[],
  answerIds: readonly number[],
): Promise<Replay> {
  const { vocabularySize } = decoder
  const ids = Int32Array.from([...promptIds, ...answerIds])
  const lossMask = new Float32Array(ids.length).fill(1 / answerIds.length, promptIds.length)
  const { gradient, logits } = await gradients.withAdapter(adapter).read({ ids, lossMask })
  const first = promptIds.length - 1
  const adapted = logits.slice(first * vocabularySize, (first + answerIds.length) * vocabularySize)
  return {
    logProbabilities: likelihoods(adapted, answerIds, vocabularySize),
    restLogProbabilities: await read(decoder, rest, promptIds, answerIds),
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
  try {
    decoder.setAdapter(0, adapter)
    const ids = [...promptIds, ...answerIds.slice(0, -1)]
    const [logits] = await decoder.extend([{ row: 0, ids, logitsFrom: promptIds.length - 1 }])
    return likelihoods(logits!, answerIds, decoder.vocabularySize)
  } finally {
    decoder.free(0)
  }
}

/**
 * Reads a prompt and its answer once, alone.
 *
 * @param adapter - Undefined for the base.
 * @param answerIds - At least one.
 * @param decoder - Of one row or more, all empty; empty again afterwards.
 * @returns `[answer, hidden]`: the last hidden states that each answer token is chosen from.
 */
export async function readHidden(
  decoder: Decoder,
  adapter: Adapter.Adapter | undefined,
  promptIds: readonly number[],
  answerIds: readonly number[],
): Promise<Float32Array> {
  try {
    decoder.setAdapter(0, adapter)
    const ids = [...promptIds, ...answerIds.slice(0, -1)]
    const [output] = await decoder.extendWithHidden([{ row: 0, ids, logitsFrom: promptIds.length - 1 }])
    return output!.hidden
  } finally {
    decoder.free(0)
  }
}

function likelihoods(
  logits: Float32Array,
  answerIds: readonly number[],
  vocabularySize: number,
): Float64Array {
  return Float64Array.from(answerIds, (id, i) => {
    const row = logits.subarray(i * vocabularySize, (i + 1) * vocabularySize)
    return row[id]! - logSumExp(row)
  })
}
