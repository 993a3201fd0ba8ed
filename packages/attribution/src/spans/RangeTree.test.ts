import { createHash } from 'node:crypto'
import { Bytes } from '@openledger/primitives'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as RangeTree from './RangeTree.ts'

const leafAt = (index: number): Uint8Array => Bytes.sha256(Uint8Array.of(index >> 8, index & 0xff))
const pair = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  createHash('sha256').update(left).update(right).digest()

/** The oracle: the larger side of a tree is the largest power of two below its size (RFC 6962's shape). */
function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!
  const left = 2 ** Math.ceil(Math.log2(leaves.length) - 1)
  return pair(rootOf(leaves.slice(0, left)), rootOf(leaves.slice(left)))
}

const sizes = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 240, max: 700 }))
const ranges = sizes.chain((size) =>
  fc
    .tuple(fc.nat(size - 1), fc.integer({ min: 1, max: 9 }))
    .map(([start, length]) => ({ size, start, end: Math.min(size, start + length) })),
)

test('a range of leaves leads to the root that hashing everything gives', () => {
  fc.assert(
    fc.property(ranges, ({ size, start, end }) => {
      const leaves = Array.from({ length: size }, (_, i) => leafAt(i))
      const tree = RangeTree.build(size, leafAt)
      expect(Bytes.toHex(tree.root)).toBe(Bytes.toHex(rootOf(leaves)))
      const found = RangeTree.rootOf(size, start, leaves.slice(start, end), tree.prove(start, end))
      expect(found).toEqual(tree.root)
    }),
    { numRuns: 25 },
  )
})

test('a leaf that is altered, moved, left out or added leads elsewhere', () => {
  fc.assert(
    fc.property(ranges, fc.nat(7), ({ size, start, end }, bit) => {
      const tree = RangeTree.build(size, leafAt)
      const leaves = Array.from({ length: end - start }, (_, i) => leafAt(start + i))
      const siblings = tree.prove(start, end)
      const altered = leaves.map((leaf, i) => (i === 0 ? leaf.map((byte) => byte ^ (1 << bit)) : leaf))
      expect(RangeTree.rootOf(size, start, altered, siblings)).not.toEqual(tree.root)
      for (const moved of [start - 1, start + 1]) {
        expect(RangeTree.rootOf(size, moved, leaves, siblings)).not.toEqual(tree.root)
      }
      expect(RangeTree.rootOf(size, start, leaves.slice(1), siblings)).not.toEqual(tree.root)
      expect(RangeTree.rootOf(size, start, [...leaves, leafAt(end)], siblings)).not.toEqual(tree.root)
      for (const [i] of siblings.entries()) {
        const wrong = siblings.map((node, k) => (k === i ? node.map((byte) => byte ^ 1) : node))
        expect(RangeTree.rootOf(size, start, leaves, wrong)).not.toEqual(tree.root)
      }
    }),
    { numRuns: 25 },
  )
})

test('a tree of nothing has a root of zeros and nothing to show', () => {
  const { root } = RangeTree.build(0, leafAt)
  expect(root).toEqual(new Uint8Array(32))
  expect(RangeTree.rootOf(0, 0, [], [])).toBeUndefined()
})
