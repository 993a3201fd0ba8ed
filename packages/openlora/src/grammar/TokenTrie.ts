/**
 * All tokens of a vocabulary by their bytes. Node 0 is the root; children of a node are linked through `sibling`.
 */
export type TokenTrie = {
  readonly vocabularySize: number
  /** `[nodes]` byte that leads to the node. */
  readonly byte: Uint8Array
  /** `[nodes]` first child, 0 for none. */
  readonly child: Int32Array
  /** `[nodes]` next child of the same parent, 0 for none. */
  readonly sibling: Int32Array
  /** `[nodes]` a token that ends here, -1 for none. */
  readonly token: Int32Array
  /** `[vocabulary]` another token of the same bytes, -1 for none. */
  readonly same: Int32Array
}

/** @param bytesOf - Bytes of each token; empty ones, such as special tokens, are left out. */
export function createTokenTrie(vocabularySize: number, bytesOf: (tokenId: number) => Uint8Array): TokenTrie {
  const tokens = Array.from({ length: vocabularySize }, (_, tokenId) => bytesOf(tokenId))
  const nodesMax = 1 + tokens.reduce((sum, bytes) => sum + bytes.length, 0)
  const byte = new Uint8Array(nodesMax)
  const child = new Int32Array(nodesMax)
  const sibling = new Int32Array(nodesMax)
  const token = new Int32Array(nodesMax).fill(-1)
  const same = new Int32Array(vocabularySize).fill(-1)
  let count = 1
  for (const [tokenId, bytes] of tokens.entries()) {
    if (bytes.length === 0) continue
    let node = 0
    for (const value of bytes) {
      let next = child[node]!
      while (next !== 0 && byte[next] !== value) next = sibling[next]!
      if (next === 0) {
        next = count++
        byte[next] = value
        sibling[next] = child[node]!
        child[node] = next
      }
      node = next
    }
    same[tokenId] = token[node]!
    token[node] = tokenId
  }
  const cut = <T extends Uint8Array | Int32Array>(array: T): T => array.slice(0, count) as T
  return {
    vocabularySize,
    same,
    byte: cut(byte),
    child: cut(child),
    sibling: cut(sibling),
    token: cut(token),
  }
}
