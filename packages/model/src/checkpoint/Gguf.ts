import { BaseError } from '@openledger/primitives'
import { type Adapter, linearsOf } from './Adapter.ts'
import { type LlamaConfig, type LoraTarget, loraTargets } from './Config.ts'
import * as GgufFile from './GgufFile.ts'

export type GgufType = GgufFile.GgufType

/** What llama.cpp needs to know of a byte-level BPE tokenizer. */
export type GgufVocabulary = {
  /** By id, in the byte-level alphabet of `tokenizer.json`. */
  readonly tokens: readonly string[]
  /** Ids that are control tokens and never text. */
  readonly controlIds: ReadonlySet<number>
  /** Pairs joined by a space, best first. */
  readonly merges: readonly string[]
  /** How llama.cpp cuts text before merging: the name of the pattern among its own that is nearest. */
  readonly preTokenizer: 'gpt-2' | 'llama-bpe'
}

const NORMAL_TOKEN = 1
const CONTROL_TOKEN = 3

const layerNames: Record<LoraTarget, string> = {
  q_proj: 'attn_q',
  k_proj: 'attn_k',
  v_proj: 'attn_v',
  o_proj: 'attn_output',
  gate_proj: 'ffn_gate',
  up_proj: 'ffn_up',
  down_proj: 'ffn_down',
}

/**
 * Writes a model as a GGUF file, as llama.cpp and what is built on it read.
 *
 * Rows of q and k are reordered, because llama.cpp rotates neighbouring channels and Hugging Face halves of a head.
 * @see ggml, docs/gguf.md, version 3.
 */
export function encodeModel(
  { config, weights }: { readonly config: LlamaConfig; readonly weights: ReadonlyMap<string, Float32Array> },
  options: { readonly type: GgufType; readonly name: string; readonly vocabulary: GgufVocabulary },
): Uint8Array<ArrayBuffer> {
  const { type, name, vocabulary } = options
  if (vocabulary.tokens.length !== config.vocabularySize) {
    throw new GgufError(`${config.vocabularySize} tokens`, `${vocabulary.tokens.length}`)
  }
  const { hiddenSize, vocabularySize, heads, keyValueHeads, headSize } = config
  if ((config.family ?? 'llama') !== 'llama' || config.biases || config.ropeScaling) {
    throw new GgufError(
      'a plain Llama model',
      `the family ${config.family ?? 'llama with biases or stretched positions'}`,
    )
  }
  const weight = (key: string): Float32Array => {
    const data = weights.get(key)
    if (data === undefined) throw new GgufError(`the weight ${key}`, 'none')
    return data
  }
  const tensors: GgufFile.GgufTensor[] = [
    {
      name: 'token_embd.weight',
      shape: [vocabularySize, hiddenSize],
      type,
      data: weight('model.embed_tokens.weight'),
    },
    { name: 'output_norm.weight', shape: [hiddenSize], data: weight('model.norm.weight'), type: 'F32' },
  ]
  if (!config.isHeadTied) {
    tensors.push({
      name: 'output.weight',
      shape: [vocabularySize, hiddenSize],
      data: weight('lm_head.weight'),
      type,
    })
  }
  for (let layer = 0; layer < config.layers; layer++) {
    for (const [ours, theirs] of [
      ['input_layernorm', 'attn_norm'],
      ['post_attention_layernorm', 'ffn_norm'],
    ]) {
      const data = weight(`model.layers.${layer}.${ours}.weight`)
      tensors.push({ name: `blk.${layer}.${theirs}.weight`, shape: [hiddenSize], data, type: 'F32' })
    }
  }
  for (const { layer, target, name: linear, input, output } of linearsOf(config, loraTargets)) {
    const data = reordered(config, target, weight(`model.${linear}.weight`), input)
    tensors.push({ name: `blk.${layer}.${layerNames[target]}.weight`, shape: [output, input], data, type })
  }
  const metadata: [string, GgufFile.Value][] = [
    ['general.architecture', { type: 'text', value: 'llama' }],
    ['general.name', { type: 'text', value: name }],
    ['general.file_type', { type: 'u32', value: GgufFile.fileCodes[type] }],
    ['general.quantization_version', { type: 'u32', value: 2 }],
    ['llama.vocab_size', { type: 'u32', value: vocabularySize }],
    ['llama.context_length', { type: 'u32', value: config.contextMax }],
    ['llama.embedding_length', { type: 'u32', value: hiddenSize }],
    ['llama.block_count', { type: 'u32', value: config.layers }],
    ['llama.feed_forward_length', { type: 'u32', value: config.feedForwardSize }],
    ['llama.attention.head_count', { type: 'u32', value: heads }],
    ['llama.attention.head_count_kv', { type: 'u32', value: keyValueHeads }],
    ['llama.attention.key_length', { type: 'u32', value: headSize }],
    ['llama.attention.value_length', { type: 'u32', value: headSize }],
    ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: config.normEpsilon }],
    ['llama.rope.dimension_count', { type: 'u32', value: headSize }],
    ['llama.rope.freq_base', { type: 'f32', value: config.ropeTheta }],
    ['tokenizer.ggml.model', { type: 'text', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'text', value: vocabulary.preTokenizer }],
    ['tokenizer.ggml.tokens', { type: 'texts', value: vocabulary.tokens }],
    [
      'tokenizer.ggml.token_type',
      {
        type: 'i32s',
        value: vocabulary.tokens.map((_, id) =>
          vocabulary.controlIds.has(id) ? CONTROL_TOKEN : NORMAL_TOKEN,
        ),
      },
    ],
    ['tokenizer.ggml.merges', { type: 'texts', value: vocabulary.merges }],
    ['tokenizer.ggml.bos_token_id', { type: 'u32', value: config.bosId }],
    ['tokenizer.ggml.eos_token_id', { type: 'u32', value: config.eosId }],
    ['tokenizer.ggml.padding_token_id', { type: 'u32', value: config.padId }],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: true }],
  ]
  return GgufFile.encode(metadata, tensors)
}

