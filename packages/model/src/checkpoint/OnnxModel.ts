import { BaseError } from '@openledger/primitives'
import { createGraph, Onnx, Op, type Tensor } from '@openledger/tensor'
import * as Llama from '../Llama.ts'
import { type LlamaConfig, weightShapes } from './Config.ts'

/** A file holds one protobuf message, which may not be larger. */
const BYTES_MAX = 2 ** 31 - 1

/**
 * Writes a model as an ONNX file that continues text with a cache, under the names that Hugging Face's tools give.
 *
 * Inputs: `input_ids`, `position_ids` `[batch, sequence]`, `attention_mask` `[batch, total]` (int64, 0 hides a token),
 * `past_key_values.L.key` and `.value` `[batch, KV, past, D]` (float32; `past` may be 0). Results: `logits`
 * `[batch, sequence, V]`, `present.L.key` and `.value` `[batch, KV, total, D]`. Operators of ONNX alone, operator set 21;
 * weights are float32 under their Hugging Face names. A sliding window is not written: keep contexts within it.
 *
 * @throws {OnnxSizeError}
 * @see Hugging Face Optimum, "text-generation-with-past".
 */
export function encode({
  config,
  weights,
}: {
  readonly config: LlamaConfig
  readonly weights: ReadonlyMap<string, Float32Array>
}): Uint8Array {
  let sizeBytes = 0
  for (const { byteLength } of weights.values()) sizeBytes += byteLength
  if (sizeBytes > BYTES_MAX) throw new OnnxSizeError(sizeBytes)
  const graph = createGraph()
  const ids = graph.input('input_ids', 'int64', ['batch', 'sequence'])
  const mask = graph.input('attention_mask', 'int64', ['batch', 'total'])
  const positions = graph.input('position_ids', 'int64', ['batch', 'sequence'])
  const lookup = Llama.constantWeights(graph, weights, weightShapes(config))
  const presents: Record<string, Tensor> = {}
  const { keyValueHeads, heads, headSize } = config
  const group = heads / keyValueHeads

  // numbers of the new tokens from 1; a token sees those that are not after it
  const counted = Op.cumulativeSum(Op.add(Op.multiply(Op.cast(ids, 'float32'), 0), 1))
  const asRows = Op.reshape(counted, ['batch', 1, 1, 'sequence', 1])
  const asColumns = Op.reshape(counted, ['batch', 1, 1, 1, 'sequence'])
  const isLater = Op.cast(Op.less(asRows, asColumns), 'float32')
  const padding = Op.reshape(Op.add(Op.negate(Op.cast(mask, 'float32')), 1), ['batch', 1, 1, 1, 'total'])
  let hidden: Tensor | undefined

  const attend: Llama.Attend = (layer, query, key, value) => {
    const cached = (name: 'key' | 'value', x: Tensor): Tensor => {
      const shape = ['batch', keyValueHeads, 'past', headSize]
      const past = graph.input(`past_key_values.${layer}.${name}`, 'float32', shape)
      const apart = Op.reshape(x, ['batch', 'sequence', keyValueHeads, headSize])
      const all = Op.concat([past, Op.transpose(apart, [0, 2, 1, 3])], 2, 'total')
      presents[`present.${layer}.${name}`] = all
      if (name === 'key' && hidden === undefined) hidden = hiddenFrom(past)
      return Op.reshape(all, ['batch', keyValueHeads, 1, 'total', headSize])
    }
    const keys = cached('key', key)
    const values = cached('value', value)
    const grouped = Op.transpose(
      Op.reshape(query, ['batch', 'sequence', keyValueHeads, group, headSize]),
      [0, 2, 3, 1, 4],
    )
    const scores = Op.matmul(grouped, keys, { transposeB: true, scale: headSize ** -0.5 })
    const mixed = Op.matmul(Op.softmax(Op.add(scores, hidden!)), values)
    return Op.reshape(Op.transpose(mixed, [0, 3, 1, 2, 4]), ['batch', 'sequence', heads * headSize])
  }
  /** What scores of tokens lose that may not be seen, `[batch, 1, 1, sequence, total]`: later ones, and padding. */
  const hiddenFrom = (past: Tensor): Tensor => {
    const zeros = Op.multiply(Op.sum(past, [1, 3]), 0)
    const onPast = Op.add(Op.multiply(asRows, 0), Op.reshape(zeros, ['batch', 1, 1, 1, 'past']))
    const later = Op.concat([onPast, isLater], -1, 'total')
    return Op.multiply(Op.add(later, padding), HIDDEN)
  }

  const last = Llama.transform(
    config,
    {
      weights: lookup,
      project: Llama.baseProject(lookup, config),
      attend,
      positions,
      rotary: Llama.rotaryTables(graph, config),
    },
    Llama.embed(lookup, ids),
  )
  const logits = Llama.head(config, lookup, last)
  return Onnx.encode({ logits, ...presents }, { isPortable: true }).bytes
}

/** Far below any score, and finite, so that a row without any visible token becomes no NaN. */
const HIDDEN = -1e9

export class OnnxSizeError extends BaseError {
  constructor(sizeBytes: number) {
    super({
      code: 'export.onnx_size',
      message: `Expected weights of less than 2 GB, which one ONNX file holds, got ${(sizeBytes / 1e9).toFixed(1)} GB. Export the merged checkpoint instead and convert it with Optimum.`,
      context: { sizeBytes },
    })
  }
}
