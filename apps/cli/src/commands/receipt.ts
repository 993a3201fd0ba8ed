import type { Command } from 'commander'
import { green } from '../Output.ts'
import type { Session } from '../Session.ts'
import { printShares } from '../Shares.ts'

/** Receipts: reading them, and checking them without trust. */
export function addReceiptCommands(program: Command, session: Session): void {
  program
    .command('receipt')
    .description('shows a receipt and why it pays whom')
    .argument('<sequence>')
    .action(async (sequence: string) => {
      const connection = await session.connect()
      await printShares(connection, await connection.client.receipt(Number(sequence)))
    })

  program
    .command('verify')
    .description(
      'recomputes what a receipt claims, from the chain and the receipt alone, and names the line that differs',
    )
    .argument('<sequence>')
    .action(async (sequence: string) => {
      const { verifyReceipt } = await import('../verifying.ts')
      const connection = await session.connect()
      const lines = await verifyReceipt(connection, await connection.client.receipt(Number(sequence)))
      for (const line of lines)
        console.log(
          `${line.holds ? green('holds ') : 'DIFFERS'} ${line.claim}${line.holds ? '' : `: ${line.difference}`}`,
        )
      if (lines.some((line) => !line.holds)) process.exitCode = 1
    })
}
