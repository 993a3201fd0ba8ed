import { BaseError } from '@openledger/primitives'
import type { AdapterReference } from '../adapters/AdapterCache.ts'
import type { TokenDelta } from '../engine/EngineRequest.ts'
import { createGeneration, type Generation } from '../engine/Generation.ts'
import type { Prepared } from '../Prepared.ts'

/** One engine that answers: ours, in this process or another, or a vLLM server. */
export type Backend = {
  readonly name: string
  readonly generate: (prepared: Prepared, options?: { readonly signal?: AbortSignal }) => Generation
  /** Whether it would take a request now. */
  readonly isHealthy: () => Promise<boolean>
  /** Whether it can make this answer at all; undefined for any. */
  readonly canMake?: (prepared: Prepared) => boolean
  /** Keeps these adapters in memory for a time that each call begins anew. */
  readonly keep?: (adapters: readonly AdapterReference[]) => Promise<void>
}

export type RouterOptions = {
  /** A backend holds at most this many times the mean of requests in the making; at least 1. */
  readonly loadFactor?: number
  /** Backends that one request is tried on at most. */
  readonly attemptsMax?: number
  readonly checkIntervalMs?: number
  /** Adapters that every backend which can is to keep in memory; told to it at every check. */
  readonly pinned?: () => readonly AdapterReference[]
  /** Told what a backend could not keep. */
  readonly onKeepFailure?: (backend: string, error: unknown) => void
}

export type RouterState = readonly {
  readonly name: string
  readonly running: number
  readonly isUp: boolean
  readonly isDraining: boolean
  /** Requests sent to it, and those that failed there before their first token. */
  readonly requests: number
  readonly failures: number
}[]

export type Router = {
  /**
   * Makes an answer on the backend that has the adapter, or the next one with room.
   *
   * What fails before its first token is tried elsewhere; what fails later fails, so that the tokens of an answer all come
   * from one backend and are charged once.
   * @throws {NoBackendError} by the generation, when no backend is up.
   */
  readonly generate: Backend['generate']
  /** Sends no more requests to a backend and waits for those it has. @throws {UnknownBackendError} */
  readonly drain: (name: string) => Promise<void>
  /** Takes a drained backend into use again. @throws {UnknownBackendError} */
  readonly resume: (name: string) => void
  readonly state: () => RouterState
  readonly close: () => void
}

type Member = {
  readonly backend: Backend
  running: number
  requests: number
  failures: number
  isUp: boolean
  isDraining: boolean
  onIdle: () => void
}

/** Points of a backend on the ring: with 128, loads differ by about a tenth. */
const POINTS = 128
const LOAD_FACTOR = 1.25
const ATTEMPTS_MAX = 3
const CHECK_INTERVAL_MS = 5_000

/**
 * Spreads requests over backends so that those of one adapter meet where it is in memory already, and none is overrun.
 *
 * @see Mirrokni, Thorup and Zadimoghaddam 2018, "Consistent Hashing with Bounded Loads".
 */
