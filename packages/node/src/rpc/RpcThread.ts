import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '@openledger/primitives'
import type { Genesis } from '@openledger/rollup'
import type { RollupConfig } from '../deployment/RollupConfig.ts'
import { openChainFollower } from '../engine/ChainFollower.ts'
import { createL1Client } from '../l1/L1.ts'
import type { Logger } from '../node/Logger.ts'
import { VERSION } from '../node/Version.ts'
import { createChainMethods } from './chainMethods.ts'
import { createRpcServer } from './createRpcServer.ts'
import { createReaderEnd, type Questions, type Tidings } from './EngineLink.ts'
import type { Method, Methods } from './Methods.ts'
import { createOptimismMethods } from './optimismMethods.ts'
import type { RateLimit } from './RateLimit.ts'
import { createReadThreads } from './ReadThreads.ts'

export type RpcThreadData = {
  /** The engine's. */
  readonly directory: string
  readonly genesis: Genesis
  /** What a rollup node knows beyond an execution client. */
  readonly rollup?: { readonly rollupConfig: RollupConfig; readonly l1RpcUrl: string }
  readonly port: number
  readonly host: string | undefined
  readonly rateLimit: RateLimit | undefined
  readonly readThreads: number
}

/** What the thread says beside its questions to the engine. */
export type RpcThreadMessage =
  | Questions
  | { readonly kind: 'listening'; readonly port: number; readonly url: string; readonly webSocketUrl: string }
  | { readonly kind: 'failed'; readonly reason: string }
  | {
      readonly kind: 'log'
      readonly level: keyof Logger
      readonly fields: Readonly<Record<string, unknown>>
      readonly message: string
    }
  | { readonly kind: 'closed' }

/** Serves JSON-RPC on a thread of its own, from the database that the engine writes. */
const STATE_BYTES_MAX = 8 * 1024 * 1024
const data = workerData as RpcThreadData
const { directory, genesis, rollup, port, host, rateLimit } = data
const say = (message: RpcThreadMessage): void => parentPort!.postMessage(message)
const log =
  (level: keyof Logger): Logger['info'] =>
  (fields, message) =>
    say({ kind: 'log', level, fields, message })
const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }

// it holds less of the state than who executes: what reads much of it goes to the reading threads
const follower = await openChainFollower(directory, genesis, systemClock, STATE_BYTES_MAX)
const link = createReaderEnd(follower, say, (error) =>
  logger.warn({ error: String(error) }, 'a subscription could not be told of a block'),
)
const { optimism } = genesis.config
const chain = createChainMethods(link.engine, optimism, systemClock)
/** Each answer is of the newest block that is durable: whoever heard of one finds it, and none goes back. */
const fresh =
  (method: Method): Method =>
  (params) => {
    follower.follow()
    return method(params)
  }
const methods: Methods = {
  ...chain.methods,
  ...(rollup === undefined
    ? {}
    : createOptimismMethods({
        engine: link.engine,
        l1: { client: createL1Client(rollup.l1RpcUrl) },
        rollupConfig: rollup.rollupConfig,
        version: VERSION,
      })),
}
const reading =
  data.readThreads === 0
    ? undefined
    : createReadThreads({ directory, genesis, count: data.readThreads, logger })

try {
  const server = await createRpcServer({
    engine: link.engine,
    methods: Object.fromEntries(Object.entries(methods).map(([name, method]) => [name, fresh(method)])),
    port,
    ...(host === undefined ? {} : { host }),
    ...(rateLimit === undefined ? {} : { rateLimit }),
    ...(reading === undefined ? {} : { reading: reading.answer }),
    logger,
  })
  parentPort!.on('message', async (message: Tidings | { readonly kind: 'close' }) => {
    if (message.kind === 'tidings') return link.receive(message)
    await server.close()
    chain.close()
    await reading?.close()
    follower.close()
    say({ kind: 'closed' })
  })
  say({ kind: 'listening', port: server.port, url: server.url, webSocketUrl: server.webSocketUrl })
} catch (error) {
  await reading?.close()
  say({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) })
}
