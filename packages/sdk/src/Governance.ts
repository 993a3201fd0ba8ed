import type { Hex } from '@openledger/primitives'
import { BaseError } from '@openledger/primitives'
import type { Deployment } from '@openledger/protocol'
import { gOpenAbi } from '@openledger/protocol/abi/gOpen'
import { openGovernorAbi } from '@openledger/protocol/abi/openGovernor'
import {
  type Account,
  type Chain,
  keccak256,
  type PublicClient,
  type Transport,
  toBytes,
  type WalletClient,
} from 'viem'
import type { Call } from './Parameters.ts'

/** A wallet that can send: its account and chain are bound in. */
export type Wallet = WalletClient<Transport, Chain, Account>

/** Calls of the timelock on their way through governance. */
export type Proposal = {
  readonly id: bigint
  readonly targets: readonly Hex[]
  readonly values: readonly bigint[]
  readonly calldatas: readonly Hex[]
  readonly description: string
}

/** States of OpenZeppelin's Governor, in its order. */
export const STATES = [
  'pending',
  'active',
  'canceled',
  'defeated',
  'succeeded',
  'queued',
  'expired',
  'executed',
] as const
export type State = (typeof STATES)[number]

/** Wraps native OPEN into gOPEN and delegates its votes to the wallet itself, so that they count. */
export async function becomeVoter(
  publicClient: PublicClient,
  wallet: Wallet,
  deployment: Deployment,
  amountWei: bigint,
): Promise<void> {
  const address = deployment.l2.gopen
  const deposit = await wallet.writeContract({
    address,
    abi: gOpenAbi,
    functionName: 'deposit',
    value: amountWei,
  })
  await succeed(publicClient, deposit, 'wrapping OPEN into gOPEN')
  const delegate = await wallet.writeContract({
    address,
    abi: gOpenAbi,
    functionName: 'delegate',
    args: [wallet.account.address],
  })
  await succeed(publicClient, delegate, 'delegating votes')
}

/** The quorum grows while OPEN vests: votes are wrapped for a proposal made within so long. */
const QUORUM_MARGIN_SECONDS = 3_600n

/** Reads how many votes one needs to propose within the hour and to reach the quorum alone, in wei of gOPEN. */
export async function votesNeeded(publicClient: PublicClient, deployment: Deployment): Promise<bigint> {
  const governor = { address: deployment.l2.governor, abi: openGovernorAbi } as const
  const { timestamp } = await publicClient.getBlock()
  const [threshold, quorum] = await Promise.all([
    publicClient.readContract({ ...governor, functionName: 'proposalThreshold' }),
    publicClient.readContract({
      ...governor,
      functionName: 'quorum',
      args: [timestamp + QUORUM_MARGIN_SECONDS],
    }),
  ])
  return threshold > quorum ? threshold : quorum
}

/** Proposes calls that the timelock makes, in one, if a vote is for them. */
export async function propose(
  publicClient: PublicClient,
  wallet: Wallet,
  deployment: Deployment,
  calls: readonly Call[],
  description: string,
): Promise<Proposal> {
  const proposal = {
    targets: calls.map(({ target }) => target),
    values: calls.map(({ valueWei }) => valueWei),
    calldatas: calls.map(({ data }) => data),
    description,
  }
  const { request, result } = await publicClient.simulateContract({
    account: wallet.account,
    address: deployment.l2.governor,
    abi: openGovernorAbi,
    functionName: 'propose',
    args: [proposal.targets, proposal.values, proposal.calldatas, description],
  })
  await succeed(publicClient, await wallet.writeContract(request), 'proposing')
  return { id: result, ...proposal }
}

/** Gives the calls of a proposal. */
export const callsOf = ({ targets, values, calldatas }: Proposal): Call[] =>
  targets.map((target, i) => ({
    target: target.toLowerCase() as Hex,
    valueWei: values[i]!,
    data: calldatas[i]!,
  }))

/** Reads where a proposal stands. */
export async function state(publicClient: PublicClient, deployment: Deployment, id: bigint): Promise<State> {
  const index = await publicClient.readContract({
    address: deployment.l2.governor,
    abi: openGovernorAbi,
    functionName: 'state',
    args: [id],
  })
  return STATES[index]!
}

/** Reads every proposal ever made, newest first, with where it stands. */
export async function list(
  publicClient: PublicClient,
  deployment: Deployment,
): Promise<(Proposal & { readonly state: State })[]> {
  const events = await publicClient.getContractEvents({
    address: deployment.l2.governor,
    abi: openGovernorAbi,
    eventName: 'ProposalCreated',
    fromBlock: BigInt(deployment.l2StartBlock),
    strict: true,
  })
  return Promise.all(
    events.toReversed().map(async ({ args }) => ({
      id: args.proposalId,
      targets: args.targets,
      values: args.values,
      calldatas: args.calldatas,
      description: args.description,
      state: await state(publicClient, deployment, args.proposalId),
    })),
  )
}

