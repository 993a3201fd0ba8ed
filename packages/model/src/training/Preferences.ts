import type { Sequence } from '../Sequence.ts'
import type { Trainer } from './Trainer.ts'

/** Two answers to one prompt, each counted from its first token; people prefer the first. */
export type PreferencePair = { readonly chosen: Sequence; readonly rejected: Sequence }

/** How sure of its preferences a model is. */
export type PreferenceLoss = {
  /** Mean of `-log sigmoid(beta * margin)`, in nats; `log 2` before training. */
  readonly loss: number
  /** Part of the pairs whose chosen answer gained more than the rejected one. */
  readonly accuracy: number
}

export type PreferenceTrainer = {
  /**
   * Takes one optimiser step on pairs.
   * @param references - For each pair, the margin that the reference model gives it (`margins`).
   * @returns The loss before the step.
   */
  readonly step: (
    pairs: readonly PreferencePair[],
    references: Float64Array,
    learningRate: number,
  ) => Promise<PreferenceLoss>
  readonly evaluate: (pairs: readonly PreferencePair[], references: Float64Array) => Promise<PreferenceLoss>
  /** Log-likelihood of each pair's chosen answer less that of its rejected one; before any step, the reference's. */
  readonly margins: (pairs: readonly PreferencePair[]) => Promise<Float64Array>
}

/**
 * Trains on preferences with the steps of a trainer: its gradient is that of the likelihoods, each pair's weighed by how wrong
 * the model is about it.
 *
 * @param beta - How far the model may move from its reference: more holds it closer.
 * @see Rafailov et al. 2023, "Direct Preference Optimization", equation 7.
 */
export function createPreferenceTrainer(trainer: Trainer, beta: number): PreferenceTrainer {
  const margins: PreferenceTrainer['margins'] = async (pairs) => {
    const sums = await trainer.logLikelihoods(batchOf(pairs, () => [1, 1]))
    return Float64Array.from(pairs, (_, i) => sums[2 * i]! - sums[2 * i + 1]!)
  }
  const gained = async (pairs: readonly PreferencePair[], references: Float64Array) =>
    (await margins(pairs)).map((margin, i) => beta * (margin - references[i]!))
  return {
    margins,
    evaluate: async (pairs, references) => lossOf(await gained(pairs, references)),
    step: async (pairs, references, learningRate) => {
      const gains = await gained(pairs, references)
      await trainer.step(
        {
          // d loss / d margin of a pair is -beta sigmoid(-gain) over their number; likelihoods fall as losses rise
          ...batchOf(pairs, (i) => {
            const weight = (beta * sigmoid(-gains[i]!)) / pairs.length
            return [weight, -weight]
          }),
          divisor: 1,
        },
        learningRate,
      )
      return lossOf(gains)
    },
  }
}

function batchOf(
  pairs: readonly PreferencePair[],
  weights: (pair: number) => readonly [chosen: number, rejected: number],
) {
  const sequences = pairs.flatMap(({ chosen, rejected }) => [chosen, rejected])
  return {
    ids: sequences.map(({ ids }) => ids),
    lossMask: sequences.map(({ lossMask }, i) => {
      const weight = weights(i >> 1)[i % 2]!
      return lossMask.map((value) => value * weight)
    }),
  }
}

function lossOf(gains: Float64Array): PreferenceLoss {
  let loss = 0
  let right = 0
  for (const gain of gains) {
    // log(1 + exp(-gain)) without overflow
    loss += Math.max(0, -gain) + Math.log1p(Math.exp(-Math.abs(gain)))
    if (gain > 0) right++
  }
  return { loss: loss / gains.length, accuracy: right / gains.length }
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
