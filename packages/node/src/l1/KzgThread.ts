import { parentPort } from 'node:worker_threads'
import { nativeKzg, plainKzg } from './KzgLibrary.ts'

/** Commits and proves on a thread of its own: without the native library each takes about a second. */
const kzg = nativeKzg() ?? plainKzg()

/** What is wanted beside the commitment: nothing, the one proof of EIP-4844, or those of EIP-7594's cells. */
export type BlobProofs = 'none' | 'blob' | 'cells'
export type KzgRequest = { readonly id: number; readonly blob: Uint8Array; readonly proofs: BlobProofs }
export type Committed = {
  readonly id: number
  readonly commitment: Uint8Array
  readonly proofs: readonly Uint8Array[]
}
export type KzgAnswer = Committed | { readonly id: number; readonly error: string }

function proofsOf(blob: Uint8Array, commitment: Uint8Array, wanted: BlobProofs): Uint8Array[] {
  if (wanted === 'none') return []
  return wanted === 'blob' ? [kzg.prove(blob, commitment)] : kzg.proveCells(blob)
}

const port = parentPort!
port.on('message', ({ id, blob, proofs }: KzgRequest) => {
  try {
    const commitment = kzg.commit(blob)
    const answer: Committed = { id, commitment, proofs: proofsOf(blob, commitment, proofs) }
    port.postMessage(answer)
  } catch (error) {
    port.postMessage({ id, error: (error as Error).message } satisfies KzgAnswer)
  }
})