export function createRouter(backends: readonly Backend[], options: RouterOptions = {}): Router {
  const {
    loadFactor = LOAD_FACTOR,
    attemptsMax = ATTEMPTS_MAX,
    checkIntervalMs = CHECK_INTERVAL_MS,
    pinned = () => [],
    onKeepFailure = () => {},
  } = options
  const members = backends.map(
    (backend): Member => ({
      backend,
      running: 0,
      requests: 0,
      failures: 0,
      isUp: true,
      isDraining: false,
      onIdle: () => {},
    }),
  )
  const ring = members
    .flatMap((member) =>
      Array.from({ length: POINTS }, (_, i) => ({ at: hash(`${member.backend.name}#${i}`), member })),
    )
    .sort((a, b) => a.at - b.at)

  /** Gives the members in the order in which a key asks them, those with room first. */
  function orderFor(key: string, prepared: Prepared): Member[] {
    const at = hash(key)
    const first = ring.findIndex((point) => point.at >= at)
    const order = new Set<Member>()
    for (let i = 0; i < ring.length && order.size < members.length; i++) {
      order.add(ring[(Math.max(0, first) + i) % ring.length]!.member)
    }
    const able = [...order].filter(
      ({ backend, isUp, isDraining }) => isUp && !isDraining && (backend.canMake?.(prepared) ?? true),
    )
    const running = able.reduce((sum, member) => sum + member.running, 0)
    const bound = Math.ceil((loadFactor * (running + 1)) / able.length)
    return [
      ...able.filter((member) => member.running < bound),
      ...able.filter((member) => member.running >= bound),
    ]
  }

  const checking = setInterval(() => void check(), checkIntervalMs)
  checking.unref()
  async function check(): Promise<void> {
    await Promise.all(
      members.map(async (member) => {
        member.isUp = await member.backend.isHealthy().catch(() => false)
        const adapters = pinned()
        if (!member.isUp || adapters.length === 0) return
        await member.backend.keep?.(adapters).catch((error) => onKeepFailure(member.backend.name, error))
      }),
    )
  }

  function leave(member: Member): void {
    member.running--
    if (member.running === 0) member.onIdle()
  }

  async function carryOut(
    prepared: Prepared,
    signal: AbortSignal,
    feed: ReturnType<typeof createGeneration>,
  ): Promise<void> {
    const key = prepared.model?.adapterHash ?? prepared.request.model
    const tried = new Set<Member>()
    let failure: Error = new NoBackendError(members.length)
    while (tried.size < attemptsMax) {
      const member = orderFor(key, prepared).find((one) => !tried.has(one))
      if (member === undefined) break
      tried.add(member)
      member.requests++
      member.running++
      let isDelivered = false
      try {
        const generation = member.backend.generate(prepared, { signal })
        for await (const delta of generation as AsyncIterable<TokenDelta>) {
          isDelivered = true
          feed.push(delta)
        }
        feed.finish(await generation.result)
        return
      } catch (error) {
        failure = error as Error
        // what the request itself is to blame for fails the same anywhere
        if (isDelivered || signal.aborted || !(error instanceof BaseError) || error.severity !== 'retry')
          break
        member.failures++
        // a full queue is no fault: the next one may have room, and this one has it soon
        if (error.code !== 'openlora.queue_full') member.isUp = false
      } finally {
        leave(member)
      }
    }
    feed.fail(failure)
  }

  const find = (name: string): Member => {
    const member = members.find(({ backend }) => backend.name === name)
    if (member === undefined) throw new UnknownBackendError(name)
    return member
  }

  return {
    generate(prepared, { signal } = {}) {
      const abandoned = new AbortController()
      const feed = createGeneration(() => abandoned.abort())
      const either = signal === undefined ? abandoned.signal : AbortSignal.any([signal, abandoned.signal])
      void carryOut(prepared, either, feed)
      return feed.generation
    },
    drain(name) {
      const member = find(name)
      member.isDraining = true
      if (member.running === 0) return Promise.resolve()
      return new Promise((resolve) => {
        member.onIdle = resolve
      })
    },
    resume(name) {
      find(name).isDraining = false
    },
    state: () =>
      members.map(({ backend: { name }, running, isUp, isDraining, requests, failures }) => ({
        name,
        running,
        isUp,
        isDraining,
        requests,
        failures,
      })),
    close: () => clearInterval(checking),
  }
}

/** 32 bits of FNV-1a, mixed once more so that neighbouring names lie far apart. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}

export class NoBackendError extends BaseError {
  constructor(count: number) {
    super({
      code: 'engine.no_backend',
      message: `Expected one of ${count} serving backends to be up, but none is; try again in 5 s.`,
      context: { count, retryAfterSeconds: 5 },
      severity: 'retry',
    })
  }
}

export class UnknownBackendError extends BaseError {
  constructor(name: string) {
    super({
      code: 'engine.unknown_backend',
      message: `Expected the name of a serving backend, got ${JSON.stringify(name.slice(0, 100))}.`,
      context: { name: name.slice(0, 100) },
    })
  }
}
