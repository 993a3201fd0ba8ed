import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  Adapter,
  AdapterFolder,
  type Checkpoint,
  CheckpointFolder,
  decodeWeights,
  Gguf,
  OnnxModel,
} from '@openledger/model'
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

/** A model of its own as it is exported: all weights of a base that were trained. */
export type ExportedWhole = Pick<ExportedModel, 'name' | 'baseDirectory' | 'card'> & {
  /** Bytes of all weights, as stored. */
  readonly weights: Uint8Array
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
  if (format === 'peft') return new Map([cardFile(card), ...AdapterFolder.files(adapter, baseName)])
  const weights = Adapter.merge(checkpoint.weights, adapter)
  return wholeModelFiles({ name, baseDirectory, config, weights, card }, format)
}

/**
 * Makes the files of a model of its own: `merged`, `gguf` and `onnx` of `modelFiles`.
 * @throws {NoAdapterError} {CheckpointError} {GgufError} {OnnxSizeError}
 */
export async function ownModelFiles(
  { weights, ...model }: ExportedWhole,
  format: Http.ExportFormat,
): Promise<Map<string, Uint8Array>> {
  if (format === 'peft') throw new NoAdapterError(model.name)
  const config = await CheckpointFolder.readConfig(model.baseDirectory)
  return wholeModelFiles({ ...model, config, weights: decodeWeights(config, weights) }, format)
}

const cardFile = (card: string) => ['README.md', new TextEncoder().encode(card)] as const

/**
 * Makes the files of a model with all its weights: `merged`, `gguf` and `onnx` of `modelFiles`.
 * @param model - `baseDirectory` is where its tokenizer is.
 * @returns Bytes by file name.
 * @throws {GgufError} {OnnxSizeError}
 */
export async function wholeModelFiles(
  {
    name,
    baseDirectory,
    config,
    weights,
    card,
  }: Pick<ExportedModel, 'name' | 'baseDirectory' | 'card'> & Pick<Checkpoint, 'config' | 'weights'>,
  format: Exclude<Http.ExportFormat, 'peft'>,
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>([cardFile(card)])
  const addTokenizer = async () => {
    for (const file of TOKENIZER_FILES) files.set(file, await readFile(join(baseDirectory, file)))
  }
  switch (format) {
    case 'merged':
      for (const [file, content] of CheckpointFolder.encode(config, weights)) files.set(file, content)
      await addTokenizer()
      break
    case 'gguf': {
      const tokenizer: unknown = JSON.parse(await readFile(join(baseDirectory, 'tokenizer.json'), 'utf8'))
      const vocabulary = Gguf.vocabularyOf(tokenizer, config.vocabularySize)
      files.set(`${name}.gguf`, Gguf.encodeModel({ config, weights }, { type: 'F16', name, vocabulary }))
      break
    }
    case 'onnx': {
      files.set('config.json', CheckpointFolder.encode(config, weights).get('config.json')!)
      files.set('onnx/model.onnx', OnnxModel.encode({ config, weights }))
      await addTokenizer()
      break
    }
    default:
      format satisfies never
  }
  return files
}

export class NoAdapterError extends BaseError {
  constructor(name: string) {
    super({
      code: 'export.no_adapter',
      message: `Expected merged, gguf or onnx, got peft. All weights of ${name} were trained: it is no adapter.`,
      context: { name },
    })
  }
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
