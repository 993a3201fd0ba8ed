import { Open } from '@openledger/primitives'
import { securityStakeAbi } from '@openledger/protocol/abi/securityStake'
import { SecurityStake } from '@openledger/sdk'
import type { Command } from 'commander'
import { parseEventLogs } from 'viem'
import { green, open, table } from '../Output.ts'
import { type Session, senderOf } from '../Session.ts'

/** Standing behind a validator or an agent: stake that answers for what they do, and can be slashed. */
export function addPoolCommands(program: Command, session: Session): void {
  const acting = async () => {
    const { connection, account } = await session.acting()
    const { deployment } = connection.network
    const contract = { address: deployment.l2.securityStake, abi: securityStakeAbi } as const
    return { connection, deployment, account, contract, sender: senderOf(connection, account) }
  }

  program
    .command('pool')
    .description(
      'shows the stake behind a validator or an agent, yours in it and what was slashed, or adds to it',
    )
    .argument('<role>', 'validator or agent')
    .argument('<subject>', 'the validator’s address or the agent’s number')
    .argument('[amount]', 'OPEN to add')
    .action(async (role: string, subject: string, amount?: string) => {
      const named = SecurityStake.parse(role, subject)
      const { connection, deployment, account, contract, sender } = await acting()
      if (amount !== undefined)
        await sender.send({
          ...contract,
          functionName: 'stake',
          args: SecurityStake.argumentsOf(named),
          valueWei: Open.parse(amount),
        })
      const pool = await SecurityStake.read(connection.l2, deployment, named, account.address)
      table([
        ['pool', 'yours', 'slashed'],
        [open(pool.assetsWei), open(pool.stakedWei), String(pool.slashes.length)],
      ])
      for (const { amountWei, slasher, reasonHash, transactionHash } of pool.slashes)
        console.log(`slashed: ${open(amountWei)} by ${slasher} for ${reasonHash} in ${transactionHash}`)
      for (const { id, worthWei, readyAt } of pool.unstakings)
        console.log(`leaving: ${open(worthWei)} from ${timeOf(readyAt)} on, openledger withdraw-pool ${id}`)
    })

  program
    .command('leave-pool')
    .description(
      'takes stake out from behind a validator or an agent; until it is paid it can still be slashed',
    )
    .argument('<role>', 'validator or agent')
    .argument('<subject>', 'the validator’s address or the agent’s number')
    .argument('<amount>', 'OPEN')
    .action(async (role: string, subject: string, amount: string) => {
      const named = SecurityStake.parse(role, subject)
      const { connection, deployment, account, contract, sender } = await acting()
      const pool = await SecurityStake.read(connection.l2, deployment, named, account.address)
      const shares = await SecurityStake.sharesFor(connection.l2, deployment, named, pool, Open.parse(amount))
      const { logs } = await sender.send({
        ...contract,
        functionName: 'requestUnstake',
        args: [...SecurityStake.argumentsOf(named), shares],
      })
      const [requested] = parseEventLogs({ abi: securityStakeAbi, logs, eventName: 'UnstakeRequested' })
      const { unstakingId, readyAt } = requested!.args
      console.log(
        `${green('Leaving')}: from ${timeOf(Number(readyAt))} on, openledger withdraw-pool ${unstakingId}`,
      )
    })

  program
    .command('withdraw-pool')
    .description('pays out stake that left a pool, once its unbonding time is over')
    .argument('<unstaking>', 'the number that leave-pool gave')
    .action(async (unstaking: string) => {
      const { contract, sender } = await acting()
      const { transactionHash } = await sender.send({
        ...contract,
        functionName: 'unstake',
        args: [BigInt(unstaking)],
      })
      console.log(`${green('Paid out')} in ${transactionHash}`)
    })
}

const timeOf = (seconds: number): string => new Date(seconds * 1000).toISOString()
