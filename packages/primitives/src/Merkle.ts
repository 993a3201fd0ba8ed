import * as Bytes from './Bytes.ts'

/**
 * A binary Merkle tree over ordered leaves, as the contracts check it with OpenZeppelin's `MerkleProof`:
 * leaves are hashed twice, pairs are hashed sorted, an odd node moves up unchanged.
 *
 * Double hashing keeps an inner node from passing for a leaf; sorting lets a proof leave out directions.
 */
export type Tree = {
  /** 32 bytes; the hash of no leaves at all is 32 zero bytes. */
  readonly root: Uint8Array
  readonly levels: readonly (readonly Uint8Array[])[]
}

const EMPTY_ROOT = new Uint8Array(32)

/** Hashes one leaf's bytes: `keccak256(keccak256(data))`. */
export const hashLeaf = (data: Uint8Array): Uint8Array => Bytes.keccak256(Bytes.keccak256(data))

/** Builds the tree over already hashed leaves (32 bytes each), keeping their order. */
export function build(leaves: readonly Uint8Array[]): Tree {
  if (leaves.length === 0) return { root: EMPTY_ROOT, levels: [[]] }
  const levels: Uint8Array[][] = [[...leaves]]
  while (levels.at(-1)!.length > 1) {
    const below = levels.at(-1)!
    const above: Uint8Array[] = []
    for (let i = 0; i < below.length; i += 2) {
      const right = below[i + 1]
      above.push(right === undefined ? below[i]! : hashPair(below[i]!, right))
    }
    levels.push(above)
  }
  return { root: levels.at(-1)![0]!, levels }
}

/** Gives the siblings of leaf `index`, from the bottom up. */
export function prove(tree: Tree, index: number): Uint8Array[] {
  const leafCount = tree.levels[0]!.length
  if (!Number.isInteger(index) || index < 0 || index >= leafCount) {
    throw new RangeError(`Expected a leaf index below ${leafCount}, got ${index}.`)
  }
  const proof: Uint8Array[] = []
  for (let level = 0, at = index; level < tree.levels.length - 1; level++, at >>= 1) {
    const sibling = tree.levels[level]![at ^ 1]
    if (sibling !== undefined) proof.push(sibling)
  }
  return proof
}

/** Says whether `proof` leads from `leaf` to `root`. */
export function verify(root: Uint8Array, leaf: Uint8Array, proof: readonly Uint8Array[]): boolean {
  return Bytes.equals(proof.reduce(hashPair, leaf), root)
}

function hashPair(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Bytes.keccak256(Bytes.compare(a, b) <= 0 ? Bytes.concat(a, b) : Bytes.concat(b, a))
}
