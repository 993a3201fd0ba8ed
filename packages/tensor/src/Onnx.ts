import type { DataType, Node, Tensor, TensorData } from './Graph.ts'
import { dataTypeOf, nodesFor } from './Graph.ts'
import { lowerPortably } from './OnnxPortable.ts'
import * as Protobuf from './Protobuf.ts'
import { BLOCK } from './Quantised.ts'
import type { Shape } from './Shape.ts'

// field numbers and codes of onnx.proto3, IR version 10, operator set 21
const typeCodes: Record<DataType, number> = { float32: 1, int32: 6, int64: 7, bool: 9, uint8: 2, int8: 3 }
/** What stands for 0 where a row is rounded to 8 bits without a sign, which products take fastest. */
const MIDDLE = 128
/** The least step between rounded numbers: a row of zeros has one too. */
const STEP_MIN = 1e-30
const contrib = 'com.microsoft'
const STANDARD = ['', 21] as const
const FUSED = [contrib, 1] as const

type Attribute = number | string | readonly number[] | { readonly float: number }

/** A graph as an ONNX model, with the inputs it must be fed. */
export type OnnxModel = { readonly bytes: Uint8Array; readonly inputs: readonly Tensor[] }

/**
 * Encodes the part of a graph that the outputs need as an ONNX model.
 * @param outputs - Result name to tensor.
 * @param isPortable - Whether other runtimes than ONNX Runtime are to read it: operators of ONNX alone, slower ones.
 */
export function encode(
  outputs: Readonly<Record<string, Tensor>>,
  { isPortable = false }: { readonly isPortable?: boolean } = {},
): OnnxModel {
  const graph = Protobuf.message()
  const lowering = createLowering(graph, isPortable)
  const inputs: Tensor[] = []
  for (const node of nodesFor(Object.values(outputs))) {
    if (node.operation === 'input') inputs.push(node.outputs[0]!)
    else lowering.lower(node)
  }
  Protobuf.text(graph, 2, 'graph')
  for (const input of inputs) Protobuf.nested(graph, 11, valueInfo(input.name, input))
  for (const [name, tensor] of Object.entries(outputs)) {
    lowering.emit('Identity', [lowering.nameOf(tensor)], [name])
    Protobuf.nested(graph, 12, valueInfo(name, tensor))
  }

  const model = Protobuf.message()
  Protobuf.varint(model, 1, 10)
  Protobuf.text(model, 2, 'openledger')
  Protobuf.nested(model, 7, graph)
  for (const [domain, version] of isPortable ? [STANDARD] : [STANDARD, FUSED]) {
    const operatorSet = Protobuf.message()
    Protobuf.text(operatorSet, 1, domain)
    Protobuf.varint(operatorSet, 2, version)
    Protobuf.nested(model, 8, operatorSet)
  }
  return { bytes: Protobuf.finish(model), inputs }
}

