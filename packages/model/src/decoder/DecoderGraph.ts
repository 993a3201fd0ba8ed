import { BLOCK, createGraph, type Graph, Op, quantise, type Tensor, toEightBits } from '@openledger/tensor'
import {
  hasBias,
  type LlamaConfig,
  type LoraTarget,
  linearName,
  linearSize,
  weightShapes,
} from '../checkpoint/Config.ts'
import * as Llama from '../Llama.ts'
import type { SlotGroup } from './DecoderSlots.ts'

/** The graph of one decoder run and the lengths its feeds follow. */
export type DecoderGraph = {
  readonly outputs: Readonly<Record<string, Tensor>>
  readonly groups: readonly SlotGroup[]
  readonly layers: number
  readonly heads: number
  readonly headWidth: number
  readonly vocabularySize: number
  readonly hiddenSize: number
}

/**
 * Builds the graph that reads S new tokens into each of B rows which hold up to T tokens already.
 *
 * Prompts and single tokens run through the same graph, so that the base weights exist once. Only the new keys and
 * values come out: returning the whole cache would copy it.
 *
 * Feeds: `ids`, `positions` `[B, S]`; `pastMask` `[B, 1, 1, 1, T]`; `causalMask` `[1, 1, S, 1, S]`; `wanted` `[N]`,
 * tokens (flat over B and S) whose logits come out; `pastKeys.l` `[B, KV, 1, D, T]`, `pastValues.l`
 * `[B, KV, 1, T, D]`; for each group of layers with one input `name.a` `[B, input, R*k]` for its k members side by side,
 * and for each member `name.b` `[B, R, output]`; `[1, ...]` where all rows have the same.
 * Results: `logits` `[N, V]`, `likeliest` `[N]` and the log-probabilities `logprobs` `[N, 1]` of those, `hidden` `[N, C]` that they were made of, `keys.l` `[B, KV, D, S]`, `values.l` `[B, KV, S, D]`.
 *
 * @param hasAdapters - Whether every row has adapter slots.
 * @param precision - `int8` and `int4` keep the linear layers and the head in 8 and 4 bits; adapters, norms and attention stay
 *   float32.
 */
export function buildDecoderGraph(
  { config, weights }: { readonly config: LlamaConfig; readonly weights: ReadonlyMap<string, Float32Array> },
  hasAdapters: boolean,
  precision: DecoderPrecision = 'f32',
): DecoderGraph {
  const { layers, keyValueHeads: heads, headSize: headWidth, vocabularySize } = config
  const graph = createGraph()
  const ids = graph.input('ids', 'int64', ['B', 'S'])
  const positions = graph.input('positions', 'int64', ['B', 'S'])
  const wanted = graph.input('wanted', 'int64', ['N'])
  const lookup = Llama.constantWeights(graph, weights, weightShapes(config))
  const outputs: Record<string, Tensor> = {}

  const shapes = weightShapes(config)
  const linear = {
    f32: () => inFull(lookup),
    int8: () => inEightBits(graph, weights, shapes),
    int4: () => inFourBits(graph, weights, shapes),
  }[precision]()
  const groups: SlotGroup[] = []
  const base: Llama.Project = (layer, targets, x) =>
    targets.map((target) => {
      const name = `model.${linearName(layer, target)}`
      const y = linear(x, `${name}.weight`)
      return hasBias(config, target) ? Op.add(y, lookup(`${name}.bias`)) : y
    })
  /** Members of a group read their input once: one wide product down, then one product up for each. */
  const adapted: Llama.Project = (layer, targets, x) => {
    const sizes = targets.map((target) => linearSize(config, target))
    const inWidth = sizes[0]!.input
    const members = targets.map((target, i) => ({
      name: linearName(layer, target),
      outWidth: sizes[i]!.output,
    }))
    const group: SlotGroup = { name: groupName(layer, targets), inWidth, members }
    groups.push(group)
    const width = targets.length === 1 ? 'R' : `R*${targets.length}`
    const down = Op.matmul(x, graph.input(`${group.name}.a`, 'float32', ['B', inWidth, width]))
    const apart = targets.length === 1 ? down : Op.reshape(down, ['B', 'S', targets.length, 'R'])
    return base(layer, targets, x).map((y, i) => {
      const own = targets.length === 1 ? down : Op.reshape(Op.slice(apart, 2, i, i + 1), ['B', 'S', 'R'])
      const { name, outWidth } = members[i]!
      return Op.add(y, Op.matmul(own, graph.input(`${name}.b`, 'float32', ['B', 'R', outWidth])))
    })
  }
  const parts: Llama.Parts = {
    weights: lookup,
    project: hasAdapters ? adapted : base,
    attend: cachedAttention(config, graph, outputs),
    positions,
    rotary: Llama.rotaryTables(graph, config),
  }
  const hidden = Llama.transform(config, parts, Llama.embed(lookup, ids))
  const wantedHidden = Op.gather(Op.flattenRows(hidden), wanted)
  outputs['hidden'] = wantedHidden
  const logits = linear(wantedHidden, Llama.headName(config))
  outputs['logits'] = logits
  outputs['likeliest'] = Op.cast(Op.argMax(logits), 'int32')
  outputs['logprobs'] = Op.log(Op.max(Op.softmax(logits), [-1], true))
  return { outputs, groups, layers, heads, headWidth, vocabularySize, hiddenSize: config.hiddenSize }
}

