import { type Node, nodesFor, type Tensor, type TensorData } from './Graph.ts'
import { dequantise } from './Quantised.ts'
import type { Feed } from './Session.ts'

/** Elements in double precision, whatever the element type in the graph. */
type Value = { readonly data: Float64Array; readonly shape: readonly number[] }

/**
 * Runs a graph slowly and plainly in double precision: the oracle of the tests, independent of ONNX Runtime.
 * @param outputs - Result name to tensor.
 */
export function evaluate<Output extends string>(
  outputs: Readonly<Record<Output, Tensor>>,
  feeds: Readonly<Record<string, Feed>> = {},
): Record<Output, Value> {
  const values = new Map<number, Value>()
  for (const node of nodesFor(Object.values(outputs))) {
    const inputs = node.inputs.map((input) => values.get(input.id)!)
    const made = node.operation === 'input' ? [fed(node.outputs[0]!, feeds)] : apply(node, inputs)
    made.forEach((value, index) => {
      values.set(node.outputs[index]!.id, value)
    })
  }
  const result = {} as Record<Output, Value>
  for (const name of Object.keys(outputs) as Output[]) result[name] = values.get(outputs[name].id)!
  return result
}

const widen = (data: TensorData): Float64Array => Float64Array.from(data as Float32Array, Number)

function fed(tensor: Tensor, feeds: Readonly<Record<string, Feed>>): Value {
  const feed = feeds[tensor.name]!
  return 'shape' in feed
    ? { data: widen(feed.data), shape: feed.shape }
    : { data: widen(feed), shape: tensor.shape as number[] }
}

const count = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1)

function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!
  return strides
}

/** Builds a value from a function of the coordinates. */
function build(shape: readonly number[], element: (at: number[]) => number): Value {
  const data = new Float64Array(count(shape))
  const at = new Array<number>(shape.length).fill(0)
  for (let i = 0; i < data.length; i++) {
    data[i] = element(at)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++at[axis]! < shape[axis]!) break
      at[axis] = 0
    }
  }
  return { data, shape }
}

/** Reads with broadcasting: extra leading coordinates are ignored, axes of length 1 repeat. */
function read({ data, shape }: Value, at: readonly number[]): number {
  const strides = stridesOf(shape)
  const extra = at.length - shape.length
  let index = 0
  for (let axis = 0; axis < shape.length; axis++) {
    if (shape[axis] !== 1) index += strides[axis]! * at[axis + extra]!
  }
  return data[index]!
}

function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1
    const right = b[axis - rank + b.length] ?? 1
    return left === 1 ? right : left
  })
}

const binary = (a: Value, b: Value, f: (x: number, y: number) => number): Value[] => [
  build(broadcastShape(a.shape, b.shape), (at) => f(read(a, at), read(b, at))),
]

const unary = (x: Value, f: (value: number) => number): Value[] => [{ data: x.data.map(f), shape: x.shape }]

/** Splits into rows of the last axis. */
function rowsOf(x: Value): Float64Array[] {
  const width = x.shape.at(-1)!
  return Array.from({ length: x.data.length / width }, (_, row) =>
    x.data.subarray(row * width, (row + 1) * width),
  )
}

