import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createGrowingMerkleSum } from './GrowingMerkleSum.ts'
import * as MerkleSum from './MerkleSum.ts'

const lines = fc.array(
  fc.record({
    account: fc.uint8Array({ minLength: 20, maxLength: 20 }),
    amount: fc.bigInt({ min: 0n, max: 2n ** 96n }),
  }),
  { minLength: 1, maxLength: 33 },
)

describe('a Merkle-sum tree', () => {
  test('carries the exact sum of its lines and proves each of them', () => {
    fc.assert(
      fc.property(lines, (ledger) => {
        const leaves = ledger.map((line) => MerkleSum.leaf(line.account, line.amount))
        const tree = MerkleSum.build(leaves)
        expect(tree.root.sum).toBe(ledger.reduce((sum, line) => sum + line.amount, 0n))
        return leaves.every((leaf, i) => MerkleSum.verify(tree.root, leaf, i, MerkleSum.prove(tree, i)))
      }),
    )
  })

  test('refuses a raised amount, a wrong index and a sibling whose sum was lowered to make room', () => {
    const accounts = [1, 2, 3].map((byte) => new Uint8Array(20).fill(byte))
    const tree = MerkleSum.build(accounts.map((account, i) => MerkleSum.leaf(account, BigInt(10 * (i + 1)))))
    const proof = MerkleSum.prove(tree, 0)
    const raised = MerkleSum.leaf(accounts[0]!, 15n)
    expect(MerkleSum.verify(tree.root, MerkleSum.leaf(accounts[0]!, 10n), 0, proof)).toBe(true)
    expect(MerkleSum.verify(tree.root, raised, 0, proof)).toBe(false)
    expect(MerkleSum.verify(tree.root, MerkleSum.leaf(accounts[0]!, 10n), 1, proof)).toBe(false)
    const lowered = [{ ...proof[0]!, sum: proof[0]!.sum - 5n }, ...proof.slice(1)]
    expect(MerkleSum.verify(tree.root, raised, 0, lowered)).toBe(false)
  })

  test('does not change the leaves it was given', () => {
    const leaves = [1, 2, 3].map((byte) => MerkleSum.leaf(new Uint8Array(20).fill(byte), 1n))
    MerkleSum.build(leaves)
    expect(leaves).toHaveLength(3)
  })
})

describe('a growing Merkle-sum tree', () => {
  const changes = fc.array(
    fc.array(fc.record({ at: fc.nat(40), amount: fc.bigInt({ min: 1n, max: 2n ** 64n }) }), {
      minLength: 1,
      maxLength: 9,
    }),
    { minLength: 1, maxLength: 8 },
  )

  test('is the tree that is built anew over the same leaves, and proves any of them together', () => {
    fc.assert(
      fc.property(changes, fc.nat(), (batches, seed) => {
        const growing = createGrowingMerkleSum()
        const leaves: MerkleSum.Node[] = []
        for (const batch of batches) {
          const touched = new Map<number, MerkleSum.Node>()
          for (const { at, amount } of batch) {
            const index = Math.min(at, leaves.length)
            leaves[index] = MerkleSum.leaf(new Uint8Array(20).fill(index), amount)
            touched.set(index, leaves[index])
          }
          growing.put([...touched].map(([index, node]) => ({ index, node })))
          const built = MerkleSum.build(leaves).root
          expect(growing.root()).toEqual(built)
          const wanted = leaves.flatMap((_, index) => (((seed >> (index % 31)) & 1) === 1 ? [index] : []))
          if (wanted.length === 0) continue
          const siblings = growing.prove(wanted)
          const claimed = wanted.map((index) => ({ index, node: leaves[index]! }))
          expect(MerkleSum.rootOf(claimed, leaves.length, siblings)).toEqual(built)
          const raised = claimed.map((leaf, i) =>
            i === 0 ? { ...leaf, node: { ...leaf.node, sum: leaf.node.sum + 1n } } : leaf,
          )
          expect(MerkleSum.rootOf(raised, leaves.length, siblings)).not.toEqual(built)
        }
      }),
    )
  })

  test('refuses a leaf that leaves a gap', () => {
    const growing = createGrowingMerkleSum()
    const node = MerkleSum.leaf(new Uint8Array(20), 1n)
    expect(() => growing.put([{ index: 1, node }])).toThrow('no gap')
  })
})
