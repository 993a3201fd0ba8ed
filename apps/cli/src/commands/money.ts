import { Open } from '@openledger/primitives'
import { settlementAbi } from '@openledger/protocol/abi/settlement'
import type { Command } from 'commander'
import { green, open, percent, table } from '../Output.ts'
import { type Session, senderOf } from '../Session.ts'

/** Money: what was earned, claiming it, and taking it to L1. */
export function addMoneyCommands(program: Command, session: Session): void {
  program
    .command('earnings')
    .description('what an account earned and why')
    .argument('[address]')
    .action(async (address?: string) => {
      const connection = await session.connect()
      const { payouts, ...totals } = await connection.client.earnings(
        address ?? (await session.acting()).account.address,
      )
      console.log(
        `credited ${open(totals.creditedWei)}, claimable ${open(totals.claimableWei)}, claimed ${open(totals.claimedWei)}`,
      )
      table([
        ['receipt', 'model', 'contribution', 'share', 'amount'],
        ...payouts.map((payout) => [
          String(payout.receiptSequence),
          payout.modelName,
          payout.contributionTitle,
          percent(payout.sharePpm),
          open(payout.amountWei),
        ]),
      ])
    })

  program
    .command('claim')
    .description('claims everything earned so far onto L2, for any accounts; the money goes to them alone')
    .argument('[addresses...]')
    .action(async (addresses: readonly string[]) => {
      const { client } = await session.connect()
      const [first = (await session.acting()).account.address, ...others] = addresses
      const claimed =
        others.length === 0 ? [await client.claim(first)] : await client.claimMany([first, ...others])
      if (claimed.length === 0) console.log('There is nothing to claim.')
      for (const { account, amountWei, transactionHash } of claimed) {
        console.log(`${green('Claimed')} ${open(amountWei)} for ${account} in ${transactionHash}`)
      }
    })

  program
    .command('rebuild')
    .description('rebuilds every balance from the chain alone, and checks every batch on the way')
    .option('--rpc <url>', 'an RPC endpoint of the L2: then no server is asked for anything')
    .option('--settlement <address>', 'the settlement contract, with --rpc')
    .option('--from <block>', 'the first block that may hold its events, with --rpc', '0')
    .option(
      '--claim <address...>',
      'claim for these accounts in one call, with a proof made from the chain alone',
    )
    .action(async (words: { rpc?: string; settlement?: string; from: string; claim?: string[] }) => {
      const { claimFrom, placeOf, reach, rebuild } = await import('../rebuilding.ts')
      const place =
        words.rpc === undefined
          ? placeOf(await session.connect())
          : await reach(words.rpc, words.settlement, BigInt(words.from))
      const ledger = await rebuild(place)
      const { feeWei, uncreditedWei } = ledger.totals
      console.log(
        `${ledger.batchCount} batches, ${ledger.receiptCount} receipts, ${open(feeWei)} paid; every batch follows from the one before`,
      )
      table([['account', 'earned'], ...ledger.lines.map((line) => [line.account, open(line.cumulativeWei)])])
      console.log(
        `ledger ${ledger.ledgerRoot}, ${open(ledger.ledgerSumWei)}, ${open(uncreditedWei)} not credited yet`,
      )
      if (words.claim === undefined) return
      const hash = await claimFrom(place, ledger, words.claim, session.privateKey)
      console.log(hash === undefined ? 'There is nothing to claim.' : `${green('Claimed')} in ${hash}`)
    })

  program
    .command('withdraw-balance')
    .description('pays out, on L2, what answers earned you as owner of a model')
    .action(async () => {
      const { connection, account } = await session.acting()
      const settlement = { address: connection.network.deployment.l2.settlement, abi: settlementAbi } as const
      const amountWei = await connection.l2.readContract({
        ...settlement,
        functionName: 'balanceOf',
        args: [account.address],
      })
      const { transactionHash } = await senderOf(connection, account).send({
        ...settlement,
        functionName: 'withdrawBalance',
        args: [account.address],
      })
      console.log(`${green('Paid out')} ${open(amountWei)} in ${transactionHash}`)
    })

  program
    .command('withdraw')
    .description('takes OPEN from L2 to L1, with a proof against an output root')
    .argument('[amount]', 'OPEN; without it, goes on with every withdrawal that is not finished')
    .action(async (amount?: string) => {
      const { connection, account } = await session.acting()
      const { resumeWithdrawals, withdrawToL1 } = await import('../bridging.ts')
      const say = (line: string) => console.log(line)
      if (amount === undefined) await resumeWithdrawals(connection, account, say)
      else await withdrawToL1(connection, account, Open.parse(amount), say)
    })

  program
    .command('deposit')
    .description('takes OPEN from L1 to L2')
    .argument('<amount>', 'OPEN')
    .action(async (amount: string) => {
      const { connection, account } = await session.acting()
      const { l2Hash } = await connection.bridge.deposit(connection.l1Wallet(account), {
        amountWei: Open.parse(amount),
      })
      console.log(`${green('Arrived')} on L2 in ${l2Hash}`)
    })
}
