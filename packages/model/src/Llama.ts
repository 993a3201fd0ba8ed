import { type Graph, Op, type Tensor } from '@openledger/tensor'
import { familyOf, hasBias, type LlamaConfig, type LoraTarget, linearName } from './checkpoint/Config.ts'

/** Finds a weight by its Hugging Face name, e.g. `model.norm.weight`, as a tensor of the graph being built. */
export type WeightLookup = (name: string) => Tensor

/**
 * Applies linear layers to one input: `[B, T, input]` to one `[B, T, output]` per target.
 *
 * Targets come in groups that share their input (q, k, v; o; gate, up; down), so that an implementation may stack them.
 */
export type Project = (layer: number, targets: readonly LoraTarget[], x: Tensor) => Tensor[]

/**
 * Mixes over tokens: queries `[B, T, H*D]`, keys and values `[B, T, KV*D]` (queries and keys already rotated) to
 * `[B, T, H*D]`.
 */
export type Attend = (layer: number, query: Tensor, key: Tensor, value: Tensor) => Tensor

/** What the transformer is built from; trainers and decoders differ only in these parts. */
export type Parts = {
  readonly weights: WeightLookup
  readonly project: Project
  readonly attend: Attend
  /** `[B, T]` int64, the row of the rotary tables for each token. */
  readonly positions: Tensor
  readonly rotary: RotaryTables
}

/** `[positions, D/2]` each. */
export type RotaryTables = { readonly cosine: Tensor; readonly sine: Tensor }

/** Adds every weight as a constant when it is first asked for; the arrays are not copied. */
export function constantWeights(
  graph: Graph,
  weights: ReadonlyMap<string, Float32Array>,
  shapes: ReadonlyMap<string, readonly number[]>,
): WeightLookup {
  const known = new Map<string, Tensor>()
  return (name) => {
    let tensor = known.get(name)
    if (!tensor) {
      tensor = graph.constant(weights.get(name)!, shapes.get(name)!, name)
      known.set(name, tensor)
    }
    return tensor
  }
}

/**
 * Declares every weight as an input when it is first asked for. A run reads the arrays in place, so that all sessions and
 * threads of a process share one copy; `constantWeights` is packed for faster small products, at one to three copies each.
 */
export function inputWeights(graph: Graph, shapes: ReadonlyMap<string, readonly number[]>): WeightLookup {
  const known = new Map<string, Tensor>()
  return (name) => {
    let tensor = known.get(name)
    if (!tensor) {
      tensor = graph.input(name, 'float32', shapes.get(name)!)
      known.set(name, tensor)
    }
    return tensor
  }
}

/**
 * Adds cosine and sine tables for positions `0 .. length - 1`.
 * @see Su et al. 2021, "RoFormer", with Hugging Face's half rotation.
 */
export function rotaryTables(graph: Graph, config: LlamaConfig, length = config.contextMax): RotaryTables {
  const half = config.headSize / 2
  const frequencies = rotaryFrequencies(config)
  const cosine = new Float32Array(length * half)
  const sine = new Float32Array(length * half)
  for (let position = 0; position < length; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * frequencies[i]!
      cosine[position * half + i] = Math.cos(angle)
      sine[position * half + i] = Math.sin(angle)
    }
  }
  const shape = [length, half]
  return {
    cosine: graph.constant(cosine, shape, 'rotary.cosine'),
    sine: graph.constant(sine, shape, 'rotary.sine'),
  }
}

/** Radians a position, for each pair of channels of a head; stretched for long contexts as the model says. */
function rotaryFrequencies({ headSize, ropeTheta, ropeScaling }: LlamaConfig): number[] {
  const plain = Array.from({ length: headSize / 2 }, (_, i) => ropeTheta ** ((-2 * i) / headSize))
  if (ropeScaling === undefined) return plain
  if (ropeScaling.kind === 'linear') return plain.map((frequency) => frequency / ropeScaling.factor)
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalContext } = ropeScaling
  return plain.map((frequency) => {
    const turns = (originalContext * frequency) / (2 * Math.PI)
    if (turns < lowFrequencyFactor) return frequency / factor
    if (turns > highFrequencyFactor) return frequency
    const smooth = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)
    return ((1 - smooth) * frequency) / factor + smooth * frequency
  })
}

