import { BaseError } from '@openledger/primitives'
import { type Graph, type Node, nodesFor, type OperationName, type Tensor } from './Graph.ts'
import * as Op from './Op.ts'
import { equals, type Shape } from './Shape.ts'

type Pullback = (
  node: Node,
  cotangent: Tensor,
  /** Whether the gradient of the input is wanted. */
  wanted: (index: number) => boolean,
) => readonly (Tensor | undefined)[]

/**
 * Extends the graph with the gradient of the sum of a tensor's elements with respect to other tensors (reverse mode).
 *
 * To get one gradient per example, expand a tensor to `[B, ...]`, use the expanded tensor, and differentiate with respect
 * to it: each example touches only its own copy.
 *
 * @param output - float32, of any shape.
 * @param wrt - float32 tensors that the output depends on.
 * @param weight - Multiplies each element of `output` before the sum; of its shape.
 * @returns One tensor per entry of `wrt`, of its shape.
 * @throws {NoGradientError} when an operation in between has none, or the output does not depend on a tensor.
 */
export function gradients(output: Tensor, wrt: readonly Tensor[], weight?: Tensor): Tensor[] {
  const graph = output.graph
  const depends = new Set<number>(wrt.map((tensor) => tensor.id))
  const nodes = nodesFor([output])
  for (const node of nodes) {
    if (node.inputs.some((input) => depends.has(input.id))) {
      for (const made of node.outputs) depends.add(made.id)
    }
  }

  const cotangents = new Map<number, Tensor>()
  cotangents.set(output.id, weight ?? onesLike(graph, output))
  for (const node of nodes.reverse()) {
    const cotangent = cotangents.get(node.outputs[0]!.id)
    if (!cotangent || !node.inputs.some((input) => depends.has(input.id))) continue
    const pullback = pullbacks[node.operation]
    if (!pullback) throw new NoGradientError(node.outputs[0]!.name, `${node.operation} has none`)
    const parts = pullback(node, cotangent, (index) => depends.has(node.inputs[index]!.id))
    parts.forEach((part, index) => {
      const input = node.inputs[index]!
      if (!part || !depends.has(input.id)) return
      const known = cotangents.get(input.id)
      cotangents.set(input.id, known ? Op.add(known, part) : part)
    })
  }
  return wrt.map((tensor) => {
    const found = cotangents.get(tensor.id)
    if (!found) throw new NoGradientError(tensor.name, 'the output does not depend on it')
    return found
  })
}

/**
 * Computes something whose gradient computes it again, so that nothing inside is kept from the forward pass.
 *
 * @param inputs - float32 of known shape: everything that a gradient is wanted for.
 * @param build - The computation; called once for the result and once more for each gradient.
 * @see Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
 */
export function recomputed(inputs: readonly Tensor[], build: (inputs: readonly Tensor[]) => Tensor): Tensor {
  return Op.custom(inputs, build(inputs), (cotangent) => {
    const late = inputs.map((input) => Op.after(input, cotangent))
    return gradients(build(late), late, cotangent)
  })
}

function onesLike(graph: Graph, tensor: Tensor): Tensor {
  return tensor.shape.length === 0 ? graph.scalar(1) : Op.expand(graph.scalar(1), tensor.shape, tensor)
}

/** Adds a cotangent over the axes that broadcasting had repeated. */
function sumTo(cotangent: Tensor, shape: Shape): Tensor {
  if (equals(cotangent.shape, shape)) return cotangent
  const extra = cotangent.shape.length - shape.length
  const leading = Array.from({ length: extra }, (_, axis) => axis)
  const repeated = shape.flatMap((dim, axis) =>
    dim === 1 && cotangent.shape[axis + extra] !== 1 ? [axis + extra] : [],
  )
  let result = cotangent
  if (repeated.length > 0) result = Op.sum(result, repeated, true)
  if (leading.length > 0) result = Op.sum(result, leading)
  return result
}

/** Puts back axes of length 1 where a reduction took them away, then repeats. */
function spread(cotangent: Tensor, node: Node): Tensor {
  const x = node.inputs[0]!
  return Op.expand(withReducedAxes(cotangent, node), x.shape, x)
}

