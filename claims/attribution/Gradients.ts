import {
  Adapter,
  createGradients,
  createScorer,
  fromWeights,
  type Gradients,
  loraTargets,
  type Sequence,
} from '@openledger/model'
import type { Bank } from './Bank.ts'

/** Everything that gradient estimators see: rows of the records, of the answers, and with labels drawn from the model. */
export type Material = {
  readonly blocks: readonly {
    readonly name: string
    readonly size: number
    readonly rows: number
    readonly columns: number
  }[]
  readonly records: readonly Float32Array[]
  readonly queries: readonly Float32Array[]
  readonly fisher: readonly Float32Array[]
}

/** Tokens behind the begin mark; those after the prompt count, together as one. */
export const sequenceOf = (
  bosId: number,
  tokens: readonly number[],
  prompt = 0,
  weights?: ArrayLike<number>,
): Sequence => ({
  ids: Int32Array.of(bosId, ...tokens),
  lossMask: Float32Array.from({ length: tokens.length + 1 }, (_, i) =>
    i <= prompt ? 0 : (weights?.[i - 1] ?? 1) / (tokens.length - prompt),
  ),
})

/**
 * Takes the gradients of a bank's adapter.
 * @param fisherPasses - Times that labels are drawn for every record.
 */
export async function gradientsOf(bank: Bank, fisherPasses: number): Promise<Material> {
  const { checkpoint, adapter, corpus, queries } = bank
  const gradients = createGradients(checkpoint, adapter, { batchSize: 16, sessionsMax: 4 })
  const { bosId } = checkpoint.config
  const sequences = corpus.records.map(({ tokens }) => sequenceOf(bosId, tokens))
  const asked = queries.map(({ tokens, prompt }) => sequenceOf(bosId, tokens, prompt))
  const take = async (list: readonly Sequence[], labels: 'data' | 'sampled' = 'data', pass = 0) => {
    const seeds = list.map((_, i) => pass * list.length + i)
    return (await gradients.perExample(list, labels, seeds)).map(({ gradient }) => gradient)
  }
  try {
    const fisher: Float32Array[] = []
    for (let pass = 0; pass < fisherPasses; pass++) fisher.push(...(await take(sequences, 'sampled', pass)))
    return { blocks: gradients.blocks, records: await take(sequences), queries: await take(asked), fisher }
  } finally {
    await gradients.release()
  }
}

/**
 * Takes each record's gradient at several points of the training and gives their mean: what the record did on the whole way,
 * where it is usually fitted long before the end.
 */
export async function meanGradientsAlong(bank: Bank, points: number): Promise<Float32Array[]> {
  const { checkpoint, corpus } = bank
  const adapters = await bank.along(points)
  const gradients = createGradients(checkpoint, adapters[0]!, { batchSize: 16, sessionsMax: 4 })
  const sequences = corpus.records.map(({ tokens }) => sequenceOf(checkpoint.config.bosId, tokens))
  const sums: Float32Array[] = []
  try {
    for (const adapter of adapters) {
      for (const [i, { gradient }] of (
        await gradients.withAdapter(adapter).perExample(sequences)
      ).entries()) {
        sums[i] ??= new Float32Array(gradient.length)
        for (let at = 0; at < gradient.length; at++) sums[i]![at]! += gradient[at]! / points
      }
    }
  } finally {
    await gradients.release()
  }
  return sums
}

/**
 * Takes the gradients of log-odds instead of log-likelihoods, with the mean chance of a miss, as TRAK does.
 * @see Park et al. 2023, section 3.
 */
export async function oddsGradientsOf(
  bank: Bank,
): Promise<Pick<Material, 'records' | 'queries'> & { misses: number[] }> {
  const { checkpoint, adapter, corpus, queries } = bank
  const { bosId } = checkpoint.config
  const scorer = createScorer(checkpoint, adapter)
  const gradients = createGradients(checkpoint, adapter, { batchSize: 16, sessionsMax: 4 })
  const misses: number[] = []
  const weigh = async (tokens: readonly number[], prompt: number): Promise<Sequence> => {
    const likelihoods = await scorer.logProbabilities(Int32Array.of(bosId, ...tokens))
    const missed = Array.from(likelihoods.subarray(1), (value) => Math.max(1e-2, 1 - Math.exp(value)))
    misses.push(missed.reduce((sum, value) => sum + value, 0) / missed.length)
    return sequenceOf(
      bosId,
      tokens,
      prompt,
      missed.map((value) => 1 / value),
    )
  }
  const take = async (list: readonly { readonly tokens: readonly number[]; readonly prompt: number }[]) => {
    const sequences: Sequence[] = []
    for (const { tokens, prompt } of list) sequences.push(await weigh(tokens, prompt))
    return (await gradients.perExample(sequences)).map(({ gradient }) => gradient)
  }
  try {
    const records = await take(corpus.records.map(({ tokens }) => ({ tokens, prompt: 0 })))
    const asked = await take(queries)
    return { records, queries: asked, misses: misses.slice(0, records.length) }
  } finally {
    await gradients.release()
    await scorer.release()
  }
}

/**
 * Takes each linear layer's weight gradient between fixed random inputs and outputs, as LoGra does: a probe adapter over the
 * merged model whose `b` is zero has the gradient `(x a)^T dy`, and `dy` is then projected.
 * @see Choe et al. 2024, "What is your data worth to GPT?", section 3.1.
 */
export async function logra(bank: Bank, width: number): Promise<Pick<Material, 'records' | 'queries'>> {
  const { checkpoint, adapter, corpus, queries } = bank
  const { config } = checkpoint
  const merged = fromWeights(config, Adapter.merge(checkpoint.weights, adapter))
  const probe = Adapter.create(config, { rank: width, alpha: width, targets: loraTargets, seed: 5 })
  const gradients = createGradients(merged, probe, { batchSize: 16, sessionsMax: 4 })
  const outputs = gradients.blocks.map((block, i) =>
    signs(block.columns * width, 40 + i, 1 / Math.sqrt(block.columns)),
  )
  const reduce = (gradient: Float32Array): Float32Array => {
    const parts: number[] = []
    let offset = 0
    for (const [i, { name, rows, columns, size }] of gradients.blocks.entries()) {
      if (name.endsWith('.b')) {
        for (let r = 0; r < rows; r++) {
          for (let k = 0; k < width; k++) {
            let sum = 0
            for (let c = 0; c < columns; c++)
              sum += gradient[offset + r * columns + c]! * outputs[i]![c * width + k]!
            parts.push(sum)
          }
        }
      }
      offset += size
    }
    return Float32Array.from(parts)
  }
  const take = async (list: readonly { readonly tokens: readonly number[]; readonly prompt?: number }[]) => {
    const found: Float32Array[] = []
    for (let from = 0; from < list.length; from += 32) {
      const part = list
        .slice(from, from + 32)
        .map(({ tokens, prompt }) => sequenceOf(config.bosId, tokens, prompt))
      found.push(...(await gradients.perExample(part)).map(({ gradient }) => reduce(gradient)))
    }
    return found
  }
  try {
    return { records: await take(corpus.records), queries: await take(queries) }
  } finally {
    await gradients.release()
  }
}

/** Fixed random signs, scaled. */
export function signs(count: number, seed: number, scale: number): Float32Array {
  let state = (seed * 2654435761) >>> 0
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 31 === 0 ? scale : -scale
  })
}

export type { Gradients }
