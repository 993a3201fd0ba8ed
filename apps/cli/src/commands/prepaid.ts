import { type Hex, Open } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import { signerOf } from '@openledger/sdk'
import type { Command } from 'commander'
import type { LocalAccount } from 'viem/accounts'
import type { Connection } from '../Connection.ts'
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
    .description('takes prepaid OPEN back at once: signed here, paid out by the server, without gas')
    .argument('[amount]', 'OPEN; by default all that can be spent')
    .option('--on-chain', 'without the server: set aside by the contract, paid out by the same command later')
    .option('--print', 'only prints the signature, for whoever sends it (`send-refund`)')
    .action(async (amount: string | undefined, options: { onChain?: true; print?: true }) => {
      const { connection, account } = await session.acting()
      const amountWei = async (): Promise<bigint> =>
        amount === undefined
          ? BigInt((await connection.client.account(account.address)).availableWei)
          : Open.parse(amount)
      if (options.onChain) return withdraw(connection, account, amountWei)
      const signed = await connection.client.signRefund(await amountWei(), signerOf(account))
      if (options.print) return console.log(JSON.stringify(signed))
      const { transactionHash } = await connection.client.refund(signed)
      console.log(`${green('Paid back')} ${open(signed.amountWei)} in ${transactionHash}`)
    })

  program
    .command('send-refund')
    .description(
      "sends another account's signed refund to the contract, without the server; again, to pay it out",
    )
    .argument('<signed>', 'what `refund --print` printed')
    .action(async (json: string) => {
      const { connection, account } = await session.acting()
      const signed = Http.refundSchema.parse(JSON.parse(json))
      const { settlement, withdrawalOf, payOut, sender } = withdrawals(connection, account)
      const [askedWei] = await withdrawalOf(signed.account)
      if (askedWei !== 0n) return payOut(signed.account)
      await sender.send({
        ...settlement,
        functionName: 'refund',
        args: [
          signed.account,
          BigInt(signed.amountWei),
          signed.nonce,
          BigInt(signed.deadline),
          signed.signature,
        ],
      })
      await payOut(signed.account)
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

/** Sets money aside by the contract where none is yet, and pays out what is ready. */
async function withdraw(
  connection: Connection,
  account: LocalAccount,
  amountWei: () => Promise<bigint>,
): Promise<void> {
  const { settlement, withdrawalOf, payOut, sender } = withdrawals(connection, account)
  const [askedWei] = await withdrawalOf(account.address)
  if (askedWei === 0n) {
    await sender.send({ ...settlement, functionName: 'requestWithdrawal', args: [await amountWei()] })
  }
  await payOut(account.address)
}

function withdrawals(connection: Connection, account: LocalAccount) {
  const { l2, network } = connection
  const settlement = { address: network.deployment.l2.settlement, abi: settlementAbi } as const
  const sender = senderOf(connection, account)
  const withdrawalOf = (of: Hex) =>
    l2.readContract({ ...settlement, functionName: 'withdrawalOf', args: [of] })
  return {
    settlement,
    sender,
    withdrawalOf,
    async payOut(of: Hex): Promise<void> {
      const [[askedWei, readyAt], { timestamp }] = await Promise.all([withdrawalOf(of), l2.getBlock()])
      if (timestamp < readyAt) {
        const ready = new Date(Number(readyAt) * 1_000).toISOString()
        console.log(`${green('Set aside')}: ${open(askedWei)}; the same command pays it out from ${ready} on`)
        return
      }
      const { transactionHash } = await sender.send({ ...settlement, functionName: 'withdraw', args: [of] })
      console.log(`${green('Paid back')} ${open(askedWei)} in ${transactionHash}`)
    },
  }
}
