import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import type { Deployment } from '@openledger/protocol'
import { securityStakeAbi } from '@openledger/protocol/abi/securityStake'
import { isAddress, type PublicClient } from 'viem'

/** Whom a pool stands behind, in the contract's order. */
export const ROLES = ['validator', 'agent'] as const
export type Role = (typeof ROLES)[number]

/** One pool of `SecurityStake`: a validator by its address, an agent by its number. */
export type Subject = { readonly role: Role; readonly subject: bigint }

/** A pool, what was taken from it, and what one account has in it. */
export type Pool = {
  readonly assetsWei: bigint
  /** What the account's shares are worth now, without what is leaving. */
  readonly stakedWei: bigint
  readonly shares: bigint
  readonly unbondingSeconds: number
  /** Newest first. */
  readonly slashes: readonly {
    readonly amountWei: bigint
    readonly slasher: Hex
    readonly to: Hex
    readonly reasonHash: Hex
    readonly transactionHash: Hex
  }[]
  /** What is on its way out, at what it is worth now: it can still be slashed. */
  readonly unstakings: readonly { readonly id: bigint; readonly worthWei: bigint; readonly readyAt: number }[]
  /** Time of the newest block: the clock of the contract. */
  readonly chainTime: number
}

/** Gives the arguments that name a pool to the contract. */
export const argumentsOf = ({ role, subject }: Subject): readonly [number, bigint] => [
  ROLES.indexOf(role),
  subject,
]

/**
 * Reads a pool's name as people write it: `validator 0x…`, `agent 7`.
 * @throws {UnknownSubjectError}
 */
export function parse(role: string, subject: string): Subject {
  const known = ROLES.find((one) => one === role)
  const word = subject.trim()
  if (known === 'validator' && isAddress(word, { strict: false })) {
    return { role: known, subject: Bytes.toUint(Bytes.fromHex(word.toLowerCase() as Hex)) }
  }
  if (known === 'agent' && /^\d{1,20}$/.test(word)) return { role: known, subject: BigInt(word) }
  throw new UnknownSubjectError(role, subject)
}

/** Reads a pool from the chain. @param account - Whose stake is shown; nobody's when absent. */
export async function read(
  publicClient: PublicClient,
  { l2, l2StartBlock }: Deployment,
  subject: Subject,
  account?: Hex,
): Promise<Pool> {
  const contract = { address: l2.securityStake, abi: securityStakeAbi } as const
  const args = argumentsOf(subject)
  const events = { ...contract, strict: true, fromBlock: BigInt(l2StartBlock) } as const
  const [[assetsWei], shares, unbondingSeconds, block, slashed, requested] = await Promise.all([
    publicClient.readContract({ ...contract, functionName: 'poolOf', args }),
    account === undefined
      ? 0n
      : publicClient.readContract({ ...contract, functionName: 'sharesOf', args: [...args, account] }),
    publicClient.readContract({ ...contract, functionName: 'unbondingSeconds' }),
    publicClient.getBlock(),
    publicClient.getContractEvents({
      ...events,
      eventName: 'Slashed',
      args: { role: args[0], subject: args[1] },
    }),
    account === undefined
      ? []
      : publicClient.getContractEvents({
          ...events,
          eventName: 'UnstakeRequested',
          args: { subject: args[1], account },
        }),
  ])
  const worthOf = (count: bigint): Promise<bigint> =>
    publicClient.readContract({ ...contract, functionName: 'convertToAssets', args: [...args, count] })
  const unstakings = await Promise.all(
    requested
      .filter((event) => event.args.role === args[0])
      .map(async ({ args: { unstakingId: id, readyAt } }) => {
        const { shares: leaving } = await publicClient.readContract({
          ...contract,
          functionName: 'unstakingOf',
          args: [id],
        })
        return { id, worthWei: await worthOf(leaving), readyAt: Number(readyAt) }
      }),
  )
  return {
    assetsWei,
    shares,
    stakedWei: await worthOf(shares),
    unbondingSeconds: Number(unbondingSeconds),
    slashes: slashed.toReversed().map(({ args: { amount, slasher, to, reasonHash }, transactionHash }) => ({
      amountWei: amount,
      slasher,
      to,
      reasonHash,
      transactionHash,
    })),
    // what was paid out is deleted on chain
    unstakings: unstakings.filter(({ worthWei }) => worthWei > 0n),
    chainTime: Number(block.timestamp),
  }
}

/** Gives the shares to take out for an amount of wei: all of them where the amount is all that they are worth. */
export async function sharesFor(
  publicClient: PublicClient,
  { l2 }: Deployment,
  subject: Subject,
  { stakedWei, shares }: Pick<Pool, 'stakedWei' | 'shares'>,
  amountWei: bigint,
): Promise<bigint> {
  if (amountWei >= stakedWei) return shares
  return publicClient.readContract({
    address: l2.securityStake,
    abi: securityStakeAbi,
    functionName: 'convertToShares',
    args: [...argumentsOf(subject), amountWei],
  })
}

export class UnknownSubjectError extends BaseError {
  constructor(role: string, subject: string) {
    super({
      code: 'stake.unknown_subject',
      message: `Expected validator and its address, or agent and its number, got ${role.slice(0, 20)} ${subject.slice(0, 60)}.`,
      context: { role: role.slice(0, 20), subject: subject.slice(0, 60) },
    })
  }
}
