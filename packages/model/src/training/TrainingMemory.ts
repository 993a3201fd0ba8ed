import { type LlamaConfig, linearSize, targetsOf, weightShapes } from '../checkpoint/Config.ts'

/** What a process takes before any model: Node and ONNX Runtime, as measured. */
const PROCESS_BYTES = 130e6
/** Arenas grow in steps, so that they hold more than is in use. */
const ARENA_SLACK = 1.5

/**
 * Estimates the most resident memory of LoRA training in a process of its own, in bytes: the base once as read and once
 * shared by the threads, the adapter with gradient and moments, and what one run of the graph keeps, for each thread.
 */
export function trainingBytes(
  config: LlamaConfig,
  {
    rank,
    workers,
    tokensPerRun = 512,
  }: { readonly rank: number; readonly workers: number; readonly tokensPerRun?: number },
): number {
  const { hiddenSize, feedForwardSize, layers, heads, vocabularySize } = config
  let weights = 0
  for (const shape of weightShapes(config).values())
    weights += shape.reduce((product, length) => product * length, 1)
  const adapter = targetsOf(config).reduce((sum, target) => {
    const { input, output } = linearSize(config, target)
    return sum + layers * rank * (input + output)
  }, 0)
  const scores = 3 * Math.max(2 ** 21, heads * tokensPerRun ** 2)
  const kept = tokensPerRun * (layers * (12 * hiddenSize + 4 * feedForwardSize) + 3 * vocabularySize) + scores
  return PROCESS_BYTES + 4 * (2 * weights + 6 * adapter + ARENA_SLACK * Math.max(1, workers) * kept)
}
