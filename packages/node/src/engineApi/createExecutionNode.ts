import { join } from 'node:path'
import { type Clock, systemClock } from '@openledger/primitives'
import { type Genesis, loadCrypto } from '@openledger/rollup'
import { createEmbeddedEngine, type EmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import { lockDirectory } from '../node/DirectoryLock.ts'
import { type Logger, silentLogger } from '../node/Logger.ts'
import { VERSION } from '../node/Version.ts'
import { createChainMethods } from '../rpc/chainMethods.ts'
import { createRpcServer, type RpcServer } from '../rpc/createRpcServer.ts'
import { createRpcThread } from '../rpc/createRpcThread.ts'
import { createEngineMethods } from './engineMethods.ts'
import * as Jwt from './Jwt.ts'

/** A full block in hexadecimal JSON, several times over. */
const ENGINE_BODY_BYTES_MAX = 64 * 1024 * 1024

export type ExecutionNodeOptions = {
  /** Everything that must survive lies here. */
  readonly directory: string
  readonly genesis: Genesis
  /** The wallets' JSON-RPC; 0 takes a free port. */
  readonly rpcPort?: number
  readonly rpcHost?: string
  /** The Engine API, on loopback; 0 takes a free port. */
  readonly enginePort?: number
  /** A file of 64 hexadecimal digits, made when missing. Default `jwt.hex` in the directory. */
  readonly jwtSecretPath?: string
  readonly clock?: Clock
  readonly logger?: Logger
}

export type ExecutionNode = AsyncDisposable & {
  readonly engine: EmbeddedEngine
  readonly rpcUrl: string
  readonly engineUrl: string
  readonly jwtSecretPath: string
  readonly close: () => Promise<void>
}

/**
 * Starts the execution client alone: the engine and its JSON-RPC, driven over the Engine API by a consensus client that
 * runs elsewhere, op-node for one.
 *
 * @throws {DirectoryLockedError | GenesisMismatchError | JwtSecretError | RpcPortError}
 * @example
 * await using node = await createExecutionNode({ directory: 'engine', genesis, enginePort: 9551 })
 */
export async function createExecutionNode(options: ExecutionNodeOptions): Promise<ExecutionNode> {
  const { directory, genesis, clock = systemClock, logger = silentLogger } = options
  await using stack = new AsyncDisposableStack()
  const lock = lockDirectory(directory)
  stack.defer(lock.release)
  const jwtSecretPath = options.jwtSecretPath ?? join(directory, 'jwt.hex')
  const secret = Jwt.readSecret(jwtSecretPath)
  const engine = await createEmbeddedEngine({
    directory: join(directory, 'l2'),
    genesis,
    clock,
    warn: logger.warn,
  })
  stack.defer(() => engine.close())
  const rpc = await createRpcThread({
    engine,
    directory: join(directory, 'l2'),
    genesis,
    port: options.rpcPort ?? 0,
    ...(options.rpcHost === undefined ? {} : { host: options.rpcHost }),
    readThreads: 1,
    logger,
  })
  stack.use(rpc)
  const chain = createChainMethods(engine, genesis.config.optimism, clock)
  stack.defer(chain.close)
  const engineRpc: RpcServer = await createRpcServer({
    engine,
    // a consensus client reads blocks and proofs from the same endpoint
    methods: {
      ...chain.methods,
      ...createEngineMethods({ engine, crypto: await loadCrypto(), version: VERSION }),
    },
    port: options.enginePort ?? 0,
    refusalOf: (authorization) => Jwt.refusalOf(authorization, secret, clock.nowMs() / 1_000),
    bodyBytesMax: ENGINE_BODY_BYTES_MAX,
    logger,
  })
  stack.use(engineRpc)
  logger.info({ url: engineRpc.url, jwtSecretPath }, 'the Engine API is served')

  const services = stack.move()
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= services.disposeAsync()
    return closed
  }
  return {
    engine,
    rpcUrl: rpc.url,
    engineUrl: engineRpc.url,
    jwtSecretPath,
    close,
    [Symbol.asyncDispose]: close,
  }
}
