import type { DataType, Graph, Node, OperationName, Tensor } from './Graph.ts'
import { BLOCK } from './Quantised.ts'
import { axisOf, broadcast, type Dim, equals, format, type Shape, ShapeError } from './Shape.ts'

type Attributes = Node['attributes']

function append(
  operation: OperationName,
  inputs: readonly Tensor[],
  shape: Shape,
  attributes: Attributes = {},
  dataType: DataType = inputs[0]!.dataType,
): Tensor {
  for (const input of inputs) inputs[0]!.graph.nodeOf(input)
  return inputs[0]!.graph.append({ operation, inputs, attributes }, [{ shape, dataType }])[0]!
}

const lift = (graph: Graph, value: Tensor | number): Tensor =>
  typeof value === 'number' ? graph.scalar(value) : value

function elementwise(
  operation: OperationName,
  a: Tensor,
  value: Tensor | number,
  dataType?: DataType,
): Tensor {
  const b = lift(a.graph, value)
  if (a.dataType !== b.dataType) {
    throw new ShapeError(`Expected one element type for ${operation}, got ${a.dataType} and ${b.dataType}.`)
  }
  return append(operation, [a, b], broadcast(a.shape, b.shape), {}, dataType)
}

/** Adds with broadcasting. */
export const add = (a: Tensor, b: Tensor | number): Tensor => elementwise('add', a, b)
/** Subtracts `b` from `a` with broadcasting. */
export const subtract = (a: Tensor, b: Tensor | number): Tensor => elementwise('subtract', a, b)
/** Multiplies element by element with broadcasting. */
export const multiply = (a: Tensor, b: Tensor | number): Tensor => elementwise('multiply', a, b)
/** Divides `a` by `b` with broadcasting. */
export const divide = (a: Tensor, b: Tensor | number): Tensor => elementwise('divide', a, b)
/** Compares `a < b` with broadcasting; `bool`, no gradient. */
export const less = (a: Tensor, b: Tensor | number): Tensor => elementwise('less', a, b, 'bool')
/** Changes the sign. */
export const negate = (x: Tensor): Tensor => append('negate', [x], x.shape)
/** Takes e to the power of each element. */
export const exp = (x: Tensor): Tensor => append('exp', [x], x.shape)
/** Takes the natural logarithm. */
export const log = (x: Tensor): Tensor => append('log', [x], x.shape)
/** Takes the square root. */
export const sqrt = (x: Tensor): Tensor => append('sqrt', [x], x.shape)
/** Computes `1 / (1 + exp(-x))`. */
export const sigmoid = (x: Tensor): Tensor => append('sigmoid', [x], x.shape)
/** Computes `x * sigmoid(x)`. */
export const silu = (x: Tensor): Tensor => append('silu', [x], x.shape)
/** Changes the element type; no gradient passes. */
export const cast = (x: Tensor, dataType: DataType): Tensor =>
  x.dataType === dataType ? x : append('cast', [x], x.shape, { to: dataType }, dataType)

/**
 * Multiplies matrices: `scale * op(a) @ op(b)`, leading axes broadcast.
 *
 * @param a - `[..., M, K]`, or `[..., K, M]` with `transposeA`.
 * @param b - `[..., K, N]`, or `[..., N, K]` with `transposeB`.
 * @returns `[..., M, N]`.
 * @throws {ShapeError} when K differs.
 */
export function matmul(
  a: Tensor,
  b: Tensor,
  options: { readonly transposeA?: boolean; readonly transposeB?: boolean; readonly scale?: number } = {},
): Tensor {
  const { transposeA = false, transposeB = false, scale = 1 } = options
  if (a.shape.length < 2 || b.shape.length < 2) {
    throw new ShapeError(`Expected matrices, got ${format(a.shape)} and ${format(b.shape)}.`)
  }
  const rows = a.shape.at(transposeA ? -1 : -2)!
  const inner = a.shape.at(transposeA ? -2 : -1)!
  const innerB = b.shape.at(transposeB ? -1 : -2)!
  const columns = b.shape.at(transposeB ? -2 : -1)!
  if (inner !== innerB) {
    throw new ShapeError(
      `Expected equal inner axes, got ${inner} of ${format(a.shape)} and ${innerB} of ${format(b.shape)}.`,
    )
  }
  const leading = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2))
  return append('matmul', [a, b], [...leading, rows, columns], { transposeA, transposeB, scale })
}