/** Ballots of OpenZeppelin's Governor, in its order. */
export const BALLOTS = ['against', 'for', 'abstain'] as const

/** Votes on a proposal with the votes that the wallet had when voting opened. */
export async function vote(
  publicClient: PublicClient,
  wallet: Wallet,
  deployment: Deployment,
  id: bigint,
  ballot: (typeof BALLOTS)[number],
): Promise<void> {
  const hash = await wallet.writeContract({
    address: deployment.l2.governor,
    abi: openGovernorAbi,
    functionName: 'castVote',
    args: [id, BALLOTS.indexOf(ballot)],
  })
  await succeed(publicClient, hash, 'voting')
}

/** Queues a proposal that has passed in the timelock, or executes one whose delay is over; anyone may. */
export async function advance(
  publicClient: PublicClient,
  wallet: Wallet,
  deployment: Deployment,
  proposal: Proposal,
  step: 'queue' | 'execute',
): Promise<Hex> {
  const { targets, values, calldatas, description } = proposal
  const { request } = await publicClient.simulateContract({
    account: wallet.account,
    address: deployment.l2.governor,
    abi: openGovernorAbi,
    functionName: step,
    args: [targets, values, calldatas, keccak256(toBytes(description))],
  })
  const hash = await wallet.writeContract(request)
  await succeed(publicClient, hash, `${step} of proposal ${proposal.id}`)
  return hash
}

/**
 * Takes a proposal from its vote to its execution, waiting on the chain's clock: votes for it when the vote opens,
 * queues it in the timelock when it has passed, executes it when the delay is over.
 *
 * @param onState - Told whenever the proposal enters a new state.
 * @returns Hash of the executing transaction.
 * @throws {ProposalEndedError} when it is defeated, cancelled or runs out.
 */
export async function carryThrough(
  publicClient: PublicClient,
  wallet: Wallet,
  deployment: Deployment,
  proposal: Proposal,
  onState: (state: State) => void = () => {},
): Promise<Hex> {
  const governor = { address: deployment.l2.governor, abi: openGovernorAbi } as const
  const call = [
    proposal.targets,
    proposal.values,
    proposal.calldatas,
    keccak256(toBytes(proposal.description)),
  ] as const
  let seen: State | undefined
  let hasVoted = false
  for (;;) {
    const now = await state(publicClient, deployment, proposal.id)
    if (now !== seen) onState(now)
    seen = now
    switch (now) {
      case 'active':
        if (!hasVoted) {
          const vote = await wallet.writeContract({
            ...governor,
            functionName: 'castVote',
            args: [proposal.id, 1],
          })
          await succeed(publicClient, vote, 'voting')
          hasVoted = true
        }
        break
      case 'succeeded':
        await succeed(
          publicClient,
          await wallet.writeContract({ ...governor, functionName: 'queue', args: call }),
          'queueing',
        )
        break
      case 'queued': {
        const readyAt = await publicClient.readContract({
          ...governor,
          functionName: 'proposalEta',
          args: [proposal.id],
        })
        const { timestamp } = await publicClient.getBlock()
        if (timestamp < readyAt) break
        const hash = await wallet.writeContract({ ...governor, functionName: 'execute', args: call })
        await succeed(publicClient, hash, 'executing')
        return hash
      }
      case 'canceled':
      case 'defeated':
      case 'expired':
      case 'executed':
        throw new ProposalEndedError(proposal.id, now)
      case 'pending':
        break
      default:
        now satisfies never
    }
    await nextBlock(publicClient)
  }
}

/** Resolves when the chain has a new block: the only clock that contracts know. */
async function nextBlock(publicClient: PublicClient): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = publicClient.watchBlockNumber({
      pollingInterval: 500,
      onBlockNumber: () => {
        stop()
        resolve()
      },
      onError: (error) => {
        stop()
        reject(error)
      },
    })
  })
}

async function succeed(publicClient: PublicClient, hash: Hex, what: string): Promise<void> {
  const receipt = await publicClient.waitForTransactionReceipt({ hash, pollingInterval: 250 })
  if (receipt.status !== 'success') throw new TransactionFailedError(what, hash)
}

export class ProposalEndedError extends BaseError {
  constructor(id: bigint, state: State) {
    super({
      code: 'governance.proposal_ended',
      message: `Expected proposal ${id} to be carried through, but it is ${state}. Propose again to try once more.`,
      context: { id: id.toString(), state },
    })
  }
}

export class TransactionFailedError extends BaseError {
  constructor(what: string, hash: Hex) {
    super({
      code: 'governance.transaction_failed',
      message: `Expected ${what} to succeed, but transaction ${hash} failed on chain.`,
      context: { what, hash },
    })
  }
}
