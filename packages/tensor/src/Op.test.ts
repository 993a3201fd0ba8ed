import { describe, expect, test } from 'vitest'
import {
  createGraph,
  createSession,
  type Graph,
  gradients,
  Op,
  quantise,
  Reference,
  recomputed,
  type Tensor,
  toEightBits,
} from './index.ts'

/** Numbers in (-1, 1) that depend on the seed alone. */
function numbers(count: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  })
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

type Case = {
  name: string
  /** Shapes of the float32 inputs `x0`, `x1`, ... */
  shapes: readonly (readonly number[])[]
  build: (graph: Graph, inputs: Tensor[]) => Tensor
  /** Maps inputs into the operation's domain. */
  domain?: (value: number) => number
  noGradient?: true
}

const positive = (value: number) => Math.abs(value) + 0.5
const integers = (graph: Graph, values: number[], shape: number[]) =>
  graph.constant(BigInt64Array.from(values, BigInt), shape)

const cases: Case[] = [
  { name: 'add broadcasts', shapes: [[2, 3], [3]], build: (_, [a, b]) => Op.add(a!, b!) },
  {
    name: 'subtract broadcasts',
    shapes: [
      [3, 1],
      [2, 1, 4],
    ],
    build: (_, [a, b]) => Op.subtract(a!, b!),
  },
  {
    name: 'multiply broadcasts',
    shapes: [
      [2, 3],
      [2, 1],
    ],
    build: (_, [a, b]) => Op.multiply(a!, b!),
  },
  {
    name: 'divide',
    shapes: [
      [2, 3],
      [2, 3],
    ],
    domain: positive,
    build: (_, [a, b]) => Op.divide(a!, b!),
  },
  { name: 'negate', shapes: [[4]], build: (_, [x]) => Op.negate(x!) },
  { name: 'exp', shapes: [[4]], build: (_, [x]) => Op.exp(x!) },
  { name: 'log', shapes: [[4]], domain: positive, build: (_, [x]) => Op.log(x!) },
  { name: 'sqrt', shapes: [[4]], domain: positive, build: (_, [x]) => Op.sqrt(x!) },
  { name: 'sigmoid', shapes: [[4]], build: (_, [x]) => Op.sigmoid(x!) },
  { name: 'silu', shapes: [[4]], build: (_, [x]) => Op.silu(x!) },
  {
    name: 'matmul of matrices',
    shapes: [
      [2, 3],
      [3, 4],
    ],
    build: (_, [a, b]) => Op.matmul(a!, b!),
  },
  {
    name: 'matmul with a shared right side, transposed and scaled',
    shapes: [
      [2, 3, 4],
      [5, 4],
    ],
    build: (_, [a, b]) => Op.matmul(a!, b!, { transposeB: true, scale: 0.5 }),
  },
  {
    name: 'matmul with the left side transposed',
    shapes: [
      [2, 4, 3],
      [2, 4, 5],
    ],
    build: (_, [a, b]) => Op.matmul(a!, b!, { transposeA: true }),
  },
  {
    name: 'matmul with both sides transposed',
    shapes: [
      [2, 4, 3],
      [2, 5, 4],
    ],
    build: (_, [a, b]) => Op.matmul(a!, b!, { transposeA: true, transposeB: true }),
  },
  {
    name: 'matmul of batches',
    shapes: [
      [2, 3, 4],
      [2, 4, 2],
    ],
    build: (_, [a, b]) => Op.matmul(a!, b!),
  },
  {
    name: 'matmul with weights in 4 bits',
    shapes: [[2, 3, 64]],
    build: (graph, [x]) => {
      const { packed, scales } = quantise(numbers(5 * 64, 7))
      return Op.matmulQuantised(x!, graph.bytes(packed, [5, 2, 16]), graph.constant(scales, [5, 2]), 1)
    },
  },
  {
    name: 'matmul with weights and rows in 8 bits',
    shapes: [[2, 3, 24]],
    noGradient: true,
    build: (graph, [x]) => {
      const { codes, scales } = toEightBits(numbers(5 * 24, 7), 5)
      return Op.matmulInt8(x!, graph.constant(codes, [24, 5]), graph.constant(scales, [5]))
    },
  },
  { name: 'transpose', shapes: [[2, 3, 4]], build: (_, [x]) => Op.transpose(x!, [2, 0, 1]) },
  { name: 'reshape', shapes: [[2, 6]], build: (_, [x]) => Op.reshape(x!, [3, 4]) },
  { name: 'flattenRows', shapes: [[2, 3, 4]], build: (_, [x]) => Op.flattenRows(x!) },
  { name: 'expand', shapes: [[3, 1]], build: (_, [x]) => Op.expand(x!, [2, 3, 4]) },
  { name: 'slice', shapes: [[3, 5]], build: (_, [x]) => Op.slice(x!, 1, 1, 4) },
  { name: 'pad', shapes: [[3, 2]], build: (_, [x]) => Op.pad(x!, 0, 2, 1) },
  {
    name: 'concat',
    shapes: [
      [2, 3],
      [2, 1],
    ],
    build: (_, [a, b]) => Op.concat([a!, b!], 1),
  },
  { name: 'sum', shapes: [[2, 3, 4]], build: (_, [x]) => Op.sum(x!, [0, 2]) },
  { name: 'mean', shapes: [[2, 3, 4]], build: (_, [x]) => Op.mean(x!, [-1], true) },
  { name: 'max', shapes: [[2, 3]], noGradient: true, build: (_, [x]) => Op.max(x!, [1]) },
  { name: 'logSumExp', shapes: [[2, 3]], build: (_, [x]) => Op.logSumExp(x!, [1]) },
  {
    name: 'argMax, the first on a tie',
    shapes: [[4, 3]],
    noGradient: true,
    build: (graph, [x]) =>
      Op.cast(
        Op.argMax(Op.concat([Op.multiply(x!, 0), x!, x!, graph.constant(numbers(4, 5), [4, 1])], 1)),
        'float32',
      ),
  },
  { name: 'cumulativeSum', shapes: [[2, 5]], noGradient: true, build: (_, [x]) => Op.cumulativeSum(x!) },
  {
    name: 'less and cast',
    shapes: [[6], [6]],
    noGradient: true,
    build: (_, [a, b]) => Op.cast(Op.less(a!, b!), 'float32'),
  },
  { name: 'softmax', shapes: [[2, 3, 4]], build: (_, [x]) => Op.softmax(x!) },
  { name: 'rmsNorm', shapes: [[2, 3, 4], [4]], build: (_, [x, w]) => Op.rmsNorm(x!, w!, 1e-5) },
  {
    name: 'rotate',
    shapes: [[2, 3, 8]],
    build: (graph, [x]) => {
      const angles = Array.from({ length: 10 }, (_, i) => i * 0.7)
      const cosine = graph.constant(Float32Array.from(angles, Math.cos), [5, 2])
      const sine = graph.constant(Float32Array.from(angles, Math.sin), [5, 2])
      return Op.rotate(x!, integers(graph, [0, 1, 2, 2, 3, 4], [2, 3]), cosine, sine, 2)
    },
  },
  {
    name: 'gather of rows, with a row taken twice',
    shapes: [[5, 3]],
    build: (graph, [x]) => Op.gather(x!, integers(graph, [1, 4, 1, 0], [2, 2])),
  },
  {
    name: 'gatherLast',
    shapes: [[2, 3, 4]],
    build: (graph, [x]) => Op.gatherLast(x!, integers(graph, [0, 3, 1, 2, 2, 0], [2, 3, 1])),
  },
  {
    name: 'scatterRows',
    shapes: [[3, 2]],
    noGradient: true,
    build: (graph, [x]) => Op.scatterRows(x!, integers(graph, [1, 3, 1], [3]), 4),
  },
  {
    name: 'a view that waits for another',
    shapes: [
      [2, 3],
      [4, 1],
    ],
    build: (_, [x, cause]) => Op.multiply(Op.after(x!, cause!), Op.sum(cause!, [0, 1])),
  },
  {
    name: 'a recomputed gradient',
    shapes: [
      [2, 3],
      [3, 2],
    ],
    build: (_, inputs) =>
      Op.exp(recomputed(inputs, ([x, y]) => Op.silu(Op.matmul(Op.softmax(Op.multiply(x!, x!)), y!)))),
  },
  {
    name: 'a custom gradient',
    shapes: [[2, 3]],
    build: (_, [x]) => {
      const square = Op.multiply(x!, x!)
      return Op.custom([x!], square, (g) => [Op.multiply(g, Op.multiply(x!, 2))])
    },
  },
]

