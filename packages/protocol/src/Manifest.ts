import { BaseError, Bytes, CanonicalJson, type Hex } from '@openledger/primitives'

/**
 * What a Datanet version consists of, as a blob: the accepted records in the order in which they were contributed. The
 * blob's SHA-256 is the version's `manifestHash` on chain.
 */
export type Manifest = {
  readonly datanetId: string
  readonly parentVersion: number
  readonly records: readonly ManifestEntry[]
}

export type ManifestEntry = {
  readonly contributionId: Hex
  /** Position within the contribution. */
  readonly index: number
  readonly recordId: Hex
}

/** Serialises a manifest; equal manifests give equal bytes. */
export const encode = ({ datanetId, parentVersion, records }: Manifest): Uint8Array =>
  Bytes.fromUtf8(
    CanonicalJson.stringify({
      datanetId,
      parentVersion,
      records: records.map(({ contributionId, index, recordId }) => ({ contributionId, index, recordId })),
    }),
  )

/** Reads a manifest back; its blob's name has vouched for the bytes. @throws {ManifestBytesError} */
export function decode(bytes: Uint8Array): Manifest {
  const parsed = JSON.parse(Bytes.toUtf8(bytes)) as Partial<Manifest> | null
  if (typeof parsed?.datanetId !== 'string' || !Array.isArray(parsed.records)) throw new ManifestBytesError()
  return parsed as Manifest
}

export class ManifestBytesError extends BaseError {
  constructor() {
    super({
      code: 'manifest.bytes',
      message: 'Expected the manifest of a Datanet version, got other JSON. Check the name of the blob.',
    })
  }
}
