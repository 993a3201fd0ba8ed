import { Open } from '@openledger/primitives'
import type { Command } from 'commander'
import { green, open, percent, table } from '../Output.ts'
import type { Session } from '../Session.ts'

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
    .description('claims everything earned so far onto L2')
    .argument('[address]')
    .action(async (address?: string) => {
      const connection = await session.connect()
      const claimed = await connection.client.claim(address ?? (await session.acting()).account.address)
      console.log(`${green('Claimed')} ${open(claimed.amountWei)} in ${claimed.transactionHash}`)
    })

  program
    .command('withdraw')
    .description('takes OPEN from L2 to L1, with a proof against an output root')
    .argument('<amount>', 'OPEN')
    .action(async (amount: string) => {
      const { connection, account } = await session.acting()
      const { withdrawToL1 } = await import('../bridging.ts')
      await withdrawToL1(connection, account, Open.parse(amount), (line) => console.log(line))
    })
}
