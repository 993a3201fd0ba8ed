import { BaseError } from '@openledger/primitives'
import type { LoraTarget } from './Config.ts'
import type { StoredTensor } from './Safetensors.ts'

/** What sets one family of decoder-only transformers apart from the others: a row of the table below. */
export type Family = {
  /** The class that Hugging Face loads it with. */
  readonly architecture: string
  /** Root-mean-square norms, or LayerNorm with biases. */
  readonly norm: 'rms' | 'layer'
  readonly activation: 'silu' | 'gelu'
  /** Whether the feed-forward part is `act(gate) * up`, or `act(up)`. */
  readonly isGated: boolean
  /** Rotary positions, or a learned vector for each. */
  readonly positions: 'rotary' | 'learned'
  /** Linear layers that always have a bias. */
  readonly biases: readonly LoraTarget[]
  /** Whether queries and keys are normalised head by head. */
  readonly hasHeadNorms: boolean
  /** Whether embeddings are multiplied by the square root of their width. */
  readonly scalesEmbeddings: boolean
  /** What `tie_word_embeddings` is where the file is silent. */
  readonly isHeadTied: boolean
  /** Fields of `config.json` that this family calls by other names. */
  readonly fields: Readonly<Record<string, string>>
  /** How its files store weights. */
  readonly layout: Layout
}

/** From the tensors of a file to the names and shapes of Llama, and back. */
export type Layout = {
  readonly read: (tensors: ReadonlyMap<string, StoredTensor>) => ReadonlyMap<string, StoredTensor>
  readonly write: (tensors: ReadonlyMap<string, StoredTensor>) => ReadonlyMap<string, StoredTensor>
}

const same: Layout = { read: (tensors) => tensors, write: (tensors) => tensors }

const llama: Family = {
  architecture: 'LlamaForCausalLM',
  norm: 'rms',
  activation: 'silu',
  isGated: true,
  positions: 'rotary',
  biases: [],
  hasHeadNorms: false,
  scalesEmbeddings: false,
  isHeadTied: false,
  fields: {},
  layout: same,
}

/**
 * The families that can be trained and served, by the `model_type` of their `config.json`. SmolLM 1 and 2, TinyLlama and
 * many others say `llama`.
 */
export const families = {
  llama,
  mistral: { ...llama, architecture: 'MistralForCausalLM' },
  qwen2: { ...llama, architecture: 'Qwen2ForCausalLM', biases: ['q_proj', 'k_proj', 'v_proj'] },
  qwen3: { ...llama, architecture: 'Qwen3ForCausalLM', hasHeadNorms: true },
  gemma: {
    ...llama,
    architecture: 'GemmaForCausalLM',
    activation: 'gelu',
    scalesEmbeddings: true,
    isHeadTied: true,
    layout: { read: (tensors) => shiftNorms(tensors, 1), write: (tensors) => shiftNorms(tensors, -1) },
  },
  gpt2: {
    architecture: 'GPT2LMHeadModel',
    norm: 'layer',
    activation: 'gelu',
    isGated: false,
    positions: 'learned',
    biases: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'up_proj', 'down_proj'],
    hasHeadNorms: false,
    scalesEmbeddings: false,
    isHeadTied: true,
    fields: {
      hidden_size: 'n_embd',
      num_hidden_layers: 'n_layer',
      num_attention_heads: 'n_head',
      max_position_embeddings: 'n_positions',
      intermediate_size: 'n_inner',
      rms_norm_eps: 'layer_norm_epsilon',
      hidden_act: 'activation_function',
    },
    layout: { read: readGpt2, write: writeGpt2 },
  },
} as const satisfies Record<string, Family>

export type FamilyName = keyof typeof families

/** Gemma stores what is added to one. */
function shiftNorms(tensors: ReadonlyMap<string, StoredTensor>, by: number): Map<string, StoredTensor> {
  return new Map(
    [...tensors].map(([name, tensor]) => [
      name,
      /norm\.weight$/.test(name) ? { ...tensor, data: tensor.data.map((value) => value + by) } : tensor,
    ]),
  )
}

