import { BaseError, type Hex } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { signerOf } from '@openledger/sdk'
import type { Command } from 'commander'
import { addressOf } from '../Arguments.ts'
import { dim, green, table } from '../Output.ts'
import { actingOnDatanets, type Session } from '../Session.ts'

type Choices = { readonly reject?: string; readonly accept?: string; readonly reason?: string }

/** Validation by people: owners name validators, and the latest verdict of any of them counts. */
export function addValidationCommands(program: Command, session: Session): void {
  const acting = () => actingOnDatanets(session)

  const change = async (
    functionName: 'addValidator' | 'removeValidator',
    datanetId: string,
    validator: string,
  ): Promise<void> => {
    const { registry, sender } = await acting()
    const args = [BigInt(datanetId), addressOf(validator)] as const
    const { transactionHash } = await sender.send({ ...registry, functionName, args })
    console.log(`${green('On chain')} in ${transactionHash}`)
  }

  program
    .command('name-validator')
    .description('lets an account judge the records of your Datanet, and read them')
    .argument('<datanet>', 'id of the Datanet')
    .argument('<address>')
    .action((datanetId: string, address: string) => change('addValidator', datanetId, address))

  program
    .command('dismiss-validator')
    .description('takes that right back; verdicts already recorded stay')
    .argument('<datanet>', 'id of the Datanet')
    .argument('<address>')
    .action((datanetId: string, address: string) => change('removeValidator', datanetId, address))

  program
    .command('validate')
    .description(
      'shows what was contributed to a Datanet, or judges records of one contribution as its validator',
    )
    .argument('<datanet>', 'id of the Datanet')
    .argument('[contribution]', 'id of the contribution')
    .option('--reject <records>', 'places of records, from 0, with commas between')
    .option('--accept <records>', 'the same')
    .option('--reason <text>', 'why, in a sentence; it goes on record')
    .action(async (datanetId: string, id: string | undefined, choices: Choices) => {
      const { connection, account, registry, sender } = await acting()
      const { client } = connection
      if (id === undefined) {
        const list = await client.contributions({ datanetId })
        table([
          ['contribution', 'title', 'contributor', 'accepted', 'state'],
          ...list.map(({ id: each, title, contributor, acceptedCount, recordCount, status }) => [
            each,
            title,
            contributor,
            `${acceptedCount} of ${recordCount}`,
            status,
          ]),
        ])
        return
      }
      const signer = signerOf(account)
      const detail = await client.readContribution(id, signer)
      const verdicts = verdictsOf(choices, detail)
      if (verdicts.length === 0) {
        for (const { index, verdict, reason, text } of detail.records)
          console.log(`${green(`record ${index}`)} ${verdict} ${dim(reason)}\n${text}\n`)
        return
      }
      const { acceptedRoot, acceptedCount, reasonsHash } = await client.writeJudgement(id, verdicts, signer)
      const { transactionHash } = await sender.send({
        ...registry,
        functionName: 'recordVerdict',
        args: [id as Hex, acceptedRoot, acceptedCount, reasonsHash],
      })
      await client.followContribution(id)
      console.log(
        `${green('On chain')}: ${acceptedCount} of ${detail.recordCount} accepted, in ${transactionHash}`,
      )
    })
}

/** @throws {VerdictIncompleteError} */
function verdictsOf({ reject, accept, reason }: Choices, { recordCount }: Http.Contribution) {
  const indexes = (list: string | undefined) => (list ?? '').split(',').filter((word) => word.trim() !== '')
  const chosen = [
    ...indexes(reject).map((word) => ({ word, verdict: 'rejected' as const })),
    ...indexes(accept).map((word) => ({ word, verdict: 'accepted' as const })),
  ]
  return chosen.map(({ word, verdict }) => {
    const index = Number(word)
    if (!Number.isInteger(index) || index < 0 || index >= recordCount || reason === undefined) {
      throw new VerdictIncompleteError(word, recordCount, reason)
    }
    return { index, verdict, reason }
  })
}

export class VerdictIncompleteError extends BaseError {
  constructor(word: string, recordCount: number, reason: string | undefined) {
    super({
      code: 'cli.verdict_incomplete',
      message: `Expected records 0 to ${recordCount - 1} and a --reason, got record ${word} and ${reason === undefined ? 'no reason' : 'a reason'}. Nothing was sent.`,
      context: { word, recordCount },
    })
  }
}
