import { Bytes } from '@openledger/primitives'

/**
 * A binary Merkle tree over SHA-256 whose proofs say at which places leaves stand: neighbours are hashed in their order, and an
 * odd node moves up unchanged.
 *
 * Leaves come from a function and are not kept: below nodes of `BLOCK` leaves, they are made again when they are asked for.
 */
export type RangeTree = {
  /** 32 bytes; of no leaves at all, zeros. */
  readonly root: Uint8Array
  /** Gives the siblings that lead from the leaves `[start, end)` to the root, from the bottom up, left before right. */
  readonly prove: (start: number, end: number) => Uint8Array[]
}

const BLOCK_LEVELS = 4
const BLOCK = 2 ** BLOCK_LEVELS

/** @param leafAt - 32 bytes for each place; always the same for the same place. */
export function build(leafCount: number, leafAt: (index: number) => Uint8Array): RangeTree {
  /** Nodes of one block of leaves, level by level, up to its one node. */
  const levelsOf = (block: number): Uint8Array[][] => {
    const start = block * BLOCK
    const size = Math.min(BLOCK, leafCount - start)
    const levels = [Array.from({ length: size }, (_, i) => leafAt(start + i))]
    while (levels.length <= BLOCK_LEVELS) levels.push(parentsOf(levels.at(-1)!))
    return levels
  }
  const upper = [Array.from({ length: Math.ceil(leafCount / BLOCK) }, (_, i) => levelsOf(i).at(-1)![0]!)]
  while (upper.at(-1)!.length > 1) upper.push(parentsOf(upper.at(-1)!))
  return {
    root: upper.at(-1)![0] ?? new Uint8Array(32),
    prove(start, end) {
      const blocks = new Map<number, Uint8Array[][]>()
      const nodeAt = (level: number, index: number): Uint8Array => {
        if (level >= BLOCK_LEVELS) return upper[level - BLOCK_LEVELS]![index]!
        const block = (index * 2 ** level) >>> BLOCK_LEVELS
        const levels = blocks.get(block) ?? levelsOf(block)
        blocks.set(block, levels)
        return levels[level]![index - ((block * BLOCK) >>> level)]!
      }
      return siblingsOf(leafCount, start, end).map(({ level, index }) => nodeAt(level, index))
    },
  }
}

/**
 * Gives the root that leaves at `[start, start + leaves.length)` of a tree of `leafCount` lead to.
 *
 * @param siblings - As `prove` gives them.
 * @returns Undefined where the leaves are none, do not fit the tree, or the number of siblings is another.
 */
export function rootOf(
  leafCount: number,
  start: number,
  leaves: readonly Uint8Array[],
  siblings: readonly Uint8Array[],
): Uint8Array | undefined {
  const end = start + leaves.length
  if (leaves.length === 0 || !Number.isInteger(start) || start < 0 || end > leafCount) return undefined
  const needed = siblingsOf(leafCount, start, end)
  if (siblings.length !== needed.length) return undefined
  let nodes = [...leaves]
  let from = start
  let next = 0
  for (let level = 0, width = leafCount; width > 1; level++, width = Math.ceil(width / 2)) {
    if (needed[next]?.level === level && needed[next]!.index < from) {
      nodes.unshift(siblings[next++]!)
      from--
    }
    if (needed[next]?.level === level) nodes.push(siblings[next++]!)
    nodes = parentsOf(nodes)
    from >>= 1
  }
  return nodes[0]
}

function siblingsOf(leafCount: number, start: number, end: number): { level: number; index: number }[] {
  const found: { level: number; index: number }[] = []
  let [from, to] = [start, end]
  for (let level = 0, width = leafCount; width > 1; level++, width = Math.ceil(width / 2)) {
    if (from % 2 === 1) found.push({ level, index: from - 1 })
    if (to % 2 === 1 && to < width) found.push({ level, index: to })
    from >>= 1
    to = Math.ceil(to / 2)
  }
  return found
}

const parentsOf = (nodes: readonly Uint8Array[]): Uint8Array[] =>
  Array.from({ length: Math.ceil(nodes.length / 2) }, (_, i) => {
    const right = nodes[2 * i + 1]
    return right === undefined ? nodes[2 * i]! : Bytes.sha256(Bytes.concat(nodes[2 * i]!, right))
  })