function fromRows(rows: readonly Float64Array[], shape: readonly number[]): Value {
  const data = new Float64Array(count(shape))
  let offset = 0
  for (const row of rows) {
    data.set(row, offset)
    offset += row.length
  }
  return { data, shape }
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

function apply(node: Node, inputs: readonly Value[]): Value[] {
  const [x, y] = inputs as [Value, Value]
  const attributes = node.attributes as Record<string, number>
  switch (node.operation) {
    case 'input':
      return []
    case 'constant':
      return [{ data: widen(node.data!), shape: node.outputs[0]!.shape as number[] }]
    case 'add':
      return binary(x, y, (a, b) => a + b)
    case 'subtract':
      return binary(x, y, (a, b) => a - b)
    case 'multiply':
      return binary(x, y, (a, b) => a * b)
    case 'divide':
      return binary(x, y, (a, b) => a / b)
    case 'less':
      return binary(x, y, (a, b) => (a < b ? 1 : 0))
    case 'negate':
      return unary(x, (a) => -a)
    case 'exp':
      return unary(x, Math.exp)
    case 'log':
      return unary(x, Math.log)
    case 'sqrt':
      return unary(x, Math.sqrt)
    case 'sigmoid':
      return unary(x, sigmoid)
    case 'silu':
      return unary(x, (a) => a * sigmoid(a))
    case 'cast':
      return unary(x, node.outputs[0]!.dataType === 'float32' ? (a) => a : Math.trunc)
    case 'matmul':
      return [matmul(node, x, y)]
    case 'matmulQuantised': {
      const weights = dequantise({
        packed: Uint8Array.from(y.data),
        scales: Float32Array.from(inputs[2]!.data),
      })
      const rows = rowsOf(x).map((row) =>
        Float64Array.from({ length: y.shape[0]! }, (_, n) =>
          row.reduce((sum, value, k) => sum + value * weights[n * row.length + k]!, 0),
        ),
      )
      return [fromRows(rows, [...x.shape.slice(0, -1), y.shape[0]!])]
    }
    case 'matmulInt8': {
      const width = y.shape[1]!
      const rows = rowsOf(x).map((row) => {
        const step = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
        return Float64Array.from({ length: width }, (_, n) =>
          row.reduce(
            (sum, value, k) =>
              sum + Math.round(value / step) * step * y.data[k * width + n]! * inputs[2]!.data[n]!,
            0,
          ),
        )
      })
      return [fromRows(rows, [...x.shape.slice(0, -1), width])]
    }
    case 'transpose': {
      const order = node.attributes.order as readonly number[]
      const shape = order.map((axis) => x.shape[axis]!)
      return [
        build(shape, (at) => {
          const from = new Array<number>(at.length)
          order.forEach((axis, i) => {
            from[axis] = at[i]!
          })
          return read(x, from)
        }),
      ]
    }
    case 'reshape':
      return [{ data: x.data, shape: y ? y.shape : reshapeOf(node, x) }]
    case 'expand': {
      const shape = y ? y.shape : (node.outputs[0]!.shape as number[])
      return [build(shape, (at) => read(x, at))]
    }
    case 'slice': {
      const { axis, start, end } = attributes as { axis: number; start: number; end: number }
      const shape = x.shape.map((dim, i) => (i === axis ? end - start : dim))
      return [build(shape, (at) => read(x, at.with(axis, at[axis]! + start)))]
    }
    case 'pad': {
      const { axis, before, after } = attributes as { axis: number; before: number; after: number }
      const shape = x.shape.map((dim, i) => (i === axis ? dim + before + after : dim))
      return [
        build(shape, (at) => {
          const from = at[axis]! - before
          return from < 0 || from >= x.shape[axis]! ? 0 : read(x, at.with(axis, from))
        }),
      ]
    }
    case 'concat':
      return [concat(attributes.axis!, inputs)]
    case 'sum':
    case 'mean':
    case 'max':
    case 'logSumExp':
      return [reduce(node, x)]
    case 'argMax':
      return [
        {
          data: Float64Array.from(rowsOf(x), (row) => row.indexOf(Math.max(...row))),
          shape: x.shape.slice(0, -1),
        },
      ]
    case 'cumulativeSum':
      return [
        fromRows(
          rowsOf(x).map((row) => {
            let total = 0
            return row.map((value) => (total += value))
          }),
          x.shape,
        ),
      ]
    case 'softmax':
      return [
        fromRows(
          rowsOf(x).map((row) => {
            const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
            const powers = row.map((value) => Math.exp(value - top))
            const total = powers.reduce((a, b) => a + b, 0)
            return powers.map((value) => value / total)
          }),
          x.shape,
        ),
      ]
    case 'rmsNorm': {
      const scales = rowsOf(x).map(
        (row) => 1 / Math.sqrt(row.reduce((a, b) => a + b * b, 0) / row.length + attributes.epsilon!),
      )
      const normal = rowsOf(x).map((row, i) => row.map((value, j) => value * scales[i]! * y.data[j]!))
      return [
        fromRows(normal, x.shape),
        { data: Float64Array.from(scales), shape: [...x.shape.slice(0, -1), 1] },
      ]
    }
    case 'rotate':
      return [rotate(node, inputs)]
    case 'gather': {
      const width = count(x.shape.slice(1))
      const rows = [...y.data].map((index) => x.data.subarray(index * width, (index + 1) * width))
      return [fromRows(rows, [...y.shape, ...x.shape.slice(1)])]
    }
    case 'gatherLast':
      return [{ data: Float64Array.from(rowsOf(x), (row, i) => row[y.data[i]!]!), shape: y.shape }]
    case 'scatterRows': {
      const width = x.shape[1]!
      const data = new Float64Array(attributes.rows! * width)
      for (let i = 0; i < x.data.length; i++) {
        data[y.data[Math.floor(i / width)]! * width + (i % width)]! += x.data[i]!
      }
      return [{ data, shape: [attributes.rows!, width] }]
    }
    case 'after':
      return [x]
    case 'custom':
      return [inputs.at(-1)!]
    default:
      return node.operation satisfies never
  }
}

function matmul(node: Node, a: Value, b: Value): Value {
  const { transposeA, transposeB, scale } = node.attributes as {
    transposeA: boolean
    transposeB: boolean
    scale: number
  }
  const inner = a.shape.at(transposeA ? -2 : -1)!
  const leading = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2))
  const shape = [...leading, a.shape.at(transposeA ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!]
  return build(shape, (at) => {
    const batch = at.slice(0, -2)
    const row = at.at(-2)!
    const column = at.at(-1)!
    let total = 0
    for (let k = 0; k < inner; k++) {
      total +=
        read(a, [...batch, ...(transposeA ? [k, row] : [row, k])]) *
        read(b, [...batch, ...(transposeB ? [column, k] : [k, column])])
    }
    return total * scale
  })
}

