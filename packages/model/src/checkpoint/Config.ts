import { BaseError, type CanonicalJson } from '@openledger/primitives'
import { type Family, type FamilyName, families } from './Family.ts'

type Json = CanonicalJson.Json

/** The shape of a model of the Llama kind, in lengths and constants. */
export type LlamaConfig = {
  /** Which row of `families` it follows. Default `llama`. */
  readonly family?: FamilyName
  /** Linear layers with a bias, beyond those that the family always has. */
  readonly biases?: readonly LoraTarget[]
  /** Tokens that each token sees, itself included; undefined sees all before it. */
  readonly slidingWindow?: number
  readonly ropeScaling?: RopeScaling
  readonly vocabularySize: number
  /** C: channels of the residual stream. */
  readonly hiddenSize: number
  /** Channels inside the gated feed-forward part. */
  readonly feedForwardSize: number
  readonly layers: number
  readonly heads: number
  /** Heads of keys and values; divides `heads` (grouped-query attention). */
  readonly keyValueHeads: number
  /** Channels of one head; even. */
  readonly headSize: number
  /** Longest sequence in tokens. */
  readonly contextMax: number
  readonly ropeTheta: number
  readonly normEpsilon: number
  /** Whether the output head is the embedding table. */
  readonly isHeadTied: boolean
  readonly bosId: number
  readonly eosId: number
  readonly padId: number
}

/** How rotary angles are stretched for contexts longer than the model was first trained on. */
export type RopeScaling =
  | { readonly kind: 'linear'; readonly factor: number }
  | {
      readonly kind: 'llama3'
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      readonly originalContext: number
    }

/** The linear layers that a LoRA adapter may change, by their Hugging Face names. */
export const loraTargets = [
  'q_proj',
  'k_proj',
  'v_proj',
  'o_proj',
  'gate_proj',
  'up_proj',
  'down_proj',
] as const

export type LoraTarget = (typeof loraTargets)[number]

/** Finds the family that a configuration follows. */
export const familyOf = ({ family = 'llama' }: LlamaConfig): Family => families[family]

/** Lists the linear layers that a model has, in the order of `loraTargets`. */
export const targetsOf = (config: LlamaConfig): readonly LoraTarget[] =>
  familyOf(config).isGated ? loraTargets : loraTargets.filter((target) => target !== 'gate_proj')

/** Whether a linear layer adds a bias. */
export const hasBias = (config: LlamaConfig, target: LoraTarget): boolean =>
  familyOf(config).biases.includes(target) || (config.biases?.includes(target) ?? false)

/**
 * Reads the fields of a Hugging Face `config.json`.
 * @throws {UnsupportedConfigError} for another architecture or a feature that would change what the model says.
 */
export function parseConfig(json: unknown): LlamaConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new UnsupportedConfigError('config.json is not an object')
  const given = json as Record<string, unknown>
  const name = given.model_type
  if (typeof name !== 'string' || !Object.hasOwn(families, name)) {
    const known = Object.keys(families).join(', ')
    throw new UnsupportedConfigError(`model_type is ${JSON.stringify(name)}, not one of ${known}`)
  }
  const family: Family = families[name as FamilyName]
  // a null is a field left out
  const field = (key: string): unknown => given[family.fields[key] ?? key] ?? undefined
  refuseUnsupported(given, field, family)

  const length = (key: string, fallback?: number): number => {
    const value = field(key) ?? fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 2 ** 31) {
      throw new UnsupportedConfigError(`${key} is ${JSON.stringify(value)}, not a positive integer`)
    }
    return value
  }
  const positive = (key: string, value: unknown): number => {
    if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value)) {
      throw new UnsupportedConfigError(`${key} is ${JSON.stringify(value)}, not a positive number`)
    }
    return value
  }
  const token = (key: string, fallback: number): number => {
    const value = Array.isArray(given[key]) ? given[key][0] : given[key]
    return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : fallback
  }
  const heads = length('num_attention_heads')
  const hiddenSize = length('hidden_size')
  const contextMax = length('max_position_embeddings', 2048)
  const rope = (given.rope_parameters ?? given.rope_scaling ?? {}) as Record<string, unknown>
  const ropeScaling = ropeScalingOf(rope, positive)
  const slidingWindow = slidingWindowOf(given, contextMax)
  const biases = loraTargets.filter((target) =>
    attentionTargets.has(target) ? given.attention_bias === true : given.mlp_bias === true,
  )
  const config: LlamaConfig = {
    ...(name === 'llama' ? {} : { family: name as FamilyName }),
    ...(biases.length === 0 ? {} : { biases }),
    ...(slidingWindow === undefined ? {} : { slidingWindow }),
    ...(ropeScaling === undefined ? {} : { ropeScaling }),
    vocabularySize: length('vocab_size'),
    hiddenSize,
    feedForwardSize: length('intermediate_size', name === 'gpt2' ? 4 * hiddenSize : undefined),
    layers: length('num_hidden_layers'),
    heads,
    keyValueHeads: length('num_key_value_heads', heads),
    headSize: length('head_dim', name === 'gemma' ? 256 : name === 'qwen3' ? 128 : hiddenSize / heads),
    contextMax,
    ropeTheta: positive('rope_theta', given.rope_theta ?? rope.rope_theta ?? 10_000),
    normEpsilon: positive('rms_norm_eps', field('rms_norm_eps') ?? (name === 'gpt2' ? 1e-5 : 1e-6)),
    isHeadTied: (given.tie_word_embeddings ?? family.isHeadTied) === true,
    bosId: token('bos_token_id', 1),
    eosId: token('eos_token_id', 2),
    padId: token('pad_token_id', token('eos_token_id', 2)),
  }
  if (config.heads % config.keyValueHeads !== 0 || config.headSize % 2 !== 0) {
    throw new UnsupportedConfigError(
      `${config.heads} heads over ${config.keyValueHeads} key-value heads of ${config.headSize} channels do not divide`,
    )
  }
  return config
}

