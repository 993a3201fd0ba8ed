import type { Hex } from '@openledger/primitives'
import type { Deployment } from '@openledger/protocol'
import { agentGuaranteesAbi } from '@openledger/protocol/abi/agentGuarantees'
import { agentValidationAbi } from '@openledger/protocol/abi/agentValidation'
import type { PublicClient } from 'viem'

/** Where a guarantee stands, in the contract's order. */
const STATES = ['none', 'open', 'forfeited', 'ended'] as const

/** What an agent's owner guarantees of one piece of work, and how the validator that decides has answered. */
export type Guarantee = {
  readonly state: (typeof STATES)[number]
  readonly agentId: bigint
  readonly client: Hex
  readonly amountWei: bigint
  /** An answer below it, of 100, forfeits the amount to the client. */
  readonly passMark: number
  /** Last second in which the answer counts, Unix. */
  readonly until: number
  readonly validator: Hex
  /** Absent until the validator answers. */
  readonly answer?: { readonly score: number; readonly at: number }
}

const contractOf = ({ l2 }: Deployment) => ({ address: l2.agentGuarantees, abi: agentGuaranteesAbi }) as const

/** Terms of a guarantee that its giver chooses. */
export type Terms = {
  readonly client: Hex
  readonly amountWei: bigint
  /** 1 to 100. */
  readonly passMark: number
  /** Unix seconds. */
  readonly until: bigint
}

/** Guarantees the work of a validation request with stake behind the agent. For who holds all of that stake to send. */
export const give = (
  deployment: Deployment,
  requestHash: Hex,
  { client, amountWei, passMark, until }: Terms,
) =>
  ({
    ...contractOf(deployment),
    functionName: 'give',
    args: [requestHash, client, amountWei, passMark, until],
  }) as const

/** Pays the client of work that failed in time. For anyone to send. */
export const forfeit = (deployment: Deployment, requestHash: Hex) =>
  ({ ...contractOf(deployment), functionName: 'forfeit', args: [requestHash] }) as const

/** Frees the stake: for the client at any time, for anyone once the work passed or the guarantee is over. */
export const end = (deployment: Deployment, requestHash: Hex) =>
  ({ ...contractOf(deployment), functionName: 'end', args: [requestHash] }) as const

/** Reads a guarantee and the answer that decides it; undefined when none was given for the request. */
export async function read(
  publicClient: PublicClient,
  deployment: Deployment,
  requestHash: Hex,
): Promise<Guarantee | undefined> {
  const given = await publicClient.readContract({
    ...contractOf(deployment),
    functionName: 'guaranteeOf',
    args: [requestHash],
  })
  const state = STATES[given.state]!
  if (state === 'none') return undefined
  const validation = { address: deployment.l2.agentValidation, abi: agentValidationAbi } as const
  const [[validator, , score, , , at], isAnswered] = await Promise.all([
    publicClient.readContract({ ...validation, functionName: 'getValidationStatus', args: [requestHash] }),
    publicClient.readContract({ ...validation, functionName: 'isAnswered', args: [requestHash] }),
  ])
  const { agentId, client, amountWei, passMark, until } = given
  return {
    state,
    agentId,
    client,
    amountWei,
    passMark,
    until: Number(until),
    validator,
    ...(isAnswered && { answer: { score, at: Number(at) } }),
  }
}