/** Looks up token embeddings: int `[B, T]` to `[B, T, C]`. */
export const embed = (weights: WeightLookup, ids: Tensor): Tensor =>
  Op.gather(weights('model.embed_tokens.weight'), ids)

/** Multiplies by a weight that is kept in another form, if it is: `[B, T, input]` to `[B, T, output]`. */
export type LinearForm = (x: Tensor, weightName: string) => Tensor | undefined

/** Multiplies by the weights of the checkpoint alone. */
export const baseProject =
  (weights: WeightLookup, config: LlamaConfig, form: LinearForm = () => undefined): Project =>
  (layer, targets, x) =>
    targets.map((target) => {
      const name = `model.${linearName(layer, target)}`
      const weightName = `${name}.weight`
      const y = form(x, weightName) ?? Op.matmul(x, weights(weightName), { transposeB: true })
      return hasBias(config, target) ? Op.add(y, weights(`${name}.bias`)) : y
    })

/**
 * One adapter's matrices for one linear layer.
 *
 * Shared by the batch: `a [input, R]`, `b [R, output]`. One per row: `a [B, input, R]`, `b [B, R, output]`.
 */
export type LoraPair = {
  readonly a: Tensor
  readonly b: Tensor
  readonly scale: number
  /** `[B, T, input]`, multiplied into what `a` is given: dropout. */
  readonly mask?: Tensor
}

/**
 * Adds `scale * x a b` to a projection wherever `pairs` has one.
 *
 * Matrices `a` that read the same input are multiplied as one: alone they are too narrow for the processor.
 */
export const withLora =
  (project: Project, pairs: (layer: number, target: LoraTarget) => LoraPair | undefined): Project =>
  (layer, targets, x) => {
    const known = targets.map((target) => pairs(layer, target))
    const narrow = multiplyAll(x, known)
    return project(layer, targets, x).map((y, i) => {
      const pair = known[i]
      return pair ? Op.add(y, Op.matmul(narrow[i]!, pair.b, { scale: pair.scale })) : y
    })
  }

/** Multiplies one input by `a` of each pair there is, those behind one mask at once. */
function multiplyAll(x: Tensor, pairs: readonly (LoraPair | undefined)[]): (Tensor | undefined)[] {
  const found: (Tensor | undefined)[] = pairs.map(() => undefined)
  for (const mask of new Set(pairs.flatMap((pair) => (pair ? [pair.mask] : [])))) {
    const own = pairs.flatMap((pair, index) => (pair && pair.mask === mask ? [{ index, a: pair.a }] : []))
    const all = Op.matmul(
      mask ? Op.multiply(x, mask) : x,
      Op.concat(
        own.map(({ a }) => a),
        -1,
      ),
    )
    let from = 0
    for (const { index, a } of own) {
      const to = from + (a.shape.at(-1) as number)
      found[index] = Op.slice(all, -1, from, to)
      from = to
    }
  }
  return found
}

/**
 * Runs all layers and the final norm.
 * @param x - `[B, T, C]` embeddings of the tokens alone.
 * @returns `[B, T, C]`.
 */
export function transform(config: LlamaConfig, parts: Parts, x: Tensor): Tensor {
  const family = familyOf(config)
  let hidden = x
  if (family.scalesEmbeddings) hidden = Op.multiply(hidden, Math.fround(Math.sqrt(config.hiddenSize)))
  if (family.positions === 'learned') {
    hidden = Op.add(hidden, Op.gather(parts.weights('model.embed_positions.weight'), parts.positions))
  }
  for (let layer = 0; layer < config.layers; layer++) hidden = block(config, parts, layer, hidden)
  return norm(config, parts.weights, 'model.norm', hidden)
}

