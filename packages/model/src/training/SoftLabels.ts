import { Op } from '@openledger/tensor'
import type { Checkpoint } from '../checkpoint/Checkpoint.ts'
import { weightShapes } from '../checkpoint/Config.ts'
import { createSessionCache, sessionOptions } from '../decoder/SessionCache.ts'
import * as Llama from '../Llama.ts'
import { buildSequenceGraph, collate, type Sequence } from '../Sequence.ts'

/** Tokens of one run; they decide how much memory it takes. */
const TOKENS_PER_RUN = 512

/** Bytes that the soft labels of a token take. */
export const softLabelBytes = ({ config }: Pick<Checkpoint, 'config'>): number => 4 * config.hiddenSize

/**
 * Labels sequences with all that a model finds likely at each token, so that another learns its distribution from them and
 * not one draw of it.
 *
 * The cross-entropy against probabilities `p` under logits `h tableᵀ` is `logsumexp(h tableᵀ) - h · (p table)`: of the
 * teacher's probabilities it needs `p table` alone, `C` numbers a token instead of `V`.
 *
 * @throws {DOMException} `AbortError` when the signal aborts. @throws {SequenceLengthError}
 * @see Hinton et al. 2015, "Distilling the Knowledge in a Neural Network".
 */
export async function withSoftLabels(
  teacher: Checkpoint,
  sequences: readonly Sequence[],
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Sequence[]> {
  const { config } = teacher
  const sessions = createSessionCache(2, sessionOptions({}))
  const labelled: Sequence[] = []
  try {
    while (labelled.length < sequences.length) {
      signal?.throwIfAborted()
      const first = sequences[labelled.length]!
      const rowsMax = Math.max(1, Math.floor(TOKENS_PER_RUN / first.ids.length))
      const chunk = sequences.slice(labelled.length, labelled.length + rowsMax)
      const { rows, tokens, ids, labels } = collate(config, chunk)
      const session = await sessions.get(`${rows}x${tokens}`, () => build(teacher, rows, tokens))
      const { softLabels } = await session.run({ ...Object.fromEntries(teacher.weights), ids, labels })
      const found = softLabels!.data as Float32Array
      for (const [row, sequence] of chunk.entries()) {
        const own = new Float32Array(sequence.ids.length * config.hiddenSize)
        const start = row * tokens * config.hiddenSize
        own.set(found.subarray(start, start + own.length - config.hiddenSize), config.hiddenSize)
        labelled.push({ ...sequence, softLabels: own })
      }
    }
    return labelled
  } finally {
    await sessions.release()
  }
}

function build({ config }: Checkpoint, rows: number, tokens: number) {
  const { graph, hidden, weights } = buildSequenceGraph(
    config,
    { rows, tokens },
    (graph) => Llama.inputWeights(graph, weightShapes(config)),
    () => () => undefined,
  )
  const table = weights(Llama.headName(config))
  const labels = graph.input('labels', 'int64', [rows * tokens])
  const probabilities = Op.softmax(Op.matmul(hidden, table, { transposeB: true }))
  return { softLabels: Op.subtract(Op.matmul(probabilities, table), Op.gather(table, labels)) }
}
