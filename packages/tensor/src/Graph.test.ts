import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createGraph, createSession, gradients, Op, Reference, Shapes } from './index.ts'
import * as Protobuf from './Protobuf.ts'

describe('graphs', () => {
  test('named axes take their length when the session runs', async () => {
    const graph = createGraph()
    const x = graph.input('x', 'float32', ['B', 'T', 6])
    const weight = graph.constant(
      Float32Array.from({ length: 12 }, (_, i) => i / 10),
      [2, 6],
    )
    const heads = Op.transpose(Op.reshape(x, ['B', 'T', 3, 2]), [0, 2, 1, 3])
    const back = Op.reshape(Op.transpose(heads, [0, 2, 1, 3]), ['B', 'T', 6])
    const y = Op.matmul(Op.silu(back), weight, { transposeB: true })
    const flat = Op.flattenRows(y)
    expect(flat.shape).toEqual(['B*T', 2])
    const [slope] = gradients(flat, [x])
    const session = await createSession({ flat, slope: slope! })
    for (const [rows, tokens] of [
      [1, 3],
      [2, 2],
    ] as const) {
      const data = Float32Array.from({ length: rows * tokens * 6 }, (_, i) => Math.sin(i))
      const feeds = { x: { data, shape: [rows, tokens, 6] } }
      const found = await session.run(feeds)
      const wanted = Reference.evaluate({ flat, slope: slope! }, feeds)
      expect(found.flat.shape).toEqual([rows * tokens, 2])
      for (const name of ['flat', 'slope'] as const) {
        wanted[name].data.forEach((value, i) => {
          expect(Number(found[name].data[i])).toBeCloseTo(value, 5)
        })
      }
    }
    await session.release()
  })

  test('one gradient per example comes from an expanded tensor', async () => {
    const graph = createGraph()
    const x = graph.input('x', 'float32', [3, 2, 4])
    const weight = graph.input('weight', 'float32', [4, 2])
    const copies = Op.expand(weight, [3, 4, 2])
    const [each] = gradients(Op.silu(Op.matmul(x, copies)), [copies])
    const [together] = gradients(Op.silu(Op.matmul(x, weight)), [weight])
    const feeds = {
      x: Float32Array.from({ length: 24 }, (_, i) => Math.cos(i)),
      weight: Float32Array.from({ length: 8 }, (_, i) => Math.sin(i)),
    }
    const found = Reference.evaluate({ each: each!, sum: Op.sum(each!, [0]), together: together! }, feeds)
    expect(found.each.shape).toEqual([3, 4, 2])
    found.sum.data.forEach((value, i) => {
      expect(value).toBeCloseTo(found.together.data[i]!, 12)
    })
  })

  test('shapes that do not fit are refused where the graph is built', () => {
    const graph = createGraph()
    const a = graph.input('a', 'float32', [2, 3])
    const named = graph.input('named', 'float32', ['B', 'T'])
    const ids = graph.input('ids', 'int32', [2])
    expect(() => Op.add(a, graph.input('b', 'float32', [2]))).toThrow('[2, 3] and [2]')
    expect(() => Op.add(a, ids)).toThrow('one element type')
    expect(() => Op.matmul(a, a)).toThrow('inner axes')
    expect(() => Op.reshape(a, [7])).toThrow('as many elements')
    expect(() => Op.reshape(named, ['T', 'B'])).toThrow('at most one named axis')
    expect(() => Op.slice(a, 1, 0, 4)).toThrow('range within axis')
    expect(() => Op.slice(named, 0, 0, 1)).toThrow('range within axis')
    expect(() => Op.sum(a, [2])).toThrow('an axis of [2, 3]')
    expect(() => Op.gather(a, a)).toThrow('integer indices')
    expect(() => Op.expand(a, [2, 6])).toThrow(Shapes.ShapeError)
    expect(() => graph.constant(new Float32Array(5), [2, 3])).toThrow('6 elements')
    expect(() => graph.input('a', 'float32', [1])).toThrow('a again')
    expect(() => Op.add(a, createGraph().input('c', 'float32', [3]))).toThrow('of another')
    expect(() => gradients(Op.max(a, [0]), [a])).toThrow('max has none')
    expect(() => gradients(Op.exp(a), [graph.input('d', 'float32', [1])])).toThrow('does not depend')
  })

  test('feeds of another type, length or shape are refused before they reach the runtime', async () => {
    const graph = createGraph()
    const x = graph.input('x', 'float32', ['B', 2])
    const session = await createSession({ y: Op.exp(x) })
    await expect(session.run({})).rejects.toThrow('got nothing')
    await expect(session.run({ x: { data: new Int32Array(2), shape: [1, 2] } })).rejects.toThrow('int32')
    await expect(session.run({ x: { data: new Float32Array(3), shape: [1, 2] } })).rejects.toThrow(
      '3 elements',
    )
    await expect(session.run({ x: { data: new Float32Array(3), shape: [1, 3] } })).rejects.toThrow('[B, 2]')
    await expect(session.run({ x: new Float32Array(2) })).rejects.toThrow('[B, 2]')
    const { y } = await session.run({ x: { data: new Float32Array(2), shape: [1, 2] } })
    expect([...y.data]).toEqual([1, 1])
    await session.release()
  })

  test('feeds in shared memory and in the middle of an array are read in place', async () => {
    const graph = createGraph()
    const session = await createSession({ y: Op.add(graph.input('x', 'float32', [2]), 1) })
    const shared = new Float32Array(new SharedArrayBuffer(16))
    shared.set([9, 1, 2, 9])
    expect([...(await session.run({ x: shared.subarray(1, 3) })).y.data]).toEqual([2, 3])
    shared[1] = 5
    expect([...(await session.run({ x: shared.subarray(1, 3) })).y.data]).toEqual([6, 3])
    await session.release()
  })
})

test('varints are those of the wire format', () => {
  const decode = (bytes: Uint8Array) =>
    BigInt.asIntN(
      64,
      bytes.reduceRight((value, byte) => (value << 7n) | BigInt(byte & 0x7f), 0n),
    )
  void fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      const target = Protobuf.message()
      Protobuf.varint(target, 1, value)
      const bytes = Protobuf.finish(target)
      expect(bytes[0]).toBe(8)
      expect(decode(bytes.subarray(1))).toBe(value)
      expect(bytes.subarray(1, -1).every((byte) => byte >= 0x80)).toBe(true)
    }),
  )
  const negative = Protobuf.message()
  Protobuf.varint(negative, 3, -1)
  expect([...Protobuf.finish(negative)]).toEqual([0x18, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1])
})
