import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { BaseError } from '@openledger/primitives'
import { type Http, RecordForm } from '@openledger/protocol'
import { signerOf } from '@openledger/sdk'
import type { Command } from 'commander'
import { dim, green, open, table } from '../Output.ts'
import type { Session } from '../Session.ts'

/** Datanets: what is there, and adding to it. */
export function addDatanetCommands(program: Command, session: Session): void {
  program
    .command('datanets')
    .description('lists the Datanets')
    .action(async () => {
      const { client } = await session.connect()
      const list = await client.datanets()
      table([
        ['id', 'name', 'version', 'records', 'contributors', 'earned'],
        ...list.map((datanet) => [
          datanet.id,
          datanet.name,
          String(datanet.version),
          String(datanet.recordCount),
          String(datanet.contributorCount),
          open(datanet.earnedWei),
        ]),
      ])
    })

  program
    .command('contribute')
    .description('signs text files into a Datanet')
    .argument('<datanet>', 'id of the Datanet')
    .argument('<files...>', 'UTF-8 text files')
    .requiredOption('--title <title>', 'a name others will recognise')
    .option('--licence <licence>', 'SPDX identifier', 'MIT')
    .action(
      async (datanetId: string, paths: string[], { title, licence }: { title: string; licence: string }) => {
        const { connection, account } = await session.acting()
        const files = await Promise.all(
          paths.map(async (path) => ({ name: basename(path), text: await readText(path) })),
        )
        const contribution = await connection.client.contribute(
          { datanetId, licence, files, title },
          signerOf(account),
        )
        console.log(
          `${green('On chain')}: ${contribution.recordCount} records, contribution ${contribution.id}`,
        )
        console.log(`transaction ${contribution.transactionHash}`)
      },
    )

  program
    .command('records')
    .description('shows the records of a contribution with their verdicts, and the texts that you may read')
    .argument('<contribution>', 'id of the contribution')
    .action(async (id: string) => {
      const { client } = await session.connect()
      const shown = await client.contribution(id)
      // whoever names an account signs with it; everyone else is told how to get the texts
      const detail =
        shown.access === null || !session.isNamed()
          ? shown
          : await client.readContribution(id, signerOf((await session.acting()).account))
      const { title, datanetName, licence, contributor, recordCount, acceptedCount, status } = detail
      console.log(`${title} in ${datanetName}, by ${contributor}, under ${licence}: ${status}`)
      console.log(`${acceptedCount} of ${recordCount} records accepted`)
      for (const record of detail.records) printRecord(record)
      if (detail.access !== null) console.log(detail.access)
    })
}

function printRecord(record: Http.RecordDetail): void {
  const { index, verdict, reason, characterCount, id, text, echoes } = record
  console.log(`${green(`record ${index}`)} ${verdict}, ${characterCount} characters, ${dim(id)}`)
  if (reason !== '') console.log(reason)
  if (text === null) return
  const plain = RecordForm.plainText(text)
  for (const [start, end] of echoes) {
    console.log(`neither learned nor paid, because models had answered it before: ${plain.slice(start, end)}`)
  }
  console.log(`${text}\n`)
}

async function readText(path: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  } catch (cause) {
    throw new BaseError({
      code: 'cli.not_text',
      message: `Expected ${path} to be a readable file of UTF-8 text. Nothing was sent.`,
      context: { path },
      cause,
    })
  }
}