describe('operations', () => {
  test.each(cases)(
    '$name: ONNX Runtime agrees with the reference, gradients with finite differences',
    async (item) => {
      const graph = createGraph()
      const inputs = item.shapes.map((shape, i) => graph.input(`x${i}`, 'float32', shape))
      const output = item.build(graph, inputs)
      const shape = output.shape as number[]
      const feeds = Object.fromEntries(
        item.shapes.map((own, i) => [`x${i}`, numbers(product(own), i + 1).map(item.domain ?? ((v) => v))]),
      )
      // a weighted sum, so that each output element has its own slope
      const weight = graph.constant(numbers(product(shape), 99), shape)
      const slopes = item.noGradient ? [] : gradients(output, inputs, weight)
      const outputs: Record<string, Tensor> = {
        output,
        total: Op.sum(
          Op.multiply(output, weight),
          shape.map((_, i) => i),
        ),
      }
      slopes.forEach((slope, i) => {
        outputs[`slope${i}`] = slope
      })

      const session = await createSession(outputs)
      const found = await session.run(feeds)
      await session.release()
      const wanted = Reference.evaluate(outputs, feeds)
      for (const name of Object.keys(outputs)) {
        expect(found[name]!.shape, name).toEqual(wanted[name]!.shape)
        wanted[name]!.data.forEach((value, i) => {
          expect(Math.abs(Number(found[name]!.data[i]) - value), `${name}[${i}]`).toBeLessThan(
            2e-5 * (1 + Math.abs(value)),
          )
        })
      }

      slopes.forEach((slope, i) => {
        expect(slope.shape).toEqual(item.shapes[i])
        const input = feeds[`x${i}`]!
        const total = (at: number, step: number) => {
          const moved = { data: Float32Array.from(input), shape: item.shapes[i]! }
          // float32 steps that are exact in binary keep the quotient clean
          moved.data[at] = Math.fround(moved.data[at]! + step)
          return {
            value: Reference.evaluate({ total: outputs.total! }, { ...feeds, [`x${i}`]: moved }).total
              .data[0]!,
            at: moved.data[at]!,
          }
        }
        for (let at = 0; at < input.length; at++) {
          const up = total(at, 2 ** -10)
          const down = total(at, -(2 ** -10))
          const numeric = (up.value - down.value) / (up.at - down.at)
          const derived = wanted[`slope${i}`]!.data[at]!
          expect(Math.abs(numeric - derived), `d/dx${i}[${at}]`).toBeLessThan(1e-4 * (1 + Math.abs(derived)))
        }
      })
    },
  )
})
