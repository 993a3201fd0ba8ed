import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createTokenizer, type Tokenizer } from '../tokenizer/Tokenizer.ts'
import { type Checkpoint, CheckpointError, encodeWeights, hashFiles, takeWeights } from './Checkpoint.ts'
import { formatConfig, type LlamaConfig, parseConfig } from './Config.ts'
import * as Safetensors from './Safetensors.ts'

const weightFile = 'model.safetensors'

/**
 * Reads a Hugging Face folder: `config.json` and `model.safetensors`, or the shards of `model.safetensors.index.json`.
 *
 * `baseHash` covers the bytes of `config.json` and of the weight files, so that it names the files on disk.
 * @throws {CheckpointError} when files or tensors are missing or of another shape.
 */
export async function read(directory: string): Promise<Checkpoint> {
  const files = new Map<string, Uint8Array>()
  files.set('config.json', await readBytes(directory, 'config.json'))
  const config = parseConfig(parseJson('config.json', files.get('config.json')!))
  const tensors = new Map<string, Safetensors.StoredTensor>()
  for (const name of await weightFiles(directory)) {
    files.set(name, await readBytes(directory, name))
    for (const [key, tensor] of Safetensors.decode(files.get(name)!).tensors) tensors.set(key, tensor)
  }
  const weights = takeWeights(config, tensors, directory)
  return { config, weights, baseHash: hashFiles(files) }
}

/**
 * Reads the shape of a model alone.
 * @throws {CheckpointError} {UnsupportedConfigError}
 */
export const readConfig = async (directory: string): Promise<LlamaConfig> =>
  parseConfig(parseJson('config.json', await readBytes(directory, 'config.json')))

/**
 * Reads the tokenizer of a Hugging Face folder.
 * @throws {CheckpointError}
 */
export async function readTokenizer(directory: string): Promise<Tokenizer> {
  const parse = async (name: string) => parseJson(name, await readBytes(directory, name))
  return createTokenizer(await parse('tokenizer.json'), await parse('tokenizer_config.json'))
}

/** Writes `config.json` and `model.safetensors`; each file appears whole or not at all. */
export async function write(
  directory: string,
  config: LlamaConfig,
  weights: ReadonlyMap<string, Float32Array>,
  type: Safetensors.StoredType = 'F32',
): Promise<void> {
  await mkdir(directory, { recursive: true })
  for (const [name, bytes] of encode(config, weights, type)) await writeWhole(join(directory, name), bytes)
}

/** Makes the bytes of `config.json` and `model.safetensors`. */
export function encode(
  config: LlamaConfig,
  weights: ReadonlyMap<string, Float32Array>,
  type: Safetensors.StoredType = 'F32',
): Map<string, Uint8Array> {
  const torchType = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }[type]
  const fields = { ...formatConfig(config), torch_dtype: torchType }
  return new Map([
    ['config.json', new TextEncoder().encode(`${JSON.stringify(fields, null, 2)}\n`)],
    [weightFile, encodeWeights(config, weights, type)],
  ])
}

async function weightFiles(directory: string): Promise<string[]> {
  const name = `${weightFile}.index.json`
  const index = await readFile(join(directory, name)).catch(() => undefined)
  if (!index) return [weightFile]
  const { weight_map: map } = parseJson(name, index) as { weight_map?: Record<string, string> }
  const names = [...new Set(Object.values(map ?? {}))].sort()
  // names come from the file: only plain files of this folder
  if (names.length === 0 || names.some((shard) => !/^[\w.-]+\.safetensors$/.test(shard))) {
    throw new CheckpointError(directory, `${name} names no valid shards`)
  }
  return names
}

async function readBytes(directory: string, name: string): Promise<Uint8Array> {
  try {
    return await readFile(join(directory, name))
  } catch (cause) {
    throw new CheckpointError(directory, `${name} cannot be read`, cause)
  }
}

function parseJson(name: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch (cause) {
    throw new CheckpointError(name, 'it is not JSON', cause)
  }
}

async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${path}.part`, content)
  await rename(`${path}.part`, path)
}