const activations: Record<Family['activation'], readonly string[]> = {
  silu: ['silu', 'swish'],
  // Gemma's first files say "gelu" and were computed with the tangent form
  gelu: ['gelu_new', 'gelu_pytorch_tanh'],
}

function refuseUnsupported(
  given: Record<string, unknown>,
  field: (key: string) => unknown,
  family: Family,
): void {
  const wanted = activations[family.activation]
  const activation = given.hidden_activation ?? field('hidden_act') ?? wanted[0]
  const isOldGemma = family === families.gemma && given.hidden_activation == null && activation === 'gelu'
  if (!wanted.includes(activation as string) && !isOldGemma) {
    throw new UnsupportedConfigError(
      `hidden_act is ${JSON.stringify(activation)}, not "${wanted.join('" or "')}"`,
    )
  }
  const changes: readonly (readonly [string, unknown])[] = [
    ['partial_rotary_factor', 1],
    ['scale_attn_weights', true],
    ['scale_attn_by_inverse_layer_idx', false],
    ['add_cross_attention', false],
    ['pretraining_tp', 1],
  ]
  for (const [key, plain] of changes) {
    if (given[key] !== undefined && given[key] !== null && given[key] !== plain) {
      throw new UnsupportedConfigError(`${key} is ${JSON.stringify(given[key])}`)
    }
  }
}

function ropeScalingOf(
  rope: Record<string, unknown>,
  positive: (key: string, value: unknown) => number,
): RopeScaling | undefined {
  const kind = rope.rope_type ?? rope.type ?? 'default'
  if (kind === 'default') return undefined
  const factor = positive('the factor of rope_scaling', rope.factor)
  if (kind === 'linear') return { kind, factor }
  if (kind !== 'llama3') throw new UnsupportedConfigError(`rope_scaling is ${JSON.stringify(rope)}`)
  return {
    kind,
    factor,
    lowFrequencyFactor: positive('low_freq_factor', rope.low_freq_factor),
    highFrequencyFactor: positive('high_freq_factor', rope.high_freq_factor),
    originalContext: positive('original_max_position_embeddings', rope.original_max_position_embeddings),
  }
}

function slidingWindowOf(given: Record<string, unknown>, contextMax: number): number | undefined {
  const window = given.sliding_window
  if (typeof window !== 'number' || given.use_sliding_window === false || window >= contextMax)
    return undefined
  if (!Number.isInteger(window) || window < 1) throw new UnsupportedConfigError(`sliding_window is ${window}`)
  const kinds = new Set(Array.isArray(given.layer_types) ? given.layer_types : ['sliding_attention'])
  const isQwen = given.model_type === 'qwen2' || given.model_type === 'qwen3'
  if (isQwen && given.use_sliding_window !== true) return undefined
  if (kinds.size > 1 || (isQwen && !Array.isArray(given.layer_types))) {
    throw new UnsupportedConfigError('only some of its layers have a sliding window')
  }
  return kinds.has('sliding_attention') ? window : undefined
}

