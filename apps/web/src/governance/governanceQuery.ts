import type { Http } from '@openledger/protocol'
import { feePolicyAbi } from '@openledger/protocol/abi/feePolicy'
import { gOpenAbi } from '@openledger/protocol/abi/gOpen'
import { openGovernorAbi } from '@openledger/protocol/abi/openGovernor'
import { Governance, Parameters } from '@openledger/sdk'
import { queryOptions } from '@tanstack/react-query'
import type { Hex, PublicClient } from 'viem'
import type { Bounds } from './splitParts.ts'

type Deployment = Http.Network['deployment']

/** A proposal with where it stands, its votes, and what it would change. */
export type ProposalView = Governance.Proposal & {
  readonly proposer: Hex
  readonly state: Governance.State
  readonly votesWei: { readonly against: bigint; readonly for: bigint; readonly abstain: bigint }
  /** Seconds of the chain's clock. */
  readonly opensAt: number
  readonly closesAt: number
  /** When its delay in the timelock is over; zero before it is queued. */
  readonly readyAt: number
  readonly hasVoted: boolean
  /** What its calls would do, in words. */
  readonly effects: readonly Parameters.Effect[]
}

/** What anyone can read about governance, and what one account can do in it. */
export type GovernanceView = {
  readonly proposals: readonly ProposalView[]
  readonly quorumWei: bigint
  readonly thresholdWei: bigint
  readonly votingSeconds: number
  readonly votesWei: bigint
  /** What a vote last decided of the limits of splits. */
  readonly bounds: Bounds
  readonly chainTime: number
}

/** Reads governance from the chain. */
export const governanceQuery = (
  publicClient: PublicClient | undefined,
  deployment: Deployment | undefined,
  account: Hex | undefined,
) =>
  queryOptions({
    queryKey: ['governance', account],
    refetchInterval: 2_000,
    enabled: publicClient !== undefined && deployment !== undefined,
    queryFn: () => read(publicClient!, deployment!, account),
  })

async function read(
  publicClient: PublicClient,
  deployment: Deployment,
  account: Hex | undefined,
): Promise<GovernanceView> {
  const governor = { address: deployment.l2.governor, abi: openGovernorAbi } as const
  const { timestamp } = await publicClient.getBlock()
  const [thresholdWei, quorumWei, votingSeconds, votesWei, bounds, created] = await Promise.all([
    publicClient.readContract({ ...governor, functionName: 'proposalThreshold' }),
    publicClient.readContract({ ...governor, functionName: 'quorum', args: [timestamp - 1n] }),
    publicClient.readContract({ ...governor, functionName: 'votingPeriod' }),
    account === undefined
      ? 0n
      : publicClient.readContract({
          address: deployment.l2.gopen,
          abi: gOpenAbi,
          functionName: 'getVotes',
          args: [account],
        }),
    publicClient.readContract({
      address: deployment.l2.feePolicy,
      abi: feePolicyAbi,
      functionName: 'bounds',
    }),
    publicClient.getContractEvents({
      ...governor,
      eventName: 'ProposalCreated',
      strict: true,
      fromBlock: BigInt(deployment.l2StartBlock),
    }),
  ])
  const proposals = await Promise.all(
    created.map(async ({ args }): Promise<ProposalView> => {
      const id = args.proposalId
      const { targets, values, calldatas, description, proposer } = args
      const calls = Governance.callsOf({ id, targets, values, calldatas, description })
      const [state, [against, inFavour, abstain], readyAt, hasVoted, effects] = await Promise.all([
        Governance.state(publicClient, deployment, id),
        publicClient.readContract({ ...governor, functionName: 'proposalVotes', args: [id] }),
        publicClient.readContract({ ...governor, functionName: 'proposalEta', args: [id] }),
        account !== undefined &&
          publicClient.readContract({ ...governor, functionName: 'hasVoted', args: [id, account] }),
        Promise.all(calls.map((call) => Parameters.describe(publicClient, deployment, call))),
      ])
      return {
        id,
        targets,
        values,
        calldatas,
        description,
        proposer,
        state,
        hasVoted,
        votesWei: { against, for: inFavour, abstain },
        opensAt: Number(args.voteStart),
        closesAt: Number(args.voteEnd),
        readyAt: Number(readyAt),
        effects,
      }
    }),
  )
  return {
    thresholdWei,
    quorumWei,
    votesWei,
    bounds,
    proposals: proposals.reverse(),
    votingSeconds: Number(votingSeconds),
    chainTime: Number(timestamp),
  }
}
