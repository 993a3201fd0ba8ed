import type { Clock } from '@openledger/primitives'
import { createHistogram, type HistogramState } from './Histogram.ts'
import type { PrefixCacheState } from './PrefixCache.ts'

export type EngineMetrics = {
  readonly rows: number
  readonly running: number
  readonly waiting: number
  /** Of those who wait, answers that were begun and gave their row to others. */
  readonly parked: number
  readonly parkings: number
  readonly requests: number
  readonly finished: number
  readonly cancelled: number
  readonly failed: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly steps: number
  readonly stepMs: number
  readonly prefillMs: number
  readonly prefix: PrefixCacheState
  /** Tokens guessed from what was said before, and those of them that the model then chose. */
  readonly guessedTokens: number
  readonly guessedRightTokens: number
  /** In seconds, from submission. */
  readonly timeToFirstToken: HistogramState
  readonly timePerOutputToken: HistogramState
  readonly requestSeconds: HistogramState
  readonly queueSeconds: HistogramState
}

/** What an engine counts by itself; who runs and waits it is told. */
export type EngineRecord = Omit<EngineMetrics, 'rows' | 'running' | 'waiting' | 'parked' | 'prefix'>

/** Creates the counters and histograms of one engine, all at nothing. */
export function createEngineRecord(clock: Clock) {
  const counts = {
    parkings: 0,
    requests: 0,
    finished: 0,
    cancelled: 0,
    failed: 0,
    inputTokens: 0,
    outputTokens: 0,
    steps: 0,
    stepMs: 0,
    prefillMs: 0,
    guessedTokens: 0,
    guessedRightTokens: 0,
  }
  const timeToFirstToken = createHistogram()
  const timePerOutputToken = createHistogram()
  const requestSeconds = createHistogram()
  const queueSeconds = createHistogram()
  return {
    counts,
    observeAdmission(submittedMs: number): void {
      queueSeconds.observe((clock.nowMs() - submittedMs) / 1_000)
    },
    observeFirstToken(submittedMs: number, firstMs: number): void {
      timeToFirstToken.observe((firstMs - submittedMs) / 1_000)
    },
    observeEnd(submittedMs: number, firstMs: number | undefined, tokens: number): void {
      const nowMs = clock.nowMs()
      requestSeconds.observe((nowMs - submittedMs) / 1_000)
      if (firstMs !== undefined && tokens > 1)
        timePerOutputToken.observe((nowMs - firstMs) / (tokens - 1) / 1_000)
    },
    state: (): EngineRecord => ({
      ...counts,
      timeToFirstToken: timeToFirstToken.state(),
      timePerOutputToken: timePerOutputToken.state(),
      requestSeconds: requestSeconds.state(),
      queueSeconds: queueSeconds.state(),
    }),
  }
}
