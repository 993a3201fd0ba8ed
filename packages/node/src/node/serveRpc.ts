import type { Clock } from '@openledger/primitives'
import type { Genesis } from '@openledger/rollup'
import type { RollupConfig } from '../deployment/RollupConfig.ts'
import type { InspectableEngine } from '../engine/Engine.ts'
import type { RemoteEngine } from '../engineApi/createRemoteEngine.ts'
import type { L1 } from '../l1/L1.ts'
import { createRpcServer, type RpcServer } from '../rpc/createRpcServer.ts'
import { createDebugMethods } from '../rpc/debugMethods.ts'
import { createFeeMethods } from '../rpc/feeMethods.ts'
import { createFilterMethods } from '../rpc/filterMethods.ts'
import { createForwardedMethods } from '../rpc/forwardedMethods.ts'
import type { Methods } from '../rpc/Methods.ts'
import { createNodeMethods, createVersionMethods } from '../rpc/nodeMethods.ts'
import { createOptimismMethods } from '../rpc/optimismMethods.ts'
import type { RateLimit } from '../rpc/RateLimit.ts'
import { createReadThreads } from '../rpc/ReadThreads.ts'
import { createSimulateMethods } from '../rpc/simulateMethods.ts'
import { createStateMethods } from '../rpc/stateMethods.ts'
import type { Logger } from './Logger.ts'
import { VERSION } from './Version.ts'

export type ServeRpcOptions = {
  readonly engine: InspectableEngine
  readonly l1: L1
  readonly genesis: Genesis
  readonly rollupConfig: RollupConfig
  /** 0 takes a free one. */
  readonly port?: number
  readonly host?: string
  /** Methods that this role answers otherwise. */
  readonly overrides?: Methods
  /** Where the engine's chain lies, and how many threads read it for what takes long; without it the engine answers all. */
  readonly readThreads?: { readonly directory: string; readonly count: number }
  readonly rateLimit?: RateLimit
  readonly clock: Clock
  readonly logger: Logger
}

/** Serves every JSON-RPC method of a node. */
export async function serveRpc(options: ServeRpcOptions): Promise<RpcServer> {
  const { engine, l1, genesis, rollupConfig, port = 0, host, overrides = {}, clock, logger } = options
  const filters = createFilterMethods(engine, clock)
  const { readThreads, rateLimit } = options
  const threads =
    readThreads === undefined || readThreads.count === 0
      ? undefined
      : createReadThreads({ ...readThreads, genesis, logger })
  try {
    const server = await createRpcServer({
      engine,
      port,
      ...(host === undefined ? {} : { host }),
      logger,
      methods: {
        ...createStateMethods(engine),
        ...createSimulateMethods(engine),
        ...createDebugMethods(engine),
        ...createFeeMethods(engine, genesis.config.optimism),
        ...createNodeMethods(engine, VERSION),
        ...createOptimismMethods({ engine, l1, rollupConfig, version: VERSION }),
        ...filters.methods,
        ...overrides,
      },
      ...(rateLimit === undefined ? {} : { rateLimit }),
      ...(threads === undefined ? {} : { reading: threads.answer }),
    })
    const close = async (): Promise<void> => {
      await server.close()
      filters.close()
      await threads?.close()
    }
    return { ...server, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    filters.close()
    await threads?.close()
    throw error
  }
}

/** Serves a node whose blocks another process executes: that one answers, but for what only a rollup node knows. */
export function serveForwardedRpc(
  options: Pick<ServeRpcOptions, 'l1' | 'rollupConfig' | 'port' | 'host' | 'rateLimit' | 'logger'> & {
    readonly engine: RemoteEngine
  },
): Promise<RpcServer> {
  const { engine, l1, rollupConfig, port = 0, host, rateLimit, logger } = options
  return createRpcServer({
    port,
    ...(host === undefined ? {} : { host }),
    logger,
    methods: {
      ...createForwardedMethods(engine),
      ...createVersionMethods(engine.chainId, VERSION),
      ...createOptimismMethods({ engine, l1, rollupConfig, version: VERSION }),
    },
    ...(rateLimit === undefined ? {} : { rateLimit }),
  })
}
