/** Tells the time; passed in so that tests decide what time it is. */
export type Clock = {
  /** Milliseconds since the Unix epoch. */
  readonly nowMs: () => number
}

export const systemClock: Clock = { nowMs: () => Date.now() }