/** Runs one layer: attention and the feed-forward part, each behind a norm and a residual. */
export function block(config: LlamaConfig, parts: Parts, layer: number, x: Tensor): Tensor {
  const { weights, project, attend } = parts
  const name = `model.layers.${layer}`
  const normed = norm(config, weights, `${name}.input_layernorm`, x)
  const [q, k, v] = project(layer, ['q_proj', 'k_proj', 'v_proj'], normed) as [Tensor, Tensor, Tensor]
  const query = placed(config, parts, `${name}.self_attn.q_norm`, q, config.heads)
  const key = placed(config, parts, `${name}.self_attn.k_norm`, k, config.keyValueHeads)
  const [attended] = project(layer, ['o_proj'], attend(layer, query, key, v))
  const middle = Op.add(x, attended!)
  const inner = norm(config, weights, `${name}.post_attention_layernorm`, middle)
  const [down] = project(layer, ['down_proj'], feedForward(config, parts, layer, inner))
  return Op.add(middle, down!)
}

function feedForward(config: LlamaConfig, { project }: Parts, layer: number, x: Tensor): Tensor {
  const { isGated, activation } = familyOf(config)
  if (!isGated) return gelu(project(layer, ['up_proj'], x)[0]!)
  const [gate, up] = project(layer, ['gate_proj', 'up_proj'], x)
  return activation === 'silu' ? gated(gate!, up!) : Op.multiply(gelu(gate!), up!)
}

/** Normalises queries or keys head by head and turns them by their positions, where the family does so. */
function placed(config: LlamaConfig, parts: Parts, name: string, x: Tensor, heads: number): Tensor {
  const { hasHeadNorms, positions: kind } = familyOf(config)
  const { weights, positions, rotary } = parts
  let result = x
  if (hasHeadNorms) {
    const apart = Op.reshape(x, [...x.shape.slice(0, -1), heads, config.headSize])
    result = Op.reshape(Op.rmsNorm(apart, weights(`${name}.weight`), config.normEpsilon), x.shape)
  }
  return kind === 'rotary' ? Op.rotate(result, positions, rotary.cosine, rotary.sine, heads) : result
}

/** LayerNorm is the root-mean-square norm of what is left without the mean, and a bias. */
function norm(config: LlamaConfig, weights: WeightLookup, name: string, x: Tensor): Tensor {
  const weight = weights(`${name}.weight`)
  if (familyOf(config).norm === 'rms') return Op.rmsNorm(x, weight, config.normEpsilon)
  const centred = Op.subtract(x, Op.mean(x, [-1], true))
  return Op.add(Op.rmsNorm(centred, weight, config.normEpsilon), weights(`${name}.bias`))
}

/**
 * Computes the tangent form of GELU, `x / 2 (1 + tanh(c (x + 0.044715 x³)))`, as `x sigmoid(2 c (x + 0.044715 x³))`.
 * @see Hendrycks & Gimpel 2016, "Gaussian Error Linear Units"; Hugging Face's `gelu_new` and `gelu_pytorch_tanh`.
 */
function gelu(x: Tensor): Tensor {
  const cubic = Op.multiply(Op.multiply(x, x), Op.multiply(x, 0.044715))
  return Op.multiply(x, Op.sigmoid(Op.multiply(Op.add(x, cubic), 2 * Math.sqrt(2 / Math.PI))))
}

/** Multiplies by the output head: `[..., C]` to `[..., V]`. */
export const head = (config: LlamaConfig, weights: WeightLookup, hidden: Tensor): Tensor =>
  Op.matmul(hidden, weights(headName(config)), { transposeB: true })

/** Names the weight of the output head. */
export const headName = (config: LlamaConfig): string =>
  config.isHeadTied ? 'model.embed_tokens.weight' : 'lm_head.weight'

/**
 * Attends within the rows given, each token to itself and what stands before it.
 * @param mask - `[T, T]`, or `[B, T, T]` where rows differ: 0 where a token (row) may see another (column) and very
 *   negative where not.
 */
