import { describe, expect, test } from 'vitest'
import { tinyConfig } from '../../test/tinyConfig.ts'
import * as Adapter from './Adapter.ts'
import { createCheckpoint } from './Checkpoint.ts'
import { type LlamaConfig, linearSize, loraTargets } from './Config.ts'
import * as Gguf from './Gguf.ts'

const config: LlamaConfig = {
  ...tinyConfig,
  hiddenSize: 64,
  feedForwardSize: 96,
  heads: 4,
  keyValueHeads: 2,
  headSize: 16,
  contextMax: 64,
  isHeadTied: false,
  eosId: 2,
}
const checkpoint = createCheckpoint(config, 1)
const vocabulary = Gguf.vocabularyOf(
  {
    model: {
      vocab: Object.fromEntries(Array.from({ length: 37 }, (_, i) => [`t${i + 3}`, i + 3])),
      merges: [['a', 'b'], 'c d'],
    },
    added_tokens: ['<pad>', '<bos>', '<eos>'].map((content, id) => ({ id, content, special: true })),
  },
  40,
)

/** Reads a file by the text of docs/gguf.md, sharing nothing with the writer. */
function read(file: Uint8Array) {
  const view = new DataView(file.buffer, file.byteOffset)
  let at = 0
  const take = (count: number): number => {
    at += count
    return at - count
  }
  const u32 = () => view.getUint32(take(4), true)
  const u64 = () => Number(view.getBigUint64(take(8), true))
  const text = () => {
    const length = u64()
    const from = take(length)
    return new TextDecoder().decode(file.subarray(from, from + length))
  }
  const value = (type: number): unknown => {
    if (type === 4) return u32()
    if (type === 5) return view.getInt32(take(4), true)
    if (type === 6) return view.getFloat32(take(4), true)
    if (type === 7) return file[take(1)] === 1
    if (type === 8) return text()
    const item = u32()
    return Array.from({ length: u64() }, () => value(item))
  }
  expect(new TextDecoder().decode(file.subarray(0, 4))).toBe('GGUF')
  at = 4
  expect(u32()).toBe(3)
  const [tensorCount, keyCount] = [u64(), u64()]
  const metadata = Object.fromEntries(Array.from({ length: keyCount }, () => [text(), value(u32())]))
  const infos = Array.from({ length: tensorCount }, () => ({
    name: text(),
    lengths: Array.from({ length: u32() }, u64),
    type: u32(),
    offset: u64(),
  }))
  const start = Math.ceil(at / 32) * 32
  const tensors = new Map(
    infos.map(({ name, lengths, type, offset }) => {
      expect(offset % 32).toBe(0)
      const count = lengths.reduce((product, length) => product * length, 1)
      const from = start + offset
      const half = (position: number) => view.getFloat16(position, true)
      const element = (i: number): number => {
        const block = Math.floor(i / 32)
        const inside = i % 32
        if (type === 0) return view.getFloat32(from + 4 * i, true)
        if (type === 1) return half(from + 2 * i)
        if (type === 8) return half(from + 34 * block) * view.getInt8(from + 34 * block + 2 + inside)
        const byte = view.getUint8(from + 18 * block + 2 + (inside % 16))
        return half(from + 18 * block) * ((inside < 16 ? byte & 15 : byte >> 4) - 8)
      }
      return [name, { lengths, data: Float32Array.from({ length: count }, (_, i) => element(i)) }] as const
    }),
  )
  return { metadata, tensors }
}

/** Channel order of llama.cpp within a head: the two halves of Hugging Face in turns. */
const interleaved = (row: number): number => {
  const inside = row % 16
  return row - inside + (inside % 2) * 8 + Math.floor(inside / 2)
}

