import type { Logger } from './Logger.ts'

/** Work that is done again and again until it is stopped. */
export type Loop = {
  /** Stops after the round in hand. */
  readonly stop: () => Promise<void>
  /** What the last round threw, if it did. */
  readonly lastError: () => unknown
}

/** What does not work at the moment, by service; empty when all is well. */
export const problemsOf = (
  services: Readonly<Record<string, Pick<Loop, 'lastError'>>>,
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(services).flatMap(([name, service]) => {
      const error = service.lastError()
      return error === undefined ? [] : [[name, error instanceof Error ? error.message : String(error)]]
    }),
  )

/** A failure that stays is logged no more often than this. */
const REPEAT_MS = 30_000

/**
 * Runs `round` every `intervalMs`, one at a time; a round that fails is logged and tried again at the next interval.
 * @param round - Gets a signal that ends when the loop is stopped.
 */
export function createLoop({
  name,
  intervalMs,
  logger,
  round,
}: {
  readonly name: string
  readonly intervalMs: number
  readonly logger: Logger
  readonly round: (signal: AbortSignal) => Promise<void>
}): Loop {
  const controller = new AbortController()
  const { signal } = controller
  let lastError: unknown
  let wake: () => void = () => {}

  let reported: { readonly reason: string; readonly at: number } | undefined

  function report(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    if (reported?.reason === reason && performance.now() - reported.at < REPEAT_MS) return
    reported = { reason, at: performance.now() }
    logger.warn({ loop: name, reason }, 'round failed; it will be tried again')
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        await round(signal)
        lastError = undefined
        reported = undefined
      } catch (error) {
        lastError = error
        if (!signal.aborted) report(error)
      }
      if (signal.aborted) return
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, intervalMs)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  const running = run()
  return {
    async stop() {
      controller.abort()
      wake()
      await running
    },
    lastError: () => lastError,
  }
}
