import { InfluenceIndex, SpanIndex } from '@openledger/attribution'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { RecordTable } from '@openledger/protocol'
import type { Loaded } from '../adapters/ByteCache.ts'

/** Where a model's attribution lies, and what the chain says of it. */
export type AttributionReference = {
  readonly influenceCid: string
  readonly spansCid: string
  readonly recordsCid: string
  /** `RecordTable.attributionRoot` of the three, as published on chain. */
  readonly attributionRoot: Hex
}

/** All that answers of one model are attributed with. */
export type AttributionIndex = {
  readonly influence: InfluenceIndex.InfluenceIndex
  readonly spans: SpanIndex.SpanIndex
  /** In the order of both. */
  readonly records: readonly Pick<RecordTable.RecordRow, 'recordId' | 'contributionId' | 'clusterId'>[]
  /** SHA-256 of the record table's bytes. */
  readonly tableHash: Hex
}

/**
 * Loads a model's indexes and checks them against the root on chain.
 * @param fetchBlob - Reads a blob by CID, its bytes checked against the CID.
 * @throws {AttributionIndexError} when they are not those that were published, or do not speak of the same records.
 */
export async function loadAttributionIndex(
  reference: AttributionReference,
  fetchBlob: (cid: string) => Promise<Uint8Array>,
): Promise<Loaded<AttributionIndex>> {
  const { influenceCid, spansCid, recordsCid } = reference
  const blobs = await Promise.all([influenceCid, spansCid, recordsCid].map(fetchBlob))
  const [influenceBytes, spansBytes, tableBytes] = blobs as [Uint8Array, Uint8Array, Uint8Array]
  const influence = InfluenceIndex.decode(influenceBytes)
  const spans = SpanIndex.decode(spansBytes)
  const table = RecordTable.decode(tableBytes)
  const tableHash = Bytes.toHex(Bytes.sha256(tableBytes))
  const root = RecordTable.attributionRoot({
    influenceRoot: influence.root,
    spansRoot: spans.root,
    tableHash,
  })
  if (root !== reference.attributionRoot) {
    throw new AttributionIndexError(`the root ${reference.attributionRoot}, as published`, root)
  }
  const counts = [table.records.length, influence.recordIds.length, spans.documents.length]
  const isSame = table.records.every(
    ({ recordId }, i) => influence.recordIds[i] === recordId && spans.documents[i]?.recordId === recordId,
  )
  if (!isSame || new Set(counts).size > 1) {
    throw new AttributionIndexError('one list of records in table, influence and spans', counts.join(', '))
  }
  const sizeBytes = blobs.reduce((sum, bytes) => sum + bytes.length, 0)
  // texts and tokens are in the span index as far as they are needed
  const records = table.records.map(({ recordId, contributionId, clusterId }) => ({
    recordId,
    contributionId,
    clusterId,
  }))
  return { value: { influence, spans, records, tableHash }, sizeBytes }
}

export class AttributionIndexError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'engine.attribution_index',
      message: `Expected attribution indexes with ${expected}, got ${got}. Publish the model again from its training run.`,
      context: { expected, got },
    })
  }
}
