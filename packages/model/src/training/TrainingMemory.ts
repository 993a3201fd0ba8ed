import { BLOCK } from '@openledger/tensor'
import { type LlamaConfig, linearSize, targetsOf, weightShapes } from '../checkpoint/Config.ts'

/** What a process takes before any model: Node and ONNX Runtime, as measured. */
const PROCESS_BYTES = 130e6
/** Arenas grow in steps, so that they hold more than is in use. */
const ARENA_SLACK = 1.5
/** A weight in 4 bits, with its part of the float32 scale that a block shares. */
const QUANTISED_BYTES = 0.5 + 4 / BLOCK

/**
 * Estimates the most resident memory of training in a process of its own, in bytes: the base once as read and, under an adapter, once
 * shared by the threads (there in 4 bits where that is asked for); what is trained with moments and gradient, of which each thread
 * has two copies at a time; and what one run of the graph keeps, for each thread.
 */
export function trainingBytes(
  config: LlamaConfig,
  {
    rank,
    workers,
    isQuantised = false,
    isFull = false,
    tokensPerRun = 512,
  }: {
    readonly rank: number
    readonly workers: number
    readonly isQuantised?: boolean
    /** Whether all weights are trained, not an adapter. */
    readonly isFull?: boolean
    readonly tokensPerRun?: number
  },
): number {
  const { hiddenSize, feedForwardSize, layers, heads, vocabularySize } = config
  let weights = 0
  for (const shape of weightShapes(config).values())
    weights += shape.reduce((product, length) => product * length, 1)
  let adapter = 0
  let linears = 0
  for (const target of targetsOf(config)) {
    const { input, output } = linearSize(config, target)
    adapter += layers * rank * (input + output)
    // others stay as they are
    if (input % BLOCK === 0) linears += layers * input * output
  }
  const shared = isQuantised ? 4 * (weights - linears) + QUANTISED_BYTES * linears : 4 * weights
  const scores = 3 * Math.max(2 ** 21, heads * tokensPerRun ** 2)
  const kept = tokensPerRun * (layers * (12 * hiddenSize + 4 * feedForwardSize) + 3 * vocabularySize) + scores
  const runs = ARENA_SLACK * Math.max(1, workers) * kept
  const trained = isFull ? (3 + 2 * Math.max(1, workers)) * weights : 6 * adapter
  return PROCESS_BYTES + 4 * weights + (isFull ? 0 : shared) + 4 * (trained + runs)
}