/**
 * Multiplies by weights in 4 bits: `x @ wᵀ`; the gradient is that of the rounded weights, with respect to `x` alone.
 *
 * @param x - `[..., K]`.
 * @param packed - `[N, K / 32, 16]` bytes, see `quantise`.
 * @param scales - `[N, K / 32]`.
 * @param accuracy - 1 multiplies in float32; 4 rounds `x` to 8 bits in blocks, several times as fast with few rows.
 * @returns `[..., N]`.
 */
export function matmulQuantised(x: Tensor, packed: Tensor, scales: Tensor, accuracy: 1 | 4): Tensor {
  const [columns, blocks] = packed.shape as readonly [number, number]
  if (x.shape.at(-1) !== blocks * BLOCK || !equals(scales.shape, [columns, blocks])) {
    throw new ShapeError(
      `Expected ${blocks * BLOCK} channels and scales [${columns},${blocks}], got ${format(x.shape)} and ${format(scales.shape)}.`,
    )
  }
  return append('matmulQuantised', [x, packed, scales], [...x.shape.slice(0, -1), columns], { accuracy })
}

/**
 * Multiplies by weights in 8 bits: `x @ wᵀ`, each row of `x` rounded to 8 bits by its largest element; no gradient.
 *
 * Whole numbers are summed exactly, so that a row's product does not depend on the other rows. What is not finite in `x` need
 * not show in the product.
 *
 * @param x - `[..., K]`.
 * @param codes - `[K, N]` int8, see `toEightBits`.
 * @param scales - `[N]`.
 * @returns `[..., N]`.
 */
export function matmulInt8(x: Tensor, codes: Tensor, scales: Tensor): Tensor {
  const [inner, columns] = codes.shape as readonly [number, number]
  if (x.shape.at(-1) !== inner || codes.dataType !== 'int8' || !equals(scales.shape, [columns])) {
    throw new ShapeError(
      `Expected ${inner} channels, int8 codes and scales [${columns}], got ${format(x.shape)}, ${codes.dataType} and ${format(scales.shape)}.`,
    )
  }
  return append('matmulInt8', [x, codes, scales], [...x.shape.slice(0, -1), columns])
}

/** The two weights of each byte, the first in the low half. */
const NIBBLES = Float32Array.from({ length: 512 }, (_, i) => (i % 2 === 0 ? (i >> 1) & 15 : i >> 5) - 8)

/**
 * Gives the weights that quantised ones stand for; no gradient.
 *
 * @param packed - `[N, K / 32, 16]` bytes, see `quantise`.
 * @param scales - `[N, K / 32]`.
 * @returns `[N, K]`.
 */
export function dequantised(packed: Tensor, scales: Tensor): Tensor {
  const [columns, blocks] = packed.shape as readonly [number, number]
  const table = packed.graph.constant(NIBBLES, [256, 2])
  const codes = reshape(gather(table, cast(packed, 'int32')), [columns, blocks, BLOCK])
  return reshape(multiply(codes, reshape(scales, [columns, blocks, 1])), [columns, blocks * BLOCK])
}

/** Reorders axes: output axis `i` is input axis `order[i]`. */
export function transpose(x: Tensor, order: readonly number[]): Tensor {
  if ([...order].sort((p, q) => p - q).some((axis, i) => axis !== i) || order.length !== x.shape.length) {
    throw new ShapeError(`Expected an order of the axes of ${format(x.shape)}, got [${order}].`)
  }
  const shape = order.map((axis) => x.shape[axis]!)
  return append('transpose', [x], shape, { order })
}

