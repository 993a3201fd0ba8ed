import { BaseError } from '@openledger/primitives'
import type { MiddlewareHandler } from 'hono'
import type { Answering } from './completions/Answering.ts'

/** The end of a server's work: nothing new is begun, what was begun is finished and charged. */
export type Draining = {
  /** Refuses what would begin work once the server drains. */
  readonly middleware: MiddlewareHandler
  /** Keeps count of the answers that somebody makes. */
  readonly counted: (answering: Answering) => Answering
  /** Cut answers listen to it. */
  readonly signal: AbortSignal
  readonly isDraining: () => boolean
  /**
   * Waits for the answers in the making. Those that take longer than `withinMs` are ended and charged for what was
   * delivered.
   */
  readonly drain: (withinMs: number) => Promise<void>
}

const RETRY_SECONDS = 5

export function createDraining(): Draining {
  const cut = new AbortController()
  let isDraining = false
  let open = 0
  let onIdle = (): void => {}

  const leave = (): void => {
    open--
    if (open === 0) onIdle()
  }

  const during = async <T>(work: () => Promise<T>): Promise<T> => {
    open++
    try {
      return await work()
    } finally {
      leave()
    }
  }

  return {
    signal: cut.signal,
    isDraining: () => isDraining,
    async middleware(context, next) {
      if (isDraining && context.req.method === 'POST') {
        context.header('connection', 'close')
        throw new DrainingError()
      }
      await next()
    },
    counted: (answering) => ({
      ...answering,
      async *answer(...request) {
        open++
        try {
          yield* answering.answer(...request)
        } finally {
          leave()
        }
      },
      embed: (...request) => during(() => answering.embed(...request)),
      attributeText: (...request) => during(() => answering.attributeText(...request)),
    }),
    async drain(withinMs) {
      isDraining = true
      if (open === 0) return
      const timer = setTimeout(() => cut.abort(), withinMs)
      await new Promise<void>((resolve) => {
        onIdle = resolve
      })
      clearTimeout(timer)
    },
  }
}

export class DrainingError extends BaseError {
  constructor() {
    super({
      code: 'server.draining',
      message: `Expected a server that takes requests, but this one finishes what it has and stops. Nothing was changed; try again in ${RETRY_SECONDS} s.`,
      context: { retryAfterSeconds: RETRY_SECONDS },
      severity: 'retry',
    })
  }
}
