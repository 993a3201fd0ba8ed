import * as Baselines from '@openledger/attribution/influence/Baselines'
import * as InfluenceIndex from '@openledger/attribution/influence/InfluenceIndex'
import * as Whitening from '@openledger/attribution/influence/Whitening'
import { Adapter, buildSequenceGraph, collate, createRandom, Llama, type Sequence } from '@openledger/model'
import { weightShapes } from '@openledger/model/checkpoint/Config'
import { createSession } from '@openledger/tensor'
import type { Bank } from './Bank.ts'
import { type Material, sequenceOf, signs } from './Gradients.ts'

/** `[queries][records]`: larger means more influence. */
export type Scores = readonly ArrayLike<number>[]

/** Whitens with the exact damped Gauss-Newton block of every LoRA matrix, without coding. */
export async function exactBlocks(
  { blocks, records, queries, fisher }: Material,
  { damping, unitRows }: { readonly damping: number; readonly unitRows: boolean },
): Promise<Scores> {
  const { gram, normsSquared } = await Whitening.relate({
    blocks,
    fisher,
    damping,
    rows: [...queries, ...records],
    landmarkCount: queries.length,
  })
  const norms = Array.from(normsSquared.subarray(queries.length), (value) => Math.sqrt(value))
  return queries.map((_, query) =>
    records.map((_, record) => {
      const product = gram[(queries.length + record) * queries.length + query]!
      return unitRows ? product / norms[record]! : product
    }),
  )
}

/** The product's own index, with codes of a given length. */
export async function storedCodes(
  { blocks, records, queries, fisher }: Material,
  dimension?: number,
): Promise<Scores> {
  const index = await InfluenceIndex.build({
    blocks,
    fisher,
    rows: records,
    recordIds: records.map((_, i) => `record ${i}`),
    ...(dimension === undefined ? {} : { dimension }),
  })
  return queries.map((query) => InfluenceIndex.score(index, query))
}

export const gradDot = ({ records, queries }: Material): Scores =>
  each(Baselines.createGradDot(records), queries)
export const gradCos = ({ records, queries }: Material): Scores =>
  each(Baselines.createGradCos(records), queries)
export const dataInf = ({ blocks, records, queries }: Material): Scores =>
  each(Baselines.createDataInf(blocks, records), queries)
export const random = (bank: Bank): Scores =>
  each(
    Baselines.createRandom(bank.corpus.records.length, 3),
    bank.queries.map(() => new Float32Array(0)),
  )
export function bm25({ corpus, queries }: Bank, gramTokens: number): Scores {
  const estimate = Baselines.createBm25(
    corpus.records.map(({ tokens }) => tokens),
    gramTokens,
  )
  return queries.map(({ tokens }) => estimate({ tokens, gradient: new Float32Array(0) }))
}

const each = (estimate: Baselines.Estimator, queries: readonly Float32Array[]): Scores =>
  queries.map((gradient) => estimate({ gradient, tokens: [] }))

/**
 * Influence under the damped empirical Fisher of given features, in its dual: `Phi_q Phi^T (Phi Phi^T + lambda I)^-1`.
 * @param damping - As a part of the mean eigenvalue of `Phi Phi^T`.
 */
export function empiricalFisher(
  records: readonly Float32Array[],
  queries: readonly Float32Array[],
  damping: number,
): Scores {
  const n = records.length
  const kernel = records.map((a) => Float64Array.from(records, (b) => dot(a, b)))
  const mean = kernel.reduce((sum, row, i) => sum + row[i]!, 0) / n
  for (let i = 0; i < n; i++) kernel[i]![i]! += damping * mean
  const lower = cholesky(kernel)
  return queries.map((query) =>
    solve(
      lower,
      Float64Array.from(records, (row) => dot(row, query)),
    ),
  )
}

/** Adds every entry, with a random sign, to four of the buckets: a random projection that costs four additions. */
export function project(rows: readonly Float32Array[], dimensions: number): Float32Array[] {
  const size = rows[0]!.length
  const random = createRandom(17)
  const buckets = Uint32Array.from({ length: 4 * size }, () => random.below(dimensions))
  const sign = signs(4 * size, 23, 0.5)
  return rows.map((row) => {
    const sums = new Float32Array(dimensions)
    for (let i = 0; i < size; i++)
      for (let k = 4 * i; k < 4 * i + 4; k++) sums[buckets[k]!]! += sign[k]! * row[i]!
    return sums
  })
}

/** Cosines of the mean representation before the head, under the adapter. */
export async function representations(bank: Bank): Promise<Scores> {
  const { checkpoint, adapter, corpus, queries } = bank
  const { config } = checkpoint
  const weights = Adapter.merge(checkpoint.weights, adapter)
  const take = async (list: readonly Sequence[]): Promise<Float32Array[]> => {
    const rows = list.length
    const batch = collate(config, list)
    const { hidden } = buildSequenceGraph(
      config,
      { rows, tokens: batch.tokens },
      (graph) => Llama.constantWeights(graph, weights, weightShapes(config)),
      () => () => undefined,
    )
    const session = await createSession({ hidden })
    const { data } = (await session.run({ ids: batch.ids })).hidden
    await session.release()
    const width = config.hiddenSize
    return list.map((_, row) => {
      const mean = new Float32Array(width)
      for (let t = 0; t < batch.tokens; t++) {
        const weight = batch.mask[row * batch.tokens + t]!
        for (let c = 0; c < width; c++)
          mean[c]! += weight * (data[(row * batch.tokens + t) * width + c] as number)
      }
      return mean
    })
  }
  const records = await take(corpus.records.map(({ tokens }) => sequenceOf(config.bosId, tokens)))
  const asked = await take(queries.map(({ tokens, prompt }) => sequenceOf(config.bosId, tokens, prompt)))
  return asked.map((query) =>
    records.map((row) => dot(row, query) / Math.sqrt(dot(row, row) * dot(query, query))),
  )
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function cholesky(matrix: readonly Float64Array[]): Float64Array[] {
  const lower = matrix.map((row) => row.slice())
  for (let i = 0; i < lower.length; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = lower[i]![j]!
      for (let k = 0; k < j; k++) sum -= lower[i]![k]! * lower[j]![k]!
      lower[i]![j] = i === j ? Math.sqrt(sum) : sum / lower[j]![j]!
    }
  }
  return lower
}

function solve(lower: readonly Float64Array[], values: Float64Array): Float64Array {
  const found = values.slice()
  for (let i = 0; i < found.length; i++) {
    for (let k = 0; k < i; k++) found[i]! -= lower[i]![k]! * found[k]!
    found[i]! /= lower[i]![i]!
  }
  for (let i = found.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < found.length; k++) found[i]! -= lower[k]![i]! * found[k]!
    found[i]! /= lower[i]![i]!
  }
  return found
}
