import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import * as Rlp from './Rlp.ts'
import * as SpanBatch from './SpanBatch.ts'

/** One L2 block without what derivation adds: its deposits. */
export type SingularBatch = {
  readonly parentHash: Hex
  /** Number of the L1 origin. */
  readonly epochNumber: bigint
  readonly epochHash: Hex
  readonly timestamp: bigint
  /** Encoded transactions, without deposits. */
  readonly transactions: readonly Uint8Array[]
}

/** A batch by its version byte. @see OP specs, derivation, "Batch Format"; Delta, "Span Batches". */
export type Batch =
  | { readonly version: 0; readonly singular: SingularBatch }
  | { readonly version: 1; readonly span: SpanBatch.SpanBatch }

/** Encodes a singular batch: `00 ‖ rlp([parent_hash, epoch_number, epoch_hash, timestamp, transaction_list])`. */
export function encodeSingular(batch: SingularBatch): Uint8Array {
  const { parentHash, epochNumber, epochHash, timestamp, transactions } = batch
  const body = Rlp.encode([
    hexToBytes(parentHash),
    epochNumber,
    hexToBytes(epochHash),
    timestamp,
    [...transactions],
  ])
  return Bytes.concat(Uint8Array.of(0), body)
}

/** Encodes a span batch: `01` and its prefix and payload. */
export const encodeSpan = (span: SpanBatch.SpanBatch): Uint8Array =>
  Bytes.concat(Uint8Array.of(1), SpanBatch.encode(span))

/**
 * Decodes a batch of either version; what follows it is not looked at, as in op-node.
 * @param chainId - Of the L2: span batches leave it out of their transactions.
 * @throws {MalformedBatchError | MalformedSpanError | MalformedRlpError} after which the channel cannot be read on.
 * @throws {SpanBatch.UnreadableTransactionError} of a span alone.
 */
export function decode(bytes: Uint8Array, chainId: bigint): Batch {
  const [version] = bytes
  if (version === 1) return { version, span: SpanBatch.decode(bytes.subarray(1), chainId) }
  if (version !== 0) throw new MalformedBatchError('version 0 or 1', `${version}`)
  const fields = Rlp.list(Rlp.decodeFirst(bytes.subarray(1)).item, 'a singular batch', 5)
  return {
    version,
    singular: {
      parentHash: bytesToHex(Rlp.bytes(fields[0], 'parent_hash', 32)),
      epochNumber: Rlp.uint64(fields[1], 'epoch_number'),
      epochHash: bytesToHex(Rlp.bytes(fields[2], 'epoch_hash', 32)),
      timestamp: Rlp.uint64(fields[3], 'timestamp'),
      transactions: Rlp.list(fields[4], 'transaction_list').map((item) => Rlp.bytes(item, 'transaction')),
    },
  }
}

export class MalformedBatchError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'batch.malformed',
      message: `Expected a batch with ${expected}, got ${got}.`,
      context: { expected, got },
    })
  }
}
