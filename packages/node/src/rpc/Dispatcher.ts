import type { Logger } from '../node/Logger.ts'
import { isForReading } from './heavyMethods.ts'
import type { Methods } from './Methods.ts'
import type { RateLimiter } from './RateLimit.ts'
import { Codes, RpcError, toRpcError } from './RpcError.ts'

export type RpcId = string | number | null

export type RpcResponse = { readonly jsonrpc: '2.0'; readonly id: RpcId } & (
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: unknown } }
)

/** Calls in one batch; more must come in several. */
export const BATCH_MAX = 1_000
/** How long a batch holds the thread before others get a turn. */
const TURN_MS = 5

export type Dispatcher = {
  /**
   * Answers the text of a request or batch.
   * @param own - Methods that only this connection has.
   * @param address - Who asks, for the limit on the rate.
   * @returns the text of the answer, or `undefined` when nothing asked for one.
   */
  readonly handle: (text: string, own?: Methods, address?: string) => Promise<string | undefined>
}

export type DispatcherOptions = {
  readonly limiter?: RateLimiter
  /** Answers what {@link isForReading} names elsewhere. */
  readonly reading?: (text: string) => Promise<string | undefined>
}

/**
 * Speaks JSON-RPC 2.0: parses, finds methods, and turns what they throw into error answers.
 * @see https://www.jsonrpc.org/specification
 */
export function createDispatcher(
  methods: Methods,
  logger: Logger,
  { limiter, reading }: DispatcherOptions = {},
): Dispatcher {
  // own properties only: `constructor` is not a method of the node
  const find = (table: Methods | undefined, name: string) =>
    table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined

  async function answer(
    request: unknown,
    own: Methods | undefined,
    address: string | undefined,
  ): Promise<RpcResponse | undefined> {
    if (typeof request !== 'object' || request === null || Array.isArray(request)) {
      return failure(null, invalidRequest('an object'))
    }
    const { id, jsonrpc, method, params } = request as Record<string, unknown>
    if (id !== undefined && id !== null && typeof id !== 'string' && typeof id !== 'number') {
      return failure(null, invalidRequest('an id that is a string, a number or null'))
    }
    const answerId = id ?? null
    if (jsonrpc !== '2.0') return failure(answerId, invalidRequest('jsonrpc to be "2.0"'))
    if (typeof method !== 'string') return failure(answerId, invalidRequest('a method name'))
    if (params !== undefined && params !== null && !Array.isArray(params)) {
      return failure(
        answerId,
        new RpcError({
          rpcCode: Codes.invalidParams,
          message: 'invalid params: expected an array by position',
        }),
      )
    }
    const implementation = find(own, method) ?? find(methods, method)
    if (implementation === undefined) {
      const error = new RpcError({
        rpcCode: Codes.methodNotFound,
        message: `the method ${method.slice(0, 100)} does not exist/is not available`,
      })
      return id === undefined ? undefined : failure(answerId, error)
    }
    try {
      limit(address, method)
      const result = await implementation(params ?? [])
      return id === undefined ? undefined : { jsonrpc: '2.0', id: answerId, result }
    } catch (error) {
      const known = toRpcError(error)
      if (known === undefined) logger.error({ method, error: describe(error) }, 'method failed')
      const shown = known ?? new RpcError({ rpcCode: Codes.internal, message: 'internal error' })
      return id === undefined ? undefined : failure(answerId, shown)
    }
  }

  /** @throws {RpcError} when an address asks too often. */
  function limit(address: string | undefined, method: string): void {
    const waitMs = limiter?.take(address, method)
    if (waitMs === undefined) return
    throw new RpcError({
      rpcCode: Codes.limitExceeded,
      message: `rate limit exceeded: expected fewer requests from one address, try again in ${waitMs} ms`,
      data: { retryAfterMs: waitMs },
    })
  }

  async function answerElsewhere(
    text: () => string,
    parsed: unknown,
    address: string | undefined,
    ask: NonNullable<typeof reading>,
  ): Promise<string | undefined> {
    const requests = [parsed].flat() as { readonly id?: RpcId; readonly method: string }[]
    try {
      for (const { method } of requests) limit(address, method)
      return await ask(text())
    } catch (error) {
      const known = toRpcError(error)
      if (known === undefined) logger.error({ error: describe(error) }, 'a reading thread failed')
      const shown = known ?? new RpcError({ rpcCode: Codes.internal, message: 'internal error' })
      const refusals = requests.map(({ id = null }) => encode(failure(id, shown)))
      return Array.isArray(parsed) ? `[${refusals.join(',')}]` : refusals[0]
    }
  }

  return {
    async handle(text, own, address) {
      let parsed: unknown
      try {
        parsed = JSON.parse(text)
      } catch {
        return encode(
          failure(null, new RpcError({ rpcCode: Codes.parse, message: 'parse error: expected JSON' })),
        )
      }
      if (Array.isArray(parsed) && parsed.length > BATCH_MAX) {
        return encode(failure(null, invalidRequest(`a batch of at most ${BATCH_MAX} requests`)))
      }
      if (reading !== undefined && isForReading(parsed))
        return answerElsewhere(() => text, parsed, address, reading)
      if (!Array.isArray(parsed)) {
        const response = await answer(parsed, own, address)
        return response === undefined ? undefined : encode(response)
      }
      if (parsed.length === 0) return encode(failure(null, invalidRequest('a batch of at least one request')))
      // what takes long is answered elsewhere whatever stands beside it, or a short batch would hold up blocks
      const answerMember = async (request: unknown): Promise<string | undefined> => {
        if (reading !== undefined && !Array.isArray(request) && isForReading(request))
          return answerElsewhere(() => JSON.stringify(request), request, address, reading)
        const response = await answer(request, own, address)
        return response === undefined ? undefined : encode(response)
      }
      const answers: (string | undefined)[] = []
      const submissions: Promise<unknown>[] = []
      let turnMs = performance.now()
      for (const [i, request] of parsed.entries()) {
        const answering = answerMember(request).then((response) => {
          answers[i] = response
        })
        // transactions in a row enter the pool in their order and are made durable together
        if (isSubmission(request)) submissions.push(answering)
        else await Promise.all([...submissions.splice(0), answering])
        // a block that is due does not wait for the end of a batch
        if (performance.now() - turnMs > TURN_MS) {
          await new Promise(setImmediate)
          turnMs = performance.now()
        }
      }
      await Promise.all(submissions)
      const responses = answers.filter((response) => response !== undefined)
      return responses.length === 0 ? undefined : `[${responses.join(',')}]`
    },
  }
}

const isSubmission = (request: unknown): boolean =>
  (request as { method?: unknown } | null)?.method === 'eth_sendRawTransaction'

const encode = (response: RpcResponse): string => JSON.stringify(response)

const failure = (id: RpcId, { rpcCode, message, data }: RpcError): RpcResponse => ({
  jsonrpc: '2.0',
  id,
  error: { code: rpcCode, message, ...(data === undefined ? {} : { data }) },
})

const invalidRequest = (expected: string): RpcError =>
  new RpcError({ rpcCode: Codes.invalidRequest, message: `invalid request: expected ${expected}` })

const describe = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)
