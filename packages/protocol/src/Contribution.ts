import { BaseError, Bytes, CanonicalJson, type Hex, Merkle } from '@openledger/primitives'
import { encodeAbiParameters, keccak256 } from 'viem'

/**
 * A contribution is a list of records. Records are hashed one by one, their Merkle root goes on chain, and their
 * bytes go to content-addressed storage as canonical JSON.
 */
export type Contribution = {
  /** Root over `Merkle.hashLeaf(utf8(record))`, in order. */
  readonly recordsRoot: Hex
  readonly recordCount: number
  /** SHA-256 of `content`, the digest inside its CID. */
  readonly contentHash: Hex
  /** Canonical JSON array of the records, UTF-8. */
  readonly content: Uint8Array
  /** keccak256 of each record's UTF-8 bytes: the record's id everywhere. */
  readonly recordIds: readonly Hex[]
}

export const RECORD_BYTES_MAX = 16_384
export const RECORD_COUNT_MAX = 5_000
export const CONTENT_BYTES_MAX = 5 * 1024 * 1024

/**
 * Hashes records into what is signed and stored.
 * @throws {ContributionSizeError} beyond the limits above, or without any record.
 * @throws {RecordTextError} when a record is empty or holds control characters, i.e. is not text.
 */
export function fromRecords(records: readonly string[]): Contribution {
  if (records.length === 0 || records.length > RECORD_COUNT_MAX) {
    throw new ContributionSizeError('records', records.length, RECORD_COUNT_MAX)
  }
  const bytes = records.map((record, index) => {
    if (record.trim() === '') throw new RecordTextError(index, 'it is empty')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what tells binary from text
    if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffd]/.test(record))
      throw new RecordTextError(index, 'it is not text')
    const utf8 = Bytes.fromUtf8(record)
    if (utf8.length > RECORD_BYTES_MAX)
      throw new ContributionSizeError('bytes in a record', utf8.length, RECORD_BYTES_MAX)
    return utf8
  })
  const content = Bytes.fromUtf8(CanonicalJson.stringify(records))
  if (content.length > CONTENT_BYTES_MAX)
    throw new ContributionSizeError('bytes', content.length, CONTENT_BYTES_MAX)
  return {
    recordsRoot: Bytes.toHex(Merkle.build(bytes.map(Merkle.hashLeaf)).root),
    recordCount: records.length,
    contentHash: Bytes.toHex(Bytes.sha256(content)),
    content,
    recordIds: bytes.map((utf8) => Bytes.toHex(Bytes.keccak256(utf8))),
  }
}

/** Gives a contribution's id as `Datanets` computes it: who registers a root first owns it. */
export const id = (datanetId: bigint, recordsRoot: Hex): Hex =>
  keccak256(encodeAbiParameters([{ type: 'uint256' }, { type: 'bytes32' }], [datanetId, recordsRoot]))

export class ContributionSizeError extends BaseError {
  constructor(what: string, got: number, max: number) {
    super({
      code: 'contribution.size',
      message: `Expected 1 to ${max} ${what}, got ${got}. Split the contribution and send the parts one after the other.`,
      context: { what, got, max },
    })
  }
}

export class RecordTextError extends BaseError {
  constructor(index: number, reason: string) {
    super({
      code: 'contribution.not_text',
      message: `Expected every record to be UTF-8 text, but record ${index}: ${reason}. Leave it out or convert it to text.`,
      context: { index, reason },
    })
  }
}