/**
 * Views the elements in another shape.
 *
 * Names may stay at their position or, at most one, be what is left over, so that a reshape is decided without running.
 * @throws {ShapeError} when the element counts differ.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (equals(x.shape, shape)) return x
  const [names, count] = factors(x.shape)
  const [targetNames, targetCount] = factors(shape)
  if (count !== targetCount || names.join() !== targetNames.join()) {
    throw new ShapeError(`Expected as many elements as ${format(x.shape)}, got ${format(shape)}.`)
  }
  const moved = shape.filter((dim, axis) => typeof dim === 'string' && x.shape[axis] !== dim)
  if (moved.length > 1) {
    throw new ShapeError(
      `Expected at most one named axis to move from ${format(x.shape)}, got ${format(shape)}.`,
    )
  }
  return append('reshape', [x], shape)
}

/** Splits a shape into its names, sorted, and the product of its numbers; `T*2` is the name T and the number 2. */
function factors(shape: Shape): [string[], number] {
  const parts = shape.flatMap((dim) => (typeof dim === 'string' ? dim.split('*') : [String(dim)]))
  const isNumber = (part: string) => /^\d+$/.test(part)
  return [
    parts.filter((part) => !isNumber(part)).sort(),
    parts.filter(isNumber).reduce((product, part) => product * Number(part), 1),
  ]
}

/** Views the elements in the shape of another tensor with as many; names take their lengths from it when running. */
export function reshapeLike(x: Tensor, like: Tensor): Tensor {
  if (equals(x.shape, like.shape)) return x
  const isDecided =
    like.shape.filter((dim, axis) => typeof dim === 'string' && x.shape[axis] !== dim).length < 2
  return append('reshape', isDecided ? [x] : [x, like], like.shape)
}

/**
 * Merges all axes but the last into one, `[..., C]` to `[N, C]`; several names merge to one such as `B*T`.
 */
export function flattenRows(x: Tensor): Tensor {
  if (x.shape.length === 2) return x
  const leading = x.shape.slice(0, -1)
  const names = leading.filter((dim) => typeof dim === 'string')
  const count = leading.reduce<number>(
    (product, dim) => (typeof dim === 'number' ? product * dim : product),
    1,
  )
  const rows: Dim = names.length === 0 ? count : count === 1 ? names.join('*') : `${names.join('*')}*${count}`
  return append('reshape', [x], [rows, x.shape.at(-1)!])
}

/** Repeats along axes of length 1 (and new leading axes) to a shape; named axes take their length from `like`. */
export function expand(x: Tensor, shape: Shape, like?: Tensor): Tensor {
  if (equals(x.shape, shape)) return x
  if (!equals(broadcast(x.shape, shape), shape)) {
    throw new ShapeError(`Expected ${format(x.shape)} to repeat to the wanted shape, got ${format(shape)}.`)
  }
  if (shape.some((dim) => typeof dim === 'string') && !(like && equals(like.shape, shape))) {
    throw new ShapeError(`Expected a tensor that shows the lengths of ${format(shape)}, got none.`)
  }
  return append('expand', like ? [x, like] : [x], shape)
}

/** Takes elements `start` (inclusive) to `end` (exclusive) of one axis. */
export function slice(x: Tensor, axis: number, start: number, end: number): Tensor {
  const resolved = axisOf(x.shape, axis)
  const length = x.shape[resolved]!
  if (typeof length === 'string' || start < 0 || end > length || start >= end) {
    throw new ShapeError(
      `Expected a range within axis ${axis} of ${format(x.shape)}, got ${start} to ${end}.`,
    )
  }
  if (start === 0 && end === length) return x
  const shape = x.shape.map((dim, i) => (i === resolved ? end - start : dim))
  return append('slice', [x], shape, { axis: resolved, start, end })
}

/** Puts zeros before and after along one axis. */
export function pad(x: Tensor, axis: number, before: number, after: number): Tensor {
  const resolved = axisOf(x.shape, axis)
  const length = x.shape[resolved]!
  if (typeof length === 'string' || before < 0 || after < 0) {
    throw new ShapeError(`Expected to pad an axis of known length by at least 0, got ${before} and ${after}.`)
  }
  const shape = x.shape.map((dim, i) => (i === resolved ? length + before + after : dim))
  return append('pad', [x], shape, { axis: resolved, before, after })
}

