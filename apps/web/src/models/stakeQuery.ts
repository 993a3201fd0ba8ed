import type { Http } from '@openledger/protocol'
import { stakingAbi } from '@openledger/protocol/abi/staking'
import { queryOptions } from '@tanstack/react-query'
import type { Hex, PublicClient } from 'viem'

/** What an account has behind a model, and what it has taken out but not yet back. */
export type Stake = {
  readonly stakedWei: bigint
  readonly rewardsWei: bigint
  readonly unbondingSeconds: number
  readonly unstakings: readonly {
    readonly id: bigint
    readonly amountWei: bigint
    readonly readyAt: number
  }[]
  /** Time of the newest block: the clock of the contract. */
  readonly chainTime: number
}

/** Reads an account's stake behind a model from the chain. */
export const stakeQuery = (
  publicClient: PublicClient,
  { l2, l2StartBlock }: Http.Network['deployment'],
  modelId: string,
  account: Hex,
) =>
  queryOptions({
    queryKey: ['stake', modelId, account],
    refetchInterval: 2_000,
    queryFn: async (): Promise<Stake> => {
      const staking = { address: l2.staking, abi: stakingAbi } as const
      const args = [BigInt(modelId), account] as const
      const [stakedWei, rewardsWei, unbondingSeconds, block, requested] = await Promise.all([
        publicClient.readContract({ ...staking, functionName: 'stakeOf', args }),
        publicClient.readContract({ ...staking, functionName: 'pendingRewards', args }),
        publicClient.readContract({ ...staking, functionName: 'unbondingSeconds' }),
        publicClient.getBlock(),
        publicClient.getContractEvents({
          ...staking,
          eventName: 'UnstakeRequested',
          strict: true,
          fromBlock: BigInt(l2StartBlock),
          args: { modelId: args[0], account },
        }),
      ])
      const unstakings = await Promise.all(
        requested.map(async ({ args: { unstakingId } }) => {
          const { amount, readyAt } = await publicClient.readContract({
            ...staking,
            functionName: 'unstakingOf',
            args: [unstakingId],
          })
          return { id: unstakingId, amountWei: amount, readyAt: Number(readyAt) }
        }),
      )
      return {
        stakedWei,
        rewardsWei,
        unbondingSeconds: Number(unbondingSeconds),
        // what was taken back is deleted on chain
        unstakings: unstakings.filter(({ amountWei }) => amountWei > 0n),
        chainTime: Number(block.timestamp),
      }
    },
  })