/** Writes a LoRA adapter as a GGUF file, for `--lora` of llama.cpp over the model that `encodeModel` wrote. */
export function encodeAdapter(
  config: LlamaConfig,
  adapter: Omit<Adapter, 'hash'>,
  type: 'F32' | 'F16' = 'F32',
): Uint8Array<ArrayBuffer> {
  const { rank } = adapter
  const tensors: GgufFile.GgufTensor[] = []
  for (const { layer, target, name, input, output } of linearsOf(config, adapter.targets)) {
    const pair = adapter.tensors.get(name)!
    const file = `blk.${layer}.${layerNames[target]}.weight`
    const up = reordered(config, target, transposed(pair.b, rank, output), rank)
    tensors.push({
      name: `${file}.lora_a`,
      shape: [rank, input],
      type,
      data: transposed(pair.a, input, rank),
    })
    tensors.push({ name: `${file}.lora_b`, shape: [output, rank], data: up, type })
  }
  return GgufFile.encode(
    [
      ['general.architecture', { type: 'text', value: 'llama' }],
      ['general.type', { type: 'text', value: 'adapter' }],
      ['adapter.type', { type: 'text', value: 'lora' }],
      ['adapter.lora.alpha', { type: 'f32', value: adapter.alpha }],
    ],
    tensors,
  )
}

/**
 * Reads the vocabulary of a byte-level BPE `tokenizer.json`.
 *
 * llama.cpp knows cutting patterns by name only. One that cuts numbers in threes is taken for Llama 3's, which also cuts
 * English contractions; any other for GPT-2's. Whoever passes token ids does not depend on it.
 * @throws {GgufError} when an id has no token.
 */
export function vocabularyOf(tokenizerJson: unknown, vocabularySize: number): GgufVocabulary {
  const {
    model,
    added_tokens: added = [],
    pre_tokenizer: cut,
  } = tokenizerJson as {
    pre_tokenizer?: unknown
    model?: {
      vocab?: Record<string, number>
      merges?: readonly (string | readonly [string, string])[]
      byte_fallback?: boolean
    }
    added_tokens?: readonly { readonly id: number; readonly content: string; readonly special?: boolean }[]
  }
  if (model?.byte_fallback) throw new GgufError('a byte-level BPE tokenizer', 'a SentencePiece one')
  const tokens = new Array<string | undefined>(vocabularySize).fill(undefined)
  for (const [token, id] of Object.entries(model?.vocab ?? {})) tokens[id] = token
  for (const { id, content } of added) tokens[id] = content
  const missing = tokens.indexOf(undefined)
  if (missing >= 0 || tokens.length !== vocabularySize) {
    throw new GgufError(
      `a token for each of ${vocabularySize} ids`,
      missing >= 0 ? `none for ${missing}` : `${tokens.length}`,
    )
  }
  return {
    tokens: tokens as string[],
    controlIds: new Set(added.filter(({ special }) => special !== false).map(({ id }) => id)),
    merges: (model?.merges ?? []).map((pair) => (typeof pair === 'string' ? pair : pair.join(' '))),
    preTokenizer: JSON.stringify(cut ?? null).includes('{1,3}') ? 'llama-bpe' : 'gpt-2',
  }
}

/** Moves channel `j * D/2 + i` of a head to `2 i + j` in the rows of q and k; leaves other matrices as they are. */
function reordered(
  { heads, keyValueHeads, headSize }: LlamaConfig,
  target: LoraTarget,
  data: Float32Array,
  columns: number,
): Float32Array {
  if (target !== 'q_proj' && target !== 'k_proj') return data
  const half = headSize / 2
  const result = new Float32Array(data.length)
  for (let head = 0; head < (target === 'q_proj' ? heads : keyValueHeads); head++) {
    for (let part = 0; part < 2; part++) {
      for (let i = 0; i < half; i++) {
        const from = (head * headSize + part * half + i) * columns
        result.set(data.subarray(from, from + columns), (head * headSize + 2 * i + part) * columns)
      }
    }
  }
  return result
}

function transposed(data: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) result[j * rows + i] = data[i * columns + j]!
  return result
}

export class GgufError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'model.gguf',
      message: `Expected ${expected} to write a GGUF file, got ${got}. Pass the vocabulary and weights of one checkpoint.`,
      context: { expected, got },
    })
  }
}
