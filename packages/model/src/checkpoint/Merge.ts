import type { Hex } from '@openledger/primitives'
import type { Adapter, AdapterPair } from './Adapter.ts'
import { loraTargets } from './Config.ts'

/** One of several adapters that work together: what it adds to a layer's output is multiplied by `weight`. */
export type MergePart = { readonly adapter: Omit<Adapter, 'hash'>; readonly weight: number }

/**
 * Writes the weighted sum of adapters as one adapter: `sum of w alpha/r x a b` is one product of their matrices side by
 * side, exactly, so that no weight of the base is touched and the rank is the sum of theirs.
 *
 * @param hash - Names the result, which is not a file.
 * @see PEFT, `add_weighted_adapter` with `combination_type="cat"`.
 */
export function concatenate(parts: readonly MergePart[], hash: Hex): Adapter {
  const rank = rankOf(parts)
  const targets = loraTargets.filter((target) =>
    parts.some(({ adapter }) => adapter.targets.includes(target)),
  )
  const names = new Set(parts.flatMap(({ adapter }) => [...adapter.tensors.keys()]))
  const tensors = new Map([...names].map((name) => [name, pairOf(parts, name, rank)]))
  return { rank, alpha: rank, targets, tensors, hash }
}

/** A matrix among those that a gradient is taken of. */
type Block = { readonly name: string; readonly size: number; readonly rows: number; readonly columns: number }

/**
 * Takes the gradient with respect to one part's own matrices out of the gradient with respect to `concatenate(parts)`.
 *
 * @param gradient - Blocks of the whole, one after the other; `a` is `[input, rank]`, `b` is `[rank, output]`.
 * @param own - Blocks of the part.
 * @returns The part's blocks, one after the other; its weight is in them by the chain rule.
 */
export function partOfGradient(
  { gradient, blocks }: { readonly gradient: Float32Array; readonly blocks: readonly Block[] },
  own: readonly Block[],
  parts: readonly MergePart[],
  index: number,
): Float32Array {
  const first = rankOf(parts.slice(0, index))
  const { rank } = parts[index]!.adapter
  const scale = scaleOf(parts[index]!)
  const places = new Map<string, { readonly at: number; readonly columns: number }>()
  let at = 0
  for (const { name, size, columns } of blocks) {
    places.set(name, { at, columns })
    at += size
  }
  const found = new Float32Array(own.reduce((sum, { size }) => sum + size, 0))
  let to = 0
  for (const { name, rows, columns, size } of own) {
    const whole = places.get(name)!
    if (name.endsWith('.a')) {
      for (let row = 0; row < rows; row++) {
        const from = whole.at + row * whole.columns + first
        found.set(gradient.subarray(from, from + rank), to + row * columns)
      }
    } else {
      const from = whole.at + first * columns
      for (let i = 0; i < size; i++) found[to + i] = scale * gradient[from + i]!
    }
    to += size
  }
  return found
}

const rankOf = (parts: readonly MergePart[]): number =>
  parts.reduce((sum, { adapter }) => sum + adapter.rank, 0)

const scaleOf = ({ adapter, weight }: MergePart): number => (weight * adapter.alpha) / adapter.rank

/** Puts the matrices of one layer side by side; zeros where a part leaves the layer alone. */
function pairOf(parts: readonly MergePart[], name: string, rank: number): AdapterPair {
  const [known] = parts.flatMap(({ adapter }) => {
    const pair = adapter.tensors.get(name)
    return pair === undefined
      ? []
      : [{ input: pair.a.length / adapter.rank, output: pair.b.length / adapter.rank }]
  })
  const { input, output } = known!
  const a = new Float32Array(input * rank)
  const b = new Float32Array(rank * output)
  let first = 0
  for (const part of parts) {
    const { adapter } = part
    const pair = adapter.tensors.get(name)
    if (pair !== undefined) {
      const scale = scaleOf(part)
      for (let i = 0; i < input; i++) {
        const to = i * rank + first
        for (let r = 0; r < adapter.rank; r++) a[to + r] = pair.a[i * adapter.rank + r]!
      }
      const to = first * output
      for (let i = 0; i < pair.b.length; i++) b[to + i] = scale * pair.b[i]!
    }
    first += adapter.rank
  }
  return { a, b }
}
