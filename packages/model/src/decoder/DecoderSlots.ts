import { BaseError } from '@openledger/primitives'
import type { Feed } from '@openledger/tensor'
import type { Adapter } from '../checkpoint/Adapter.ts'

/** Adapted matrices that share one input, e.g. q, k and v of a layer: their A lie side by side. */
export type SlotGroup = {
  readonly name: string
  readonly inWidth: number
  /** `name` as in `Adapter.tensors`, `[inWidth, outWidth]`. */
  readonly members: readonly { readonly name: string; readonly outWidth: number }[]
}

/** The adapters of all rows, laid out so that neighbouring rows are one feed. */
export type DecoderSlots = {
  /** @throws {AdapterShapeError} {AdapterRankError} */
  readonly set: (row: number, adapter: Adapter | undefined) => void
  /** Marks a row as unused; its numbers stay until they are overwritten, since rows do not mix. */
  readonly free: (row: number) => void
  /**
   * Adds the feeds of some rows, in their order: `group.a` `[count, inWidth, rank * members]`, `member.b`
   * `[count, rank, outWidth]` with the adapter's scale inside. Neighbours are views; others are copied together. Where all
   * rows have one adapter the count is 1, so that it is read once for all of them.
   */
  readonly feed: (rows: readonly number[], feeds: Record<string, Feed>) => void
}

/** Ranks are padded with zeros to one of these: a step costs what the largest rank in the batch costs. */
const RANKS = [1, 8, 16, 32, 64, 128]

/** One array of all rows: what it is fed as and the length of a row. */
type Slot = {
  readonly name: string
  readonly shape: readonly number[]
  readonly stride: number
  readonly data: Float32Array
}

/** The slots of all rows for adapters up to one rank. */
type Width = {
  readonly rank: number
  readonly slots: readonly { readonly a: Slot; readonly b: readonly Slot[] }[]
  /** What the memory of a row holds, which outlives the row's use. */
  readonly held: (Adapter | undefined)[]
}

/**
 * Creates the row slots of a decoder's adapters.
 * @param rankMax - Largest rank that a row may have.
 */
export function createDecoderSlots(
  groups: readonly SlotGroup[],
  rows: number,
  rankMax: number,
): DecoderSlots {
  // two widths stay: a request for the base alone would otherwise throw away what the next one fills again
  const narrow = allocate(Math.min(RANKS[0]!, rankMax))
  let wide = narrow
  let current = narrow
  /** Of each row that is in use; undefined for the base alone. */
  const adapters = new Map<number, Adapter | undefined>()
  const sizes = new Map(
    groups.flatMap(({ inWidth, members }) =>
      members.map(({ name, outWidth }) => [name, { inWidth, outWidth }] as const),
    ),
  )

  const nameOf = (row: number): string => adapters.get(row)?.hash ?? 'base'

  function allocate(rank: number): Width {
    const slot = (name: string, shape: readonly number[]): Slot => {
      const stride = shape[0]! * shape[1]!
      return { name, shape, stride, data: new Float32Array(rows * stride) }
    }
    const slots = groups.map(({ name, inWidth, members }) => ({
      a: slot(`${name}.a`, [inWidth, rank * members.length]),
      b: members.map((member) => slot(`${member.name}.b`, [rank, member.outWidth])),
    }))
    return { rank, slots, held: new Array(rows).fill(undefined) }
  }

  function fill(row: number, adapter: Adapter | undefined): void {
    const { rank, slots, held } = current
    if (held[row] === adapter) return
    held[row] = adapter
    const own = adapter?.rank ?? 0
    for (const [index, { inWidth, members }] of groups.entries()) {
      const { a, b } = slots[index]!
      const width = rank * members.length
      for (const [member, { name, outWidth }] of members.entries()) {
        const up = b[member]!
        const downAt = row * a.stride + member * rank
        const upAt = row * up.stride
        const tensors = adapter?.tensors.get(name)
        if (tensors === undefined) {
          for (let i = 0; i < inWidth; i++) a.data.fill(0, downAt + i * width, downAt + i * width + rank)
          up.data.fill(0, upAt, upAt + up.stride)
          continue
        }
        // written element by element: a call for each short line would cost more than the copy
        for (let i = 0; i < inWidth; i++) {
          const to = downAt + i * width
          for (let r = 0; r < own; r++) a.data[to + r] = tensors.a[i * own + r]!
          for (let r = own; r < rank; r++) a.data[to + r] = 0
        }
        const scale = adapter!.alpha / own
        for (let i = 0; i < own * outWidth; i++) up.data[upAt + i] = tensors.b[i]! * scale
        up.data.fill(0, upAt + own * outWidth, upAt + up.stride)
      }
    }
  }

  function fitRank(): void {
    const needed = Math.max(1, ...[...adapters.values()].map((adapter) => adapter?.rank ?? 0))
    const wanted = Math.min(RANKS.find((width) => width >= needed) ?? rankMax, rankMax)
    if (wanted === current.rank) return
    if (wanted !== narrow.rank && wanted !== wide.rank) wide = allocate(wanted)
    current = wanted === narrow.rank ? narrow : wide
    for (const [row, adapter] of adapters) fill(row, adapter)
  }

  function assertFits(adapter: Adapter): void {
    if (adapter.rank > rankMax) {
      throw new AdapterRankError(rankMax, adapter.rank)
    }
    for (const [name, { a, b }] of adapter.tensors) {
      const size = sizes.get(name)
      if (size === undefined) throw new AdapterShapeError('targets that the base model has', name)
      if (a.length !== size.inWidth * adapter.rank || b.length !== size.outWidth * adapter.rank) {
        throw new AdapterShapeError(
          `${name} of [${size.inWidth}, ${adapter.rank}] and [${adapter.rank}, ${size.outWidth}]`,
          `${a.length} and ${b.length} elements`,
        )
      }
    }
  }

  return {
    set(row, adapter) {
      if (adapter !== undefined) assertFits(adapter)
      adapters.set(row, adapter)
      fitRank()
      fill(row, adapter)
    },
    free(row) {
      adapters.delete(row)
    },
    feed(rowsFed, feeds) {
      const used = rowsFed.filter((row) => adapters.has(row))
      const [one] = used
      const isOne = one !== undefined && used.every((row) => nameOf(row) === nameOf(one))
      const wanted = isOne ? [one] : rowsFed
      const first = wanted[0]!
      const areNeighbours = wanted.every((row, i) => row === first + i)
      for (const { a, b } of current.slots) {
        for (const { name, shape, stride, data } of [a, ...b]) {
          feeds[name] = {
            data: areNeighbours
              ? data.subarray(first * stride, (first + wanted.length) * stride)
              : gather(data, stride, wanted),
            shape: [wanted.length, ...shape],
          }
        }
      }
    },
  }
}

function gather(data: Float32Array, stride: number, rows: readonly number[]): Float32Array {
  const gathered = new Float32Array(rows.length * stride)
  for (const [i, row] of rows.entries()) {
    gathered.set(data.subarray(row * stride, (row + 1) * stride), i * stride)
  }
  return gathered
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

export class AdapterRankError extends BaseError {
  constructor(rankMax: number, rank: number) {
    super({
      code: 'model.adapter_rank',
      message: `Expected an adapter of rank at most ${rankMax}, or several whose ranks sum to at most that, got ${rank}. Merge fewer, or serve with a higher rankMax.`,
      context: { rankMax, rank },
    })
  }
}