export const causalAttention =
  (config: LlamaConfig, mask: Tensor): Attend =>
  (_, query, key, value) => {
    const { heads, keyValueHeads, headSize } = config
    const group = heads / keyValueHeads
    const [batch, tokens] = query.shape as [number, number]
    const grouped = [batch, keyValueHeads, group, tokens, headSize]
    const rows = typeof tokens === 'number' ? group * tokens : `${tokens}*${group}`
    // all queries of a key-value head in one tall matrix, so that keys and values are never repeated
    const q = Op.reshape(
      Op.transpose(Op.reshape(query, [batch, tokens, keyValueHeads, group, headSize]), [0, 2, 3, 1, 4]),
      [batch, keyValueHeads, rows, headSize],
    )
    const split = (x: Tensor) =>
      Op.transpose(Op.reshape(x, [batch, tokens, keyValueHeads, headSize]), [0, 2, 1, 3])
    const addMask = (scores: Tensor, from: number, to: number) => {
      const own =
        mask.shape.length === 2 ? mask : Op.reshape(slice(mask, from, to), [to - from, 1, 1, tokens, tokens])
      const apart = [scores.shape[0]!, keyValueHeads, group, tokens, tokens]
      return Op.reshape(Op.add(Op.reshape(scores, apart), own), scores.shape)
    }
    // few enough rows at a time that their scores stay in the processor's cache
    const rowsAtOnce =
      typeof batch === 'number' && typeof tokens === 'number'
        ? Math.max(1, Math.floor(scoresAtOnce / (heads * tokens * tokens)))
        : undefined
    const mixed = scaledAttention(q, split(key), split(value), headSize ** -0.5, addMask, rowsAtOnce)
    return Op.reshape(Op.transpose(Op.reshape(mixed, grouped), [0, 3, 1, 2, 4]), query.shape)
  }

const scoresAtOnce = 2 ** 21

const slice = (x: Tensor, from: number, to: number): Tensor => Op.slice(x, 0, from, to)

/**
 * Computes `softmax(scale * q kᵀ + mask) v`, with a gradient that computes the scores again rather than keep them for
 * every layer, and makes two fewer passes over them than the derived one: the inner sum of the softmax gradient is the
 * product of the output and its cotangent.
 *
 * @param q - `[B, KV, G*T, D]`; `k` and `v` are `[B, KV, T, D]`.
 * @param rowsAtOnce - Rows of the batch whose scores exist at one time; undefined means all.
 * @see Dao et al. 2022, "FlashAttention", appendix B.2, for the identity.
 */
function scaledAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  scale: number,
  addMask: (scores: Tensor, from: number, to: number) => Tensor,
  rowsAtOnce: number | undefined,
): Tensor {
  const rows = q.shape[0]!
  const ranges: (readonly [number, number])[] = []
  if (typeof rows === 'number' && rowsAtOnce !== undefined) {
    for (let from = 0; from < rows; from += rowsAtOnce) ranges.push([from, Math.min(rows, from + rowsAtOnce)])
  }
  const isWhole = ranges.length < 2
  const part = (x: Tensor, [from, to]: readonly [number, number]) => (isWhole ? x : slice(x, from, to))
  const all = [0, typeof rows === 'number' ? rows : 0] as const
  const parts = isWhole ? [all] : ranges
  const sharesOf = (queries: Tensor, keys: Tensor, range: readonly [number, number]) =>
    Op.softmax(addMask(Op.matmul(queries, keys, { transposeB: true, scale }), ...range))
  const mixed = Op.concat(
    parts.map((range) => Op.matmul(sharesOf(part(q, range), part(k, range), range), part(v, range))),
    0,
  )
  return Op.custom([q, k, v], mixed, (g) => {
    let before = g
    const slopes = parts.map((range) => {
      const [queries, keys, values, cotangent] = [q, k, v, g].map((x) => part(x, range)) as [
        Tensor,
        Tensor,
        Tensor,
        Tensor,
      ]
      const shares = sharesOf(Op.after(queries, before), keys, range)
      const inner = Op.sum(Op.multiply(cotangent, part(mixed, range)), [-1], true)
      const scores = Op.multiply(
        shares,
        Op.subtract(Op.matmul(cotangent, values, { transposeB: true }), inner),
      )
      // the three as one tensor, so that they are done before the next rows begin
      before = Op.concat(
        [
          Op.matmul(scores, keys, { scale }),
          Op.matmul(scores, queries, { transposeA: true, scale }),
          Op.matmul(shares, cotangent, { transposeA: true }),
        ],
        2,
      )
      return before
    })
    const joined = Op.concat(slopes, 0)
    const queryRows = q.shape[2] as number
    const tokens = k.shape[2] as number
    return [
      Op.slice(joined, 2, 0, queryRows),
      Op.slice(joined, 2, queryRows, queryRows + tokens),
      Op.slice(joined, 2, queryRows + tokens, queryRows + 2 * tokens),
    ]
  })
}

