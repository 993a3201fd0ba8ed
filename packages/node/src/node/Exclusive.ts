/** Runs one piece of work after the other. */
export type Exclusive = <T>(work: () => Promise<T>) => Promise<T>

/**
 * Creates a turn that sequencer and verifier take before they change the chain's head: looking at the head and changing
 * it is then one step.
 */
export function createExclusive(): Exclusive {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const result = last.then(work)
    last = result.catch(() => {})
    return result
  }
}
