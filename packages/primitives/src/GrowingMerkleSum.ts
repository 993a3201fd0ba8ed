import * as Bytes from './Bytes.ts'
import { join, type Node } from './MerkleSum.ts'

/**
 * A Merkle-sum tree that grows at its end and whose leaves change: only the paths of changed leaves are hashed again.
 * The same tree as `MerkleSum.build` gives over the same leaves.
 */
export type GrowingMerkleSum = {
  readonly root: () => Node
  /** Number of leaves. */
  readonly width: () => number
  /** Puts leaves in place, appended ones right behind the last, and hashes what stands above them. */
  readonly put: (leaves: readonly { readonly index: number; readonly node: Node }[]) => void
  /**
   * Gives the nodes beside the paths of some leaves: level by level from the bottom, left to right, without the empty
   * ones beyond the end; what `MerkleSum.rootOf` takes. @param indexes - Ascending, each once.
   */
  readonly prove: (indexes: readonly number[]) => Node[]
}

const EMPTY: Node = { hash: new Uint8Array(32), sum: 0n }

/** Creates an empty tree, 32 bytes of hash and a sum for each node. */
export function createGrowingMerkleSum(): GrowingMerkleSum {
  /** Level 0 are the leaves; the last level is the root alone. */
  const levels: { hashes: Uint8Array; sums: bigint[] }[] = [{ hashes: new Uint8Array(32 * 64), sums: [] }]

  const read = (level: number, index: number): Node => {
    const { hashes, sums } = levels[level]!
    const sum = sums[index]
    return sum === undefined ? EMPTY : { hash: hashes.subarray(32 * index, 32 * index + 32), sum }
  }

  const write = (level: number, index: number, node: Node): void => {
    const at = levels[level]!
    if (32 * (index + 1) > at.hashes.length) {
      const larger = new Uint8Array(2 * at.hashes.length)
      larger.set(at.hashes)
      at.hashes = larger
    }
    at.hashes.set(node.hash, 32 * index)
    at.sums[index] = node.sum
  }

  return {
    width: () => levels[0]!.sums.length,
    root: () => (levels[0]!.sums.length === 0 ? EMPTY : read(levels.length - 1, 0)),
    put(leaves) {
      for (const { index, node } of leaves) {
        if (index > levels[0]!.sums.length) throw new RangeError(`Expected no gap before leaf ${index}.`)
        write(0, index, node)
      }
      let changed = [...new Set(leaves.map(({ index }) => index >> 1))].sort((a, b) => a - b)
      for (let level = 0; levels[level]!.sums.length > 1; level++) {
        if (levels[level + 1] === undefined) {
          levels.push({ hashes: new Uint8Array(32 * 64), sums: [] })
          // the node that was the root so far begins the new level, whether its leaves changed or not
          if (changed[0] !== 0) changed.unshift(0)
        }
        for (const index of changed) {
          write(level + 1, index, join(read(level, 2 * index), read(level, 2 * index + 1)))
        }
        changed = changed
          .map((index) => index >> 1)
          .filter((index, i, all) => i === 0 || all[i - 1] !== index)
      }
    },
    prove(indexes) {
      const siblings: Node[] = []
      let known = [...indexes]
      for (let level = 0, width = levels[0]!.sums.length; width > 1; level++, width = (width + 1) >> 1) {
        const parents: number[] = []
        for (let i = 0; i < known.length; i++) {
          const index = known[i]!
          const other = index ^ 1
          if (index % 2 === 0 && known[i + 1] === other) i++
          else if (other < width) {
            const { hash, sum } = read(level, other)
            siblings.push({ hash: hash.slice(), sum })
          }
          parents.push(index >> 1)
        }
        known = parents
      }
      return siblings
    },
  }
}

/** Writes siblings as `Settlement.claim` takes them: 32 bytes of hash, 12 of sum. */
export const packSiblings = (siblings: readonly Node[]): Uint8Array =>
  Bytes.concat(...siblings.flatMap(({ hash, sum }) => [hash, Bytes.fromUint(sum, 12)]))
