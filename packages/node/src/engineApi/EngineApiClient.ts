import { setTimeout as delay } from 'node:timers/promises'
import { BaseError, type Clock, type Hex, systemClock } from '@openledger/primitives'
import * as Jwt from './Jwt.ts'
import type { ExecutionPayload, PayloadStatus, RpcPayloadAttributes } from './Payload.ts'

export type ForkchoiceState = {
  readonly headBlockHash: Hex
  readonly safeBlockHash: Hex
  readonly finalizedBlockHash: Hex
}

/** Calls an execution client's authenticated endpoint. */
export type EngineApiClient = {
  /** @throws {EngineApiError} with the endpoint's code, {@link EngineApiUnreachableError} when it cannot be reached. */
  request(method: string, params: readonly unknown[]): Promise<unknown>
  forkchoiceUpdated(
    state: ForkchoiceState,
    attributes?: RpcPayloadAttributes,
  ): Promise<{ readonly payloadStatus: PayloadStatus; readonly payloadId: Hex | null }>
  getPayload(id: Hex): Promise<{ readonly executionPayload: ExecutionPayload; readonly blockValue: Hex }>
  newPayload(payload: ExecutionPayload, parentBeaconBlockRoot: Hex): Promise<PayloadStatus>
  exchangeCapabilities(ours: readonly string[]): Promise<readonly string[]>
  clientVersion(): Promise<readonly { readonly name: string; readonly version: string }[]>
}

export type EngineApiClientOptions = {
  readonly url: string
  readonly secret: Uint8Array
  readonly clock?: Clock
  /** Upper bound for one attempt; the specification gives `newPayload` and `forkchoiceUpdated` 8 s. */
  readonly timeoutMs?: number
  /** Attempts for one call, all told; every method may be repeated. */
  readonly attemptsMax?: number
}

const TIMEOUT_MS = 8_000
const ATTEMPTS_MAX = 4
const BACKOFF_MS = 200

/**
 * Creates a client of the Engine API. Each request carries a fresh token, and one that did not reach the endpoint is
 * repeated; an error that the endpoint answers is not.
 */
export function createEngineApiClient(options: EngineApiClientOptions): EngineApiClient {
  const { url, secret, clock = systemClock } = options
  const { timeoutMs = TIMEOUT_MS, attemptsMax = ATTEMPTS_MAX } = options
  let lastId = 0

  async function attempt(method: string, params: readonly unknown[]): Promise<unknown> {
    const id = ++lastId
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${Jwt.sign(secret, clock.nowMs() / 1_000)}`,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
      signal: AbortSignal.timeout(timeoutMs),
    })
    if (response.status === 401 || response.status === 403) {
      throw new EngineApiUnauthorizedError(url, (await response.text()).trim())
    }
    if (!response.ok) throw new Error(`HTTP status ${response.status}`)
    const answer = (await response.json()) as {
      readonly result?: unknown
      readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
    }
    if (answer.error !== undefined) throw new EngineApiError(method, answer.error)
    return answer.result
  }

  async function request(method: string, params: readonly unknown[]): Promise<unknown> {
    for (let attempts = 1; ; attempts++) {
      try {
        return await attempt(method, params)
      } catch (error) {
        if (error instanceof BaseError) throw error
        if (attempts >= attemptsMax) throw new EngineApiUnreachableError(url, method, error)
        await delay(BACKOFF_MS * 2 ** (attempts - 1))
      }
    }
  }
  const call = async <T>(method: string, ...params: unknown[]): Promise<T> =>
    (await request(method, params)) as T

  return {
    request,
    forkchoiceUpdated: (state, attributes) =>
      call('engine_forkchoiceUpdatedV3', state, ...(attributes === undefined ? [null] : [attributes])),
    getPayload: (id) => call('engine_getPayloadV4', id),
    newPayload: (payload, parentBeaconBlockRoot) =>
      call('engine_newPayloadV4', payload, [], parentBeaconBlockRoot, []),
    exchangeCapabilities: (ours) => call('engine_exchangeCapabilities', ours),
    clientVersion: () =>
      call('engine_getClientVersionV1', {
        code: 'OL',
        name: 'OpenLedger',
        version: 'openledger',
        commit: '0x00000000',
      }),
  }
}

/** The endpoint answered with an error; `rpcCode` is the Engine API's. */
export class EngineApiError extends BaseError {
  readonly rpcCode: number
  /** As the endpoint worded it. */
  readonly reason: string
  readonly data: unknown

  constructor(
    method: string,
    { code, message, data }: { readonly code: number; readonly message: string; readonly data?: unknown },
  ) {
    super({
      code: 'engine_api.error',
      message: `Expected ${method} to succeed, the execution client answered ${code}: ${message}`,
      context: { method, rpcCode: code },
    })
    this.rpcCode = code
    this.reason = message
    this.data = data
  }
}

export class EngineApiUnauthorizedError extends BaseError {
  constructor(url: string, reason: string) {
    super({
      code: 'engine_api.unauthorized',
      message: `Expected ${url} to accept this node's token, it said: ${reason}. Give both sides the same JWT secret and check that their clocks agree.`,
      context: { url },
    })
  }
}

export class EngineApiUnreachableError extends BaseError {
  constructor(url: string, method: string, cause: unknown) {
    super({
      code: 'engine_api.unreachable',
      message: `Expected ${url} to answer ${method}, it could not be reached: ${cause instanceof Error ? cause.message : String(cause)}. Start the execution client or correct its address.`,
      context: { url, method },
      severity: 'retry',
      cause,
    })
  }
}
