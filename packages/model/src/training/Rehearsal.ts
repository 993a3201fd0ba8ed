import type { Checkpoint } from '../checkpoint/Checkpoint.ts'
import { createDecoder } from '../decoder/Decoder.ts'
import { createRandom } from '../Random.ts'
import type { Sequence } from '../Sequence.ts'

/** Texts that are written side by side. */
const ROWS = 16

/**
 * Has a model write texts from nothing, each token drawn as likely as the model finds it: what it knows, in its own words.
 *
 * The mean loss of an adapter on them is the base's entropy plus `KL(base ‖ adapter)`, so that learning them beside new
 * records holds the adapter to the base without any of the text that the base was made from.
 *
 * @param tokensMax - Length of every text with its first mark; texts are not ended earlier.
 * @param seed - Equal seeds give equal texts on one kind of processor.
 * @throws {DOMException} `AbortError` when the signal aborts.
 * @see Robins 1995, "Catastrophic Forgetting, Rehearsal and Pseudorehearsal".
 */
export async function writeOwnTexts(
  checkpoint: Checkpoint,
  {
    count,
    tokensMax,
    seed,
    signal,
  }: {
    readonly count: number
    readonly tokensMax: number
    readonly seed: number
    readonly signal?: AbortSignal | undefined
  },
): Promise<Sequence[]> {
  if (count === 0) return []
  const { bosId, eosId, padId } = checkpoint.config
  const marks = [bosId, eosId, padId]
  const random = createRandom(seed)
  const draw = createDraw(checkpoint.config.vocabularySize, marks)
  const decoder = await createDecoder(checkpoint, {
    rows: Math.min(ROWS, count),
    context: tokensMax,
    rankMax: 0,
  })
  const texts: Sequence[] = []
  try {
    while (texts.length < count) {
      const rows = Array.from({ length: Math.min(ROWS, count - texts.length) }, () => [bosId])
      for (let length = 1; length < tokensMax; length++) {
        signal?.throwIfAborted()
        const logits = await decoder.extend(
          rows.map((ids, row) => ({ row, ids: length === 1 ? ids : ids.slice(-1) })),
        )
        for (const [row, ids] of rows.entries()) ids.push(draw(logits[row]!, random.next()))
      }
      for (const [row, ids] of rows.entries()) {
        decoder.free(row)
        texts.push({
          ids: Int32Array.from(ids),
          lossMask: Float32Array.from(ids, (_, t) => (t === 0 ? 0 : 1)),
        })
      }
    }
    return texts
  } finally {
    await decoder.release()
  }
}

/** Makes what draws a token with its probability among all but the marks; its one array is written anew by each draw. */
function createDraw(vocabularySize: number, marks: readonly number[]) {
  const weights = new Float64Array(vocabularySize)
  return (logits: Float32Array, uniform: number): number => {
    let highest = Number.NEGATIVE_INFINITY
    for (let id = 0; id < vocabularySize; id++) if (logits[id]! > highest) highest = logits[id]!
    for (let id = 0; id < vocabularySize; id++) weights[id] = Math.exp(logits[id]! - highest)
    for (const mark of marks) weights[mark] = 0
    let total = 0
    for (let id = 0; id < vocabularySize; id++) total += weights[id]!
    let left = uniform * total
    let last = 0
    for (let id = 0; id < vocabularySize; id++) {
      if (weights[id] === 0) continue
      last = id
      left -= weights[id]!
      if (left < 0) break
    }
    return last
  }
}