/** Writes the fields of a Hugging Face `config.json`. */
export function formatConfig(config: LlamaConfig): Record<string, Json> {
  const family = familyOf(config)
  const name = config.family ?? 'llama'
  const { ropeScaling, slidingWindow } = config
  const common: Record<string, Json> = {
    architectures: [family.architecture],
    attention_bias: config.biases?.includes('q_proj') ?? false,
    attention_dropout: 0,
    bos_token_id: config.bosId,
    eos_token_id: config.eosId,
    head_dim: config.headSize,
    hidden_act: family.activation === 'silu' ? 'silu' : 'gelu_pytorch_tanh',
    hidden_size: config.hiddenSize,
    initializer_range: 0.02,
    intermediate_size: config.feedForwardSize,
    max_position_embeddings: config.contextMax,
    mlp_bias: config.biases?.includes('down_proj') ?? false,
    model_type: name,
    num_attention_heads: config.heads,
    num_hidden_layers: config.layers,
    num_key_value_heads: config.keyValueHeads,
    pad_token_id: config.padId,
    rms_norm_eps: config.normEpsilon,
    rope_scaling: formatRopeScaling(ropeScaling),
    rope_theta: config.ropeTheta,
    tie_word_embeddings: config.isHeadTied,
    torch_dtype: 'float16',
    use_cache: true,
    vocab_size: config.vocabularySize,
  }
  if (name === 'mistral') common.sliding_window = slidingWindow ?? null
  if (name === 'gpt2') {
    for (const key of [
      'attention_bias',
      'mlp_bias',
      'head_dim',
      'num_key_value_heads',
      'rope_scaling',
      'rope_theta',
    ])
      delete common[key]
    common.hidden_act = 'gelu_new'
  }
  return Object.fromEntries(Object.entries(common).map(([key, value]) => [family.fields[key] ?? key, value]))
}

const formatRopeScaling = (scaling: RopeScaling | undefined) =>
  scaling === undefined
    ? null
    : scaling.kind === 'linear'
      ? { rope_type: 'linear', factor: scaling.factor }
      : {
          rope_type: 'llama3',
          factor: scaling.factor,
          low_freq_factor: scaling.lowFrequencyFactor,
          high_freq_factor: scaling.highFrequencyFactor,
          original_max_position_embeddings: scaling.originalContext,
        }

/** Gives the input and output channels of a linear layer. */
export function linearSize(config: LlamaConfig, target: LoraTarget): { input: number; output: number } {
  const { hiddenSize, feedForwardSize, heads, keyValueHeads, headSize } = config
  switch (target) {
    case 'q_proj':
      return { input: hiddenSize, output: heads * headSize }
    case 'k_proj':
    case 'v_proj':
      return { input: hiddenSize, output: keyValueHeads * headSize }
    case 'o_proj':
      return { input: heads * headSize, output: hiddenSize }
    case 'gate_proj':
    case 'up_proj':
      return { input: hiddenSize, output: feedForwardSize }
    case 'down_proj':
      return { input: feedForwardSize, output: hiddenSize }
    default:
      return target satisfies never
  }
}

/** Names a linear layer as adapters do, e.g. `layers.0.self_attn.q_proj`. */
export const linearName = (layer: number, target: LoraTarget): string =>
  `layers.${layer}.${attentionTargets.has(target) ? 'self_attn' : 'mlp'}.${target}`

const attentionTargets: ReadonlySet<LoraTarget> = new Set(['q_proj', 'k_proj', 'v_proj', 'o_proj'])

/**
 * Lists every weight of a checkpoint with its shape, `[output, input]` for linear layers, in Hugging Face order and by the
 * names of Llama, whatever the family calls them in its files.
 */
export function weightShapes(config: LlamaConfig): Map<string, readonly number[]> {
  const { hiddenSize, vocabularySize, headSize } = config
  const family = familyOf(config)
  const shapes = new Map<string, readonly number[]>()
  const norm = (name: string): void => {
    shapes.set(`${name}.weight`, [hiddenSize])
    if (family.norm === 'layer') shapes.set(`${name}.bias`, [hiddenSize])
  }
  shapes.set('model.embed_tokens.weight', [vocabularySize, hiddenSize])
  if (family.positions === 'learned') {
    shapes.set('model.embed_positions.weight', [config.contextMax, hiddenSize])
  }
  for (let layer = 0; layer < config.layers; layer++) {
    norm(`model.layers.${layer}.input_layernorm`)
    for (const target of targetsOf(config)) {
      const { input, output } = linearSize(config, target)
      const name = `model.${linearName(layer, target)}`
      shapes.set(`${name}.weight`, [output, input])
      if (hasBias(config, target)) shapes.set(`${name}.bias`, [output])
    }
    if (family.hasHeadNorms) {
      shapes.set(`model.layers.${layer}.self_attn.q_norm.weight`, [headSize])
      shapes.set(`model.layers.${layer}.self_attn.k_norm.weight`, [headSize])
    }
    norm(`model.layers.${layer}.post_attention_layernorm`)
  }
  norm('model.norm')
  if (!config.isHeadTied) shapes.set('lm_head.weight', [vocabularySize, hiddenSize])
  return shapes
}

export class UnsupportedConfigError extends BaseError {
  constructor(reason: string) {
    super({
      code: 'model.unsupported_config',
      message: `Expected the config.json of a model that can be computed here, but ${reason}. Use a checkpoint of a family that docs/training.md lists.`,
    })
  }
}
