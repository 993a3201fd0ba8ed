import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Adapter, AdapterFolder, CheckpointFolder, Gguf, OnnxModel } from '@openledger/model'
import { BaseError } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'

/** A published model as it is exported: its adapter over a base on this machine. */
export type ExportedModel = {
  readonly name: string
  /** Folder of the base. */
  readonly baseDirectory: string
  /** What `adapter_config.json` calls the base. */
  readonly baseName: string
  /** Bytes of the adapter, as stored. */
  readonly adapter: Uint8Array
  /** The adapter on record; another one is refused. */
  readonly adapterHash: string
  /** Goes with the files as `README.md`: what is on chain and what was measured. */
  readonly card: string
}

/** What is beside the weights of a checkpoint for text to become tokens. */
const TOKENIZER_FILES = ['tokenizer.json', 'tokenizer_config.json']

/**
 * Makes the files of a model as others read it: `peft` is the adapter's folder, `merged` a Hugging Face checkpoint with the
 * adapter added in, `gguf` the same for llama.cpp, `onnx` the same for ONNX runtimes. Its model card is among them.
 * @returns Bytes by file name.
 * @throws {AdapterHashError} {GgufError} {OnnxSizeError}
 */
export async function modelFiles(
  { name, baseDirectory, baseName, adapter: bytes, adapterHash, card }: ExportedModel,
  format: Http.ExportFormat,
): Promise<Map<string, Uint8Array>> {
  const checkpoint = await CheckpointFolder.read(baseDirectory)
  const { config } = checkpoint
  const adapter = Adapter.decode(config, bytes)
  if (adapter.hash !== adapterHash) throw new AdapterHashError(adapterHash, adapter.hash)
  const files = new Map<string, Uint8Array>([['README.md', new TextEncoder().encode(card)]])
  const add = (more: Iterable<readonly [string, Uint8Array]>) => {
    for (const [file, content] of more) files.set(file, content)
  }
  const weights = () => Adapter.merge(checkpoint.weights, adapter)
  const addTokenizer = async () => {
    for (const file of TOKENIZER_FILES) files.set(file, await readFile(join(baseDirectory, file)))
  }
  switch (format) {
    case 'peft':
      add(AdapterFolder.files(adapter, baseName))
      break
    case 'merged':
      add(CheckpointFolder.encode(config, weights()))
      await addTokenizer()
      break
    case 'gguf': {
      const tokenizer: unknown = JSON.parse(await readFile(join(baseDirectory, 'tokenizer.json'), 'utf8'))
      const vocabulary = Gguf.vocabularyOf(tokenizer, config.vocabularySize)
      const model = { config, weights: weights() }
      files.set(`${name}.gguf`, Gguf.encodeModel(model, { type: 'F16', name, vocabulary }))
      break
    }
    case 'onnx': {
      const own = weights()
      files.set('config.json', CheckpointFolder.encode(config, own).get('config.json')!)
      files.set('onnx/model.onnx', OnnxModel.encode({ config, weights: own }))
      await addTokenizer()
      break
    }
    default:
      format satisfies never
  }
  return files
}

export class AdapterHashError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'adapter.other_hash',
      message: `Expected the adapter ${expected} that is on record, but got ${got}. Nothing was written; ask another server.`,
      context: { expected, got },
    })
  }
}
