import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { Adapter, type LlamaConfig, parseConfig } from '@openledger/model'
import { Bytes, type Hex } from '@openledger/primitives'
import type { StartMethods } from '../engine/WorkerHost.ts'
import { createWorkerLink, type Port, toPlainError } from '../engine/WorkerLink.ts'
import { decodeShared, type SharedAdapter, share } from './SharedAdapter.ts'

/** What the adapters' thread needs to start. */
export type AdapterWorkerData = { readonly baseDirectory: string }

/** What the adapters' thread can do: decode and hash the bytes of an adapter for the base model. */
export type AdapterMethods = {
  readonly decode: {
    /** `isChecked`: the bytes were read by the hash that the adapter must have. */
    readonly in: { readonly bytes: Uint8Array; readonly hash: Hex; readonly isChecked: boolean }
    readonly out: SharedAdapter
  }
}

// decoding and hashing an adapter takes as long as many steps, so it has a thread where it makes nobody wait
let config: LlamaConfig | undefined
const { baseDirectory } = workerData as AdapterWorkerData
const link = createWorkerLink<AdapterMethods, StartMethods<undefined>>(parentPort as unknown as Port, {
  async decode({ bytes, hash, isChecked }) {
    // on a thread of its own while this one decodes
    const digesting = isChecked
      ? undefined
      : crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)
    const decoded = decodeShared(config!, bytes, hash)
    const found = digesting === undefined ? hash : Bytes.toHex(new Uint8Array(await digesting))
    // files that we wrote hash to their adapter; one of another writer with the same matrices is hashed as we write it
    return found === hash ? decoded : share(Adapter.decode(config!, bytes))
  },
})
readFile(join(baseDirectory, 'config.json'), 'utf8').then(
  (text) => {
    config = parseConfig(JSON.parse(text))
    link.send('ready', undefined)
  },
  (error: unknown) => link.send('startFailed', toPlainError(error)),
)
