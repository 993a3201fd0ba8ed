import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { printLines } from '../Lines.ts'
import type { Session } from '../Session.ts'
import { printShares } from '../Shares.ts'

const BASE_FOLDER = fileURLToPath(new URL('../../../../assets/base', import.meta.url))

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
      'recomputes what a receipt claims, money from the chain and shares from the published model, and names the line that differs',
    )
    .argument('<sequence>')
    .option('--answer <file>', 'question and answer, as ask --save kept them; only the payer has them')
    .option('--base <folder>', 'the base model', BASE_FOLDER)
    .action(async (sequence: string, { answer, base }: { answer?: string; base: string }) => {
      const { verifyReceipt } = await import('../verifying.ts')
      const { auditReceipt } = await import('../auditing.ts')
      const connection = await session.connect()
      const receipt = await connection.client.receipt(Number(sequence))
      const lines = [
        ...(await verifyReceipt(connection, receipt)),
        await auditReceipt(connection, receipt, { baseDirectory: base, answerPath: answer }),
      ]
      printLines(lines)
    })
}
