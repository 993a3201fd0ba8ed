import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Safetensors } from '../index.ts'

const tensorOf = (values: number[]) => ({ shape: [values.length], data: Float32Array.from(values) })
const file = fc.dictionary(
  fc.string({ minLength: 1 }).filter((name) => name !== '__metadata__' && name !== '__proto__'),
  fc.array(fc.float()),
)

describe('safetensors', () => {
  test('float32 round trips bit for bit', () => {
    void fc.assert(
      fc.property(file, (content) => {
        const tensors = new Map(Object.entries(content).map(([name, values]) => [name, tensorOf(values)]))
        const decoded = Safetensors.decode(Safetensors.encode(tensors, 'F32', { note: 'x' }))
        expect(decoded.metadata).toEqual({ note: 'x' })
        expect([...decoded.tensors].sort()).toEqual([...tensors].sort())
      }),
    )
  })

  test('half types round to the nearest, ties to even', () => {
    const values = [1, -0.5, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 65504, 2 ** -24, Number.POSITIVE_INFINITY]
    const read = (type: 'F16' | 'BF16', numbers: number[]) => [
      ...Safetensors.decode(Safetensors.encode(new Map([['x', tensorOf(numbers)]]), type)).tensors.get('x')!
        .data,
    ]
    expect(read('F16', values)).toEqual([1, -0.5, 1, 1 + 2 ** -9, 65504, 2 ** -24, Number.POSITIVE_INFINITY])
    expect(read('BF16', [1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -3])).toEqual([1, 1, 1 + 2 ** -6, -3])
    expect(read('BF16', [Number.NaN])[0]).toBeNaN()
  })

  test('a damaged file is refused, never read wrongly', () => {
    const whole = Safetensors.encode(
      new Map([
        ['a', tensorOf([1, 2])],
        ['b', tensorOf([3])],
      ]),
    )
    const refused = (bytes: Uint8Array) =>
      expect(() => Safetensors.decode(bytes)).toThrow(Safetensors.SafetensorsError)
    for (let length = 0; length < whole.length; length++) refused(whole.subarray(0, length))
    refused(Uint8Array.of(...whole, 0))
    void fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        refused(bytes)
      }),
    )
    const withHeader = (header: unknown, size = 12) => {
      const json = new TextEncoder().encode(JSON.stringify(header))
      const bytes = new Uint8Array(8 + json.length + size)
      new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true)
      bytes.set(json, 8)
      return bytes
    }
    const good = { dtype: 'F32', shape: [3], data_offsets: [0, 12] }
    expect(Safetensors.decode(withHeader({ a: good })).tensors.size).toBe(1)
    for (const bad of [
      { a: { ...good, dtype: 'I64' } },
      { a: { ...good, dtype: 'toString' } },
      { a: { ...good, shape: [4] } },
      { a: { ...good, shape: [-3] } },
      { a: { ...good, data_offsets: [4, 16] } },
      { a: { ...good, shape: [1e300, 1e300] } },
      { a: good, b: good },
      { a: null },
      { a: good, __metadata__: { x: 1 } },
      [],
      null,
      'text',
    ]) {
      refused(withHeader(bad))
    }
  })
})
