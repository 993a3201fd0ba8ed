import { Adapter, type Checkpoint, createScorer, type Scorer, writeOwnTexts } from '@openledger/model'
import type { Http } from '@openledger/protocol'

/** Texts of the base's own that forgetting is measured on. */
const TEXTS = 16
/** Halvings of the interval that the scale is looked for in: to 1/64. */
const HALVINGS = 6

export type Forgetting = {
  /** Mean loss on what the base writes, in nats a token, under an adapter or the base alone. */
  readonly lossOf: (adapter: Adapter.Adapter | undefined) => Promise<number>
  /** The same under a model that all weights of the base were trained of. */
  readonly lossOfWhole: (checkpoint: Checkpoint) => Promise<number>
  readonly release: () => Promise<void>
}

/**
 * Prepares to measure what adapters forgot: the base writes texts, and one that changed nothing finds them as likely as it does.
 * @param seed - What the texts are drawn from; neither rehearsed nor measured with twice.
 * @throws {DOMException} `AbortError` when the signal aborts.
 */
export async function createForgetting(
  checkpoint: Checkpoint,
  {
    sequenceTokens,
    seed,
    signal,
  }: { readonly sequenceTokens: number; readonly seed: number; readonly signal: AbortSignal },
): Promise<Forgetting> {
  const tokensMax = Math.min(sequenceTokens, checkpoint.config.contextMax)
  const texts = await writeOwnTexts(checkpoint, { count: TEXTS, tokensMax, seed, signal })
  const scorer = createScorer(checkpoint, undefined)
  const meanLoss = async ({ logProbabilities }: Scorer): Promise<number> => {
    let sum = 0
    for (const { ids } of texts) for (const value of await logProbabilities(ids)) sum -= value
    return sum / (TEXTS * (tokensMax - 1))
  }
  return {
    lossOf: (adapter) => meanLoss(scorer.withAdapter(adapter)),
    async lossOfWhole(whole) {
      const own = createScorer(whole, undefined)
      try {
        return await meanLoss(own)
      } finally {
        await own.release()
      }
    },
    release: scorer.release,
  }
}

/**
 * Finds the largest part of an adapter, at most all of it, under which the base's own texts are at most `forgettingMax` more
 * perplexing than to the base, to 1/64.
 *
 * An adapter that is multiplied by a part of 1 gives up little of its domain for much of what it forgot.
 * @see Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (WiSE-FT).
 */
export async function scaleWithin(
  { lossOf }: Pick<Forgetting, 'lossOf'>,
  adapter: Adapter.Adapter,
  { forgettingMax }: Pick<Http.TrainingConfig, 'forgettingMax'>,
): Promise<number> {
  const lossMax = (await lossOf(undefined)) + Math.log1p(forgettingMax)
  if ((await lossOf(adapter)) <= lossMax) return 1
  let [within, beyond] = [0, 1]
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (within + beyond) / 2
    if ((await lossOf(scaled(adapter, middle))) <= lossMax) within = middle
    else beyond = middle
  }
  return within
}

/** Multiplies what an adapter adds. */
export const scaled = (adapter: Adapter.Adapter, scale: number): Adapter.Adapter =>
  scale === 1
    ? adapter
    : Adapter.from({
        ...adapter,
        tensors: new Map(
          [...adapter.tensors].map(([name, { a, b }]) => [name, { a, b: b.map((value) => value * scale) }]),
        ),
      })
