/** Shares are whole parts of this scale; the shares of one answer always sum to it exactly. */
export const SCALE = 1_000_000n

/**
 * Splits a whole amount in proportion to weights so that the parts sum to it exactly (largest remainder; ties go to
 * the earlier weight).
 *
 * @param amount - Non-negative integer to split, e.g. wei.
 * @param weights - Non-negative integers, at least one above zero.
 * @returns One part per weight, in order.
 * @example
 * split(100n, [1n, 1n, 1n]) // [34n, 33n, 33n]
 */
export function split(amount: bigint, weights: readonly bigint[]): bigint[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0n)
  if (amount < 0n || total <= 0n || weights.some((weight) => weight < 0n)) {
    throw new RangeError(
      `Expected a non-negative amount and weights that sum above zero, got ${amount} over [${weights}].`,
    )
  }
  const parts = weights.map((weight) => (amount * weight) / total)
  const rest = Number(amount - parts.reduce((sum, part) => sum + part, 0n))
  const byRemainder = weights
    .map((weight, i) => ({ i, remainder: (amount * weight) % total }))
    .sort((a, b) => (a.remainder === b.remainder ? a.i - b.i : a.remainder < b.remainder ? 1 : -1))
  for (let k = 0; k < rest; k++) parts[byRemainder[k]!.i]! += 1n
  return parts
}
