import type { Hex } from '@openledger/primitives'
import type { ChainFollower } from '../engine/ChainFollower.ts'
import type { BlockRecord, Engine, TransactionRecord } from '../engine/Engine.ts'
import type { RpcEngine } from './RpcEngine.ts'
import { Codes, RpcError, toRpcError } from './RpcError.ts'

/** What a thread that reads a chain cannot know by itself: who builds it is asked, by name and with one argument. */
export type EngineAnswers = {
  readonly submit: (raw: Uint8Array) => Promise<Hex>
  readonly transaction: (hash: Hex) => TransactionRecord | undefined
  readonly executable: () => readonly TransactionRecord[]
  readonly queued: () => readonly TransactionRecord[]
  readonly nonce: (address: Hex) => bigint
}
type Question = { readonly id: number; readonly name: keyof EngineAnswers; readonly argument: unknown }
/** From the thread that reads: everything that came up in one turn of its event loop. */
export type Questions = { readonly kind: 'questions'; readonly questions: readonly Question[] }

type Told =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: Refusal }
  | { readonly kind: 'block'; readonly hash: Hex }
  | { readonly kind: 'pending'; readonly hash: Hex }
type Refusal = { readonly rpcCode: number; readonly message: string; readonly data?: unknown }
/** To the thread that reads, in the order in which it happened. */
export type Tidings = { readonly kind: 'tidings'; readonly told: readonly Told[] }

/** The end of the link at the engine. */
export type EngineEnd = {
  readonly receive: (message: Questions) => void
  readonly close: () => void
}

/**
 * Answers a reading thread from the engine, and tells it of blocks and of transactions that came.
 *
 * What happens in one turn of the event loop goes as one message: a message costs as much as looking an answer up.
 */
export function createEngineEnd(
  engine: Pick<Engine, 'submit' | 'transaction' | 'pending' | 'onBlock' | 'onPending'>,
  submit: Engine['submit'],
  send: (message: Tidings) => void,
  reportFault: (error: unknown) => void,
): EngineEnd {
  const answers: EngineAnswers = {
    submit,
    transaction: engine.transaction,
    executable: () => engine.pending().transactions(),
    queued: () => engine.pending().queued(),
    nonce: (address) => engine.pending().nonce(address),
  }
  const say = createOutbox<Told>((told) => send({ kind: 'tidings', told }))
  const answer = async ({ id, name, argument }: Question): Promise<void> => {
    try {
      say({ kind: 'answer', id, value: await (answers[name] as (argument: unknown) => unknown)(argument) })
    } catch (error) {
      const known = toRpcError(error)
      if (known === undefined) reportFault(error)
      const { rpcCode, message, data } = known ?? { rpcCode: Codes.internal, message: 'internal error' }
      say({ kind: 'refusal', id, error: { rpcCode, message, ...(data === undefined ? {} : { data }) } })
    }
  }
  const stops = [
    engine.onBlock(({ hash }) => say({ kind: 'block', hash })),
    engine.onPending((hash) => say({ kind: 'pending', hash })),
  ]
  return {
    receive({ questions }) {
      for (const question of questions) void answer(question)
    },
    close() {
      for (const stop of stops) stop()
    },
  }
}

/** The end of the link at the thread that reads: an engine as JSON-RPC sees it. */
export type ReaderEnd = {
  readonly engine: RpcEngine
  readonly receive: (message: Tidings) => void
}

/** Makes an engine of a follower, which reads the chain, and of a link to who builds it. */
export function createReaderEnd(
  follower: ChainFollower,
  send: (message: Questions) => void,
  reportFault: (error: unknown) => void,
): ReaderEnd {
  const { reads, follow } = follower
  type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: RpcError) => void }
  const waiting = new Map<number, Waiting>()
  let nextId = 0
  const say = createOutbox<Question>((questions) => send({ kind: 'questions', questions }))
  const ask = <Name extends keyof EngineAnswers>(
    name: Name,
    argument?: Parameters<EngineAnswers[Name]>[0],
  ): Promise<Awaited<ReturnType<EngineAnswers[Name]>>> => {
    if (waiting.size >= WAITING_MAX) {
      return Promise.reject(
        new RpcError({
          rpcCode: Codes.limitExceeded,
          message: `too many requests wait for the pool: expected at most ${WAITING_MAX}, try again in a moment`,
        }),
      )
    }
    const id = nextId++
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
      say({ id, name, argument })
    })
  }
  const blockListeners = new Set<(block: BlockRecord) => void>()
  const pendingListeners = new Set<(hash: Hex) => void>()
  /** A listener's fault is its own. */
  const tell = <T>(listeners: ReadonlySet<(about: T) => void>, about: T): void => {
    for (const listener of listeners) {
      try {
        listener(about)
      } catch (error) {
        reportFault(error)
      }
    }
  }
  const listen = <Listener>(listeners: Set<Listener>, listener: Listener): (() => void) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  return {
    engine: {
      ...reads,
      // most are asked after once they are in a block, and that stands here
      transaction: async (hash) => reads.transaction(hash) ?? (await ask('transaction', hash)),
      submit: (raw) => ask('submit', raw),
      pending: () => ({
        transactions: () => ask('executable'),
        queued: () => ask('queued'),
        nonce: (address) => ask('nonce', address),
      }),
      onBlock: (listener) => listen(blockListeners, listener),
      onPending: (listener) => listen(pendingListeners, listener),
    },
    receive({ told }) {
      for (const one of told) {
        if (one.kind === 'answer') waiting.get(one.id)?.resolve(one.value)
        else if (one.kind === 'refusal') waiting.get(one.id)?.reject(new RpcError(one.error))
        else if (one.kind === 'pending') tell(pendingListeners, one.hash)
        else {
          follow()
          // it may have been taken back meanwhile
          const block = blockListeners.size === 0 ? undefined : reads.block(one.hash)
          if (block !== undefined) tell(blockListeners, block)
        }
        if ('id' in one) waiting.delete(one.id)
      }
    },
  }
}

/** Gathers what is said in one turn of the event loop, and sends it in its order. */
function createOutbox<T>(send: (gathered: readonly T[]) => void): (one: T) => void {
  let gathered: T[] = []
  return (one) => {
    if (gathered.push(one) > 1) return
    setImmediate(() => {
      const sent = gathered
      gathered = []
      send(sent)
    })
  }
}

/** Questions that wait for the engine at once; a batch of transactions is a thousand. */
const WAITING_MAX = 50_000
