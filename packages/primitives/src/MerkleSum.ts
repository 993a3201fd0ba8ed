import * as Bytes from './Bytes.ts'

/**
 * A Merkle tree whose root carries the sum of its leaves, so that a ledger cannot promise more than it says in total.
 *
 * Leaf `i` is account `i` of the ledger. Node hash: `keccak256(leftHash ‖ leftSum ‖ rightHash ‖ rightSum)` with 32-byte
 * big-endian sums; leaf hash: `keccak256(keccak256(account20 ‖ amount32))`. The tree is padded with empty leaves
 * (zero hash, zero sum) to a power of two; the direction at each step comes from the leaf's index.
 */
export type Node = { readonly hash: Uint8Array; readonly sum: bigint }
export type Tree = { readonly root: Node; readonly levels: readonly (readonly Node[])[] }

const EMPTY: Node = { hash: new Uint8Array(32), sum: 0n }

/** Hashes one ledger line. @param account - 20 bytes. @param amount - wei. */
export function leaf(account: Uint8Array, amount: bigint): Node {
  if (account.length !== 20) throw new RangeError(`Expected a 20-byte account, got ${account.length} bytes.`)
  const inner = Bytes.keccak256(Bytes.concat(account, Bytes.fromUint(amount, 32)))
  return { hash: Bytes.keccak256(inner), sum: amount }
}

/** Builds the tree over leaves in ledger order. */
export function build(leaves: readonly Node[]): Tree {
  if (leaves.length === 0) return { root: EMPTY, levels: [[]] }
  const levels: Node[][] = [[...leaves]]
  for (;;) {
    const below = levels.at(-1)!
    if (below.length === 1) return { root: below[0]!, levels }
    if (below.length % 2 === 1) below.push(EMPTY)
    const above: Node[] = []
    for (let i = 0; i < below.length; i += 2) above.push(join(below[i]!, below[i + 1]!))
    levels.push(above)
  }
}

/** Gives the sibling (hash and sum) of leaf `index` on every level, from the bottom up. */
export function prove(tree: Tree, index: number): Node[] {
  const siblings: Node[] = []
  for (let level = 0, at = index; level < tree.levels.length - 1; level++, at >>= 1) {
    const sibling = tree.levels[level]![at ^ 1]
    if (sibling === undefined) throw new RangeError(`Expected a leaf index in the tree, got ${index}.`)
    siblings.push(sibling)
  }
  return siblings
}

/** Says whether `siblings` lead from leaf `index` to `root`, sums included. */
export function verify(root: Node, leafNode: Node, index: number, siblings: readonly Node[]): boolean {
  let node = leafNode
  let at = index
  for (const sibling of siblings) {
    node = at % 2 === 0 ? join(node, sibling) : join(sibling, node)
    at = Math.floor(at / 2)
  }
  return at === 0 && node.sum === root.sum && Bytes.equals(node.hash, root.hash)
}

/**
 * Computes the root that some leaves and the nodes beside them lead to; what the contracts' `MerkleSum.rootOf` does.
 *
 * @param leaves - Indexes ascending, each once. @param width - Leaves of the whole tree.
 * @param siblings - As `GrowingMerkleSum.prove` gives them.
 * @returns Nothing when they do not fit.
 */
export function rootOf(
  leaves: readonly { readonly index: number; readonly node: Node }[],
  width: number,
  siblings: readonly Node[],
): Node | undefined {
  let level = [...leaves]
  let taken = 0
  for (let size = width; size > 1; size = (size + 1) >> 1) {
    const above: { index: number; node: Node }[] = []
    for (let i = 0; i < level.length; i++) {
      const { index, node } = level[i]!
      const next = level[i + 1]
      let other: Node | undefined = EMPTY
      if (index % 2 === 0 && next?.index === index + 1) {
        other = next.node
        i++
      } else if (index % 2 === 1 || index + 1 < size) other = siblings[taken++]
      if (other === undefined) return undefined
      above.push({ index: index >> 1, node: index % 2 === 0 ? join(node, other) : join(other, node) })
    }
    level = above
  }
  return taken === siblings.length && level.length === 1 && level[0]!.index === 0 ? level[0]!.node : undefined
}

/** Hashes the node over two others. */
export function join(left: Node, right: Node): Node {
  return {
    hash: Bytes.keccak256(
      Bytes.concat(left.hash, Bytes.fromUint(left.sum, 32), right.hash, Bytes.fromUint(right.sum, 32)),
    ),
    sum: left.sum + right.sum,
  }
}
