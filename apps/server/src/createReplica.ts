import { createOpenLora, createReplicaServer } from '@openledger/openlora'
import { BaseError } from '@openledger/primitives'
import type { Logger } from 'pino'
import { BASE_NAME, type Config } from './Config.ts'
import { createBlobs } from './createBlobs.ts'
import { listen } from './listen.ts'

/** An engine that listens. */
export type RunningReplica = {
  readonly url: string
  /** Finishes what it has, takes nothing new, and stops. */
  readonly close: () => Promise<void>
}

/**
 * Starts an engine that servers elsewhere ask: no chain, no database, no money. It reads adapters from the same blobs as
 * the server: a bucket, or the folder of a shared volume.
 * @throws {ReplicaSecretMissingError}
 */
export async function createReplica(config: Config, logger: Logger): Promise<RunningReplica> {
  const { replicaSecret: secret, host, replicaPort } = config
  if (secret === undefined) throw new ReplicaSecretMissingError()
  const openLora = await createOpenLora(
    {
      blobs: createBlobs(config),
      // requests come prepared
      lookup: async () => undefined,
      logger: logger.child({ part: 'openlora' }),
    },
    {
      baseDirectory: config.baseModel,
      baseName: BASE_NAME,
      threads: config.engineThreads,
      precision: config.basePrecision,
      limits: { rows: config.servingRows },
    },
  )
  const replica = createReplicaServer(openLora, { secret })
  const { close, port } = await listen(replica.fetch, { host, port: replicaPort })
  return {
    url: `http://${host}:${port}`,
    async close() {
      await replica.drain()
      await close()
      await openLora.close()
    },
  }
}

export class ReplicaSecretMissingError extends BaseError {
  constructor() {
    super({
      code: 'server.replica_secret_missing',
      message:
        'Expected OPENLEDGER_REPLICA_SECRET, which a replica and its servers share, got none. Set the same long random text on both sides.',
    })
  }
}
