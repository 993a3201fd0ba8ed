import { BaseError } from '@openledger/primitives'

/** Runs a program until SIGINT or SIGTERM, then closes it; a second signal ends it at once. */
export async function runUntilStopped(
  start: () => Promise<{ readonly close: () => Promise<void> } | undefined>,
): Promise<void> {
  try {
    const program = await start()
    if (program === undefined) return
    let stopping = false
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        // a second signal means it
        if (stopping) process.exit(1)
        stopping = true
        console.log('Stopping ...')
        program.close().then(
          () => process.exit(0),
          (error: unknown) => {
            console.error(error)
            process.exit(1)
          },
        )
      })
    }
  } catch (error) {
    console.error(error instanceof BaseError ? `openledger: ${error.message}` : error)
    process.exit(1)
  }
}
