import { parentPort } from 'node:worker_threads'
import { loadCrypto } from '@openledger/rollup/Crypto'
import { recoverPacked } from './Senders.ts'

/** Recovers the senders of packed transactions on a thread of its own; see {@link recoverPacked} for the layout. */
const port = parentPort!
const crypto = await loadCrypto()
port.on('message', ({ id, packed }: { id: number; packed: Uint8Array<ArrayBuffer> }) => {
  const found = recoverPacked(packed, crypto)
  port.postMessage({ id, found }, [found.buffer])
})
