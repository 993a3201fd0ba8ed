import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { BaseError } from '@openledger/primitives'
import type { Engine } from '../engine/Engine.ts'
import type { Logger } from '../node/Logger.ts'
import { RpcPortError, type RpcServer } from './createRpcServer.ts'
import { createEngineEnd, type Tidings } from './EngineLink.ts'
import type { RpcThreadData, RpcThreadMessage } from './RpcThread.ts'

export type RpcThreadOptions = Omit<RpcThreadData, 'host' | 'rateLimit'> &
  Partial<Pick<RpcThreadData, 'host' | 'rateLimit'>> & {
    readonly engine: Pick<Engine, 'submit' | 'transaction' | 'pending' | 'onBlock' | 'onPending'>
    /** Takes transactions in the engine's place. */
    readonly submit?: Engine['submit']
    readonly logger: Logger
  }

/** What is being answered has so long to end. */
const CLOSE_MAX_MS = 5_000
const RETRY_MS = 1_000

/**
 * Serves JSON-RPC over HTTP and WebSocket from a thread that follows the chain in the engine's directory, so that block
 * building waits for no reader: the engine is asked only for what stands in its pool. A thread that fails is replaced.
 *
 * @throws {RpcPortError} when the port cannot be had.
 */
export async function createRpcThread(options: RpcThreadOptions): Promise<RpcServer> {
  const { engine, submit = engine.submit, logger, ...given } = options
  let closing: Promise<void> | undefined

  const start = async (data: RpcThreadData): Promise<Running> => {
    const worker = new Worker(new URL('./RpcThread.ts', import.meta.url), { workerData: data })
    const send = (message: Tidings | { readonly kind: 'close' }): void => worker.postMessage(message)
    const end = createEngineEnd(engine, submit, send, (error) =>
      logger.error({ error: String(error) }, 'the engine failed to answer for JSON-RPC'),
    )
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    void exited.then(end.close)
    const listening = await new Promise<Listening>((resolve, reject) => {
      worker.on('message', (message: RpcThreadMessage) => {
        if (message.kind === 'questions') end.receive(message)
        else if (message.kind === 'log') logger[message.level](message.fields, message.message)
        else if (message.kind === 'listening') resolve(message)
        else if (message.kind === 'failed') reject(new RpcPortError(data.port, message.reason))
        else void worker.terminate()
      })
      worker.once('error', (error) => {
        logger.error({ error: String(error) }, 'the thread of JSON-RPC failed')
        reject(new RpcThreadError(error))
      })
    }).catch(async (error: unknown) => {
      await worker.terminate()
      throw error
    })
    const close = async (): Promise<void> => {
      send({ kind: 'close' })
      const impatient = setTimeout(() => void worker.terminate(), CLOSE_MAX_MS)
      await exited
      clearTimeout(impatient)
    }
    return { listening, exited, close }
  }

  let running = await start({ host: undefined, rateLimit: undefined, ...given })
  const { port, url, webSocketUrl } = running.listening
  const keep = async (): Promise<void> => {
    while (closing === undefined) {
      await running.exited
      if (closing !== undefined) return
      logger.error({ port }, 'the thread of JSON-RPC ended and is replaced')
      // the same address: callers connect again
      const again = { host: undefined, rateLimit: undefined, ...given, port }
      try {
        running = await start(again)
      } catch (error) {
        logger.error({ port, error: String(error) }, 'JSON-RPC is not served')
        await delay(RETRY_MS)
      }
    }
  }
  const keeping = keep()

  const close = (): Promise<void> => {
    closing ??= (async () => {
      await running.close()
      await keeping
    })()
    return closing
  }
  return { port, url, webSocketUrl, close, [Symbol.asyncDispose]: close }
}

type Listening = Extract<RpcThreadMessage, { readonly kind: 'listening' }>
type Running = {
  readonly listening: Listening
  readonly exited: Promise<void>
  readonly close: () => Promise<void>
}

/** Says that the thread which serves JSON-RPC could not start. */
export class RpcThreadError extends BaseError {
  constructor(cause: unknown) {
    super({
      code: 'rpc.thread',
      message: `Expected JSON-RPC to be served by a thread of its own, but it failed: ${String(cause)}. Start the node again.`,
      context: {},
      cause,
    })
  }
}
