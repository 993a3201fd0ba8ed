import type { ModelFactory } from '@openledger/modelfactory'
import type { streamSSE } from 'hono/streaming'

/** How often a run that another process may be training is looked at. */
const POLL_MS = 2_000
/** After so long without news a comment goes out: clients and proxies take a silent connection for a dead one. */
const SILENCE_MS_MAX = 15_000

type EventStream = Parameters<Parameters<typeof streamSSE>[1]>[0]

/** Sends every metric once and the run at each change, until the run is over or the reader has left. */
export async function followRun(modelFactory: ModelFactory, id: string, stream: EventStream): Promise<void> {
  let wake = (): void => {}
  let isChanged = true
  const stopWatching = modelFactory.watch(id, () => {
    isChanged = true
    wake()
  })
  stream.onAbort(() => {
    stopWatching()
    wake()
  })
  let sentStep = -1
  let sentRun = ''
  let sentAtMs = performance.now()
  const send = async (event: string, data: string): Promise<void> => {
    await stream.writeSSE({ event, data })
    sentAtMs = performance.now()
  }
  try {
    while (!stream.aborted) {
      if (!isChanged) {
        await new Promise<void>((resolve) => {
          wake = resolve
          // another process may be the one that trains: look now and then without being told
          setTimeout(resolve, POLL_MS).unref()
        })
        if (stream.aborted) return
      }
      isChanged = false
      for (const metric of await modelFactory.metrics(id)) {
        if (metric.step <= sentStep) continue
        await send('metric', JSON.stringify(metric))
        sentStep = metric.step
      }
      const run = await modelFactory.run(id)
      const written = JSON.stringify(run)
      if (written !== sentRun) await send('run', written)
      sentRun = written
      if (['trained', 'published', 'failed', 'cancelled'].includes(run.status)) return
      if (performance.now() - sentAtMs >= SILENCE_MS_MAX) {
        await stream.write(': still here\n\n')
        sentAtMs = performance.now()
      }
    }
  } finally {
    stopWatching()
  }
}
