import type { Transferable } from 'node:worker_threads'
import { BaseError, type Severity } from '@openledger/primitives'

/** What one side of a thread border offers: method names with what goes in and what comes out. */
export type Methods = { readonly [name: string]: { readonly in: unknown; readonly out: unknown } }

/** The methods as functions. */
export type Handlers<M extends Methods> = {
  readonly [K in keyof M]: (argument: M[K]['in']) => M[K]['out'] | Promise<M[K]['out']>
}

/** A message port, a worker or a worker's parent. */
export type Port = {
  readonly postMessage: (message: unknown, transfer?: readonly Transferable[]) => void
  readonly on: (event: 'message', listener: (message: unknown) => void) => unknown
}

export type WorkerLink<Remote extends Methods> = {
  /** Calls the other side and waits for its answer; its errors arrive as `BaseError` with the same code. */
  readonly call: <K extends keyof Remote & string>(
    method: K,
    argument: Remote[K]['in'],
  ) => Promise<Remote[K]['out']>
  /** Tells the other side something, without an answer. */
  readonly send: <K extends keyof Remote & string>(method: K, argument: Remote[K]['in']) => void
  /** Fails every call that waits, and every later one: the other side is gone. */
  readonly fail: (error: Error) => void
}

export type PlainError = {
  readonly code: string
  readonly message: string
  readonly context: Readonly<Record<string, unknown>>
  readonly severity: Severity
}

type Message =
  | { readonly kind: 'call'; readonly id: number; readonly method: string; readonly argument: unknown }
  | { readonly kind: 'send'; readonly method: string; readonly argument: unknown }
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: PlainError }

/** Joins two threads by typed calls in both directions. */
export function createWorkerLink<Local extends Methods, Remote extends Methods>(
  port: Port,
  handlers: Handlers<Local>,
): WorkerLink<Remote> {
  type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }
  const waiting = new Map<number, Waiting>()
  let nextId = 0
  let gone: Error | undefined

  async function answer(method: string, argument: unknown): Promise<unknown> {
    return handlers[method as keyof Local](argument as Local[keyof Local]['in'])
  }

  port.on('message', (raw) => {
    const message = raw as Message
    switch (message.kind) {
      case 'call':
        answer(message.method, message.argument).then(
          (result) => port.postMessage({ kind: 'result', id: message.id, result } satisfies Message),
          (error: unknown) =>
            port.postMessage({ kind: 'error', id: message.id, error: toPlainError(error) } satisfies Message),
        )
        return
      case 'send':
        void answer(message.method, message.argument)
        return
      case 'result':
        waiting.get(message.id)?.resolve(message.result)
        waiting.delete(message.id)
        return
      case 'error':
        waiting.get(message.id)?.reject(fromPlainError(message.error))
        waiting.delete(message.id)
        return
      default:
        message satisfies never
    }
  })

  return {
    call: (method, argument) =>
      new Promise((resolve, reject) => {
        if (gone !== undefined) return reject(gone)
        const id = nextId++
        waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
        port.postMessage({ kind: 'call', id, method, argument } satisfies Message)
      }),
    send: (method, argument) => {
      if (gone === undefined) port.postMessage({ kind: 'send', method, argument } satisfies Message)
    },
    fail: (error) => {
      gone = error
      for (const { reject } of waiting.values()) reject(error)
      waiting.clear()
    },
  }
}

/** Keeps of an error what may cross a thread border. */
export function toPlainError(error: unknown): PlainError {
  if (error instanceof BaseError) {
    const { code, message, context, severity } = error
    return { code, message, context, severity }
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { code: 'engine.internal', message, context: {}, severity: 'fatal' }
}

/** Makes an error again of what crossed; its class is lost, its code is not. */
export const fromPlainError = (plain: PlainError): BaseError => new BaseError(plain)
