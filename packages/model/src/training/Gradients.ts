import { type Graph, gradients, Op, type Tensor } from '@openledger/tensor'
import type { Adapter } from '../checkpoint/Adapter.ts'
import { linearsOf } from '../checkpoint/Adapter.ts'
import type { Checkpoint } from '../checkpoint/Checkpoint.ts'
import { linearName, weightShapes } from '../checkpoint/Config.ts'
import { createSessionCache, sessionOptions } from '../decoder/SessionCache.ts'
import * as Llama from '../Llama.ts'
import { createRandom } from '../Random.ts'
import { buildSequenceGraph, collate, type Sequence } from '../Sequence.ts'

export type GradientsOptions = {
  /** Most examples in one run of the graph. */
  readonly batchSize: number
  /** Longest example in tokens; default is the context and one label. */
  readonly sequenceMax?: number
  readonly threads?: number
  readonly spinning?: boolean
  /** Most compiled shapes held at once, default 6. Each keeps the memory of its largest run. */
  readonly sessionsMax?: number
}

/** One matrix of the adapter and its part of the gradient. */
export type GradientBlock = {
  /** e.g. `layers.0.self_attn.q_proj.a`. */
  readonly name: string
  /** Elements: `rows * columns`, row-major. */
  readonly size: number
  readonly rows: number
  readonly columns: number
}

export type ExampleGradient = {
  /** Gradient of `logLikelihood` with respect to the adapter, its blocks one after the other. */
  readonly gradient: Float32Array
  /** Sum over the sequence of `lossMask * log p(label)`, in nats. */
  readonly logLikelihood: number
}

export type Gradients = {
  /**
   * Computes the gradient of each example by itself, in batches.
   * @param labels - `data`: the sequence's own tokens. `sampled`: drawn from the model at each position, for the Fisher
   *   matrix.
   * @param seeds - Of each sequence's draw, which does not depend on what else is computed; 0, 1, 2, ... when left out.
   */
  readonly perExample: (
    sequences: readonly Sequence[],
    labels?: 'data' | 'sampled',
    seeds?: readonly number[],
  ) => Promise<ExampleGradient[]>
  /**
   * Computes one example's gradient in the same pass that reads it.
   * @returns Also `logProbabilities`, `[tokens]`: `log p(token | tokens before it)` of each in nats; the first is 0.
   */
  readonly read: (
    sequence: Sequence,
  ) => Promise<ExampleGradient & { readonly logProbabilities: Float32Array }>
  readonly blocks: readonly GradientBlock[]
  /** Gives the gradients of another adapter over the same base, sharing compiled graphs where the shapes agree. */
  readonly withAdapter: (adapter: Adapter) => Gradients
  readonly release: () => Promise<void>
}

const sessionsMaxDefault = 6

/**
 * Prepares per-example gradients of an adapter.
 *
 * Each A and B is expanded to one copy per example and the gradient is taken with respect to the copies, which costs no
 * more than the gradient of the whole batch.
 */
