import { createGraph, createSession, type Graph, Op, type Session, type Tensor } from '@openledger/tensor'
import { invertFactor } from '../algebra/Cholesky.ts'

/** One LoRA matrix: its gradients are whitened together. */
export type GradientBlock = { readonly name: string; readonly size: number }

/** Damping of a block, as a multiple of the mean eigenvalue of its curvature. */
export const DAMPING = 0.3

/** The damped curvature of one block in its dual form: `L Lᵀ = F Fᵀ + μ I` over the Fisher rows F. */
type Factor = {
  readonly mu: number
  /** `[fisher, fisher]` `L⁻¹` */
  readonly inverse: Float32Array
}

/** Whitened inner products of the rows, and what is needed to map directions back to gradients. */
export type Whitened = {
  /** `[rows, landmarks]` `gᵢᵀ (Fᵀ F + μ I)⁻¹ gⱼ` summed over blocks. */
  readonly gram: Float64Array
  /** `[rows]` */
  readonly normsSquared: Float64Array
  readonly factors: readonly (Factor | undefined)[]
}

type Source = {
  readonly blocks: readonly GradientBlock[]
  /** Gradients, blocks concatenated; the first `landmarkCount` are the landmarks. */
  readonly rows: readonly Float32Array[]
  readonly fisher: readonly Float32Array[]
  readonly landmarkCount: number
  /** Default `DAMPING`. */
  readonly damping?: number
}

/**
 * Computes whitened inner products exactly, without ever forming a block's curvature matrix.
 *
 * With fewer Fisher rows than parameters, `(Fᵀ F + μ I)⁻¹ = (I - Fᵀ (F Fᵀ + μ I)⁻¹ F) / μ`, so only products of rows
 * with rows are needed: `gᵀ H⁻¹ g' = r·r' / μ + a·a'`, where `a = (F Fᵀ + μ I)⁻¹ F g` is what ridge regression explains a
 * gradient by and `r = g - Fᵀ a` what it leaves. `(g·g' - g Fᵀ a') / μ` is the same, but a loud gradient would lose it to
 * float32's rounding, which these two do not feel: at the best a, first order errors of a cancel. A block on which no Fisher
 * row depends carries no curvature and is left out.
 */
export async function relate({
  blocks,
  rows,
  fisher,
  landmarkCount,
  damping = DAMPING,
}: Source): Promise<Whitened> {
  const gram = new Float64Array(rows.length * landmarkCount)
  const normsSquared = new Float64Array(rows.length)
  const factors: (Factor | undefined)[] = []
  const curvature = await createSession(curvatureGraph(fisher.length))
  const products = await createSession(productGraph(rows.length, landmarkCount, fisher.length))
  try {
    for (const { from, size } of extents(blocks)) {
      const f = gather(fisher, from, size)
      const factor = await factorOf(curvature, f, damping)
      factors.push(factor)
      if (factor === undefined) continue
      const { mu, inverse } = factor
      const given = { rows: gather(rows, from, size), fisher: f, inverse, mu: Float32Array.of(mu) }
      const found = await products.run(given)
      addScaled(gram, found.products.data as Float32Array, 1 / mu)
      addScaled(normsSquared, found.norms.data as Float32Array, 1 / mu)
    }
  } finally {
    await curvature.release()
    await products.release()
  }
  for (let i = 0; i < landmarkCount; i++) normsSquared[i] = gram[i * landmarkCount + i]!
  return { gram, normsSquared, factors }
}

/**
 * Maps combinations of whitened landmarks back to directions in the space of raw gradients: row k of the result is
 * `Σⱼ coefficients[k, j] H⁻¹ gⱼ`, so that its product with a raw gradient is a whitened inner product.
 *
 * @param coefficients - `[directions, landmarks]`.
 * @param visit - Gets each block's part, `[directions, size]`; zero where nothing is known.
 */
