import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Adapter, AdapterFolder, CheckpointFolder, Gguf } from '@openledger/model'
import { BaseError } from '@openledger/primitives'
import { ModelCard } from '@openledger/protocol'
import type { Connection } from './Connection.ts'

const FORMATS = ['peft', 'merged', 'gguf']
/** What is on chain and what was measured, beside the weights. */
const CARD = 'README.md'

/**
 * Writes a published model as others read it, after comparing its adapter with the hash on record: `peft` is the adapter's
 * folder, `merged` a Hugging Face checkpoint with the adapter added in, `gguf` the same for llama.cpp. Its model card goes with it.
 * @returns The folder's files.
 * @throws {ExportFormatError} {AdapterHashError} when the server gave another adapter; nothing is written then.
 */
export async function exportModel(
  { client }: Connection,
  name: string,
  options: { readonly directory: string; readonly format: string; readonly baseDirectory: string },
): Promise<string[]> {
  const { directory, format, baseDirectory } = options
  if (!FORMATS.includes(format)) throw new ExportFormatError(format)
  const checkpoint = await CheckpointFolder.read(baseDirectory)
  const { config } = checkpoint
  const model = await client.model(name)
  const adapter = Adapter.decode(config, await client.modelFile(name, model.adapterCid))
  if (adapter.hash !== model.adapterHash) throw new AdapterHashError(model.adapterHash, adapter.hash)
  const run = await client.trainingRun(model.trainingRunId)
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, CARD), ModelCard.write(model, run))
  if (format === 'peft') {
    await AdapterFolder.write(directory, adapter, baseDirectory)
    return [CARD, 'adapter_config.json', 'adapter_model.safetensors']
  }
  const weights = Adapter.merge(checkpoint.weights, adapter)
  if (format === 'gguf') {
    const tokenizer: unknown = JSON.parse(await readFile(join(baseDirectory, 'tokenizer.json'), 'utf8'))
    const vocabulary = Gguf.vocabularyOf(tokenizer, config.vocabularySize)
    const bytes = Gguf.encodeModel({ config, weights }, { type: 'F16', name, vocabulary })
    await writeFile(join(directory, `${name}.gguf`), bytes)
    return [CARD, `${name}.gguf`]
  }
  await CheckpointFolder.write(directory, config, weights)
  const tokenizerFiles = ['tokenizer.json', 'tokenizer_config.json']
  for (const file of tokenizerFiles) await copyFile(join(baseDirectory, file), join(directory, file))
  return [CARD, 'config.json', 'model.safetensors', ...tokenizerFiles]
}

export class ExportFormatError extends BaseError {
  constructor(format: string) {
    super({
      code: 'export.format',
      message: `Expected one of ${FORMATS.join(', ')}, got ${JSON.stringify(format)}. Choose one of them.`,
      context: { format },
    })
  }
}

export class AdapterHashError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'adapter.other_hash',
      message: `Expected the adapter ${expected} that is on record, but the server gave ${got}. Nothing was written; ask another server.`,
      context: { expected, got },
    })
  }
}
