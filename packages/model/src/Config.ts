import { BaseError } from '@openledger/primitives'

/** The shape of a Llama-architecture model, in lengths and constants. */
export type LlamaConfig = {
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

/**
 * Reads the fields of a Hugging Face `config.json`.
 * @throws {UnsupportedConfigError} for another architecture, RoPE scaling, biases or a sliding window.
 */
export function parseConfig(json: unknown): LlamaConfig {
  if (typeof json !== 'object' || json === null)
    throw new UnsupportedConfigError('config.json is not an object')
  const fields = json as Record<string, unknown>
  if (fields.model_type !== 'llama') {
    throw new UnsupportedConfigError(`model_type is ${JSON.stringify(fields.model_type)}, not "llama"`)
  }
  for (const name of ['attention_bias', 'mlp_bias']) {
    if (fields[name]) throw new UnsupportedConfigError(`${name} is set`)
  }
  const rope = (fields.rope_parameters ?? fields.rope_scaling) as Record<string, unknown> | null | undefined
  if (rope && (rope.rope_type ?? rope.type ?? 'default') !== 'default') {
    throw new UnsupportedConfigError(`rope_scaling is ${JSON.stringify(rope)}`)
  }
  if ((fields.hidden_act ?? 'silu') !== 'silu') throw new UnsupportedConfigError('hidden_act is not "silu"')

  const length = (name: string, fallback?: number): number => {
    const value = fields[name] ?? fallback
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 2 ** 31) {
      throw new UnsupportedConfigError(`${name} is ${JSON.stringify(value)}, not a positive integer`)
    }
    return value
  }
  const positive = (name: string, value: unknown): number => {
    if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value)) {
      throw new UnsupportedConfigError(`${name} is ${JSON.stringify(value)}, not a positive number`)
    }
    return value
  }
  const token = (name: string, fallback: number): number => {
    const value = Array.isArray(fields[name]) ? fields[name][0] : fields[name]
    return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : fallback
  }
  const heads = length('num_attention_heads')
  const hiddenSize = length('hidden_size')
  const config: LlamaConfig = {
    vocabularySize: length('vocab_size'),
    hiddenSize,
    feedForwardSize: length('intermediate_size'),
    layers: length('num_hidden_layers'),
    heads,
    keyValueHeads: length('num_key_value_heads', heads),
    headSize: length('head_dim', hiddenSize / heads),
    contextMax: length('max_position_embeddings', 2048),
    ropeTheta: positive('rope_theta', fields.rope_theta ?? rope?.rope_theta ?? 10_000),
    normEpsilon: positive('rms_norm_eps', fields.rms_norm_eps ?? 1e-6),
    isHeadTied: fields.tie_word_embeddings === true,
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

/** Writes the fields of a Hugging Face `config.json`. */
export function formatConfig(config: LlamaConfig) {
  return {
    architectures: ['LlamaForCausalLM'],
    attention_bias: false,
    attention_dropout: 0,
    bos_token_id: config.bosId,
    eos_token_id: config.eosId,
    head_dim: config.headSize,
    hidden_act: 'silu',
    hidden_size: config.hiddenSize,
    initializer_range: 0.02,
    intermediate_size: config.feedForwardSize,
    max_position_embeddings: config.contextMax,
    mlp_bias: false,
    model_type: 'llama',
    num_attention_heads: config.heads,
    num_hidden_layers: config.layers,
    num_key_value_heads: config.keyValueHeads,
    pad_token_id: config.padId,
    rms_norm_eps: config.normEpsilon,
    rope_scaling: null,
    rope_theta: config.ropeTheta,
    tie_word_embeddings: config.isHeadTied,
    torch_dtype: 'float16',
    use_cache: true,
    vocab_size: config.vocabularySize,
  }
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

/** Lists every weight of a checkpoint with its shape, `[output, input]` for linear layers, in Hugging Face order. */
export function weightShapes(config: LlamaConfig): Map<string, readonly number[]> {
  const { hiddenSize, vocabularySize } = config
  const shapes = new Map<string, readonly number[]>()
  shapes.set('model.embed_tokens.weight', [vocabularySize, hiddenSize])
  for (let layer = 0; layer < config.layers; layer++) {
    shapes.set(`model.layers.${layer}.input_layernorm.weight`, [hiddenSize])
    for (const target of loraTargets) {
      const { input, output } = linearSize(config, target)
      shapes.set(`model.${linearName(layer, target)}.weight`, [output, input])
    }
    shapes.set(`model.layers.${layer}.post_attention_layernorm.weight`, [hiddenSize])
  }
  shapes.set('model.norm.weight', [hiddenSize])
  if (!config.isHeadTied) shapes.set('lm_head.weight', [vocabularySize, hiddenSize])
  return shapes
}

export class UnsupportedConfigError extends BaseError {
  constructor(reason: string) {
    super({
      code: 'model.unsupported_config',
      message: `Expected the config.json of a plain Llama model, but ${reason}. Use a checkpoint of that architecture.`,
    })
  }
}