function withReducedAxes(value: Tensor, node: Node): Tensor {
  const axes = node.attributes.axes as readonly number[]
  const kept = node.inputs[0]!.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
  return Op.reshape(value, kept)
}

const matmulPullback: Pullback = (node, g, wanted) => {
  const [a, b] = node.inputs as [Tensor, Tensor]
  const { transposeA, transposeB, scale } = node.attributes as {
    transposeA: boolean
    transposeB: boolean
    scale: number
  }
  // a shared matrix behind a batch: one tall product instead of a batch of products and a sum
  const flat = b.shape.length === 2 && a.shape.length > 2 && !transposeA
  const forA = () =>
    transposeA
      ? Op.matmul(b, g, { transposeA: transposeB, transposeB: true, scale })
      : Op.matmul(g, b, { transposeB: !transposeB, scale })
  const forB = () => {
    const x = flat ? Op.flattenRows(a) : a
    const y = flat ? Op.flattenRows(g) : g
    return transposeB
      ? Op.matmul(y, x, { transposeA: true, transposeB: transposeA, scale })
      : Op.matmul(x, y, { transposeA: !transposeA, scale })
  }
  return [wanted(0) ? sumTo(forA(), a.shape) : undefined, wanted(1) ? sumTo(forB(), b.shape) : undefined]
}

