import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Http } from '@openledger/protocol'
import type { Client } from '@openledger/sdk'

/** What the tour contributes: this repository's own contracts, one file at a time. */
const CONTRACTS = join(import.meta.dirname, '../../../contracts/src')

/**
 * Gives the first contract of this repository that the Datanet does not have yet, ready to be signed.
 * @returns Undefined when it has all of them.
 */
export async function nextContribution(client: Client, datanet: Http.Datanet) {
  const titles = new Set(
    (await client.contributions({ datanetId: datanet.id })).map((contribution) => contribution.title),
  )
  for (const path of globSync('**/*.sol', { cwd: CONTRACTS }).sort()) {
    const title = `OpenLedger ${basename(path, '.sol')}`
    if (titles.has(title)) continue
    const text = readFileSync(join(CONTRACTS, path), 'utf8')
    return { datanetId: datanet.id, licence: datanet.licence, title, files: [{ name: basename(path), text }] }
  }
  return undefined
}