export function createGradients(
  checkpoint: Checkpoint,
  adapter: Adapter,
  options: GradientsOptions,
): Gradients {
  const { config } = checkpoint
  const shapes = weightShapes(config)
  const sessions = createSessionCache(options.sessionsMax ?? sessionsMaxDefault, sessionOptions(options))
  const tokensMax = Math.min(config.contextMax, (options.sequenceMax ?? config.contextMax + 1) - 1)

  const build = (own: Adapter, rows: number, tokens: number, labels: 'data' | 'sampled' | 'read') => {
    const { rank, alpha } = own
    const copies: Tensor[] = []
    const copy = (graph: Graph, name: string, shape: readonly [number, number]): Tensor => {
      const made = Op.expand(graph.input(name, 'float32', shape), [rows, ...shape])
      copies.push(made)
      return made
    }
    const { graph, hidden, weights } = buildSequenceGraph(
      config,
      { rows, tokens },
      (graph) => Llama.inputWeights(graph, shapes),
      (graph) => {
        const pairs = new Map(
          linearsOf(config, own.targets).map(({ name, input, output }): [string, Llama.LoraPair] => [
            name,
            {
              a: copy(graph, `${name}.a`, [input, rank]),
              b: copy(graph, `${name}.b`, [rank, output]),
              scale: alpha / rank,
            },
          ]),
        )
        return (layer, target) => pairs.get(linearName(layer, target))
      },
    )
    const mask = graph.input('mask', 'float32', [rows * tokens, 1])
    const chosen =
      labels !== 'sampled'
        ? graph.input('labels', 'int64', [rows * tokens])
        : (probabilities: Tensor) =>
            Llama.sample(probabilities, graph.input('uniform', 'float32', [rows * tokens, 1]))
    const { loss } = Llama.crossEntropy(hidden, weights(Llama.headName(config)), chosen)
    const likelihood = Op.negate(Op.sum(Op.reshape(Op.multiply(loss, mask), [rows, tokens]), [1]))
    const slopes = gradients(likelihood, copies)
    return Object.fromEntries([
      ['logLikelihood', likelihood],
      ...(labels === 'read' ? [['logProbability', Op.negate(loss)] as const] : []),
      ...slopes.map((slope, i) => [`gradient.${i}`, slope]),
    ])
  }

  const forAdapter = (own: Adapter): Gradients => {
    const blocks = blocksOf(checkpoint, own)
    const size = blocks.reduce((sum, block) => sum + block.size, 0)
    const feedsOfAdapter: Record<string, Float32Array> = Object.fromEntries(checkpoint.weights)
    for (const [name, { a, b }] of own.tensors) {
      feedsOfAdapter[`${name}.a`] = a
      feedsOfAdapter[`${name}.b`] = b
    }
    const key = `${own.rank} ${own.alpha} ${own.targets}`

    const runPart = async (
      part: readonly Sequence[],
      labels: 'data' | 'sampled' | 'read',
      seeds: readonly number[],
    ) => {
      // rows are rounded up to a power of two, so that few graphs serve all batch sizes
      const rows = Math.min(options.batchSize, 2 ** Math.ceil(Math.log2(part.length)))
      const padded = [...part, ...Array.from({ length: rows - part.length }, () => blank(part[0]!))]
      const batch = collate({ ...config, contextMax: tokensMax }, padded)
      const session = await sessions.get(`${key} ${rows}x${batch.tokens} ${labels}`, () =>
        build(own, rows, batch.tokens, labels),
      )
      const results = await session.run({
        ...feedsOfAdapter,
        ids: batch.ids,
        mask: batch.mask,
        ...(labels !== 'sampled'
          ? { labels: batch.labels }
          : { uniform: drawEach(seeds, batch.mask.length, batch.tokens) }),
      })
      const scores = results.logProbability?.data as Float32Array | undefined
      const examples = part.map((_, row): ExampleGradient => {
        const gradient = new Float32Array(size)
        let offset = 0
        blocks.forEach((block, i) => {
          const all = results[`gradient.${i}`]!.data as Float32Array
          gradient.set(all.subarray(row * block.size, (row + 1) * block.size), offset)
          offset += block.size
        })
        return { gradient, logLikelihood: results.logLikelihood!.data[row] as number }
      })
      return { examples, scores }
    }

    return {
      blocks,
      perExample: async (sequences, labels = 'data', seeds = sequences.map((_, i) => i)) => {
        // like lengths together, so that little is padding
        const order = sequences
          .map((_, i) => i)
          .sort((i, j) => sequences[i]!.ids.length - sequences[j]!.ids.length || i - j)
        const found = new Array<ExampleGradient>(sequences.length)
        for (let from = 0; from < order.length; from += options.batchSize) {
          const part = order.slice(from, from + options.batchSize)
          const { examples } = await runPart(
            part.map((i) => sequences[i]!),
            labels,
            part.map((i) => seeds[i]!),
          )
          part.forEach((i, row) => {
            found[i] = examples[row]!
          })
        }
        return found
      },
      read: async (sequence) => {
        const { examples, scores } = await runPart([sequence], 'read', [])
        const logProbabilities = new Float32Array(sequence.ids.length)
        logProbabilities.set(scores!.subarray(0, sequence.ids.length - 1), 1)
        return { ...examples[0]!, logProbabilities }
      },
      withAdapter: forAdapter,
      release: sessions.release,
    }
  }
  return forAdapter(adapter)
}

/** Lists the matrices of an adapter as gradients and attribution see them. */
function blocksOf({ config }: Checkpoint, { targets, rank }: Adapter): GradientBlock[] {
  return linearsOf(config, targets).flatMap(({ name, input, output }) => [
    { name: `${name}.a`, size: input * rank, rows: input, columns: rank },
    { name: `${name}.b`, size: rank * output, rows: rank, columns: output },
  ])
}

/** Draws uniform numbers for the tokens of each row from the row's own stream; padding rows have none. */
function drawEach(seeds: readonly number[], size: number, tokens: number): Float32Array {
  const uniform = new Float32Array(size)
  for (const [row, seed] of seeds.entries()) {
    const { next } = createRandom(seed)
    for (let at = row * tokens; at < (row + 1) * tokens; at++) uniform[at] = Math.fround(next())
  }
  return uniform
}

const blank = ({ ids }: Sequence): Sequence => ({ ids, lossMask: new Float32Array(ids.length) })