export async function pullBack(
  { blocks, rows, fisher, landmarkCount, factors }: Source & Pick<Whitened, 'factors'>,
  coefficients: Float64Array,
  visit: (block: number, part: Float32Array) => void,
): Promise<void> {
  const directions = coefficients.length / landmarkCount
  const landmarks = rows.slice(0, landmarkCount)
  const weights = Float32Array.from(coefficients)
  const session = await createSession(directionGraph(directions, landmarkCount, fisher.length))
  try {
    for (const [block, { from, size }] of extents(blocks).entries()) {
      const factor = factors[block]
      if (factor === undefined) {
        visit(block, new Float32Array(directions * size))
        continue
      }
      const { part } = await session.run({
        weights,
        landmarks: gather(landmarks, from, size),
        fisher: gather(fisher, from, size),
        inverse: factor.inverse,
      })
      const data = part.data as Float32Array
      for (let i = 0; i < data.length; i++) data[i]! /= factor.mu
      visit(block, data)
    }
  } finally {
    await session.release()
  }
}

/** Rows of one block, whose length differs from run to run. */
const gradientsIn = (graph: Graph, name: string, count: number): Tensor =>
  graph.input(name, 'float32', [count, 'size'])

const timesTransposed = (a: Tensor, b: Tensor): Tensor => Op.matmul(a, b, { transposeB: true })

function curvatureGraph(fisherCount: number): { readonly gram: Tensor } {
  const fisher = gradientsIn(createGraph(), 'fisher', fisherCount)
  return { gram: timesTransposed(fisher, fisher) }
}

function productGraph(
  rowCount: number,
  landmarkCount: number,
  fisherCount: number,
): { readonly products: Tensor; readonly norms: Tensor } {
  const graph = createGraph()
  const mu = graph.input('mu', 'float32', [1])
  const { dual, rest } = explain(graph, gradientsIn(graph, 'rows', rowCount), fisherCount)
  const withLandmarks = (x: Tensor) => timesTransposed(x, Op.slice(x, 0, 0, landmarkCount))
  const squares = (x: Tensor) => Op.sum(Op.multiply(x, x), [1])
  return {
    products: Op.add(withLandmarks(rest), Op.multiply(withLandmarks(dual), mu)),
    norms: Op.add(squares(rest), Op.multiply(squares(dual), mu)),
  }
}

/** Explains rows by the Fisher rows: `a = (F Fᵀ + μ I)⁻¹ F g` for each row g, and what it leaves, `g - Fᵀ a`. */
function explain(
  graph: Graph,
  rows: Tensor,
  fisherCount: number,
): { readonly dual: Tensor; readonly rest: Tensor } {
  const fisher = gradientsIn(graph, 'fisher', fisherCount)
  const inverse = graph.input('inverse', 'float32', [fisherCount, fisherCount])
  const dual = Op.matmul(timesTransposed(timesTransposed(rows, fisher), inverse), inverse)
  return { dual, rest: Op.subtract(rows, Op.matmul(dual, fisher)) }
}

function directionGraph(
  directions: number,
  landmarkCount: number,
  fisherCount: number,
): { readonly part: Tensor } {
  const graph = createGraph()
  const landmarks = gradientsIn(graph, 'landmarks', landmarkCount)
  const weights = graph.input('weights', 'float32', [directions, landmarkCount])
  return { part: explain(graph, Op.matmul(weights, landmarks), fisherCount).rest }
}

/** Factors a block's curvature with `μ = damping · tr(F Fᵀ) / size` on the diagonal; undefined where there is none. */
async function factorOf(
  curvature: Session<'gram'>,
  fisher: ReturnType<typeof gather>,
  damping: number,
): Promise<Factor | undefined> {
  const [count, size] = fisher.shape
  const gram = Float64Array.from((await curvature.run({ fisher })).gram.data as Float32Array)
  let trace = 0
  for (let i = 0; i < count; i++) trace += gram[i * count + i]!
  const mu = (damping * trace) / size
  if (mu === 0) return undefined
  for (let i = 0; i < count; i++) gram[i * count + i]! += mu
  return { mu, inverse: Float32Array.from(invertFactor(gram, count)) }
}

/** Where each block stands in a gradient. */
function extents(blocks: readonly GradientBlock[]): { readonly from: number; readonly size: number }[] {
  let end = 0
  return blocks.map(({ size }) => {
    end += size
    return { from: end - size, size }
  })
}

function gather(gradients: readonly Float32Array[], from: number, size: number) {
  const data = new Float32Array(gradients.length * size)
  for (const [i, row] of gradients.entries()) data.set(row.subarray(from, from + size), i * size)
  return { data, shape: [gradients.length, size] as const }
}

function addScaled(sums: Float64Array, values: Float32Array, factor: number): void {
  for (let i = 0; i < sums.length; i++) sums[i]! += values[i]! * factor
}
