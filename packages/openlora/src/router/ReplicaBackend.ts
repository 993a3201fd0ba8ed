import { BaseError, type Hex } from '@openledger/primitives'
import { createGeneration } from '../engine/Generation.ts'
import { fromPlainError, type PlainError } from '../engine/WorkerLink.ts'
import type { Prepared } from '../Prepared.ts'
import type { ReplicaHealth, ReplicaLine } from './ReplicaServer.ts'
import type { Backend } from './Router.ts'

export type ReplicaOptions = {
  /** Address of the replica, e.g. `http://10.0.0.8:8090`. */
  readonly url: string
  readonly secret: string
  /** The base it has to serve. */
  readonly baseHash: Hex
  /** A replica that says nothing for so long is gone. */
  readonly silenceMsMax?: number
}

const HEALTH_MS_MAX = 2_000
/** Loading adapters may take long; the next call asks again. */
const KEEP_MS_MAX = 30_000
const SILENCE_MS_MAX = 10_000

/** Answers on this engine in another process, over HTTP: forms, priorities and all. */
export function createReplicaBackend(options: ReplicaOptions): Backend {
  const { url, secret, baseHash, silenceMsMax = SILENCE_MS_MAX } = options
  const authorization = `Bearer ${secret}`

  async function carryOut(
    prepared: Prepared,
    signal: AbortSignal,
    feed: ReturnType<typeof createGeneration>,
  ): Promise<void> {
    const silence = new AbortController()
    let timer = setTimeout(() => silence.abort(), silenceMsMax)
    const cut = AbortSignal.any([signal, silence.signal])
    const ids: number[] = []
    let text = ''
    try {
      const response = await fetch(`${url}/generate`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', ...traceHeader(prepared) },
        body: JSON.stringify(prepared),
        signal: cut,
      })
      if (!response.ok) throw fromPlainError((await response.json()) as PlainError)
      for await (const line of linesOf(response)) {
        clearTimeout(timer)
        timer = setTimeout(() => silence.abort(), silenceMsMax)
        if (line.kind === 'token') {
          if (line.delta.tokenId !== null) ids.push(line.delta.tokenId)
          text += line.delta.text
          feed.push(line.delta)
        } else if (line.kind === 'failed') throw fromPlainError(line.error)
        else if (line.kind === 'finished') {
          feed.finish(line.result)
          return
        }
      }
      throw new ReplicaGoneError(url, 'the stream ended in the middle of an answer')
    } catch (error) {
      if (signal.aborted) {
        // what came until the caller left is what was delivered
        const { promptIds, promptText } = prepared
        feed.finish({
          text,
          answerIds: ids,
          promptIds,
          promptText,
          inputTokens: promptIds.length,
          outputTokens: ids.length,
          finishReason: 'cancelled',
        })
        return
      }
      throw error instanceof BaseError
        ? error
        : new ReplicaGoneError(url, String((error as Error).message), error)
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    name: url,
    generate(prepared, { signal } = {}) {
      const abandoned = new AbortController()
      const feed = createGeneration(() => abandoned.abort())
      const either = signal === undefined ? abandoned.signal : AbortSignal.any([signal, abandoned.signal])
      carryOut(prepared, either, feed).catch((error: Error) => feed.fail(error))
      return feed.generation
    },
    async keep(adapters) {
      const response = await fetch(`${url}/adapters`, {
        method: 'PUT',
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify(adapters),
        signal: AbortSignal.timeout(KEEP_MS_MAX),
      })
      if (!response.ok) throw fromPlainError((await response.json()) as PlainError)
    },
    async isHealthy() {
      const response = await fetch(`${url}/health`, {
        headers: { authorization },
        signal: AbortSignal.timeout(HEALTH_MS_MAX),
      })
      // one of another base would answer, but with another model
      return response.ok && ((await response.json()) as ReplicaHealth).baseHash === baseHash
    },
  }
}

/** Lets the other side's spans join the trace of the request. */
export const traceHeader = ({ request: { traceparent } }: Prepared): Record<string, string> =>
  traceparent === undefined ? {} : { traceparent }

async function* linesOf(response: Response): AsyncGenerator<ReplicaLine> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const bytes of response.body!) {
    const lines = (rest + decoder.decode(bytes as Uint8Array, { stream: true })).split('\n')
    rest = lines.pop()!
    for (const line of lines) yield JSON.parse(line) as ReplicaLine
  }
}

export class ReplicaGoneError extends BaseError {
  constructor(url: string, what: string, cause?: unknown) {
    super({
      code: 'engine.backend_unreachable',
      message: `Expected an answer of the replica ${url}, but ${what}. Others are asked where nothing was delivered yet.`,
      context: { url },
      severity: 'retry',
      cause,
    })
  }
}
