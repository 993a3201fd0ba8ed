import { Http } from '@openledger/protocol'
import { problemFrom } from './Transport.ts'

/** Reads server-sent events of a run's metrics until it ends or `signal` aborts. */
export async function* trainingEvents(
  url: string,
  runId: string,
  signal?: AbortSignal,
): AsyncGenerator<Http.Metric | Http.TrainingRun> {
  const response = await fetch(
    `${url}/api/training-runs/${runId}/events`,
    signal === undefined ? {} : { signal },
  )
  if (!response.ok || response.body === null) throw await problemFrom(response)
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (let buffer = ''; ; ) {
    const { done, value } = await reader.read()
    if (done) return
    buffer += value
    for (let end = buffer.indexOf('\n\n'); end >= 0; end = buffer.indexOf('\n\n')) {
      const fields = buffer.slice(0, end).split('\n')
      buffer = buffer.slice(end + 2)
      const kind = fields
        .find((field) => field.startsWith('event:'))
        ?.slice(6)
        .trim()
      const data = fields.find((field) => field.startsWith('data:'))?.slice(5)
      if (data === undefined) continue
      if (kind === 'metric') yield Http.metricSchema.parse(JSON.parse(data))
      if (kind === 'run') yield Http.trainingRunSchema.parse(JSON.parse(data))
    }
  }
}
