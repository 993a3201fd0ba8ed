import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Adapter, AdapterError, decode, encode } from './Adapter.ts'
import { type LlamaConfig, type LoraTarget, loraTargets } from './Config.ts'

/**
 * Reads a PEFT folder: `adapter_config.json` and `adapter_model.safetensors`.
 * @throws {AdapterError} when it is not a plain LoRA adapter of the model: DoRA, biases, whole saved modules and ranks that
 *   differ by layer are refused, because leaving them out would serve another model.
 */
export async function read(config: LlamaConfig, directory: string): Promise<Adapter> {
  const fields = parse(await readFile(join(directory, 'adapter_config.json'), 'utf8'))
  const settings = parsePeftConfig(fields)
  return decode(config, await readFile(join(directory, 'adapter_model.safetensors')), settings)
}

/** Writes a PEFT folder that Hugging Face PEFT loads. */
export async function write(directory: string, adapter: Adapter, baseName: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  for (const [name, bytes] of files(adapter, baseName)) await writeWhole(join(directory, name), bytes)
}

/** Makes the bytes of `adapter_config.json` and `adapter_model.safetensors`. */
export function files(adapter: Adapter, baseName: string): Map<string, Uint8Array> {
  const settings = `${JSON.stringify(formatPeftConfig(adapter, baseName), null, 2)}\n`
  return new Map([
    ['adapter_config.json', new TextEncoder().encode(settings)],
    ['adapter_model.safetensors', encode(adapter)],
  ])
}

/** Writes the fields of `adapter_config.json`. */
export function formatPeftConfig(adapter: Adapter, baseName: string): Record<string, unknown> {
  return {
    base_model_name_or_path: baseName,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: adapter.alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: adapter.rank,
    target_modules: adapter.targets,
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: false,
  }
}

/**
 * Reads the fields of `adapter_config.json`.
 * @throws {AdapterError}
 */
export function parsePeftConfig(fields: Record<string, unknown>) {
  const isEmpty = (value: unknown) =>
    value === undefined ||
    value === null ||
    value === false ||
    (typeof value === 'object' && Object.keys(value).length === 0)
  if (fields.peft_type !== 'LORA') throw new AdapterError(`peft_type is ${JSON.stringify(fields.peft_type)}`)
  if ((fields.bias ?? 'none') !== 'none') throw new AdapterError(`bias is ${JSON.stringify(fields.bias)}`)
  for (const name of [
    'use_dora',
    'modules_to_save',
    'rank_pattern',
    'alpha_pattern',
    'layers_to_transform',
  ]) {
    if (!isEmpty(fields[name])) throw new AdapterError(`${name} is set, which is not supported`)
  }
  if (!isEmpty(fields.fan_in_fan_out)) throw new AdapterError('fan_in_fan_out is set')
  const rank = fields.r
  const alpha = fields.lora_alpha
  const modules = fields.target_modules
  if (typeof rank !== 'number' || typeof alpha !== 'number')
    throw new AdapterError('r or lora_alpha is missing')
  const targets = modules === 'all-linear' ? [...loraTargets] : modules
  if (!Array.isArray(targets)) throw new AdapterError('target_modules is not a list of names')
  // rsLoRA scales by alpha / sqrt(r); as a plain adapter that is an alpha larger by sqrt(r)
  const scaled = fields.use_rslora === true ? alpha * Math.sqrt(rank) : alpha
  return { rank, alpha: scaled, targets: targets as LoraTarget[] }
}

function parse(text: string): Record<string, unknown> {
  let fields: unknown
  try {
    fields = JSON.parse(text)
  } catch {
    throw new AdapterError('adapter_config.json is not JSON')
  }
  if (typeof fields !== 'object' || fields === null)
    throw new AdapterError('adapter_config.json is not an object')
  return fields as Record<string, unknown>
}

async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${path}.part`, content)
  await rename(`${path}.part`, path)
}
