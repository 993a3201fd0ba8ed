import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Adapter, AdapterFolder, type LlamaConfig, parseConfig } from '@openledger/model'
import {
  AdapterHashMismatchError,
  createReplicaBackend,
  createRouter,
  createVllmBackend,
  type OpenLora,
  type Router,
} from '@openledger/openlora'
import type { Blobs } from '@openledger/store'
import type { Logger } from 'pino'
import type { Config } from './Config.ts'
import { ReplicaSecretMissingError } from './createReplica.ts'

/**
 * Spreads answers over the engine of this process, its replicas and the vLLM servers of the configuration; attribution stays
 * here.
 * @throws {ReplicaSecretMissingError}
 */
export function createServingRouter(
  openLora: OpenLora,
  config: Config,
  { blobs, logger }: { readonly blobs: Pick<Blobs, 'get'>; readonly logger: Logger },
): Pick<Router, 'generate' | 'close'> {
  const { baseModel, dataDirectory } = config
  const urls = listOf(config.vllmUrls)
  const replicaUrls = listOf(config.replicaUrls)
  if (urls.length + replicaUrls.length === 0) return { generate: openLora.generate, close: () => {} }
  const directory = config.vllmAdapterDirectory ?? join(dataDirectory, 'adapters')
  let read: Promise<LlamaConfig> | undefined
  const place = async ({ adapterCid, adapterHash }: { adapterCid: string; adapterHash: `0x${string}` }) => {
    read ??= readFile(join(baseModel, 'config.json'), 'utf8').then((text) => parseConfig(JSON.parse(text)))
    const adapter = Adapter.decode(await read, await blobs.get(adapterCid))
    if (adapter.hash !== adapterHash) {
      throw new AdapterHashMismatchError({ cid: adapterCid, hash: adapterHash }, adapter.hash)
    }
    const path = join(directory, adapterHash)
    await AdapterFolder.write(path, adapter, openLora.baseName)
    return path
  }
  const local = {
    name: 'local',
    generate: openLora.generate,
    isHealthy: async () => (await openLora.metrics()).rows > 0,
  }
  const { tokenizer, baseName } = openLora
  const remote = urls.map((url) => createVllmBackend({ url, baseName, place, tokenizer }))
  const { replicaSecret: secret } = config
  const replicas = replicaUrls.map((url) => {
    if (secret === undefined) throw new ReplicaSecretMissingError()
    return createReplicaBackend({ url, secret, baseHash: openLora.baseHash })
  })
  return createRouter([local, ...replicas, ...remote], {
    pinned: openLora.pinned,
    onKeepFailure: (backend, error) =>
      logger.warn(
        { backend, reason: (error as Error).message },
        'adapters that are paid for are not in memory of another engine',
      ),
  })
}

const listOf = (urls: string | undefined): string[] => (urls ?? '').split(',').filter((url) => url !== '')
