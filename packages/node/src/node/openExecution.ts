import { join } from 'node:path'
import { BaseError, systemClock } from '@openledger/primitives'
import type { Genesis } from '@openledger/rollup'
import { genesisHash } from '../deployment/exportChain.ts'
import { createEmbeddedEngine, type EmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import { createRemoteEngine, type RemoteEngine } from '../engineApi/createRemoteEngine.ts'
import { silentLogger } from './Logger.ts'
import { L2_BLOCK_TIME_SECONDS, type NodeOptions } from './NodeOptions.ts'

/** What executes blocks and keeps them. */
export type Execution =
  | { readonly kind: 'embedded'; readonly engine: EmbeddedEngine }
  | { readonly kind: 'remote'; readonly engine: RemoteEngine }

/**
 * Opens the engine of this process, or the one that the options name.
 * @throws {ExecutionClientError} when that one is of another chain or cannot be asked.
 */
export async function openExecution(options: NodeOptions, genesis: Genesis): Promise<Execution> {
  const { directory, clock = systemClock, logger = silentLogger, l2 = {} } = options
  if (l2.engine === undefined) {
    const engine = await createEmbeddedEngine({
      directory: join(directory, 'l2'),
      genesis,
      clock,
      buildTimeMaxMs: 750 * (l2.blockTimeSeconds ?? L2_BLOCK_TIME_SECONDS),
      ...(l2.historyBlocks === undefined ? {} : { historyBlocks: l2.historyBlocks }),
      warn: logger.warn,
    })
    return { kind: 'embedded', engine }
  }
  try {
    const engine = await createRemoteEngine({
      ...l2.engine,
      chainId: genesis.config.chainId,
      genesisHash: await genesisHash(genesis),
      clock,
      logger,
    })
    return { kind: 'remote', engine }
  } catch (cause) {
    if (cause instanceof BaseError) throw new ExecutionClientError(join(directory, 'genesis.json'), cause)
    throw cause
  }
}

export class ExecutionClientError extends BaseError {
  constructor(genesisPath: string, cause: BaseError) {
    super({
      code: 'node.execution_client',
      message: `Expected an execution client of this chain, made from ${genesisPath}: ${cause.message}`,
      context: { genesisPath, cause: cause.code },
      severity: cause.severity,
      cause,
    })
  }
}