describe('a model as GGUF', () => {
  test('holds every weight, with the channels of q and k in the order of llama.cpp', () => {
    const { metadata, tensors } = read(
      Gguf.encodeModel(checkpoint, { type: 'F32', name: 'tiny', vocabulary }),
    )
    expect(tensors.size).toBe(checkpoint.weights.size)
    expect(metadata).toMatchObject({
      'general.architecture': 'llama',
      'llama.attention.head_count_kv': 2,
      'llama.rope.freq_base': 10_000,
      'tokenizer.ggml.merges': ['a b', 'c d'],
      'tokenizer.ggml.add_bos_token': true,
    })
    expect((metadata['tokenizer.ggml.token_type'] as number[]).slice(0, 4)).toEqual([3, 3, 3, 1])
    expect(tensors.get('blk.1.ffn_down.weight')).toEqual({
      lengths: [96, 64],
      data: checkpoint.weights.get('model.layers.1.mlp.down_proj.weight'),
    })
    const q = checkpoint.weights.get('model.layers.0.self_attn.q_proj.weight')!
    const expected = Float32Array.from(q, (_, i) => q[interleaved(Math.floor(i / 64)) * 64 + (i % 64)]!)
    expect(tensors.get('blk.0.attn_q.weight')!.data).toEqual(expected)
  })

  test('rounds each weight to the nearest step of its block', () => {
    const exact = checkpoint.weights.get('model.layers.0.mlp.up_proj.weight')!
    const largest = Math.max(...exact.map(Math.abs))
    for (const [type, steps] of [
      ['F16', 1_024],
      ['Q8_0', 127],
      ['Q4_0', 8],
    ] as const) {
      const { tensors } = read(Gguf.encodeModel(checkpoint, { type, name: 'tiny', vocabulary }))
      const stored = tensors.get('blk.0.ffn_up.weight')!.data
      const worst = Math.max(...stored.map((value, i) => Math.abs(value - exact[i]!)))
      // the step at the positive end of 4 bits is a whole one, since their codes go from -8 to 7
      expect(worst).toBeLessThan((type === 'Q4_0' ? 1.01 : 0.51) * (largest / steps))
      expect(tensors.get('output_norm.weight')!.data).toEqual(checkpoint.weights.get('model.norm.weight'))
    }
  })

  test('refuses a vocabulary of another size', () => {
    expect(() => Gguf.vocabularyOf({ model: { vocab: { a: 0 } } }, 3)).toThrow(
      expect.objectContaining({ code: 'model.gguf' }),
    )
    const short = { ...vocabulary, tokens: ['a'] }
    expect(() => Gguf.encodeModel(checkpoint, { type: 'F32', name: 'x', vocabulary: short })).toThrow(
      /40 tokens/,
    )
  })
})

test('an adapter as GGUF multiplies to what PEFT has, with q and k in the order of llama.cpp', () => {
  const adapter = Adapter.create(config, { rank: 4, alpha: 8, targets: loraTargets, seed: 3 })
  for (const { b } of adapter.tensors.values()) b.set(b.map((_, i) => Math.sin(i)))
  const { metadata, tensors } = read(Gguf.encodeAdapter(config, adapter))
  expect(metadata).toMatchObject({
    'general.type': 'adapter',
    'adapter.type': 'lora',
    'adapter.lora.alpha': 8,
  })
  for (const [name, target] of [
    ['blk.1.ffn_gate', 'gate_proj'],
    ['blk.1.attn_k', 'k_proj'],
  ] as const) {
    const { input, output } = linearSize(config, target)
    const down = tensors.get(`${name}.weight.lora_a`)!
    const up = tensors.get(`${name}.weight.lora_b`)!
    expect([down.lengths, up.lengths]).toEqual([
      [input, 4],
      [4, output],
    ])
    const ours = adapter.tensors.get(`layers.1.${target === 'k_proj' ? 'self_attn' : 'mlp'}.${target}`)!
    for (const [row, column] of [
      [0, 0],
      [5, 7],
      [output - 1, input - 1],
    ] as const) {
      const from = target === 'k_proj' ? interleaved(row) : row
      let theirs = 0
      let expected = 0
      for (let r = 0; r < 4; r++) {
        theirs += up.data[row * 4 + r]! * down.data[r * input + column]!
        expected += ours.a[column * 4 + r]! * ours.b[r * output + from]!
      }
      expect(theirs).toBeCloseTo(expected, 5)
    }
  }
})