function createLowering(graph: Protobuf.Message, isPortable: boolean) {
  const aliases = new Map<number, string>()
  const constants = new Map<string, string>()
  let count = 0

  const nameOf = (tensor: Tensor): string => aliases.get(tensor.id) ?? tensor.name

  const emit = (
    type: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): void => {
    const node = Protobuf.message()
    for (const input of inputs) Protobuf.text(node, 1, input)
    for (const output of outputs) Protobuf.text(node, 2, output)
    Protobuf.text(node, 3, `${type}_${count++}`)
    Protobuf.text(node, 4, type)
    for (const [name, value] of Object.entries(attributes)) Protobuf.nested(node, 5, attribute(name, value))
    if (domain) Protobuf.text(node, 7, domain)
    Protobuf.nested(graph, 1, node)
  }

  const initializer = (
    name: string,
    data: TensorData,
    shape: readonly number[],
    dataType: DataType = dataTypeOf(data),
  ): void => {
    const tensor = Protobuf.message()
    Protobuf.packedVarints(tensor, 1, shape)
    Protobuf.varint(tensor, 2, typeCodes[dataType])
    Protobuf.text(tensor, 8, name)
    Protobuf.bytes(tensor, 9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    Protobuf.nested(graph, 5, tensor)
  }

  /** Names a list of int64, adding it once. */
  const list = (values: readonly number[]): string => {
    const key = `list_${values.join('_')}`
    if (!constants.has(key)) {
      initializer(key, BigInt64Array.from(values, BigInt), [values.length])
      constants.set(key, key)
    }
    return key
  }

  /** Names a number of no axes, adding it once. */
  const scalar = (value: number): string => {
    const key = `scalar_${value}`
    if (!constants.has(key)) {
      initializer(key, Float32Array.of(value), [])
      constants.set(key, key)
    }
    return key
  }

  const fresh = (): string => `lowered_${count++}`

  /** Names the lengths of a value when running. */
  const shapeOf = (name: string): string => {
    const shape = fresh()
    emit('Shape', [name], [shape])
    return shape
  }

  /** Equal nodes are merged by the runtime, so that layers which share an input round it once. */
  const lowerInt8 = ([x, codes, scales]: readonly [string, string, string], node: Node): void => {
    const through = (type: string, given: readonly string[], attributes = {}, domain = ''): string => {
      const name = fresh()
      emit(type, given, [name], attributes, domain)
      return name
    }
    if (!constants.has('middle')) {
      initializer('middle', Uint8Array.of(MIDDLE), [], 'uint8')
      constants.set('middle', 'middle')
    }
    const largest = through('ReduceMax', [through('Abs', [x]), list([-1])], { keepdims: 1 })
    const step = through('Max', [through('Mul', [largest, scalar(1 / 127)]), scalar(STEP_MIN)])
    const rounded = through('QuantizeLinear', [through('Div', [x, step]), scalar(1), 'middle'])
    const given = [rounded, codes, scalar(1), scales, 'middle']
    emit('Mul', [through('MatMulIntegerToFloat', given, {}, contrib), step], [node.outputs[0]!.name])
  }

  const lower = (node: Node) => {
    const inputs = node.inputs.map(nameOf)
    const output = node.outputs[0]!
    const { attributes } = node
    const emitHere = (type: string, more: readonly string[] = [], extra = {}, domain = '') =>
      emit(type, [...inputs, ...more], [output.name], extra, domain)

    if (isPortable && lowerPortably(node, inputs, { emit, list, scalar, fresh })) return
    switch (node.operation) {
      case 'input':
        return
      case 'constant':
        return initializer(output.name, node.data!, output.shape as number[], output.dataType)
      case 'add':
        return emitHere('Add')
      case 'subtract':
        return emitHere('Sub')
      case 'multiply':
        return emitHere('Mul')
      case 'divide':
        return emitHere('Div')
      case 'negate':
        return emitHere('Neg')
      case 'exp':
        return emitHere('Exp')
      case 'log':
        return emitHere('Log')
      case 'sqrt':
        return emitHere('Sqrt')
      case 'sigmoid':
        return emitHere('Sigmoid')
      case 'silu':
        return emitHere('QuickGelu', [], { alpha: { float: 1 } }, contrib)
      case 'less':
        return emitHere('Less')
      case 'cast':
        return emitHere('Cast', [], { to: typeCodes[output.dataType] })
      case 'matmul': {
        const { transposeA, transposeB, scale } = attributes
        if (!transposeA && !transposeB && scale === 1) return emitHere('MatMul')
        const fused = {
          transA: transposeA ? 1 : 0,
          transB: transposeB ? 1 : 0,
          alpha: { float: scale as number },
        }
        return emitHere('FusedMatMul', [], fused, contrib)
      }
      case 'matmulQuantised': {
        const { accuracy } = attributes as { accuracy: number }
        const [columns, blocks] = node.inputs[1]!.shape as readonly [number, number]
        const sizes = { K: blocks * BLOCK, N: columns, bits: 4, block_size: BLOCK, accuracy_level: accuracy }
        return emitHere('MatMulNBits', [], sizes, contrib)
      }
      case 'matmulInt8':
        return lowerInt8(inputs as [string, string, string], node)
      case 'transpose':
        return emitHere('Transpose', [], { perm: attributes.order as readonly number[] })
      case 'reshape': {
        const [x, like] = inputs
        const target =
          like === undefined ? list(reshapeTarget(node.inputs[0]!.shape, output.shape)) : shapeOf(like)
        return emit('Reshape', [x!, target], [output.name])
      }
      case 'expand': {
        if (output.shape.every((dim) => typeof dim === 'number')) {
          return emit('Expand', [inputs[0]!, list(output.shape as number[])], [output.name])
        }
        return emit('Expand', [inputs[0]!, shapeOf(inputs[1]!)], [output.name])
      }
      case 'slice': {
        const { start, end, axis } = attributes as Record<string, number>
        return emitHere('Slice', [list([start!]), list([end!]), list([axis!])])
      }
      case 'pad': {
        const { axis, before, after } = attributes as Record<string, number>
        const pads = output.shape.map((_, i) => (i === axis ? before! : 0))
        return emitHere('Pad', [list([...pads, ...output.shape.map((_, i) => (i === axis ? after! : 0))])])
      }
      case 'concat':
        return emitHere('Concat', [], { axis: attributes.axis as number })
      case 'sum':
      case 'mean':
      case 'max':
      case 'logSumExp': {
        const types = { sum: 'ReduceSum', mean: 'ReduceMean', max: 'ReduceMax', logSumExp: 'ReduceLogSumExp' }
        const axes = list(attributes.axes as readonly number[])
        return emitHere(types[node.operation], [axes], { keepdims: attributes.keepAxes ? 1 : 0 })
      }
      case 'argMax':
        return emitHere('ArgMax', [], { axis: -1, keepdims: 0, select_last_index: 0 })
      case 'cumulativeSum':
        return emitHere('CumSum', [list([output.shape.length - 1])])
      case 'softmax':
        return emitHere('Softmax', [], { axis: -1 })
      case 'rmsNorm':
        return emit('SimplifiedLayerNormalization', inputs, [output.name, node.outputs[1]!.name], {
          axis: -1,
          epsilon: { float: attributes.epsilon as number },
          stash_type: 1,
        })
      case 'rotate': {
        const [x, positions, cosine, sine] = inputs as [string, string, string, string]
        let turned = sine
        if (attributes.inverse) {
          turned = fresh()
          emit('Neg', [sine], [turned])
        }
        const rotary = { interleaved: 0, num_heads: attributes.heads as number }
        return emit('RotaryEmbedding', [x, positions, cosine, turned], [output.name], rotary, contrib)
      }
      case 'gather':
        return emitHere('Gather', [], { axis: 0 })
      case 'gatherLast':
        return emitHere('GatherElements', [], { axis: -1 })
      case 'scatterRows': {
        const [updates, indices] = inputs as [string, string]
        const zeros = fresh()
        const column = fresh()
        emit('ConstantOfShape', [list(output.shape as number[])], [zeros])
        emit('Unsqueeze', [indices, list([1])], [column])
        return emit('ScatterND', [zeros, column, updates], [output.name], { reduction: 'add' })
      }
      case 'after': {
        // a view in the same shape, where the shape has a term that is 0 but not before the cause is known: nothing is
        // less than minus infinity
        const [x, cause] = inputs as [string, string]
        const [row, element, isLess, zero, shape] = [fresh(), fresh(), fresh(), fresh(), fresh()]
        emit('Reshape', [cause, list([-1])], [row])
        emit('Slice', [row, list([0]), list([1])], [element])
        emit('Less', [element, scalar(Number.NEGATIVE_INFINITY)], [isLess])
        emit('Cast', [isLess], [zero], { to: typeCodes.int64 })
        emit('Add', [list(output.shape as number[]), zero], [shape])
        return emit('Reshape', [x, shape], [output.name])
      }
      case 'custom':
        aliases.set(output.id, inputs.at(-1)!)
        return
      default:
        node.operation satisfies never
    }
  }

  return { lower, emit, nameOf }
}

/** 0 keeps the length at that position, -1 takes what is left over. */
function reshapeTarget(from: Shape, to: Shape): number[] {
  return to.map((dim, axis) => (typeof dim === 'number' ? dim : from[axis] === dim ? 0 : -1))
}

function attribute(name: string, value: Attribute): Protobuf.Message {
  const encoded = Protobuf.message()
  Protobuf.text(encoded, 1, name)
  if (typeof value === 'number') {
    Protobuf.varint(encoded, 3, value)
    Protobuf.varint(encoded, 20, 2)
  } else if (typeof value === 'string') {
    Protobuf.text(encoded, 4, value)
    Protobuf.varint(encoded, 20, 3)
  } else if ('float' in value) {
    Protobuf.float(encoded, 2, value.float)
    Protobuf.varint(encoded, 20, 1)
  } else {
    Protobuf.packedVarints(encoded, 8, value)
    Protobuf.varint(encoded, 20, 7)
  }
  return encoded
}

function valueInfo(name: string, tensor: Tensor): Protobuf.Message {
  const shape = Protobuf.message()
  for (const dim of tensor.shape) {
    const axis = Protobuf.message()
    if (typeof dim === 'number') Protobuf.varint(axis, 1, dim)
    else Protobuf.text(axis, 2, dim)
    Protobuf.nested(shape, 1, axis)
  }
  const tensorType = Protobuf.message()
  Protobuf.varint(tensorType, 1, typeCodes[tensor.dataType])
  Protobuf.nested(tensorType, 2, shape)
  const type = Protobuf.message()
  Protobuf.nested(type, 1, tensorType)
  const info = Protobuf.message()
  Protobuf.text(info, 1, name)
  Protobuf.nested(info, 2, type)
  return info
}