/** Computes `silu(gate) * up` (SwiGLU), its gradient sharing one sigmoid. */
function gated(gate: Tensor, up: Tensor): Tensor {
  const result = Op.multiply(Op.silu(gate), up)
  return Op.custom([gate, up], result, (g) => {
    // made again: to keep it would take as much memory as the gate itself
    const late = Op.after(gate, g)
    const s = Op.sigmoid(late)
    const open = Op.multiply(late, s)
    // d silu(x) = s (1 - silu) + silu
    const slope = Op.add(Op.multiply(s, Op.subtract(gate.graph.scalar(1), open)), open)
    return [Op.multiply(Op.multiply(g, up), slope), Op.multiply(g, open)]
  })
}

/**
 * Computes the negative log-likelihood of labels under `softmax(hidden tableᵀ)`.
 *
 * The gradient keeps the probabilities of the forward pass and touches label entries as rows, not as a one-hot matrix.
 * @param hidden - `[N, C]`.
 * @param table - `[V, C]`.
 * @param labels - `[N]` int64, or a function that makes them from the probabilities.
 * @param softLabels - `[N, C]`, added to the labels' rows of the table: the labels then are distributions (`Sequence.softLabels`).
 *   The gradient for the table leaves them out.
 * @returns `[N, 1]` in nats, and the probabilities and logits `[N, V]`.
 */
export function crossEntropy(
  hidden: Tensor,
  table: Tensor,
  labels: Tensor | ((probabilities: Tensor) => Tensor),
  softLabels?: Tensor,
): { loss: Tensor; probabilities: Tensor; logits: Tensor } {
  const logits = Op.matmul(hidden, table, { transposeB: true })
  const probabilities = Op.softmax(logits)
  // log-sum-exp from the largest entry: its probability is at least 1/V, so its logarithm is safe
  const normaliser = Op.subtract(Op.max(logits, [-1], true), Op.log(Op.max(probabilities, [-1], true)))
  const chosen = typeof labels === 'function' ? labels(probabilities) : labels
  const own = Op.gather(table, chosen)
  const rows = softLabels ? Op.add(own, softLabels) : own
  const loss = Op.subtract(normaliser, Op.sum(Op.multiply(hidden, rows), [-1], true))
  const wrapped = Op.custom([hidden, table], loss, (g) => {
    const weighted = Op.multiply(hidden, g)
    const forHidden = Op.multiply(Op.subtract(Op.matmul(probabilities, table), rows), g)
    const forTable = Op.subtract(
      Op.matmul(probabilities, weighted, { transposeA: true }),
      Op.scatterRows(weighted, chosen, table.shape[0] as number),
    )
    return [forHidden, forTable]
  })
  return { loss: wrapped, probabilities, logits }
}

/**
 * Draws one label per row from its probabilities: the first whose cumulative share exceeds the uniform number.
 * @param probabilities - `[N, V]`.
 * @param uniform - `[N, 1]` in [0, 1).
 * @returns `[N]` int64.
 */
export function sample(probabilities: Tensor, uniform: Tensor): Tensor {
  const cumulative = Op.cumulativeSum(probabilities)
  const last = probabilities.shape[1] as number
  // scaled by the real total, so that rounding never draws past the last token
  const threshold = Op.multiply(uniform, Op.slice(cumulative, 1, last - 1, last))
  return Op.cast(Op.sum(Op.cast(Op.less(cumulative, threshold), 'float32'), [1]), 'int64')
}
