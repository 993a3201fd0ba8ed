import { BaseError, type Hex } from '@openledger/primitives'
import * as Blob from './Blob.ts'
import type { L1Transaction } from './Block.ts'

const BLOB_TYPE = 3
const DEPOSIT_TYPE = 0x7e

/** Where a piece of batcher data lies. */
export type Source =
  | { readonly kind: 'calldata'; readonly data: Uint8Array }
  | { readonly kind: 'blob'; readonly versionedHash: Hex }

/**
 * Lists what the batcher put into one L1 block, in order: the call data of its transactions to the inbox, or their blobs.
 * @param addresses.batcher - As the SystemConfig has it after that block.
 * @see OP specs, derivation, "L1 Retrieval"; Ecotone, "Blob Retrieval".
 */
export function sourcesOf(
  transactions: readonly L1Transaction[],
  { inbox, batcher }: { readonly inbox: Hex; readonly batcher: Hex },
): Source[] {
  return transactions.flatMap((transaction): Source[] => {
    const { type, to, from, input, blobHashes = [] } = transaction
    // set-code transactions, and whatever comes after them, carry no batches
    if (type > BLOB_TYPE && type !== DEPOSIT_TYPE) return []
    if (to?.toLowerCase() !== inbox.toLowerCase() || from.toLowerCase() !== batcher.toLowerCase()) return []
    if (type !== BLOB_TYPE) return [{ kind: 'calldata', data: input }]
    return blobHashes.map((versionedHash) => ({ kind: 'blob', versionedHash }))
  })
}

/**
 * Reads the data of the sources; a blob that does not hold data is passed over.
 * @throws {MissingBlobError} when a blob was not brought along.
 */
export function read(sources: readonly Source[], blobs: ReadonlyMap<Hex, Uint8Array>): Uint8Array[] {
  return sources.flatMap((source) => {
    if (source.kind === 'calldata') return [source.data]
    const blob = blobs.get(source.versionedHash)
    if (blob === undefined) throw new MissingBlobError(source.versionedHash)
    try {
      return [Blob.decode(blob)]
    } catch (error) {
      if (error instanceof Blob.MalformedBlobError) return []
      throw error
    }
  })
}

export class MissingBlobError extends BaseError {
  constructor(versionedHash: Hex) {
    super({
      code: 'derivation.missing_blob',
      message: `Expected blob ${versionedHash}, which the batcher sent, got none: name a beacon endpoint or a blob archive that has it.`,
      context: { versionedHash },
      severity: 'retry',
    })
  }
}
