import { BaseError, Bytes, CanonicalJson, type Hex } from '@openledger/primitives'
import { createRandom } from '../Random.ts'
import { familyOf, formatConfig, type LlamaConfig, weightShapes } from './Config.ts'
import * as Safetensors from './Safetensors.ts'

/** A model by value. */
export type Checkpoint = {
  readonly config: LlamaConfig
  /** Hugging Face name to elements; linear layers are `[output, input]`. */
  readonly weights: ReadonlyMap<string, Float32Array>
  /** What names the model in records: see `hashFiles`. */
  readonly baseHash: Hex
}

/**
 * Makes a checkpoint of new weights: matrices from a normal distribution (0.02, those that write to the residual stream
 * smaller by `sqrt(2 L)`), norms one.
 */
export function createCheckpoint(config: LlamaConfig, seed: number): Checkpoint {
  const random = createRandom(seed)
  const weights = new Map<string, Float32Array>()
  for (const [name, shape] of weightShapes(config)) {
    const data = new Float32Array(shape.reduce((product, length) => product * length, 1))
    const deep = name.includes('o_proj') || name.includes('down_proj')
    const deviation = deep ? 0.02 / Math.sqrt(2 * config.layers) : 0.02
    if (shape.length === 1) data.fill(name.endsWith('.bias') ? 0 : 1)
    else for (let i = 0; i < data.length; i++) data[i] = random.normal() * deviation
    weights.set(name, data)
  }
  return fromWeights(config, weights)
}

/** Names a checkpoint after the bytes it would be written as in float32. */
export function fromWeights(config: LlamaConfig, weights: ReadonlyMap<string, Float32Array>): Checkpoint {
  const files = new Map([
    ['config.json', Bytes.fromUtf8(CanonicalJson.stringify(formatConfig(config)))],
    ['model.safetensors', encodeWeights(config, weights, 'F32')],
  ])
  return { config, weights, baseHash: hashFiles(files) }
}

/** Encodes the weights as `model.safetensors`. */
export function encodeWeights(
  config: LlamaConfig,
  weights: ReadonlyMap<string, Float32Array>,
  type: Safetensors.StoredType,
): Uint8Array {
  const tensors = new Map<string, Safetensors.StoredTensor>()
  for (const [name, shape] of weightShapes(config)) tensors.set(name, { shape, data: weights.get(name)! })
  return Safetensors.encode(familyOf(config).layout.write(tensors), type)
}

/** Decodes what `encodeWeights` wrote. @throws {CheckpointError} {SafetensorsError} */
export const decodeWeights = (config: LlamaConfig, bytes: Uint8Array): Map<string, Float32Array> =>
  takeWeights(config, Safetensors.decode(bytes).tensors, 'model.safetensors')

/**
 * Takes the weights of a model out of the tensors of its files.
 * @param place - Where they were read, for who has to mend them.
 * @throws {CheckpointError} when one is missing or of another shape.
 */
export function takeWeights(
  config: LlamaConfig,
  tensors: ReadonlyMap<string, Safetensors.StoredTensor>,
  place: string,
): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>()
  const canonical = familyOf(config).layout.read(tensors)
  for (const [name, shape] of weightShapes(config)) {
    const tensor = canonical.get(name)
    if (!tensor) throw new CheckpointError(place, `${name} is missing`)
    if (tensor.shape.join() !== shape.join()) {
      throw new CheckpointError(place, `${name} is [${tensor.shape}], not [${shape}]`)
    }
    weights.set(name, tensor.data)
  }
  return weights
}

/** Hashes a set of files: keccak-256 of the canonical JSON object from file name to keccak-256 of the file's bytes. */
export function hashFiles(files: ReadonlyMap<string, Uint8Array>): Hex {
  const hashes: Record<string, string> = {}
  for (const [name, bytes] of files) hashes[name] = Bytes.toHex(Bytes.keccak256(bytes))
  return Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(CanonicalJson.stringify(hashes))))
}

export class CheckpointError extends BaseError {
  constructor(place: string, reason: string, cause?: unknown) {
    super({
      code: 'checkpoint.malformed',
      message: `Expected a Hugging Face checkpoint in ${place}, but ${reason}. Point to a folder with config.json and safetensors.`,
      context: { place },
      cause,
    })
  }
}
