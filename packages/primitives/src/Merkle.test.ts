import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Bytes from './Bytes.ts'
import * as Merkle from './Merkle.ts'

const leaves = fc.array(fc.uint8Array({ maxLength: 40 }).map(Merkle.hashLeaf), {
  minLength: 1,
  maxLength: 40,
})

describe('a Merkle tree', () => {
  test('proves every leaf it holds', () => {
    fc.assert(
      fc.property(leaves, (hashes) => {
        const tree = Merkle.build(hashes)
        return hashes.every((leaf, i) => Merkle.verify(tree.root, leaf, Merkle.prove(tree, i)))
      }),
    )
  })

  test('does not prove what it does not hold', () => {
    fc.assert(
      fc.property(leaves, fc.uint8Array({ minLength: 41, maxLength: 50 }), (hashes, stranger) => {
        const tree = Merkle.build(hashes)
        return !Merkle.verify(tree.root, Merkle.hashLeaf(stranger), Merkle.prove(tree, 0))
      }),
    )
  })

  test('hashes pairs in sorted order, so two leaves give the same root either way round', () => {
    const [a, b] = [Merkle.hashLeaf(Bytes.fromUtf8('a')), Merkle.hashLeaf(Bytes.fromUtf8('b'))]
    expect(Merkle.build([a, b]).root).toEqual(Merkle.build([b, a]).root)
  })

  test('refuses a proof for a leaf beyond the last', () => {
    const tree = Merkle.build([Merkle.hashLeaf(Bytes.fromUtf8('a'))])
    expect(() => Merkle.prove(tree, 1)).toThrow(RangeError)
  })
})
