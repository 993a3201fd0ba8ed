import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { tinyConfig } from '../../test/tinyConfig.ts'
import * as Adapter from './Adapter.ts'
import { type LlamaConfig, loraTargets } from './Config.ts'
import * as Safetensors from './Safetensors.ts'

const config: LlamaConfig = {
  ...tinyConfig,
  vocabularySize: 16,
  hiddenSize: 8,
  feedForwardSize: 12,
  headSize: 4,
  contextMax: 16,
}
const adapter = Adapter.create(config, { rank: 2, alpha: 4, targets: loraTargets, seed: 1 })

test('is named by the SHA-256 of its file, as sha256sum and its CID name it', () => {
  const file = Adapter.encode(adapter)
  expect(adapter.hash).toBe(`0x${createHash('sha256').update(file).digest('hex')}`)
})

test('keeps its name when another program wrote the file and says more in it', () => {
  const { tensors, metadata } = Safetensors.decode(Adapter.encode(adapter))
  const other = Safetensors.encode(tensors, 'F32', { ...metadata, producer: 'another' })
  expect(other).not.toEqual(Adapter.encode(adapter))
  expect(Adapter.decode(config, other).hash).toBe(adapter.hash)
})

test('gets another name from one other value', () => {
  const [first, ...rest] = adapter.tensors
  const [name, { a, b }] = first!
  const changed = a.with(0, a[0]! + 1)
  const other = Adapter.from({ ...adapter, tensors: new Map([[name, { a: changed, b }], ...rest]) })
  expect(other.hash).not.toBe(adapter.hash)
})

test('is read as it was written, with the largest numbers there are, and refused with any that is not finite', () => {
  const withValue = (layer: number, part: 'a' | 'b', at: number, value: number): Uint8Array => {
    const tensors = new Map(
      [...adapter.tensors].map(([name, { a, b }], i) => {
        const pair = { a: a.slice(), b: b.slice() }
        if (i === layer) pair[part].fill(value, at, at + 1)
        return [name, pair]
      }),
    )
    return Adapter.encode({ ...adapter, tensors })
  }
  const largest = (2 - 2 ** -23) * 2 ** 127
  for (const value of [largest, -largest, -0, 2 ** -149]) {
    const read = Adapter.decode(config, withValue(3, 'b', 5, value))
    expect([...read.tensors.values()][3]!.b[5]).toBe(value)
    expect(Adapter.encode(read)).toEqual(withValue(3, 'b', 5, value))
  }
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    expect(() => Adapter.decode(config, withValue(0, 'a', 0, value))).toThrow(/lora_A.*not finite/)
    expect(() => Adapter.decode(config, withValue(13, 'b', 3, value))).toThrow(/lora_B.*not finite/)
  }
})
