/** Upper bounds in seconds, as vLLM has them for a token and a request in one. */
export const HISTOGRAM_BOUNDS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60,
] as const

/** Observations by upper bound; the last count is of those above all bounds. */
export type HistogramState = {
  readonly counts: readonly number[]
  readonly sum: number
  readonly count: number
}

/** Creates a histogram of durations in seconds. */
export function createHistogram() {
  const counts = new Array<number>(HISTOGRAM_BOUNDS.length + 1).fill(0)
  let sum = 0
  let count = 0
  return {
    observe(seconds: number): void {
      const at = HISTOGRAM_BOUNDS.findIndex((bound) => seconds <= bound)
      counts[at < 0 ? HISTOGRAM_BOUNDS.length : at]!++
      sum += seconds
      count++
    },
    state: (): HistogramState => ({ counts: [...counts], sum, count }),
  }
}
