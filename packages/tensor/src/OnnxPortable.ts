import type { Node } from './Graph.ts'

/** What a lowering writes nodes with. */
export type Writer = {
  readonly emit: (
    type: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes?: Readonly<Record<string, number | readonly number[]>>,
  ) => void
  /** Names a list of int64. */
  readonly list: (values: readonly number[]) => string
  /** Names a float32 of no axes. */
  readonly scalar: (value: number) => string
  /** A name that nothing has. */
  readonly fresh: () => string
}

/**
 * Writes an operation by operators of ONNX alone, where the usual lowering takes fused ones of ONNX Runtime: slower there, and
 * read by every other runtime.
 * @returns Whether it was one of those; nothing is written otherwise.
 */
export function lowerPortably(node: Node, inputs: readonly string[], writer: Writer): boolean {
  const { emit, list, scalar, fresh } = writer
  const { attributes } = node
  const output = node.outputs[0]!
  const through = (type: string, given: readonly string[], more = {}): string => {
    const name = fresh()
    emit(type, given, [name], more)
    return name
  }
  switch (node.operation) {
    case 'silu':
      emit('Mul', [inputs[0]!, through('Sigmoid', [inputs[0]!])], [output.name])
      return true
    case 'matmul': {
      const { transposeA, transposeB, scale } = attributes
      const sides = node.inputs.map(({ shape }, i) => {
        if (!(i === 0 ? transposeA : transposeB)) return inputs[i]!
        const axes = shape.map((_, axis) => axis)
        const perm = [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!]
        return through('Transpose', [inputs[i]!], { perm })
      })
      if (scale === 1) emit('MatMul', sides, [output.name])
      else emit('Mul', [through('MatMul', sides), scalar(scale as number)], [output.name])
      return true
    }
    case 'rmsNorm': {
      const [x, weight] = inputs as [string, string]
      const square = through('ReduceMean', [through('Mul', [x, x]), list([-1])], { keepdims: 1 })
      const root = through('Sqrt', [through('Add', [square, scalar(attributes.epsilon as number)])])
      const inverse = node.outputs[1]!.name
      emit('Reciprocal', [root], [inverse])
      emit('Mul', [through('Mul', [x, inverse]), weight], [output.name])
      return true
    }
    case 'rotate': {
      const [x, positions, cosines, sines] = inputs as [string, string, string, string]
      const heads = attributes.heads as number
      const half = node.inputs[2]!.shape[1] as number
      const ofToken = (table: string): string =>
        through('Unsqueeze', [through('Gather', [table, positions], { axis: 0 }), list([2])])
      const cosine = ofToken(cosines)
      const sine = attributes.inverse ? through('Neg', [ofToken(sines)]) : ofToken(sines)
      const apart = through('Reshape', [x, list([0, 0, heads, 2 * half])])
      const part = (from: number): string =>
        through('Slice', [apart, list([from]), list([from + half]), list([3])])
      const [first, second] = [part(0), part(half)]
      const turned = [
        through('Sub', [through('Mul', [first, cosine]), through('Mul', [second, sine])]),
        through('Add', [through('Mul', [second, cosine]), through('Mul', [first, sine])]),
      ]
      emit('Reshape', [through('Concat', turned, { axis: 3 }), list([0, 0, heads * 2 * half])], [output.name])
      return true
    }
    default:
      return false
  }
}