function reshapeOf(node: Node, x: Value): number[] {
  const from = node.inputs[0]!.shape
  const shape = node.outputs[0]!.shape.map((dim, axis) =>
    typeof dim === 'number' ? dim : from[axis] === dim ? x.shape[axis]! : -1,
  )
  const known = shape.reduce((product, dim) => (dim === -1 ? product : product * dim), 1)
  return shape.map((dim) => (dim === -1 ? x.data.length / known : dim))
}

function concat(axis: number, parts: readonly Value[]): Value {
  const starts: number[] = []
  let total = 0
  for (const part of parts) {
    starts.push(total)
    total += part.shape[axis]!
  }
  const shape = parts[0]!.shape.map((dim, i) => (i === axis ? total : dim))
  return build(shape, (at) => {
    const index = starts.findLastIndex((start) => start <= at[axis]!)
    return read(parts[index]!, at.with(axis, at[axis]! - starts[index]!))
  })
}

function reduce(node: Node, x: Value): Value {
  const { axes, keepAxes } = node.attributes as { axes: readonly number[]; keepAxes: boolean }
  const kept = x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
  const groups = Array.from({ length: count(kept) }, (): number[] => [])
  const strides = stridesOf(kept)
  const full = stridesOf(x.shape)
  for (let i = 0; i < x.data.length; i++) {
    let group = 0
    for (let axis = 0; axis < kept.length; axis++) {
      if (kept[axis] !== 1) group += strides[axis]! * (Math.floor(i / full[axis]!) % x.shape[axis]!)
    }
    groups[group]!.push(x.data[i]!)
  }
  const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
  const folds: Record<string, (values: readonly number[]) => number> = {
    sum: total,
    mean: (values) => total(values) / values.length,
    max: (values) => Math.max(...values),
    logSumExp: (values) => {
      const top = Math.max(...values)
      return top + Math.log(total(values.map((value) => Math.exp(value - top))))
    },
  }
  const shape = keepAxes ? kept : x.shape.filter((_, axis) => !axes.includes(axis))
  return { data: Float64Array.from(groups, folds[node.operation]!), shape }
}

function rotate(node: Node, [x, positions, cosine, sine]: readonly Value[]): Value {
  const half = cosine!.shape[1]!
  const sign = node.attributes.inverse ? -1 : 1
  return build(x!.shape, (at) => {
    const [b, t, c] = at as [number, number, number]
    const within = c % (2 * half)
    const pair = within % half
    const row = read(positions!, [b, t])
    const cos = read(cosine!, [row, pair])
    const sin = sign * read(sine!, [row, pair])
    const other = within < half ? c + half : c - half
    return read(x!, at) * cos + (within < half ? -1 : 1) * read(x!, [b, t, other]) * sin
  })
}
