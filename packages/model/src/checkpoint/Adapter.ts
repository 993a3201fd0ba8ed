import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { createRandom } from '../Random.ts'
import {
  type LlamaConfig,
  type LoraTarget,
  linearName,
  linearSize,
  loraTargets,
  targetsOf,
} from './Config.ts'
import * as Safetensors from './Safetensors.ts'

/** The two matrices of one linear layer: `a [input, R]`, `b [R, output]`, row-major. */
export type AdapterPair = { readonly a: Float32Array; readonly b: Float32Array }

/** A LoRA adapter by value: a linear layer computes `x W^T + alpha / rank * x a b`. */
export type Adapter = {
  readonly rank: number
  readonly alpha: number
  readonly targets: readonly LoraTarget[]
  /** By linear layer, e.g. `layers.0.self_attn.q_proj`, in the order of layers and of `loraTargets`. */
  readonly tensors: ReadonlyMap<string, AdapterPair>
  /** SHA-256 of `encode(adapter)`: what `sha256sum` says of the file, and the digest in its CID. */
  readonly hash: Hex
}

export type AdapterOptions = {
  readonly rank: number
  readonly alpha: number
  readonly targets: readonly LoraTarget[]
  readonly seed: number
}

/**
 * Starts an adapter that changes nothing yet: `a` uniform in +-1/sqrt(input) as PEFT does, `b` zero.
 * @throws {AdapterError} for a rank or target out of range.
 */
export function create(config: LlamaConfig, { rank, alpha, targets, seed }: AdapterOptions): Adapter {
  checkRank(rank)
  checkTargets(targets)
  const random = createRandom(seed)
  const tensors = new Map<string, AdapterPair>()
  for (const { name, input, output } of linearsOf(config, targets)) {
    const a = new Float32Array(input * rank)
    const bound = 1 / Math.sqrt(input)
    for (let i = 0; i < a.length; i++) a[i] = (2 * random.next() - 1) * bound
    tensors.set(name, { a, b: new Float32Array(rank * output) })
  }
  return from({ rank, alpha, targets, tensors })
}

/** Completes the parts of an adapter with their hash; targets come out in the order of `loraTargets`. */
export function from(parts: Omit<Adapter, 'hash'>): Adapter {
  const targets = loraTargets.filter((target) => parts.targets.includes(target))
  const adapter: Adapter = { ...parts, targets, hash: '0x' }
  return { ...adapter, hash: Bytes.toHex(Bytes.sha256(encode(adapter))) }
}

/** Lists the linear layers that targets name, layer by layer. */
export function linearsOf(
  config: LlamaConfig,
  targets: readonly LoraTarget[],
): { name: string; layer: number; target: LoraTarget; input: number; output: number }[] {
  const ordered = targetsOf(config).filter((target) => targets.includes(target))
  return Array.from({ length: config.layers }, (_, layer) =>
    ordered.map((target) => ({
      name: linearName(layer, target),
      layer,
      target,
      ...linearSize(config, target),
    })),
  ).flat()
}

const prefix = 'base_model.model.model.'

/**
 * Encodes an adapter as one safetensors file: PEFT's tensors (`lora_A [R, input]`, `lora_B [output, R]`, float32) with
 * PEFT's configuration in the metadata. Equal adapters give equal bytes.
 */
export function encode(adapter: Omit<Adapter, 'hash'>): Uint8Array<ArrayBuffer> {
  const { rank } = adapter
  const tensors = new Map<string, Safetensors.StoredTensor>()
  for (const [name, { a, b }] of adapter.tensors) {
    const input = a.length / rank
    const output = b.length / rank
    tensors.set(`${prefix}${name}.lora_A.weight`, { shape: [rank, input], data: transposed(a, rank) })
    tensors.set(`${prefix}${name}.lora_B.weight`, {
      shape: [output, rank],
      data: transposed(b, output),
    })
  }
  return Safetensors.encode(tensors, 'F32', {
    format: 'pt',
    lora_alpha: String(adapter.alpha),
    r: String(rank),
    target_modules: adapter.targets.join(','),
  })
}

/**
 * Decodes what `encode` wrote, or PEFT's `adapter_model.safetensors` with its configuration.
 * @param settings - Rank, alpha and targets where the file itself does not carry them (PEFT keeps them in JSON).
 * @throws {AdapterError} when tensors are missing, unknown or of another size than the model's layers.
 */
export function decode(config: LlamaConfig, bytes: Uint8Array, settings?: AdapterSettings): Adapter {
  return from(decodeParts(config, bytes, settings))
}

/** What PEFT keeps in `adapter_config.json` and our own files in their metadata. */
export type AdapterSettings = {
  readonly rank: number
  readonly alpha: number
  readonly targets: readonly LoraTarget[]
}

/**
 * Decodes an adapter without its hash, for whoever has hashed the bytes already: those that `encode` wrote hash to it.
 * @param allocate - Gives the memory that all matrices lie in, in the order of layers, `a` before `b`.
 * @throws {AdapterError}
 */