/**
 * Joins tensors along one axis.
 * @param total - Name of the joined length when a part of it is a name.
 */
export function concat(parts: readonly Tensor[], axis: number, total?: string): Tensor {
  const first = parts[0]!
  if (parts.length === 1) return first
  const resolved = axisOf(first.shape, axis)
  let length: Dim = 0
  for (const part of parts) {
    const same = part.shape.length === first.shape.length
    if (!same || part.shape.some((dim, i) => i !== resolved && dim !== first.shape[i])) {
      throw new ShapeError(
        `Expected parts equal but for axis ${axis}, got ${format(first.shape)}, ${format(part.shape)}.`,
      )
    }
    const dim: Dim = part.shape[resolved]!
    length = typeof dim === 'number' && typeof length === 'number' ? length + dim : (total ?? '')
  }
  if (length === '')
    throw new ShapeError('Expected a name for a joined length that has a named part, got none.')
  const shape = first.shape.map((dim, i) => (i === resolved ? length : dim))
  return append('concat', parts, shape, { axis: resolved })
}

function reduce(operation: OperationName, x: Tensor, axes: readonly number[], keepAxes: boolean): Tensor {
  const resolved = axes.map((axis) => axisOf(x.shape, axis)).sort((p, q) => p - q)
  const shape = keepAxes
    ? x.shape.map((dim, axis) => (resolved.includes(axis) ? 1 : dim))
    : x.shape.filter((_, axis) => !resolved.includes(axis))
  return append(operation, [x], shape, { axes: resolved, keepAxes })
}

/** Adds over axes; the axes go unless `keepAxes`. */
export const sum = (x: Tensor, axes: readonly number[], keepAxes = false): Tensor =>
  reduce('sum', x, axes, keepAxes)
/** Averages over axes. */
export const mean = (x: Tensor, axes: readonly number[], keepAxes = false): Tensor =>
  reduce('mean', x, axes, keepAxes)
/** Takes the largest over axes; no gradient. */
export const max = (x: Tensor, axes: readonly number[], keepAxes = false): Tensor =>
  reduce('max', x, axes, keepAxes)
/** Computes `log(sum(exp(x)))` over axes without overflow. */
export const logSumExp = (x: Tensor, axes: readonly number[], keepAxes = false): Tensor =>
  reduce('logSumExp', x, axes, keepAxes)

/** Finds the largest of each row of the last axis, the first on a tie: `[..., V]` to int64 `[...]`; no gradient. */
export const argMax = (x: Tensor): Tensor => append('argMax', [x], x.shape.slice(0, -1), {}, 'int64')

/** Sums from the start of the last axis up to each element; no gradient. */
export const cumulativeSum = (x: Tensor): Tensor => append('cumulativeSum', [x], x.shape)

/** Normalises exponentials over the last axis. */
export const softmax = (x: Tensor): Tensor => append('softmax', [x], x.shape)

/**
 * Divides each row by its root mean square and multiplies by a weight.
 * @param x - `[..., C]`.
 * @param weight - `[C]`.
 */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  if (!equals(weight.shape, [x.shape.at(-1)!])) {
    throw new ShapeError(`Expected a weight [${x.shape.at(-1)}], got ${format(weight.shape)}.`)
  }
  const inverse = [...x.shape.slice(0, -1), 1]
  return x.graph.append({ operation: 'rmsNorm', inputs: [x, weight], attributes: { epsilon } }, [
    { shape: x.shape, dataType: x.dataType },
    { shape: inverse, dataType: x.dataType },
  ])[0]!
}

