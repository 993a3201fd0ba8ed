import type { Hex } from '@openledger/primitives'
import { Abi } from '@openledger/protocol'
import type { PublicClient } from 'viem'

/** How long batches can be challenged, in seconds: a vote changes it for later batches, those before keep theirs. */
export type ChallengeWindow = {
  readonly seconds: number
  /** Of batches that were settled at {@link changedAt} or before. */
  readonly formerSeconds: number
  /** Unix seconds; 0 when no vote changed it. */
  readonly changedAt: number
}

/** Asks the settlement contract. */
export async function read(publicClient: PublicClient, settlement: Hex): Promise<ChallengeWindow> {
  const [challengeSeconds, , formerSeconds, changedAt] = await publicClient.readContract({
    address: settlement,
    abi: Abi.settlementAbi,
    functionName: 'windows',
  })
  return {
    seconds: Number(challengeSeconds),
    formerSeconds: Number(formerSeconds),
    changedAt: Number(changedAt),
  }
}

/** When a batch that was settled then is final, in Unix seconds; as `Settlement.finalAt` says. */
export const finalAt = ({ seconds, formerSeconds, changedAt }: ChallengeWindow, settledAt: number): number =>
  settledAt + (settledAt > changedAt ? seconds : formerSeconds)

/** The newest time of settling up to which every batch is final now. */
export const finalUpTo = ({ seconds, formerSeconds, changedAt }: ChallengeWindow, now: number): number => {
  const former = now - formerSeconds
  // between the two windows, the later batches of a shorter one may be final before the earlier ones are
  return former < changedAt ? former : Math.max(changedAt, now - seconds)
}
