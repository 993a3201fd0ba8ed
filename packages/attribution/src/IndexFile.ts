import { BaseError, Bytes, CanonicalJson, type Hex, Merkle } from '@openledger/primitives'

/**
 * The bytes of an index: magic, kind, version, root, a canonical JSON header and raw little-endian sections.
 *
 * The root commits to the header and to every chunk of every section, so that one chunk can be opened alone:
 * `keccak256(leaf(header) ‖ Merkle root of section 0 ‖ Merkle root of section 1 ‖ …)`.
 */
export type IndexFile = {
  /** Four ASCII characters. */
  readonly kind: string
  readonly version: number
  readonly header: CanonicalJson.Json
  readonly sections: readonly Uint8Array[]
}

/** Bytes under one Merkle leaf of a section; the leaf is of the chunk's SHA-256, ten times faster here than Keccak. */
export const CHUNK_BYTES = 4096
const MAGIC = 'OLIX'
const FIXED_BYTES = 4 + 4 + 4 + 32 + 4 + 4
const ALIGNMENT_BYTES = 8

/** Commits to an index's header and sections. */
export function root(header: CanonicalJson.Json, sections: readonly Uint8Array[]): Hex {
  return rootOfParts(headerLeaf(header), sections.map(sectionRoot))
}

/** The root over the leaf of a header and the roots of its sections. */
export const rootOfParts = (header: Uint8Array, sections: readonly Uint8Array[]): Hex =>
  Bytes.toHex(Bytes.keccak256(Bytes.concat(header, ...sections)))

export const headerLeaf = (header: CanonicalJson.Json): Uint8Array =>
  Merkle.hashLeaf(Bytes.fromUtf8(CanonicalJson.stringify(header)))

/** Serialises an index; the root stands in the bytes. */
export function encode(
  { kind, version, header, sections }: IndexFile,
  rootHex = root(header, sections),
): Uint8Array {
  const headerBytes = Bytes.fromUtf8(CanonicalJson.stringify(header))
  const lengthsBytes = 8 * sections.length
  let size = FIXED_BYTES + lengthsBytes + headerBytes.length
  const offsets = sections.map((section) => {
    size = align(size)
    const offset = size
    size += section.length
    return offset
  })
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  bytes.set(Bytes.fromUtf8(MAGIC), 0)
  bytes.set(Bytes.fromUtf8(kind), 4)
  view.setUint32(8, version, true)
  bytes.set(Bytes.fromHex(rootHex), 12)
  view.setUint32(44, headerBytes.length, true)
  view.setUint32(48, sections.length, true)
  for (const [i, section] of sections.entries()) {
    view.setBigUint64(FIXED_BYTES + 8 * i, BigInt(section.length), true)
    bytes.set(section, offsets[i]!)
  }
  bytes.set(headerBytes, FIXED_BYTES + lengthsBytes)
  return bytes
}

/**
 * Parses and checks an index: kind, version, every length, and the root over all of it.
 *
 * @returns The header, still to be believed only as far as the root goes, and sections as copies aligned to 8 bytes.
 * @throws {IndexBytesError} for bytes that are truncated, altered, of another kind or of another version.
 */
export function decode(
  bytes: Uint8Array,
  kind: string,
  version: number,
): { header: CanonicalJson.Json; sections: Uint8Array[]; root: Hex } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < FIXED_BYTES || ascii(bytes, 0) !== MAGIC) throw new IndexBytesError('it is not an index')
  if (ascii(bytes, 4) !== kind) throw new IndexBytesError(`its kind is ${ascii(bytes, 4)}, not ${kind}`)
  const foundVersion = view.getUint32(8, true)
  if (foundVersion !== version) throw new IndexBytesError(`its version is ${foundVersion}, not ${version}`)
  const claimedRoot = Bytes.toHex(bytes.subarray(12, 44))
  const headerLength = view.getUint32(44, true)
  const sectionCount = view.getUint32(48, true)
  const headerOffset = FIXED_BYTES + 8 * sectionCount
  let size = headerOffset + headerLength
  if (size > bytes.length) throw new IndexBytesError('it is truncated')
  const sections: Uint8Array[] = []
  for (let i = 0; i < sectionCount; i++) {
    const length = Number(view.getBigUint64(FIXED_BYTES + 8 * i, true))
    const offset = align(size)
    size = offset + length
    if (size > bytes.length) throw new IndexBytesError('it is truncated')
    sections.push(bytes.slice(offset, size))
  }
  if (size !== bytes.length) throw new IndexBytesError('bytes follow its end')
  let header: CanonicalJson.Json
  try {
    header = JSON.parse(Bytes.toUtf8(bytes.subarray(headerOffset, headerOffset + headerLength)))
  } catch (cause) {
    throw new IndexBytesError('its header is not JSON', cause)
  }
  const foundRoot = root(header, sections)
  if (foundRoot !== claimedRoot)
    throw new IndexBytesError(`its content hashes to ${foundRoot}, not ${claimedRoot}`)
  return { header, sections, root: foundRoot }
}

/** Views a typed array as its bytes (this machine and the format are both little-endian). */
export const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

/** The Merkle root of a section's chunks; of a single chunk, its leaf. */
export function sectionRoot(section: Uint8Array): Uint8Array {
  const leaves: Uint8Array[] = []
  for (let at = 0; at < section.length; at += CHUNK_BYTES) {
    leaves.push(Merkle.hashLeaf(Bytes.sha256(section.subarray(at, at + CHUNK_BYTES))))
  }
  return Merkle.build(leaves).root
}

const align = (size: number): number => Math.ceil(size / ALIGNMENT_BYTES) * ALIGNMENT_BYTES
const ascii = (bytes: Uint8Array, at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4))

export class IndexBytesError extends BaseError {
  constructor(reason: string, cause?: unknown) {
    super({
      code: 'attribution.index_bytes',
      message: `Expected the bytes of an attribution index, but ${reason}; build the index again from its source.`,
      context: { reason },
      severity: 'reset',
      cause,
    })
  }
}
