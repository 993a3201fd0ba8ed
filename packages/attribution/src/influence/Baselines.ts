import type { GradientBlock } from './Whitening.ts'

/** What an answer looks like to an estimator. */
export type EstimatorQuery = {
  /** `[parameters]` gradient of the answer's token-mean loss. */
  readonly gradient: Float32Array
  readonly tokens: ArrayLike<number>
}

/** Gives one score for each record; larger means more influence. For comparison: payouts use the influence index. */
export type Estimator = (query: EstimatorQuery) => Float64Array

/** Damping of DataInf as its authors chose it: a tenth of the mean squared entry. */
const DATA_INF_DAMPING = 0.1

/** Scores from a fixed stream of numbers: what an estimator that knows nothing gets. */
export function createRandom(rowCount: number, seed: number): Estimator {
  let state = seed >>> 0
  return () =>
    Float64Array.from({ length: rowCount }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state / 2 ** 31 - 1
    })
}

/** Products of raw gradients (TracIn at the last checkpoint, Pruthi et al. 2020). */
export const createGradDot =
  (rows: readonly Float32Array[]): Estimator =>
  ({ gradient }) =>
    Float64Array.from(rows, (row) => dot(row, gradient, 0, gradient.length))

/** Cosines of raw gradients. */
export function createGradCos(rows: readonly Float32Array[]): Estimator {
  const norms = rows.map((row) => Math.sqrt(dot(row, row, 0, row.length)))
  return ({ gradient }) =>
    Float64Array.from(rows, (row, i) =>
      norms[i] === 0 ? 0 : dot(row, gradient, 0, gradient.length) / norms[i]!,
    )
}

/**
 * DataInf: replaces the inverse of a mean of outer products by the mean of their inverses, block by block.
 *
 * `s_i = Σ_l (q·g_i - (1/n) Σ_j (q·g_j) (g_j·g_i) / (λ_l + |g_j|²)) / λ_l`
 * @see Kwon et al. 2024, "DataInf", eq. 5; the sign is turned so that larger means more helpful.
 */
export function createDataInf(blocks: readonly GradientBlock[], rows: readonly Float32Array[]): Estimator {
  let next = 0
  const prepared = blocks.map(({ size }) => {
    const from = next
    next += size
    const squares = rows.map((row) => dot(row, row, from, next))
    const total = squares.reduce((sum, value) => sum + value, 0)
    return { from, to: next, squares, damping: (DATA_INF_DAMPING * total) / (rows.length * size) }
  })
  return ({ gradient }) => {
    const scores = new Float64Array(rows.length)
    const mean = new Float64Array(gradient.length)
    for (const { from, to, squares, damping } of prepared) {
      if (damping === 0) continue
      const products = rows.map((row) => dot(row, gradient, from, to))
      for (const [j, row] of rows.entries()) {
        const weight = products[j]! / (damping + squares[j]!) / rows.length
        for (let k = from; k < to; k++) mean[k]! += weight * row[k]!
      }
      for (const [i, row] of rows.entries()) {
        let corrected = products[i]!
        for (let k = from; k < to; k++) corrected -= mean[k]! * row[k]!
        scores[i]! += corrected / damping
      }
    }
    return scores
  }
}

/**
 * BM25 over token n-grams, the lexical baseline.
 * @see Robertson and Zaragoza 2009; `k1 = 1.2`, `b = 0.75`.
 */
export function createBm25(documents: readonly ArrayLike<number>[], gramTokens = 3): Estimator {
  const [k1, b] = [1.2, 0.75]
  const postings = new Map<string, Map<number, number>>()
  for (const [i, document] of documents.entries()) {
    for (const gram of grams(document, gramTokens)) {
      const counts = postings.get(gram) ?? new Map<number, number>()
      postings.set(gram, counts)
      counts.set(i, (counts.get(i) ?? 0) + 1)
    }
  }
  const meanLength = documents.reduce((sum, { length }) => sum + length, 0) / Math.max(1, documents.length)
  return ({ tokens }) => {
    const scores = new Float64Array(documents.length)
    for (const gram of new Set(grams(tokens, gramTokens))) {
      const counts = postings.get(gram)
      if (counts === undefined) continue
      const rarity = Math.log(1 + (documents.length - counts.size + 0.5) / (counts.size + 0.5))
      for (const [i, count] of counts) {
        const saturation = k1 * (1 - b + (b * documents[i]!.length) / meanLength)
        scores[i]! += (rarity * count * (k1 + 1)) / (count + saturation)
      }
    }
    return scores
  }
}

const grams = (tokens: ArrayLike<number>, size: number): string[] =>
  Array.from({ length: Math.max(0, tokens.length - size + 1) }, (_, i) =>
    Array.from({ length: size }, (_, k) => tokens[i + k]).join(' '),
  )

function dot(a: Float32Array, b: Float32Array, from: number, to: number): number {
  let sum = 0
  for (let k = from; k < to; k++) sum += a[k]! * b[k]!
  return sum
}
