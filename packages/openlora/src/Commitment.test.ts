import { describe, expect, test } from 'vitest'
import { commitmentOf, fingerprintOf } from './Commitment.ts'

const logits = Float32Array.from({ length: 20 * 12 }, (_, i) => 4 * Math.sin(i * i))
const inference = {
  baseHash: `0x${'11'.repeat(32)}`,
  adapterHash: `0x${'22'.repeat(32)}`,
  promptIds: [1, 5, 7],
  answerIds: Array.from({ length: 20 }, (_, i) => i % 12),
  fingerprint: fingerprintOf(logits, 12),
} as const

describe('an inference commitment', () => {
  test('covers every eighth position with its best tokens', () => {
    expect(inference.fingerprint.map(({ position }) => position)).toEqual([0, 8, 16])
    for (const { position, top } of inference.fingerprint) {
      const row = [...logits.subarray(position * 12, position * 12 + 12)]
      const order = row.map((_, id) => id).sort((a, b) => row[b]! - row[a]! || a - b)
      expect(top.map(({ tokenId }) => tokenId)).toEqual(order.slice(0, 8))
      expect(top[0]!.steps).toBe(Math.round(row[order[0]!]! * 4))
    }
  })

  test('stays the same under rounding noise and changes with every part', () => {
    const known = commitmentOf(inference)
    expect(known).toMatchInlineSnapshot(
      `"0x3de93a1ae328a043f91d82bb3f9604a5df3a5f146e050af0576f6ed93cf5d60e"`,
    )
    const noisy = fingerprintOf(
      logits.map((x) => x + 1e-6),
      12,
    )
    expect(commitmentOf({ ...inference, fingerprint: noisy })).toBe(known)
    const changed = fingerprintOf(
      logits.map((x) => x * 1.1),
      12,
    )
    const others = [
      commitmentOf({ ...inference, baseHash: inference.adapterHash }),
      commitmentOf({ ...inference, adapterHash: inference.baseHash }),
      commitmentOf({ ...inference, promptIds: [1, 5, 8] }),
      commitmentOf({ ...inference, promptIds: [1, 5], answerIds: [7, ...inference.answerIds] }),
      commitmentOf({ ...inference, answerIds: inference.answerIds.toReversed() }),
      commitmentOf({ ...inference, fingerprint: changed }),
    ]
    expect(new Set([known, ...others]).size).toBe(7)
  })
})
