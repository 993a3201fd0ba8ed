export { gradients, NoGradientError, recomputed } from './Gradient.ts'
export {
  createGraph,
  type DataType,
  DuplicateNameError,
  dataTypeOf,
  ForeignTensorError,
  type Graph,
  type Node,
  nodesFor,
  type OperationName,
  type Tensor,
  type TensorData,
} from './Graph.ts'
export * as Onnx from './Onnx.ts'
export * as Op from './Op.ts'
export {
  BLOCK,
  dequantise,
  type EightBits,
  type Quantised,
  quantise,
  toEightBits,
} from './Quantised.ts'
export * as Reference from './Reference.ts'
export {
  createSession,
  type Feed,
  FeedError,
  type Fetched,
  RuntimeMissingError,
  type Session,
  type SessionOptions,
} from './Session.ts'
export * as Shapes from './Shape.ts'
export { type Dim, type Shape, ShapeError } from './Shape.ts'
