import { Open } from '@openledger/primitives'
import { stakingAbi } from '@openledger/protocol/abi/staking'
import type { Command } from 'commander'
import { parseEventLogs } from 'viem'
import { green, open, table } from '../Output.ts'
import { type Session, senderOf } from '../Session.ts'
import { modelIdOf } from './owner.ts'

/** Standing behind a model: stake earns the stakers' part of its fees. */
export function addStakingCommands(program: Command, session: Session): void {
  const acting = async () => {
    const { connection, account } = await session.acting()
    const staking = { address: connection.network.deployment.l2.staking, abi: stakingAbi } as const
    return { connection, account, staking, sender: senderOf(connection, account) }
  }

  program
    .command('stake')
    .description('shows what you have behind a model, or puts more behind it')
    .argument('<model>')
    .argument('[amount]', 'OPEN to add')
    .action(async (model: string, amount?: string) => {
      const { connection, account, staking, sender } = await acting()
      const modelId = await modelIdOf(connection, model)
      if (amount !== undefined)
        await sender.send({
          ...staking,
          functionName: 'stake',
          args: [modelId],
          valueWei: Open.parse(amount),
        })
      const args = [modelId, account.address] as const
      const [stakedWei, rewardsWei] = await Promise.all([
        connection.l2.readContract({ ...staking, functionName: 'stakeOf', args }),
        connection.l2.readContract({ ...staking, functionName: 'pendingRewards', args }),
      ])
      table([
        ['staked', 'rewards'],
        [open(stakedWei), open(rewardsWei)],
      ])
    })

  program
    .command('unstake')
    .description('takes stake out from behind a model; it is yours again after the unbonding time')
    .argument('<model>')
    .argument('<amount>', 'OPEN')
    .action(async (model: string, amount: string) => {
      const { connection, staking, sender } = await acting()
      const { logs } = await sender.send({
        ...staking,
        functionName: 'requestUnstake',
        args: [await modelIdOf(connection, model), Open.parse(amount)],
      })
      const [requested] = parseEventLogs({ abi: stakingAbi, logs, eventName: 'UnstakeRequested' })
      const { unstakingId } = requested!.args
      const { readyAt } = await connection.l2.readContract({
        ...staking,
        functionName: 'unstakingOf',
        args: [unstakingId],
      })
      console.log(
        `${green('Taken out')}: from ${new Date(Number(readyAt) * 1000).toISOString()} on, openledger withdraw-stake ${unstakingId}`,
      )
    })

  program
    .command('withdraw-stake')
    .description('pays out stake whose unbonding time is over')
    .argument('<unstaking>', 'the number that unstake gave')
    .action(async (unstaking: string) => {
      const { staking, sender } = await acting()
      const { transactionHash } = await sender.send({
        ...staking,
        functionName: 'unstake',
        args: [BigInt(unstaking)],
      })
      console.log(`${green('Paid out')} in ${transactionHash}`)
    })

  program
    .command('claim-rewards')
    .description('pays out what your stake behind a model has earned')
    .argument('<model>')
    .action(async (model: string) => {
      const { connection, staking, sender } = await acting()
      const { transactionHash } = await sender.send({
        ...staking,
        functionName: 'claimRewards',
        args: [await modelIdOf(connection, model)],
      })
      console.log(`${green('Paid out')} in ${transactionHash}`)
    })
}
