/** The four parts of a fee in hundredths of a per cent; they sum to 10,000. Versioned on chain by `FeePolicy`. */
export type FeeSplit = {
  readonly platformBps: number
  readonly ownerBps: number
  readonly stakersBps: number
  readonly contributorsBps: number
}

export const BPS = 10_000n

/** One fee, divided. The parts sum to the fee exactly. */
export type SplitFee = {
  readonly platformWei: bigint
  readonly ownerWei: bigint
  readonly stakersWei: bigint
  readonly contributorsWei: bigint
}

/**
 * Computes a fee: `inputTokens * inputPriceWei + outputTokens * outputPriceWei`.
 * @param inputPriceWei - Wei per prompt token. @param outputPriceWei - Wei per answer token.
 */
export const feeWei = (
  inputTokens: number,
  outputTokens: number,
  inputPriceWei: bigint,
  outputPriceWei: bigint,
): bigint => BigInt(inputTokens) * inputPriceWei + BigInt(outputTokens) * outputPriceWei

/**
 * Divides a fee exactly as `Settlement` does on chain: platform, owner and stakers rounded down, contributors take
 * the rest, so no wei is lost and rounding favours those who made the data.
 */
export function split(fee: bigint, policy: FeeSplit): SplitFee {
  const part = (bps: number): bigint => (fee * BigInt(bps)) / BPS
  const platformWei = part(policy.platformBps)
  const ownerWei = part(policy.ownerBps)
  const stakersWei = part(policy.stakersBps)
  return { platformWei, ownerWei, stakersWei, contributorsWei: fee - platformWei - ownerWei - stakersWei }
}
