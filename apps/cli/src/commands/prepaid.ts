import { Open } from '@openledger/primitives'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { signerOf } from '@openledger/sdk'
import type { Command } from 'commander'
import { green, open, table } from '../Output.ts'
import { type Session, senderOf } from '../Session.ts'

/** Money paid before it is spent, and the keys that may spend it. */
export function addPrepaidCommands(program: Command, session: Session): void {
  program
    .command('account')
    .description('what an account has on L1, on L2 and prepaid, and its API keys')
    .argument('[address]')
    .action(async (address?: string) => {
      const { client } = await session.connect()
      const of = address ?? (await session.acting()).account.address
      const [{ l1Wei, l2Wei, prepaidWei, heldWei, availableWei }, keys] = await Promise.all([
        client.account(of),
        client.apiKeys(of),
      ])
      table([
        ['on L1', 'on L2', 'prepaid', 'held for answers', 'to spend'],
        [l1Wei, l2Wei, prepaidWei, heldWei, availableWei].map(open),
      ])
      if (keys.length === 0) return
      console.log()
      table([
        ['key', 'name', 'spent', 'limit', 'state'],
        ...keys.map((key) => [
          key.id,
          key.name,
          open(key.spentWei),
          open(key.limitWei),
          key.revoked ? 'revoked' : 'in force',
        ]),
      ])
    })

  program
    .command('prepay')
    .description('pays OPEN into the prepaid balance that answers are charged to')
    .argument('<amount>', 'OPEN')
    .action(async (amount: string) => {
      const { connection, account } = await session.acting()
      const { transactionHash } = await senderOf(connection, account).send({
        address: connection.network.deployment.l2.settlement,
        abi: settlementAbi,
        functionName: 'deposit',
        args: [account.address],
        valueWei: Open.parse(amount),
      })
      console.log(`${green('Prepaid')} in ${transactionHash}`)
    })

  program
    .command('refund')
    .description('takes prepaid OPEN back: asked for first, paid out by the same command after the delay')
    .argument('[amount]', 'OPEN; by default all that can be spent')
    .action(async (amount?: string) => {
      const { connection, account } = await session.acting()
      const { l2, client, network } = connection
      const settlement = { address: network.deployment.l2.settlement, abi: settlementAbi } as const
      const sender = senderOf(connection, account)
      const asked = await l2.readContract({
        ...settlement,
        functionName: 'withdrawalOf',
        args: [account.address],
      })
      let [askedWei, readyAt] = asked
      if (askedWei === 0n) {
        const { availableWei } = await client.account(account.address)
        askedWei = amount === undefined ? BigInt(availableWei) : Open.parse(amount)
        await sender.send({ ...settlement, functionName: 'requestWithdrawal', args: [askedWei] })
        const [, at] = await l2.readContract({
          ...settlement,
          functionName: 'withdrawalOf',
          args: [account.address],
        })
        readyAt = at
      }
      const { timestamp } = await l2.getBlock()
      if (timestamp < readyAt) {
        const ready = new Date(Number(readyAt) * 1_000).toISOString()
        console.log(`${green('Set aside')}: ${open(askedWei)}; the same command pays it out from ${ready} on`)
        return
      }
      const { transactionHash } = await sender.send({ ...settlement, functionName: 'withdraw' })
      console.log(`${green('Paid back')} ${open(askedWei)} in ${transactionHash}`)
    })

  program
    .command('create-key')
    .description('makes an API key that may spend prepaid OPEN up to a limit')
    .argument('<name>', 'to know it by')
    .requiredOption('--limit <OPEN>', 'most that it may spend')
    .action(async (name: string, { limit }: { limit: string }) => {
      const { connection, account } = await session.acting()
      const key = await connection.client.createApiKey(
        { name, limitWei: Open.parse(limit).toString() },
        signerOf(account),
      )
      console.log(
        `${green('Made')}: key ${key.id}. Its secret is shown once:\n  OPENLEDGER_API_KEY=${key.secret}`,
      )
    })

  program
    .command('revoke-key')
    .description('ends an API key at once')
    .argument('<key>', 'id of the key')
    .action(async (id: string) => {
      const { connection, account } = await session.acting()
      const { name, spentWei } = await connection.client.revokeApiKey(id, signerOf(account))
      console.log(`${green('Ended')}: ${name}, after it spent ${open(spentWei)}`)
    })
}
