import type { Genesis } from '@openledger/rollup'
import type { RollupConfig } from '../deployment/RollupConfig.ts'
import type { Engine, InspectableEngine } from '../engine/Engine.ts'
import type { RemoteEngine } from '../engineApi/createRemoteEngine.ts'
import type { L1 } from '../l1/L1.ts'
import { createRpcServer, type RpcServer } from '../rpc/createRpcServer.ts'
import { createRpcThread } from '../rpc/createRpcThread.ts'
import { createForwardedMethods } from '../rpc/forwardedMethods.ts'
import { createVersionMethods } from '../rpc/nodeMethods.ts'
import { createOptimismMethods } from '../rpc/optimismMethods.ts'
import type { RateLimit } from '../rpc/RateLimit.ts'
import type { Logger } from './Logger.ts'
import { VERSION } from './Version.ts'

export type ServeRpcOptions = {
  readonly engine: InspectableEngine
  /** Where the engine's chain lies. */
  readonly directory: string
  readonly l1: L1
  readonly genesis: Genesis
  readonly rollupConfig: RollupConfig
  /** 0 takes a free one. */
  readonly port?: number
  readonly host?: string
  /** Takes transactions in the engine's place. */
  readonly submit?: Engine['submit']
  /** How many threads answer what takes long; 1 by default. */
  readonly readThreads?: number
  readonly rateLimit?: RateLimit
  readonly logger: Logger
}

/** Serves every JSON-RPC method of a node, away from the thread that builds its blocks. */
export function serveRpc(options: ServeRpcOptions): Promise<RpcServer> {
  const { l1, rollupConfig, port = 0, readThreads = 1, ...given } = options
  return createRpcThread({ ...given, port, readThreads, rollup: { rollupConfig, l1RpcUrl: l1.rpcUrl } })
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
