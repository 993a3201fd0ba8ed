import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { modelFiles } from '@openledger/modelfactory'
import { BaseError } from '@openledger/primitives'
import { Http, ModelCard } from '@openledger/protocol'
import { signerOf } from '@openledger/sdk'
import type { LocalAccount } from 'viem/accounts'
import type { Connection } from './Connection.ts'

/**
 * Writes a published model as others read it, over a base on this machine and after comparing its adapter with the hash on
 * record; its model card goes with it. The server gives the adapter where licences are open.
 * @returns The folder's files.
 * @throws {ExportFormatError}
 * @throws {AdapterHashError} when the server gave another adapter; nothing is written then.
 */
export async function exportModel(
  { client, network }: Connection,
  name: string,
  options: { readonly directory: string; readonly format: string; readonly baseDirectory: string },
): Promise<string[]> {
  const { directory, baseDirectory } = options
  const format = formatOf(options.format)
  const model = await client.model(name)
  const run = await client.trainingRun(model.trainingRunId)
  const files = await modelFiles(
    {
      name,
      baseDirectory,
      baseName: network.base.name,
      adapter: await client.modelFile(name, model.adapterCid),
      adapterHash: model.adapterHash,
      card: ModelCard.write(model, run),
    },
    format,
  )
  for (const [file, bytes] of files) {
    const path = join(directory, file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, bytes)
  }
  return [...files.keys()]
}

/**
 * Has the server make the archive of a model for its owner, who signs, whatever the licences of what it was trained on.
 * @returns The archive's path.
 * @throws {ExportFormatError}
 */
export async function exportOwnModel(
  { client }: Connection,
  account: LocalAccount,
  name: string,
  options: { readonly directory: string; readonly format: string },
): Promise<string> {
  const format = formatOf(options.format)
  const bytes = await client.ownModelExport(name, format, signerOf(account))
  const path = join(options.directory, `${name}-${format}.zip`)
  await mkdir(options.directory, { recursive: true })
  await writeFile(path, bytes)
  return path
}

function formatOf(word: string): Http.ExportFormat {
  const format = Http.exportFormatSchema.safeParse(word)
  if (!format.success) throw new ExportFormatError(word)
  return format.data
}

export class ExportFormatError extends BaseError {
  constructor(format: string) {
    super({
      code: 'export.format',
      message: `Expected one of ${Http.exportFormatSchema.options.join(', ')}, got ${JSON.stringify(format)}. Choose one of them.`,
      context: { format },
    })
  }
}
