import type { Adapter } from '@openledger/model'
import type { Decoder } from '@openledger/model/Decoder'
import { logSumExp } from './Sampler.ts'

/** An answer read again under its adapter and under the base alone. */
export type Replay = {
  /** `[answer]` `log p` of each token under the adapter, in nats. */
  readonly logProbabilities: Float64Array
  /** The same under the base. */
  readonly baseLogProbabilities: Float64Array
  /** `[answer, vocabulary]`: the scores that each answer token was chosen from. */
  readonly logits: Float32Array
}

/**
 * Reads a prompt and its answer in one pass under the adapter and under the base: a batch of two, always of the same
 * shape for the same answer, so that the numbers do not depend on what else was served.
 *
 * @param decoder - Of at least two rows, both empty; empty again afterwards.
 */
export async function replay(
  decoder: Decoder,
  adapter: Adapter.Adapter,
  promptIds: readonly number[],
  answerIds: readonly number[],
): Promise<Replay> {
  const { vocabularySize } = decoder
  const ids = [...promptIds, ...answerIds.slice(0, -1)]
  const logitsFrom = promptIds.length - 1
  try {
    decoder.setAdapter(0, adapter)
    decoder.setAdapter(1, undefined)
    const [adapted, base] = await decoder.extend([
      { row: 0, ids, logitsFrom },
      { row: 1, ids, logitsFrom },
    ])
    const score = (logits: Float32Array): Float64Array =>
      Float64Array.from(answerIds, (id, i) => {
        const row = logits.subarray(i * vocabularySize, (i + 1) * vocabularySize)
        return row[id]! - logSumExp(row)
      })
    return { logProbabilities: score(adapted!), baseLogProbabilities: score(base!), logits: adapted! }
  } finally {
    decoder.free(0)
    decoder.free(1)
  }
}
