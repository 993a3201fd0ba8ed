import { BaseError, Bytes, CanonicalJson, type Hex } from '@openledger/primitives'

/**
 * The training records of a model in their order, with the token ids that it was trained on. Row `i` of the influence
 * index and document `i` of the span index speak of record `i` of this table.
 */
export type RecordTable = {
  readonly records: readonly RecordRow[]
}

export type RecordRow = {
  readonly recordId: Hex
  readonly contributionId: Hex
  /** Id of the earliest record that this one nearly repeats; its own when there is none. Equal ids are paid once. */
  readonly clusterId: Hex
  readonly text: string
  readonly tokens: readonly number[]
  /** Ranges of characters of the record's plain text that repeat answers; in neither index. */
  readonly echoes?: readonly (readonly [start: number, end: number])[]
}

const VERSION = 1

/** Serialises the table; equal tables give equal bytes. */
export const encode = ({ records }: RecordTable): Uint8Array =>
  Bytes.fromUtf8(
    CanonicalJson.stringify({
      version: VERSION,
      records: records.map(({ recordId, contributionId, clusterId, text, tokens, echoes = [] }) => ({
        recordId,
        contributionId,
        clusterId,
        text,
        tokens,
        echoes,
      })),
    }),
  )

/**
 * Reads a table back; its blob's name has vouched for the bytes.
 * @throws {RecordTableBytesError} when another version wrote it or it is no table.
 */
export function decode(bytes: Uint8Array): RecordTable {
  const parsed = JSON.parse(Bytes.toUtf8(bytes)) as { version?: unknown; records?: unknown } | null
  if (parsed?.version !== VERSION || !Array.isArray(parsed.records))
    throw new RecordTableBytesError(parsed?.version)
  return { records: parsed.records as RecordRow[] }
}

/**
 * Commits to everything that answers are attributed with; it goes on chain when the model is published.
 * `keccak256(influenceRoot ‖ spansRoot ‖ sha256(table bytes))`
 */
export const attributionRoot = (parts: {
  readonly influenceRoot: Hex
  readonly spansRoot: Hex
  readonly tableHash: Hex
}): Hex =>
  Bytes.toHex(
    Bytes.keccak256(
      Bytes.concat(
        ...[parts.influenceRoot, parts.spansRoot, parts.tableHash].map((hash) => Bytes.fromHex(hash)),
      ),
    ),
  )

export class RecordTableBytesError extends BaseError {
  constructor(version: unknown) {
    super({
      code: 'record_table.bytes',
      message: `Expected a record table of version ${VERSION}, got ${JSON.stringify(version) ?? 'something else'}. Train the model again with this version.`,
      context: { version },
    })
  }
}
