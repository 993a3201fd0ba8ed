/** Attribution scores held against what models trained without some records did. */
export type AgreementInputs = {
  /** `[queries][records]`: larger means that the record made the answer more likely. */
  readonly scores: readonly ArrayLike<number>[]
  /** `[retrainings]`: the records that each was trained without. */
  readonly leftOut: readonly (readonly number[])[]
  /** `[retrainings][queries]`: log-likelihood of each answer after it. */
  readonly likelihoods: readonly ArrayLike<number>[]
}

/**
 * Computes the linear datamodelling score of each answer: the rank correlation, over retrainings, of what the scores of
 * the records left out foretell with what happened to the answer's likelihood.
 *
 * @returns `[queries]` in [-1, 1].
 * @see Park et al. 2023, "TRAK", definition 2.
 */
export function agreement(inputs: AgreementInputs): number[] {
  const predicted = predict(inputs)
  return inputs.scores.map((_, query) =>
    rankCorrelation(
      predicted[query]!,
      inputs.likelihoods.map((row) => row[query]!),
    ),
  )
}

/**
 * Computes the same of all answers together: how the scores rank the sets that were left out by what all answers lost without
 * them, as a ranking of contributors over an epoch does.
 *
 * @returns In [-1, 1].
 */
export function totalAgreement(inputs: AgreementInputs): number {
  const predicted = predict(inputs)
  return rankCorrelation(
    inputs.leftOut.map((_, i) => predicted.reduce((sum, row) => sum + row[i]!, 0)),
    inputs.likelihoods.map((row) => Array.from(row).reduce((sum, value) => sum + value, 0)),
  )
}

/**
 * Resamples retrainings to say how far each estimator's mean score may be from the one that endless retraining would give.
 *
 * All estimators see the same resamples, so that the interval of a difference is that of a pair.
 *
 * @param estimators - By name, scores as in `AgreementInputs`.
 * @param draw - Uniform whole numbers below a limit.
 * @returns `[rounds]` mean scores of each estimator.
 */
export function bootstrap(
  estimators: Readonly<Record<string, AgreementInputs['scores']>>,
  { leftOut, likelihoods }: Omit<AgreementInputs, 'scores'>,
  { rounds, draw }: { readonly rounds: number; readonly draw: (limit: number) => number },
): Record<string, number[]> {
  const names = Object.keys(estimators)
  const predictions = names.map((name) => predict({ scores: estimators[name]!, leftOut, likelihoods }))
  const means: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    const chosen = leftOut.map(() => draw(leftOut.length))
    const queries = predictions[0]?.map((_, query) => query) ?? []
    const truths = queries.map((query) => ranks(chosen.map((i) => likelihoods[i]![query]!)))
    for (const [e, name] of names.entries()) {
      const correlations = queries.map((query) =>
        correlation(ranks(chosen.map((i) => predictions[e]![query]![i]!)), truths[query]!),
      )
      means[name]!.push(meanOf(correlations))
    }
  }
  return means
}

/** Gives the bounds between which the middle 95 in 100 values lie. */
export function interval(values: readonly number[]): { readonly low: number; readonly high: number } {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (part: number): number => sorted[Math.round(part * (sorted.length - 1))] ?? 0
  return { low: at(0.025), high: at(0.975) }
}

/**
 * The most that any estimator can reach against a truth that is itself the mean of noisy repetitions.
 *
 * @param repeats - How many repetitions the truth is the mean of.
 * @param between - Mean rank correlation of one repetition with another.
 * @returns `sqrt` of the Spearman-Brown reliability of the mean.
 */
export const noiseCeiling = (between: number, repeats: number): number =>
  Math.sqrt(Math.max(0, (repeats * between) / (1 + (repeats - 1) * between)))

/** Spearman's rank correlation; equal values share the mean of their ranks. 0 when one side does not vary. */
export const rankCorrelation = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  correlation(ranks(a), ranks(b))

export const meanOf = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return values.length === 0 ? 0 : sum / values.length
}

/** `[queries][retrainings]`: leaving records out takes away what their scores say. */
function predict({ scores, leftOut }: AgreementInputs): Float64Array[] {
  return scores.map((row) =>
    Float64Array.from(leftOut, (records) => records.reduce((sum, record) => sum - row[record]!, 0)),
  )
}

function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (_, i) => i).sort((i, j) => values[i]! - values[j]!)
  const found = new Float64Array(values.length)
  for (let from = 0; from < order.length; ) {
    let to = from + 1
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++
    for (let k = from; k < to; k++) found[order[k]!] = (from + to - 1) / 2
    from = to
  }
  return found
}

function correlation(a: Float64Array, b: Float64Array): number {
  const [meanA, meanB] = [meanOf(a), meanOf(b)]
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]! - meanA, b[i]! - meanB]
    ab += x * y
    aa += x * x
    bb += y * y
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb)
}
