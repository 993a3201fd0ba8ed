import { parentPort, workerData } from 'node:worker_threads'
import { Adapter, CheckpointFolder } from '@openledger/model'
import { buildIndexes } from './AttributionIndexes.ts'
import type { FromIndexThread, IndexTask } from './IndexThread.ts'

/** The thread that builds one model's indexes; keeping them is the other side's. */
const port = parentPort!
const { baseDirectory, baseHash, adapter: bytes, adapterHash, records, seed } = workerData as IndexTask
const say = (message: FromIndexThread): void => port.postMessage(message)

try {
  const checkpoint = await CheckpointFolder.read(baseDirectory)
  if (checkpoint.baseHash !== baseHash) {
    throw new Error(`this server's base is ${checkpoint.baseHash} and the adapter's ${baseHash}`)
  }
  const adapter = Adapter.decode(checkpoint.config, bytes)
  if (adapter.hash !== adapterHash) {
    throw new Error(`its adapter hashes to ${adapter.hash}, not ${adapterHash}`)
  }
  const indexes = await buildIndexes(
    {
      checkpoint,
      tokenizer: await CheckpointFolder.readTokenizer(baseDirectory),
      adapter,
      records,
      seed,
    },
    { onProgress: (done) => say({ kind: 'progress', done }), signal: new AbortController().signal },
  )
  say({ kind: 'done', indexes })
} catch (error) {
  say({ kind: 'failed', message: (error as Error).message })
} finally {
  port.close()
}