/** GPT-2's names and ours; its matrices are `[input, output]`. */
const gpt2Names: readonly (readonly [RegExp, string])[] = [
  [/^wte\.weight$/, 'model.embed_tokens.weight'],
  [/^wpe\.weight$/, 'model.embed_positions.weight'],
  [/^ln_f\.(weight|bias)$/, 'model.norm.$1'],
  [/^h\.(\d+)\.ln_1\.(weight|bias)$/, 'model.layers.$1.input_layernorm.$2'],
  [/^h\.(\d+)\.ln_2\.(weight|bias)$/, 'model.layers.$1.post_attention_layernorm.$2'],
  [/^h\.(\d+)\.attn\.c_proj\.(weight|bias)$/, 'model.layers.$1.self_attn.o_proj.$2'],
  [/^h\.(\d+)\.mlp\.c_fc\.(weight|bias)$/, 'model.layers.$1.mlp.up_proj.$2'],
  [/^h\.(\d+)\.mlp\.c_proj\.(weight|bias)$/, 'model.layers.$1.mlp.down_proj.$2'],
]

function readGpt2(tensors: ReadonlyMap<string, StoredTensor>): Map<string, StoredTensor> {
  const found = new Map<string, StoredTensor>()
  for (const [full, tensor] of tensors) {
    const name = full.replace(/^transformer\./, '')
    const joined = /^h\.(\d+)\.attn\.c_attn\.(weight|bias)$/.exec(name)
    if (joined) {
      const rows = turned(tensor)
      const third = rows.data.length / 3
      if (!Number.isInteger(third) || rows.shape[0]! % 3 !== 0) throw new LayoutError(full, tensor.shape)
      const shape = [rows.shape[0]! / 3, ...rows.shape.slice(1)]
      ;(['q_proj', 'k_proj', 'v_proj'] as const).forEach((target, i) => {
        const data = rows.data.slice(i * third, (i + 1) * third)
        found.set(`model.layers.${joined[1]}.self_attn.${target}.${joined[2]}`, { shape, data })
      })
      continue
    }
    const rule = gpt2Names.find(([pattern]) => pattern.test(name))
    if (!rule) continue
    const isLinear = /\.(c_proj|c_fc)\.weight$/.test(name)
    found.set(name.replace(rule[0], rule[1]), isLinear ? turned(tensor) : tensor)
  }
  return found
}

function writeGpt2(tensors: ReadonlyMap<string, StoredTensor>): Map<string, StoredTensor> {
  const take = (name: string): StoredTensor => tensors.get(name)!
  const written = new Map<string, StoredTensor>([
    ['transformer.wte.weight', take('model.embed_tokens.weight')],
    ['transformer.wpe.weight', take('model.embed_positions.weight')],
  ])
  for (let layer = 0; tensors.has(`model.layers.${layer}.input_layernorm.weight`); layer++) {
    const from = `model.layers.${layer}`
    const to = `transformer.h.${layer}`
    for (const part of ['weight', 'bias'] as const) {
      const linear = (name: string) =>
        part === 'weight' ? turned(take(`${from}.${name}.weight`)) : take(`${from}.${name}.bias`)
      written.set(`${to}.ln_1.${part}`, take(`${from}.input_layernorm.${part}`))
      written.set(`${to}.ln_2.${part}`, take(`${from}.post_attention_layernorm.${part}`))
      written.set(`${to}.attn.c_proj.${part}`, linear('self_attn.o_proj'))
      written.set(`${to}.mlp.c_fc.${part}`, linear('mlp.up_proj'))
      written.set(`${to}.mlp.c_proj.${part}`, linear('mlp.down_proj'))
      const parts = (['q_proj', 'k_proj', 'v_proj'] as const).map((target) =>
        take(`${from}.self_attn.${target}.${part}`),
      )
      const data = new Float32Array(parts.reduce((sum, each) => sum + each.data.length, 0))
      parts.forEach((each, i) => {
        data.set(each.data, i * each.data.length)
      })
      const [rows = 0, ...rest] = parts[0]!.shape
      const joined = { shape: [3 * rows, ...rest], data }
      written.set(`${to}.attn.c_attn.${part}`, part === 'weight' ? turned(joined) : joined)
    }
  }
  written.set('transformer.ln_f.weight', take('model.norm.weight'))
  written.set('transformer.ln_f.bias', take('model.norm.bias'))
  return written
}

/** Swaps the axes of a matrix; a vector stays as it is. */
function turned(tensor: StoredTensor): StoredTensor {
  const [rows, columns] = tensor.shape
  if (rows === undefined || columns === undefined) return tensor
  const data = new Float32Array(tensor.data.length)
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) data[j * rows + i] = tensor.data[i * columns + j]!
  return { shape: [columns, rows], data }
}

export class LayoutError extends BaseError {
  constructor(name: string, shape: readonly number[]) {
    super({
      code: 'checkpoint.layout',
      message: `Expected queries, keys and values side by side in ${name}, got [${shape}]. Use the weights as Hugging Face stores them.`,
      context: { name },
    })
  }
}