/** How exactly the base model is kept. */
export const decoderPrecisions = ['f32', 'int8', 'int4'] as const
export type DecoderPrecision = (typeof decoderPrecisions)[number]

const groupName = (layer: number, targets: readonly LoraTarget[]): string =>
  `layers.${layer}.${targets.join('+')}`

type Linear = (x: Tensor, name: string) => Tensor

const inFull =
  (lookup: Llama.WeightLookup): Linear =>
  (x, name) =>
    Op.matmul(x, lookup(name), { transposeB: true })

/**
 * Products of whole numbers: beside those in 4 bits three times as fast with 8 rows or more (350 GF/s a core against 130), more
 * exact, and twice the memory.
 */
function inEightBits(
  graph: Graph,
  weights: ReadonlyMap<string, Float32Array>,
  shapes: ReadonlyMap<string, readonly number[]>,
): Linear {
  return (x, name) => {
    const [rows, columns] = shapes.get(name) as readonly [number, number]
    const { codes, scales } = toEightBits(weights.get(name)!, rows)
    return Op.matmulInt8(
      x,
      graph.constant(codes, [columns, rows], `${name}.codes`),
      graph.constant(scales, [rows], `${name}.scales`),
    )
  }
}

/** Products with 8-bit activations: 4 to 7 times as fast as float32 with few rows, where reading weights takes the time. */
function inFourBits(
  graph: Graph,
  weights: ReadonlyMap<string, Float32Array>,
  shapes: ReadonlyMap<string, readonly number[]>,
): Linear {
  return (x, name) => {
    const [rows, columns] = shapes.get(name) as readonly [number, number]
    const { packed, scales } = quantise(weights.get(name)!)
    const shape = [rows, columns / BLOCK]
    return Op.matmulQuantised(
      x,
      graph.bytes(packed, [...shape, BLOCK / 2], `${name}.packed`),
      graph.constant(scales, shape, `${name}.scales`),
      4,
    )
  }
}

/**
 * Attends to cached tokens and to the new ones before it, as two products joined by one softmax, so that the cache is
 * never copied behind the new keys.
 */
function cachedAttention(
  config: LlamaConfig,
  graph: ReturnType<typeof createGraph>,
  outputs: Record<string, Tensor>,
): Llama.Attend {
  const { heads, keyValueHeads, headSize } = config
  const group = heads / keyValueHeads
  const pastMask = graph.input('pastMask', 'float32', ['B', 1, 1, 1, 'T'])
  const causalMask = graph.input('causalMask', 'float32', [1, 1, 'S', 1, 'S'])
  const scale = headSize ** -0.5
  return (layer, query, key, value) => {
    const split = (x: Tensor, order: readonly number[]): Tensor =>
      Op.transpose(Op.reshape(x, ['B', 'S', keyValueHeads, headSize]), order)
    const newKeys = split(key, [0, 2, 3, 1])
    const newValues = split(value, [0, 2, 1, 3])
    outputs[`keys.${layer}`] = newKeys
    outputs[`values.${layer}`] = newValues
    const pastKeys = graph.input(`pastKeys.${layer}`, 'float32', ['B', keyValueHeads, 1, headSize, 'T'])
    const pastValues = graph.input(`pastValues.${layer}`, 'float32', ['B', keyValueHeads, 1, 'T', headSize])

    // all queries that share a key-value head in one product, which for a single token is the whole group
    const grouped = Op.transpose(
      Op.reshape(query, ['B', 'S', keyValueHeads, group, headSize]),
      [0, 2, 1, 3, 4],
    )
    const onPast = Op.add(Op.matmul(grouped, pastKeys, { scale }), pastMask)
    const keysHere = Op.reshape(newKeys, ['B', keyValueHeads, 1, headSize, 'S'])
    const onNew = Op.add(Op.matmul(grouped, keysHere, { scale }), causalMask)
    const largest = Op.max(Op.concat([Op.max(onPast, [-1], true), Op.max(onNew, [-1], true)], -1), [-1], true)
    const weightPast = Op.exp(Op.subtract(onPast, largest))
    const weightNew = Op.exp(Op.subtract(onNew, largest))
    const total = Op.add(Op.sum(weightPast, [-1], true), Op.sum(weightNew, [-1], true))
    const valuesHere = Op.reshape(newValues, ['B', keyValueHeads, 1, 'S', headSize])
    const mixed = Op.divide(
      Op.add(Op.matmul(weightPast, pastValues), Op.matmul(weightNew, valuesHere)),
      total,
    )
    return Op.reshape(Op.transpose(mixed, [0, 2, 1, 3, 4]), ['B', 'S', heads * headSize])
  }
}
