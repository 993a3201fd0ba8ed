import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { Adapter, type LlamaConfig, parseConfig } from '@openledger/model'
import type { Hex } from '@openledger/primitives'
import { createKeccak } from 'hash-wasm'
import type { StartMethods } from '../engine/WorkerHost.ts'
import { createWorkerLink, type Port, toPlainError } from '../engine/WorkerLink.ts'
import { type SharedAdapter, share } from './SharedAdapter.ts'

/** What the adapters' thread needs to start. */
export type AdapterWorkerData = { readonly baseDirectory: string }

/** What the adapters' thread can do: decode and hash the bytes of an adapter for the base model. */
export type AdapterMethods = {
  readonly decode: {
    readonly in: { readonly bytes: Uint8Array; readonly hash: Hex }
    readonly out: SharedAdapter
  }
}

// decoding and hashing an adapter takes as long as many steps, so it has a thread where it makes nobody wait
let config: LlamaConfig | undefined
/** Compiled, since hashing took most of the time that a load takes. */
const hashing = createKeccak(256)
const { baseDirectory } = workerData as AdapterWorkerData
const link = createWorkerLink<AdapterMethods, StartMethods<undefined>>(parentPort as unknown as Port, {
  async decode({ bytes, hash }) {
    const keccak = await hashing
    const found: Hex = `0x${keccak.init().update(bytes).digest('hex')}`
    // files that we wrote hash to their adapter; one of another writer with the same matrices is hashed as we write it
    const adapter =
      found === hash ? { ...Adapter.decodeParts(config!, bytes), hash } : Adapter.decode(config!, bytes)
    return share(adapter)
  },
})
readFile(join(baseDirectory, 'config.json'), 'utf8').then(
  (text) => {
    config = parseConfig(JSON.parse(text))
    link.send('ready', undefined)
  },
  (error: unknown) => link.send('startFailed', toPlainError(error)),
)
