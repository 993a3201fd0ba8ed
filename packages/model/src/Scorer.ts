import { type Graph, Op, type Tensor } from '@openledger/tensor'
import { type Adapter, linearsOf } from './checkpoint/Adapter.ts'
import type { Checkpoint } from './checkpoint/Checkpoint.ts'
import { linearName, weightShapes } from './checkpoint/Config.ts'
import { createSessionCache, sessionOptions } from './decoder/SessionCache.ts'
import * as Llama from './Llama.ts'
import { buildSequenceGraph, collate } from './Sequence.ts'

export type Scorer = {
  /** Gives `log p(token | tokens before it)` of each token in nats; the first is 0. */
  readonly logProbabilities: (ids: Int32Array) => Promise<Float32Array>
  /** Gives the mean over all tokens of the last hidden state, `[hidden]`, of length 1. */
  readonly embedding: (ids: Int32Array) => Promise<Float32Array>
  /** Gives the scores of another adapter (or of the base alone), sharing compiled graphs where the shapes agree. */
  readonly withAdapter: (adapter: Adapter | undefined) => Scorer
  readonly release: () => Promise<void>
}

const sessionsMax = 8

/** Prepares scoring of whole sequences with an adapter, or with the base alone. */
export function createScorer(
  checkpoint: Checkpoint,
  adapter: Adapter | undefined,
  options: { readonly threads?: number; readonly spinning?: boolean } = {},
): Scorer {
  const { config } = checkpoint
  const shapes = weightShapes(config)
  const sessions = createSessionCache(sessionsMax, sessionOptions(options))

  const build = (
    own: Adapter | undefined,
    tokens: number,
    wanted: 'scores' | 'hidden',
  ): Record<string, Tensor> => {
    const pairsIn = (graph: Graph) => {
      const pairs = new Map<string, Llama.LoraPair>()
      for (const { name, input, output } of own ? linearsOf(config, own.targets) : []) {
        const { rank, alpha } = own!
        pairs.set(name, {
          a: graph.input(`${name}.a`, 'float32', [input, rank]),
          b: graph.input(`${name}.b`, 'float32', [rank, output]),
          scale: alpha / rank,
        })
      }
      return pairs
    }
    const { graph, hidden, weights } = buildSequenceGraph(
      config,
      { rows: 1, tokens },
      (graph) => Llama.inputWeights(graph, shapes),
      (graph) => {
        const pairs = pairsIn(graph)
        return (layer, target) => pairs.get(linearName(layer, target))
      },
    )
    if (wanted === 'hidden') return { hidden }
    const labels = graph.input('labels', 'int64', [tokens])
    const { loss } = Llama.crossEntropy(hidden, weights(Llama.headName(config)), labels)
    return { logProbability: Op.negate(loss) }
  }

  const forAdapter = (own: Adapter | undefined): Scorer => {
    const feeds: Record<string, Float32Array> = Object.fromEntries(checkpoint.weights)
    for (const [name, { a, b }] of own?.tensors ?? []) {
      feeds[`${name}.a`] = a
      feeds[`${name}.b`] = b
    }
    const key = own ? `${own.rank} ${own.alpha} ${own.targets}` : 'base'
    const run = async (ids: Int32Array, wanted: 'scores' | 'hidden') => {
      const batch = collate(config, [{ ids, lossMask: new Float32Array(ids.length) }])
      const session = await sessions.get(`${wanted} ${key} ${batch.tokens}`, () =>
        build(own, batch.tokens, wanted),
      )
      const labels = wanted === 'scores' ? { labels: batch.labels } : {}
      return session.run({ ...feeds, ids: batch.ids, ...labels })
    }
    return {
      logProbabilities: async (ids) => {
        const scores = new Float32Array(ids.length)
        if (ids.length < 2) return scores
        const results = await run(ids, 'scores')
        scores.set((results.logProbability!.data as Float32Array).subarray(0, ids.length - 1), 1)
        return scores
      },
      embedding: async (ids) => {
        const results = await run(ids, 'hidden')
        return direction(results.hidden!.data as Float32Array, ids.length, config.hiddenSize)
      },
      withAdapter: forAdapter,
      release: sessions.release,
    }
  }
  return forAdapter(adapter)
}

/** Adds up the first `tokens` rows of `[tokens, width]` and scales the sum to length 1. */
function direction(rows: Float32Array, tokens: number, width: number): Float32Array {
  const sum = new Float64Array(width)
  for (let i = 0; i < tokens * width; i++) sum[i % width]! += rows[i]!
  const length = Math.hypot(...sum)
  return Float32Array.from(sum, (value) => (length === 0 ? 0 : value / length))
}
