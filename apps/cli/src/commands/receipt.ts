import { fileURLToPath } from 'node:url'
import { signerOf } from '@openledger/sdk'
import type { Command } from 'commander'
import { printLines } from '../Lines.ts'
import { green, open, percent, table } from '../Output.ts'
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
    .command('countersign')
    .description('signs a receipt as its payer, beside the serving node')
    .argument('<sequence>')
    .action(async (sequence: string) => {
      const { connection, account } = await session.acting()
      const receipt = await connection.client.receipt(Number(sequence))
      await connection.client.countersign(receipt, signerOf(account))
      console.log(`${green('Countersigned')} receipt ${sequence} as ${account.address}`)
    })

  program
    .command('answers')
    .description('lists the answers that a record or a contribution shaped, and what each paid for it')
    .argument('<id>', 'of a contribution, or of a record with --record')
    .option('--record', 'the id is of a record')
    .option('--before <receipt>', 'only older answers')
    .action(async (id: string, { record, before }: { record?: boolean; before?: string }) => {
      const { client } = await session.connect()
      const page = before === undefined ? {} : { before: Number(before) }
      const answers = await (record ? client.recordAnswers(id, page) : client.contributionAnswers(id, page))
      table([
        ['receipt', 'model', 'share', 'amount', 'paid to', 'settled'],
        ...answers.map((answer) => [
          String(answer.receiptSequence),
          answer.modelName,
          percent(answer.sharePpm),
          open(answer.amountWei),
          answer.beneficiary,
          answer.settlementTransaction ?? 'not yet',
        ]),
      ])
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
