/**
 * The OP Stack forks that execution knows. Each includes those before it; a chain of ours starts at Isthmus, and
 * Holocene is there so that published blocks of that time can be executed again.
 */
export type Fork = 'holocene' | 'isthmus'

export type ForkRules = {
  /** Prague: EIP-2935, EIP-7623's floor, EIP-7702, and a requests hash in the header. */
  readonly hasPrague: boolean
  /** The header's withdrawals root is the L2ToL1MessagePasser's storage root. */
  readonly hasWithdrawalsRoot: boolean
  readonly hasOperatorFee: boolean
}

/** Names what a fork switched on. @see OP specs, Isthmus, overview. */
export function rulesOf(fork: Fork): ForkRules {
  const isIsthmus = fork === 'isthmus'
  return { hasPrague: isIsthmus, hasWithdrawalsRoot: isIsthmus, hasOperatorFee: isIsthmus }
}
