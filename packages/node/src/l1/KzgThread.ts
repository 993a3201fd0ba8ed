import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { parentPort } from 'node:worker_threads'
import { createKzg } from '@openledger/rollup/Kzg'

/** Commits and proves on a thread of its own: each takes about a second. */
const require = createRequire(import.meta.url)
const path = join(dirname(require.resolve('viem/package.json')), 'trusted-setups', 'mainnet.json')
const setup = JSON.parse(readFileSync(path, 'utf8')) as { readonly g1_lagrange: readonly string[] }
const kzg = createKzg(setup.g1_lagrange)

export type KzgRequest = { readonly id: number; readonly blob: Uint8Array; readonly withProof: boolean }
export type Committed = { readonly id: number; readonly commitment: Uint8Array; readonly proof?: Uint8Array }
export type KzgAnswer = Committed | { readonly id: number; readonly error: string }

const port = parentPort!
port.on('message', ({ id, blob, withProof }: KzgRequest) => {
  try {
    const commitment = kzg.commit(blob)
    const proof = withProof ? { proof: kzg.prove(blob, commitment) } : {}
    port.postMessage({ id, commitment, ...proof } satisfies KzgAnswer)
  } catch (error) {
    port.postMessage({ id, error: (error as Error).message } satisfies KzgAnswer)
  }
})
