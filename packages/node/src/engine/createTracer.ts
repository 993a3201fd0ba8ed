import type { Clock } from '@openledger/primitives'
import type { EvmStep } from '@openledger/rollup'
import { createCallTracer } from './CallTracer.ts'
import { createPrestateTracer } from './PrestateTracer.ts'
import { createStructLogger } from './StructLogger.ts'
import {
  type PlainTracer,
  type TracedTransaction,
  TraceLimitError,
  type TraceOptions,
  type Tracer,
  unobserved,
} from './Tracer.ts'

const TRACE_TIME_MAX_MS = 10_000
/** How long a trace holds the thread before others get a turn. */
const TURN_MS = 20
const NOOP_TRACER: PlainTracer = { evm: {}, observe: unobserved, result: () => ({}) }

/**
 * Creates the tracer that the options ask for.
 * @throws {TraceLimitError} from within the execution when it takes too long or reports too much.
 */
export function createTracer(
  options: TraceOptions,
  transaction: TracedTransaction,
  clock: Clock,
  deadlineMs: number = clock.nowMs() + TRACE_TIME_MAX_MS,
): Tracer {
  const tracer =
    options.tracer === 'callTracer'
      ? createCallTracer(options, transaction)
      : options.tracer === 'prestateTracer'
        ? createPrestateTracer(options, transaction)
        : options.tracer === 'noopTracer'
          ? NOOP_TRACER
          : createStructLogger(options)
  let turnMs = clock.nowMs()
  let count = 0
  const step = (current: EvmStep): void | Promise<void> => {
    tracer.evm.step?.(current)
    // the clock is not free
    if (++count % 64 !== 0) return
    const nowMs = clock.nowMs()
    if (nowMs > deadlineMs) throw new TraceLimitError(`${TRACE_TIME_MAX_MS} ms`)
    if (nowMs - turnMs < TURN_MS) return
    return new Promise<void>((resolve) => {
      setImmediate(() => {
        turnMs = clock.nowMs()
        resolve()
      })
    })
  }
  return { ...tracer, evm: { ...tracer.evm, step } }
}