export function decodeParts(
  config: LlamaConfig,
  bytes: Uint8Array,
  settings?: AdapterSettings,
  allocate = (length: number): Float32Array => new Float32Array(length),
): Omit<Adapter, 'hash'> {
  const file = Safetensors.decode(bytes, { isShared: true })
  const { rank, alpha, targets } = settings ?? settingsOf(file.metadata)
  checkRank(rank)
  checkTargets(targets)
  if (!Number.isFinite(alpha) || alpha <= 0) throw new AdapterError(`alpha is ${alpha}`)
  const known = new Set<string>()
  const stored = (key: string, shape: readonly [number, number]): Float32Array => {
    const tensor = file.tensors.get(key)
    if (!tensor) throw new AdapterError(`${key} is missing`)
    if (tensor.shape.join() !== shape.join()) {
      throw new AdapterError(`${key} is [${tensor.shape}], not [${shape}] as the base model needs`)
    }
    known.add(key)
    return tensor.data
  }
  // shapes are checked before memory is taken, so that a short file cannot ask for much
  const layers = linearsOf(config, targets).map(({ name, input, output }) => ({
    name,
    input,
    a: stored(`${prefix}${name}.lora_A.weight`, [rank, input]),
    b: stored(`${prefix}${name}.lora_B.weight`, [output, rank]),
  }))
  for (const key of file.tensors.keys()) {
    if (!known.has(key)) throw new AdapterError(`${key} belongs to no target of the adapter`)
  }
  const memory = allocate(layers.reduce((sum, { a, b }) => sum + a.length + b.length, 0))
  let at = 0
  const placed = (name: string, data: Float32Array, columns: number): Float32Array => {
    const into = memory.subarray(at, at + data.length)
    at += data.length
    if (!transposeFinite(data, columns, into)) {
      throw new AdapterError(`${prefix}${name}.weight holds numbers that are not finite`)
    }
    return into
  }
  const tensors = new Map(
    layers.map(({ name, input, a, b }) => [
      name,
      { a: placed(`${name}.lora_A`, a, input), b: placed(`${name}.lora_B`, b, rank) },
    ]),
  )
  return { rank, alpha, targets: loraTargets.filter((target) => targets.includes(target)), tensors }
}

/** Adds an adapter into a copy of the weights: `W + alpha / rank * (a b)^T`. */
export function merge(
  weights: ReadonlyMap<string, Float32Array>,
  adapter: Adapter,
): Map<string, Float32Array> {
  const merged = new Map(weights)
  const { rank, alpha } = adapter
  for (const [name, { a, b }] of adapter.tensors) {
    const key = `model.${name}.weight`
    const weight = Float32Array.from(weights.get(key)!)
    const input = a.length / rank
    const output = b.length / rank
    for (let row = 0; row < output; row++) {
      for (let column = 0; column < input; column++) {
        let sum = 0
        for (let r = 0; r < rank; r++) sum += a[column * rank + r]! * b[r * output + row]!
        weight[row * input + column]! += (alpha / rank) * sum
      }
    }
    merged.set(key, weight)
  }
  return merged
}

function settingsOf(metadata: Readonly<Record<string, string>>) {
  const targets = (metadata.target_modules ?? '').split(',') as LoraTarget[]
  return { rank: Number(metadata.r), alpha: Number(metadata.lora_alpha), targets }
}

function checkRank(rank: number): void {
  if (!Number.isInteger(rank) || rank < 1 || rank > 512)
    throw new AdapterError(`the rank is ${rank}, not 1 to 512`)
}

function checkTargets(targets: readonly string[]): void {
  const known: readonly string[] = loraTargets
  const unknown = targets.find((target) => !known.includes(target))
  if (unknown !== undefined || targets.length === 0) {
    throw new AdapterError(`its targets are [${targets}]; known are ${loraTargets.join(', ')}`)
  }
}

function transposed(data: Float32Array, columns: number): Float32Array {
  const into = new Float32Array(data.length)
  transposeFinite(data, columns, into)
  return into
}

/**
 * Transposes `[rows, columns]` in one pass over the result and says whether all numbers are finite. As whole numbers, because
 * a cold adapter's caller waits for it: adding one to an exponent of all ones carries into the sign.
 */
function transposeFinite(data: Float32Array, columns: number, into: Float32Array): boolean {
  const from = new Int32Array(data.buffer, data.byteOffset, data.length)
  const to = new Int32Array(into.buffer, into.byteOffset, into.length)
  let carried = 0
  let at = 0
  for (let j = 0; j < columns; j++) {
    for (let i = j; i < from.length; i += columns) {
      const word = from[i]!
      carried |= (word & 0x7f800000) + 0x00800000
      to[at++] = word
    }
  }
  return carried >= 0
}

export class AdapterError extends BaseError {
  constructor(reason: string) {
    super({
      code: 'adapter.malformed',
      message: `Expected a LoRA adapter that fits the base model, but ${reason}. Use an adapter trained on this base.`,
    })
  }
}
