import { createMPT, verifyMerkleProof } from '@ethereumjs/mpt'
import { RLP } from '@ethereumjs/rlp'
import { bytesToHex } from '@ethereumjs/util'
import { Bytes } from '@openledger/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Trie from './Trie.ts'
import { fromWitness, MissingNodeError } from './Witness.ts'

const asIs = (value: Uint8Array): Uint8Array => value
const keyOf = (id: number): Uint8Array => Bytes.keccak256(Uint8Array.of(id))

/** Short values make nodes that are embedded in their parents. */
const operation = fc.record({
  key: fc.integer({ min: 0, max: 60 }),
  value: fc.option(fc.uint8Array({ minLength: 1, maxLength: 40 }), { freq: 2, nil: undefined }),
})

function apply(operations: readonly { key: number; value: Uint8Array | undefined }[], batch: number) {
  let root: Trie.Node<Uint8Array> | undefined
  let edit = Trie.createEdit()
  for (const [i, { key, value }] of operations.entries()) {
    if (i % batch === 0) edit = Trie.createEdit()
    root = value === undefined ? Trie.remove(root, keyOf(key), edit) : Trie.put(root, keyOf(key), value, edit)
    // hashing in between must not leave stale references
    if (i % 5 === 0) Trie.hash(root, asIs)
  }
  return root
}

describe('the trie', () => {
  test('has the root of EthereumJS after any puts and removals', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(operation, { maxLength: 80 }),
        fc.integer({ min: 1, max: 20 }),
        async (operations, batch) => {
          const root = apply(operations, batch)
          const oracle = await createMPT()
          for (const { key, value } of operations) {
            if (value === undefined) await oracle.del(keyOf(key))
            else await oracle.put(keyOf(key), value)
          }
          expect(bytesToHex(Trie.hash(root, asIs))).toBe(bytesToHex(oracle.root()))
        },
      ),
      { numRuns: 60 },
    )
  })

  test('an old root keeps its values and its hash while new ones are made', () => {
    fc.assert(
      fc.property(
        fc.array(operation, { minLength: 1, maxLength: 60 }),
        fc.array(operation, { maxLength: 60 }),
        (first, second) => {
          const root = apply(first, 7)
          const before = new Map<string, string>()
          Trie.forEach(root, (value, key) => before.set(bytesToHex(key), bytesToHex(value)))
          const hash = bytesToHex(Trie.hash(root, asIs))
          let next = root
          const edit = Trie.createEdit()
          for (const { key, value } of second) {
            next =
              value === undefined
                ? Trie.remove(next, keyOf(key), edit)
                : Trie.put(next, keyOf(key), value, edit)
          }
          Trie.hash(next, asIs)
          const after = new Map<string, string>()
          Trie.forEach(root, (value, key) => after.set(bytesToHex(key), bytesToHex(value)))
          expect(after).toEqual(before)
          expect(bytesToHex(Trie.hash(root, asIs))).toBe(hash)
        },
      ),
      { numRuns: 100 },
    )
  })

  test('removing what was put gives the root from before, by shape and hash', () => {
    const edit = Trie.createEdit()
    let root: Trie.Node<Uint8Array> | undefined
    const hashes: string[] = []
    for (let i = 0; i < 50; i++) {
      hashes.push(bytesToHex(Trie.hash(root, asIs)))
      root = Trie.put(root, keyOf(i), Uint8Array.of(i + 1), edit)
    }
    for (let i = 49; i >= 0; i--) {
      root = Trie.remove(root, keyOf(i), edit)
      expect(bytesToHex(Trie.hash(root, asIs))).toBe(hashes[i])
    }
    expect(root).toBeUndefined()
  })

  test('its proofs convince EthereumJS of values, and of their absence', async () => {
    const operations = Array.from({ length: 40 }, (_, key) => ({ key, value: Uint8Array.of(key + 1, 7) }))
    const root = apply(operations, 100)
    const hash = Trie.hash(root, asIs)
    for (const key of [0, 13, 39, 45, 59]) {
      const proof = Trie.proof(root, keyOf(key), asIs)
      const proved = await verifyMerkleProof(keyOf(key), proof, { useKeyHashing: false })
      expect(proved).toEqual(key < 40 ? Uint8Array.of(key + 1, 7) : null)
      expect(Bytes.keccak256(proof[0]!)).toEqual(hash)
    }
  })

  test('the root of a list is that of a trie from RLP indices', async () => {
    for (const count of [0, 1, 2, 127, 128, 129, 300]) {
      const items = Array.from({ length: count }, (_, i) => new Uint8Array(1 + (i % 70)).fill(i % 251))
      const oracle = await createMPT()
      for (const [i, item] of items.entries()) await oracle.put(RLP.encode(i), item)
      expect(bytesToHex(Trie.listRoot(items))).toBe(bytesToHex(oracle.root()))
    }
  })

  test('a witness is enough to read, change and hash what it covers, and refuses the rest', () => {
    const operations = Array.from({ length: 60 }, (_, key) => ({
      key,
      value: new Uint8Array(33).fill(key + 1),
    }))
    const root = apply(operations, 100)
    const nodes = new Map<string, Uint8Array>()
    for (const key of [3, 4, 5]) {
      for (const node of Trie.proof(root, keyOf(key), asIs))
        nodes.set(bytesToHex(Bytes.keccak256(node)), node)
    }
    const partial = fromWitness(Trie.hash(root, asIs), (hash) => nodes.get(bytesToHex(hash)), asIs)
    expect(Trie.get(partial, keyOf(4))).toEqual(new Uint8Array(33).fill(5))
    const value = new Uint8Array(33).fill(99)
    const edit = Trie.createEdit()
    expect(bytesToHex(Trie.hash(Trie.put(partial, keyOf(4), value, edit), asIs))).toBe(
      bytesToHex(Trie.hash(Trie.put(root, keyOf(4), value, edit), asIs)),
    )
    expect(() => Trie.get(partial, keyOf(50))).toThrow(MissingNodeError)
  })
})
