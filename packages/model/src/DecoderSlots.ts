import { BaseError } from '@openledger/primitives'
import type { Feed } from '@openledger/tensor'
import type { Adapter } from './Adapter.ts'

/** One adapted matrix: `name` as in `Adapter.tensors`, `[inWidth, outWidth]`. */
export type SlotTarget = { readonly name: string; readonly inWidth: number; readonly outWidth: number }

/** The adapters of all rows, laid out so that neighbouring rows are one feed. */
export type DecoderSlots = {
  /** @throws {AdapterShapeError} */
  readonly set: (row: number, adapter: Adapter | undefined) => void
  /** Marks a row as unused; its numbers stay until they are overwritten, since rows do not mix. */
  readonly free: (row: number) => void
  /** Gives A `[count, inWidth, rank]` of a target for neighbouring rows, not copied. */
  readonly down: (target: number, firstRow: number, count: number) => Feed
  /** Gives B `[count, rank, outWidth]`, its adapter's scale inside. */
  readonly up: (target: number, firstRow: number, count: number) => Feed
}

/** Ranks are padded with zeros to one of these: a step costs what the largest rank in the batch costs. */
const RANKS = [1, 8, 16, 32, 64, 128]

/**
 * Creates the row slots of a decoder's adapters.
 * @param rankMax - Largest rank that a row may have.
 */
export function createDecoderSlots(
  targets: readonly SlotTarget[],
  rows: number,
  rankMax: number,
): DecoderSlots {
  let rank = Math.min(RANKS[0]!, rankMax)
  let slots = allocate(rank)
  const adapters: (Adapter | undefined)[] = new Array(rows).fill(undefined)
  /** What the memory of a row holds, which outlives the row's use. */
  const held: (Adapter | undefined)[] = new Array(rows).fill(undefined)
  const targetByName = new Map(targets.map((target) => [target.name, target]))

  function allocate(width: number) {
    return targets.map(({ inWidth, outWidth }) => ({
      a: new Float32Array(rows * inWidth * width),
      b: new Float32Array(rows * width * outWidth),
    }))
  }

  function fill(row: number, adapter: Adapter | undefined): void {
    if (held[row] === adapter) return
    held[row] = adapter
    for (const [index, { name, inWidth, outWidth }] of targets.entries()) {
      const slot = slots[index]!
      const a = slot.a.subarray(row * inWidth * rank, (row + 1) * inWidth * rank)
      const b = slot.b.subarray(row * rank * outWidth, (row + 1) * rank * outWidth)
      const tensors = adapter?.tensors.get(name)
      if (adapter === undefined || tensors === undefined) {
        a.fill(0)
        b.fill(0)
        continue
      }
      const own = adapter.rank
      if (own === rank) a.set(tensors.a)
      else {
        a.fill(0)
        for (let i = 0; i < inWidth; i++) a.set(tensors.a.subarray(i * own, (i + 1) * own), i * rank)
      }
      const scale = adapter.alpha / own
      for (let i = 0; i < own * outWidth; i++) b[i] = tensors.b[i]! * scale
      b.fill(0, own * outWidth)
    }
  }

  function fitRank(): void {
    const needed = Math.max(1, ...adapters.map((adapter) => adapter?.rank ?? 0))
    const wanted = Math.min(RANKS.find((width) => width >= needed) ?? rankMax, rankMax)
    if (wanted === rank) return
    rank = wanted
    slots = allocate(rank)
    held.fill(undefined)
    for (const [row, adapter] of adapters.entries()) fill(row, adapter)
  }

  function assertFits(adapter: Adapter): void {
    if (adapter.rank > rankMax) {
      throw new AdapterShapeError(`rank at most ${rankMax}`, `rank ${adapter.rank}`)
    }
    for (const [name, { a, b }] of adapter.tensors) {
      const target = targetByName.get(name)
      if (target === undefined) throw new AdapterShapeError('targets that the base model has', name)
      if (a.length !== target.inWidth * adapter.rank || b.length !== target.outWidth * adapter.rank) {
        throw new AdapterShapeError(
          `${name} of [${target.inWidth}, ${adapter.rank}] and [${adapter.rank}, ${target.outWidth}]`,
          `${a.length} and ${b.length} elements`,
        )
      }
    }
  }

  return {
    set(row, adapter) {
      if (adapter !== undefined) assertFits(adapter)
      adapters[row] = adapter
      fitRank()
      fill(row, adapter)
    },
    free(row) {
      adapters[row] = undefined
    },
    down(target, firstRow, count) {
      const { inWidth } = targets[target]!
      const stride = inWidth * rank
      const data = slots[target]!.a.subarray(firstRow * stride, (firstRow + count) * stride)
      return { data, shape: [count, inWidth, rank] }
    },
    up(target, firstRow, count) {
      const { outWidth } = targets[target]!
      const stride = rank * outWidth
      const data = slots[target]!.b.subarray(firstRow * stride, (firstRow + count) * stride)
      return { data, shape: [count, rank, outWidth] }
    },
  }
}

export class AdapterShapeError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'model.adapter_shape',
      message: `Expected an adapter of this base model with ${expected}, got ${got}. Train it on this base.`,
      context: { expected, got },
    })
  }
}
