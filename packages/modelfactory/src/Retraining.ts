import { type Adapter, type Checkpoint, createTrainer, type Sequence, type Trainer } from '@openledger/model'
import type { Http } from '@openledger/protocol'
import { trainerOptionsOf } from './Training.ts'
import { planBatches } from './TrainingPlan.ts'
import { rateAt } from './TrainingSteps.ts'

export type Retrainer = {
  /**
   * Trains again from the start without some sequences.
   *
   * Order, start and every other sequence's weight stay as they were, so that the difference to the adapter of an empty
   * set is what these sequences did, and equal sets give equal adapters.
   *
   * @param leftOut - Indices of sequences.
   * @throws {DOMException} `AbortError` when the signal aborts.
   */
  readonly without: (leftOut: ReadonlySet<number>, signal?: AbortSignal) => Promise<Adapter.Adapter>
  /** Trains again with everything and gives the adapters at so many points of the way, at even distances; the last is its end. */
  readonly along: (count: number) => Promise<Adapter.Adapter[]>
  readonly release: () => Promise<void>
}

/**
 * Prepares to repeat a training over the same sequences, as `trainAdapter` does it with the same configuration.
 * @param weights - How often an epoch sees each sequence.
 */
export function createRetrainer(
  checkpoint: Checkpoint,
  sequences: readonly Sequence[],
  config: Http.TrainingConfig,
  weights: readonly number[] = sequences.map(() => 1),
): Retrainer {
  const plan = planBatches(weights, config)
  const trainer: Trainer = createTrainer(checkpoint, trainerOptionsOf(checkpoint, config))
  const start = trainer.state()
  const blank = sequences.map(({ lossMask }) => new Float32Array(lossMask.length))
  const repeat = async (
    leftOut: ReadonlySet<number>,
    onStep: (steps: number) => void,
    signal?: AbortSignal,
  ): Promise<Adapter.Adapter> => {
    trainer.restore(start)
    for (const [step, indices] of plan.entries()) {
      signal?.throwIfAborted()
      const divisor = indices.reduce((sum, index) => sum + countOf(sequences[index]!), 0)
      await trainer.step(
        {
          ids: indices.map((index) => sequences[index]!.ids),
          lossMask: indices.map((index) => (leftOut.has(index) ? blank[index]! : sequences[index]!.lossMask)),
          softLabels: indices.map((index) => sequences[index]!.softLabels),
          divisor,
        },
        rateAt(config, step, plan.length),
      )
      onStep(step + 1)
    }
    return trainer.adapter()
  }
  return {
    without: (leftOut, signal) => repeat(leftOut, () => {}, signal),
    async along(count) {
      const stops = new Set(
        Array.from({ length: count }, (_, i) => Math.round(((i + 1) * plan.length) / count)),
      )
      const adapters: Adapter.Adapter[] = []
      await repeat(new Set(), (steps) => {
        if (stops.has(steps)) adapters.push(trainer.adapter())
      })
      return adapters
    },
    release: trainer.release,
  }
}

const countOf = ({ lossMask }: Sequence): number => lossMask.reduce((sum, weight) => sum + weight, 0)
