import { timingSafeEqual } from 'node:crypto'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import type { AdapterReference } from '../adapters/AdapterCache.ts'
import type { TokenDelta } from '../engine/EngineRequest.ts'
import type { GenerationResult } from '../engine/Generation.ts'
import { type PlainError, toPlainError } from '../engine/WorkerLink.ts'
import type { OpenLora } from '../OpenLora.ts'
import type { Prepared } from '../Prepared.ts'

/** A line of an answer on its way from a replica: JSON, one a line. */
export type ReplicaLine =
  | { readonly kind: 'token'; readonly delta: TokenDelta }
  | { readonly kind: 'finished'; readonly result: GenerationResult }
  | { readonly kind: 'failed'; readonly error: PlainError }
  /** Says nothing but that the replica lives. */
  | { readonly kind: 'alive' }

/** What a replica says of itself. */
export type ReplicaHealth = { readonly status: 'ok' | 'draining'; readonly baseHash: Hex }

export type ReplicaServer = {
  /**
   * Answers `POST /generate` (a prepared request; lines come back) and `PUT /adapters` (references of adapters to keep in
   * memory for the next minute) with the secret as bearer, and `GET /health`.
   *
   * Whoever has the secret is believed: requests were checked, priced and paid where they came from.
   */
  readonly fetch: (request: Request) => Promise<Response>
  /** Takes nothing new, waits for the answers in the making. */
  readonly drain: () => Promise<void>
}

const ALIVE_MS = 2_000
/** How long adapters are kept that no server names again; servers do every few seconds. */
const KEEP_MS = 60_000

/** Lends an engine to a server on another machine. */
export function createReplicaServer(
  openLora: Pick<OpenLora, 'generate' | 'baseHash' | 'keepFor'>,
  { secret }: { readonly secret: string },
): ReplicaServer {
  const expected = Bytes.keccak256(Bytes.fromUtf8(`Bearer ${secret}`))
  let isDraining = false
  let open = 0
  let onIdle = (): void => {}

  function isKnown(request: Request): boolean {
    const got = Bytes.keccak256(Bytes.fromUtf8(request.headers.get('authorization') ?? ''))
    return timingSafeEqual(got, expected)
  }

  async function* linesOf(prepared: Prepared, signal: AbortSignal): AsyncGenerator<ReplicaLine> {
    open++
    try {
      const generation = openLora.generate(prepared, { signal })
      for await (const delta of generation) yield { kind: 'token', delta }
      yield { kind: 'finished', result: await generation.result }
    } catch (error) {
      yield { kind: 'failed', error: toPlainError(error) }
    } finally {
      if (--open === 0) onIdle()
    }
  }

  return {
    async fetch(request) {
      const { pathname } = new URL(request.url)
      const { baseHash } = openLora
      if (pathname === '/health') {
        const health: ReplicaHealth = { status: isDraining ? 'draining' : 'ok', baseHash }
        return Response.json(health, { status: isDraining ? 503 : 200 })
      }
      if (!isKnown(request)) return refusal(401, new ReplicaSecretError())
      if (pathname === '/adapters' && request.method === 'PUT') {
        const adapters = (await request.json()) as readonly AdapterReference[]
        const kept = await Promise.allSettled(adapters.map((one) => openLora.keepFor(one, KEEP_MS)))
        const failed = kept.find(({ status }) => status === 'rejected')
        return failed === undefined
          ? new Response(null, { status: 204 })
          : refusal(409, (failed as PromiseRejectedResult).reason as Error)
      }
      if (pathname !== '/generate' || request.method !== 'POST') return new Response(null, { status: 404 })
      if (isDraining) return refusal(503, new ReplicaDrainingError())
      const prepared = (await request.json()) as Prepared
      return new Response(
        streamOf((signal) => linesOf(prepared, signal)),
        {
          headers: { 'content-type': 'application/x-ndjson' },
        },
      )
    },
    drain() {
      isDraining = true
      if (open === 0) return Promise.resolve()
      return new Promise((resolve) => {
        onIdle = resolve
      })
    },
  }
}

const refusal = (status: number, error: Error): Response => Response.json(toPlainError(error), { status })

/** Writes lines as they come, and one now and then while none does; a reader who leaves ends them. */
function streamOf(start: (signal: AbortSignal) => AsyncGenerator<ReplicaLine>): ReadableStream<Uint8Array> {
  const left = new AbortController()
  const encoder = new TextEncoder()
  return new ReadableStream({
    start(controller) {
      const write = (line: ReplicaLine): void => {
        if (!left.signal.aborted) controller.enqueue(encoder.encode(`${JSON.stringify(line)}\n`))
      }
      const living = setInterval(() => write({ kind: 'alive' }), ALIVE_MS)
      // not held back by a slow reader: an answer is small, and the engine's row is free when it is made
      void (async () => {
        for await (const line of start(left.signal)) write(line)
        clearInterval(living)
        if (!left.signal.aborted) controller.close()
      })()
    },
    cancel: () => left.abort(),
  })
}

export class ReplicaDrainingError extends BaseError {
  constructor() {
    super({
      code: 'engine.draining',
      message: 'Expected a replica that takes requests, but this one finishes what it has. Ask another.',
      severity: 'retry',
    })
  }
}

export class ReplicaSecretError extends BaseError {
  constructor() {
    super({
      code: 'engine.replica_secret',
      message:
        'Expected the secret of this replica as a bearer, got another. Give both sides the same OPENLEDGER_REPLICA_SECRET.',
      severity: 'retry',
    })
  }
}
