import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createKzg, type Kzg, type TrustedSetup } from '@openledger/rollup/Kzg'

const require = createRequire(import.meta.url)

/** What is used of `@crate-crypto/node-eth-kzg`. */
type Native = {
  readonly DasContextJs: {
    readonly create: (options: { readonly usePrecomp: boolean }) => {
      readonly blobToKzgCommitment: (blob: Uint8Array) => Uint8Array
      readonly computeBlobKzgProof: (blob: Uint8Array, commitment: Uint8Array) => Uint8Array
      readonly computeCellsAndKzgProofs: (blob: Uint8Array) => { readonly proofs: readonly Uint8Array[] }
    }
  }
}

/**
 * Opens the native library, which brings the trusted setup with it.
 * @returns `undefined` where npm has no binary for this platform.
 */
export function nativeKzg(): Kzg | undefined {
  let native: Native
  try {
    native = require('@crate-crypto/node-eth-kzg') as Native
  } catch {
    return undefined
  }
  // tables made beforehand would take hundreds of megabytes to save a part of a cell's proof
  const context = native.DasContextJs.create({ usePrecomp: false })
  return {
    commit: (blob) => context.blobToKzgCommitment(blob),
    prove: (blob, commitment) => context.computeBlobKzgProof(blob, commitment),
    proveCells: (blob) => [...context.computeCellsAndKzgProofs(blob).proofs],
  }
}

/** Our own, for every platform. */
export function plainKzg(): Kzg {
  const path = join(dirname(require.resolve('viem/package.json')), 'trusted-setups', 'mainnet.json')
  return createKzg(JSON.parse(readFileSync(path, 'utf8')) as TrustedSetup)
}