const pullbacks: Partial<Record<OperationName, Pullback>> = {
  add: (node, g) => [sumTo(g, node.inputs[0]!.shape), sumTo(g, node.inputs[1]!.shape)],
  subtract: (node, g, wanted) => [
    sumTo(g, node.inputs[0]!.shape),
    wanted(1) ? Op.negate(sumTo(g, node.inputs[1]!.shape)) : undefined,
  ],
  multiply: (node, g, wanted) => {
    const [a, b] = node.inputs as [Tensor, Tensor]
    return [
      wanted(0) ? sumTo(Op.multiply(g, b), a.shape) : undefined,
      wanted(1) ? sumTo(Op.multiply(g, a), b.shape) : undefined,
    ]
  },
  divide: (node, g, wanted) => {
    const [a, b] = node.inputs as [Tensor, Tensor]
    const quotient = Op.divide(g, b)
    return [
      wanted(0) ? sumTo(quotient, a.shape) : undefined,
      wanted(1) ? Op.negate(sumTo(Op.multiply(quotient, node.outputs[0]!), b.shape)) : undefined,
    ]
  },
  negate: (_, g) => [Op.negate(g)],
  exp: (node, g) => [Op.multiply(g, node.outputs[0]!)],
  log: (node, g) => [Op.divide(g, node.inputs[0]!)],
  sqrt: (node, g) => [Op.divide(Op.multiply(g, 0.5), node.outputs[0]!)],
  sigmoid: (node, g) => {
    const y = node.outputs[0]!
    return [Op.multiply(g, Op.multiply(y, Op.subtract(onesScalar(y), y)))]
  },
  silu: (node, g) => {
    const x = node.inputs[0]!
    const s = Op.sigmoid(x)
    // d silu = s + silu (1 - s)
    const slope = Op.add(s, Op.multiply(node.outputs[0]!, Op.subtract(onesScalar(s), s)))
    return [Op.multiply(g, slope)]
  },
  matmul: matmulPullback,
  matmulQuantised: (node, g, wanted) => {
    const [, packed, scales] = node.inputs as [Tensor, Tensor, Tensor]
    // the weights in float32 are made late and for this product alone
    return [wanted(0) ? Op.matmul(g, Op.dequantised(Op.after(packed, g), scales)) : undefined]
  },
  transpose: (node, g) => {
    const order = node.attributes.order as readonly number[]
    const inverse = order.map((_, axis) => order.indexOf(axis))
    return [Op.transpose(g, inverse)]
  },
  reshape: (node, g) => [Op.reshapeLike(g, node.inputs[0]!)],
  expand: (node, g) => [sumTo(g, node.inputs[0]!.shape)],
  slice: (node, g) => {
    const { axis, start, end } = node.attributes as { axis: number; start: number; end: number }
    return [Op.pad(g, axis, start, (node.inputs[0]!.shape[axis] as number) - end)]
  },
  pad: (node, g) => {
    const { axis, before } = node.attributes as { axis: number; before: number }
    return [Op.slice(g, axis, before, before + (node.inputs[0]!.shape[axis] as number))]
  },
  concat: (node, g) => {
    const axis = node.attributes.axis as number
    let start = 0
    return node.inputs.map((part) => {
      const length = part.shape[axis]
      if (typeof length !== 'number') throw new NoGradientError(part.name, 'a joined axis has a name')
      start += length
      return Op.slice(g, axis, start - length, start)
    })
  },
  sum: (node, g) => [spread(g, node)],
  mean: (node, g) => {
    const axes = node.attributes.axes as readonly number[]
    const lengths = axes.map((axis) => node.inputs[0]!.shape[axis])
    if (!lengths.every((length) => typeof length === 'number')) {
      throw new NoGradientError(node.outputs[0]!.name, 'a mean over a named axis has no fixed scale; use sum')
    }
    return [
      spread(
        Op.multiply(
          g,
          lengths.reduce((scale, length) => scale / length, 1),
        ),
        node,
      ),
    ]
  },
  logSumExp: (node, g) => {
    const x = node.inputs[0]!
    const share = Op.exp(Op.subtract(x, withReducedAxes(node.outputs[0]!, node)))
    return [Op.multiply(withReducedAxes(g, node), share)]
  },
  softmax: (node, g) => {
    const y = node.outputs[0]!
    const inner = Op.sum(Op.multiply(g, y), [-1], true)
    return [Op.multiply(y, Op.subtract(g, inner))]
  },
  rmsNorm: (node, g, wanted) => {
    const [x, weight] = node.inputs as [Tensor, Tensor]
    const normal = Op.multiply(x, node.outputs[1]!)
    const scaled = Op.multiply(g, weight)
    const inner = Op.mean(Op.multiply(scaled, normal), [-1], true)
    return [
      wanted(0) ? Op.multiply(Op.subtract(scaled, Op.multiply(normal, inner)), node.outputs[1]!) : undefined,
      wanted(1) ? sumTo(Op.multiply(g, normal), weight.shape) : undefined,
    ]
  },
  rotate: (node, g) => [
    g.graph.append(
      {
        operation: 'rotate',
        inputs: [g, ...node.inputs.slice(1)],
        attributes: { ...node.attributes, inverse: !node.attributes.inverse },
      },
      [{ shape: g.shape, dataType: g.dataType }],
    )[0]!,
  ],
  gather: (node, g, wanted) => {
    if (!wanted(0)) return [undefined]
    const [table, indices] = node.inputs as [Tensor, Tensor]
    const rows = table.shape[0]
    if (typeof rows !== 'number' || table.shape.length !== 2) {
      throw new NoGradientError(table.name, 'only a table [V, C] of known length has one')
    }
    const flat = Op.flattenRows(g)
    const column = Op.flattenRows(
      Op.cast(Op.reshape(indices, indices.shape.length === 0 ? [1, 1] : [...indices.shape, 1]), 'int64'),
    )
    return [Op.scatterRows(flat, Op.reshape(column, [column.shape[0]!]), rows)]
  },
  gatherLast: (node, g, wanted) => {
    if (!wanted(0)) return [undefined]
    const [x, indices] = node.inputs as [Tensor, Tensor]
    const width = x.shape.at(-1)
    if (typeof width !== 'number') throw new NoGradientError(x.name, 'the last axis has a name')
    // a column of positions compared with the index makes the one-hot row
    const positions = g.graph.constant(
      Float32Array.from({ length: width }, (_, i) => i),
      [width],
    )
    const distance = Op.subtract(positions, Op.cast(indices, 'float32'))
    const hit = Op.cast(Op.less(Op.multiply(distance, distance), 0.25), 'float32')
    return [Op.multiply(hit, g)]
  },
  after: (_, g) => [g],
  custom: (node, g) => node.pullback!(g),
}

const onesScalar = (like: Tensor): Tensor => like.graph.scalar(1)

export class NoGradientError extends BaseError {
  constructor(name: string, reason: string) {
    super({
      code: 'tensor.no_gradient',
      message: `Expected a gradient for ${name}, but ${reason}. Leave it out or give it a custom pullback.`,
      context: { name },
    })
  }
}
