import { BaseError } from '@openledger/primitives'
import { format, type Shape, ShapeError, size } from './Shape.ts'

/** The element types that graphs carry. */
export type DataType = 'float32' | 'int32' | 'int64' | 'bool' | 'uint8' | 'int8'

/** Elements as the host holds them; `bool` is one byte each, as `uint8` is. */
export type TensorData = Float32Array | Int32Array | BigInt64Array | Uint8Array | Int8Array

/** A value of a graph: known shape and type, no elements until a session runs. */
export type Tensor = {
  readonly id: number
  /** Unique in its graph; the name of the ONNX value. */
  readonly name: string
  readonly dataType: DataType
  readonly shape: Shape
  readonly graph: Graph
}

/** The operations of the engine. Each has a shape rule, an ONNX lowering, a reference and, where defined, a gradient. */
export type OperationName =
  | 'input'
  | 'constant'
  | 'add'
  | 'subtract'
  | 'multiply'
  | 'divide'
  | 'negate'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'sigmoid'
  | 'silu'
  | 'less'
  | 'cast'
  | 'matmul'
  | 'matmulQuantised'
  | 'matmulInt8'
  | 'transpose'
  | 'reshape'
  | 'expand'
  | 'slice'
  | 'pad'
  | 'concat'
  | 'sum'
  | 'mean'
  | 'max'
  | 'logSumExp'
  | 'argMax'
  | 'cumulativeSum'
  | 'softmax'
  | 'rmsNorm'
  | 'rotate'
  | 'gather'
  | 'gatherLast'
  | 'scatterRows'
  | 'after'
  | 'custom'

/** One application of an operation. */
export type Node = {
  readonly operation: OperationName
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  /** Numbers and lists that complete the operation, e.g. `axes` or `scale`. */
  readonly attributes: Readonly<Record<string, number | boolean | string | readonly number[] | Shape>>
  /** Elements of a `constant`. */
  readonly data?: TensorData
  /** Gradient of a `custom` node: cotangent of its output to cotangents of its inputs. */
  readonly pullback?: (cotangent: Tensor) => readonly (Tensor | undefined)[]
}

/** A growing list of operations; inputs and constants are made here, everything else by `Op`. */
export type Graph = {
  /** Declares a value that every run feeds. */
  readonly input: (name: string, dataType: DataType, shape: Shape) => Tensor
  /** Adds fixed elements: weights (ONNX Runtime packs them for fast products) and tables. The array is not copied. */
  readonly constant: (data: TensorData, shape: Shape, name?: string) => Tensor
  /** Adds fixed bytes, for operations that read packed weights. */
  readonly bytes: (data: Uint8Array, shape: Shape, name?: string) => Tensor
  /** Adds a float32 scalar; equal scalars are one tensor. */
  readonly scalar: (value: number) => Tensor
  /** Appends an operation whose output shapes were already checked. `Op` is the public way. */
  readonly append: (
    node: Omit<Node, 'outputs'>,
    outputs: readonly { readonly shape: Shape; readonly dataType: DataType; readonly name?: string }[],
  ) => Tensor[]
  /** The node that makes a tensor. */
  readonly nodeOf: (tensor: Tensor) => Node
}

/** Starts an empty graph. */
export function createGraph(): Graph {
  const makers: Node[] = []
  const names = new Set<string>()
  const scalars = new Map<number, Tensor>()

  const append: Graph['append'] = (node, outputs) => {
    const full: Node = { ...node, outputs: [] }
    const tensors = outputs.map(({ shape, dataType, name }) => {
      const id = makers.length
      const unique = name ?? `${node.operation}_${id}`
      if (names.has(unique)) throw new DuplicateNameError(unique)
      names.add(unique)
      makers.push(full)
      return { id, name: unique, dataType, shape, graph }
    })
    ;(full.outputs as Tensor[]).push(...tensors)
    return tensors
  }

  const constant = (data: TensorData, shape: Shape, dataType: DataType, name?: string): Tensor => {
    if (data.length !== size(shape)) {
      throw new ShapeError(
        `Expected ${size(shape)} elements for ${name ?? 'a constant'} ${format(shape)}, got ${data.length}.`,
      )
    }
    const output = { shape, dataType, ...(name === undefined ? {} : { name }) }
    return append({ operation: 'constant', inputs: [], attributes: {}, data }, [output])[0]!
  }

  const graph: Graph = {
    input: (name, dataType, shape) =>
      append({ operation: 'input', inputs: [], attributes: {} }, [{ name, dataType, shape }])[0]!,
    constant: (data, shape, name) => constant(data, shape, dataTypeOf(data), name),
    bytes: (data, shape, name) => constant(data, shape, 'uint8', name),
    scalar: (value) => {
      const known = scalars.get(value)
      if (known) return known
      const made = graph.constant(Float32Array.of(value), [])
      scalars.set(value, made)
      return made
    },
    append,
    nodeOf: (tensor) => {
      if (tensor.graph !== graph) throw new ForeignTensorError(tensor.name)
      return makers[tensor.id]!
    },
  }
  return graph
}

/** The element type that an array holds. */
export function dataTypeOf(data: TensorData): DataType {
  if (data instanceof Float32Array) return 'float32'
  if (data instanceof Int32Array) return 'int32'
  if (data instanceof BigInt64Array) return 'int64'
  if (data instanceof Int8Array) return 'int8'
  return 'bool'
}

/** Lists the nodes that the outputs need, each after its inputs. */
export function nodesFor(outputs: readonly Tensor[]): Node[] {
  const wanted = new Set<Node>()
  const pending = [...outputs]
  const order = new Map<Node, number>()
  while (pending.length > 0) {
    const tensor = pending.pop()!
    const node = tensor.graph.nodeOf(tensor)
    if (wanted.has(node)) continue
    wanted.add(node)
    order.set(node, node.outputs[0]!.id)
    pending.push(...node.inputs)
  }
  // ids grow with time and a node can only use what exists, so the order of ids is a topological order
  return [...wanted].sort((a, b) => order.get(a)! - order.get(b)!)
}

export class DuplicateNameError extends BaseError {
  constructor(name: string) {
    super({
      code: 'tensor.duplicate_name',
      message: `Expected a new name in the graph, got ${name} again. Give each input and constant its own name.`,
      context: { name },
    })
  }
}

export class ForeignTensorError extends BaseError {
  constructor(name: string) {
    super({
      code: 'tensor.foreign_tensor',
      message: `Expected a tensor of this graph, got ${name} of another. Build both in one graph.`,
      context: { name },
    })
  }
}