/**
 * Turns pairs `(i, i + D/2)` of each head by the angle of the token's position (rotary embedding, half rotation).
 *
 * @param x - `[B, T, H*D]`.
 * @param positions - `[B, T]` int64 rows of the tables.
 * @param cosine - `[positions, D/2]`.
 * @param sine - `[positions, D/2]`.
 * @see Su et al. 2021, "RoFormer"; the layout of Hugging Face's Llama.
 */
export function rotate(x: Tensor, positions: Tensor, cosine: Tensor, sine: Tensor, heads: number): Tensor {
  const width = x.shape.at(-1)!
  const half = cosine.shape.at(-1)!
  const fits = typeof width === 'number' && typeof half === 'number' && width === heads * 2 * half
  if (x.shape.length !== 3 || !fits || !equals(cosine.shape, sine.shape) || positions.dataType !== 'int64') {
    throw new ShapeError(
      `Expected [B, T, ${heads} * 2 * ${half}] and int64 positions, got ${format(x.shape)} and ${positions.dataType}.`,
    )
  }
  if (!equals(positions.shape, x.shape.slice(0, 2))) {
    throw new ShapeError(
      `Expected a position per token of ${format(x.shape)}, got ${format(positions.shape)}.`,
    )
  }
  return append('rotate', [x, positions, cosine, sine], x.shape, { heads, inverse: false })
}

/** Takes rows of a table: `[V, C]` by int `[...]` gives `[..., C]`. */
export function gather(table: Tensor, indices: Tensor): Tensor {
  if (indices.dataType !== 'int32' && indices.dataType !== 'int64') {
    throw new ShapeError(`Expected integer indices, got ${indices.dataType}.`)
  }
  return append('gather', [table, indices], [...indices.shape, ...table.shape.slice(1)])
}

/** Takes one element of each row: `[..., V]` by int `[..., 1]` gives `[..., 1]`. */
export function gatherLast(x: Tensor, indices: Tensor): Tensor {
  if (!equals(indices.shape, [...x.shape.slice(0, -1), 1])) {
    throw new ShapeError(`Expected one index per row of ${format(x.shape)}, got ${format(indices.shape)}.`)
  }
  return append('gatherLast', [x, indices], indices.shape)
}

/** Adds rows into a table of zeros: `[N, C]` by int64 `[N]` gives `[rows, C]`; equal indices add up. No gradient. */
export function scatterRows(updates: Tensor, indices: Tensor, rows: number): Tensor {
  if (
    updates.shape.length !== 2 ||
    !equals(indices.shape, [updates.shape[0]!]) ||
    indices.dataType !== 'int64'
  ) {
    throw new ShapeError(
      `Expected [N, C] and int64 [N], got ${format(updates.shape)} and ${indices.dataType} ${format(indices.shape)}.`,
    )
  }
  return append('scatterRows', [updates, indices], [rows, updates.shape[1]!], { rows })
}

/**
 * Names a computation and gives it a hand-written gradient, where the derived one would cost more.
 *
 * @param inputs - What the gradient is taken with respect to.
 * @param forward - The computed result, built from `inputs`.
 * @param pullback - From the cotangent of `forward` to those of `inputs`; undefined where none flows.
 */
export function custom(
  inputs: readonly Tensor[],
  forward: Tensor,
  pullback: (cotangent: Tensor) => readonly (Tensor | undefined)[],
): Tensor {
  return forward.graph.append(
    { operation: 'custom', inputs: [...inputs, forward], attributes: {}, pullback },
    [{ shape: forward.shape, dataType: forward.dataType }],
  )[0]!
}

/**
 * Gives the same elements, but not before another tensor is computed.
 *
 * What is built from the result runs late and is not merged with an equal computation from `x` itself: how a gradient
 * computes again what would take memory to keep.
 * @param cause - float32; its elements do not matter.
 */
export function after(x: Tensor, cause: Tensor): Tensor {
  if (cause.dataType !== 'float32' || x.shape.some((dim) => typeof dim !== 'number')) {
    throw new ShapeError(
      `Expected a float32 cause and a shape of numbers, got ${cause.dataType} and ${format(x.shape)}.`,
    )
  }
  return append('after', [x, cause], x.shape)
}
