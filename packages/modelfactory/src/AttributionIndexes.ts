import { buildSpanIndex, encodeSpanIndex } from '@openledger/attribution'
import * as InfluenceIndex from '@openledger/attribution/InfluenceIndex'
import {
  type Adapter,
  type Checkpoint,
  createGradients,
  fromText,
  type Sequence,
  type Tokenizer,
} from '@openledger/model'
import { Bytes, type Hex } from '@openledger/primitives'
import { RecordTable } from '@openledger/protocol'
import type { TrainingRecord } from './TrainingPlan.ts'

/** Everything that answers of a model are attributed with, as bytes, and what commits to them. */
export type AttributionIndexes = {
  readonly records: Uint8Array
  readonly influence: Uint8Array
  readonly spans: Uint8Array
  readonly root: Hex
}

/** Sampled-label gradients that the curvature is estimated from; more changes the ranking little. */
const FISHER_ROWS_MAX = 256
const GRADIENT_BATCH = 8

/**
 * Builds the indexes of an adapter over the records it was trained on: one whitened gradient for each record, a suffix
 * array over all their tokens, and the table that both count in.
 *
 * @param onProgress - Told how many records have been through.
 */
export async function buildIndexes(
  input: {
    readonly checkpoint: Checkpoint
    readonly tokenizer: Tokenizer
    readonly adapter: Adapter.Adapter
    readonly records: readonly TrainingRecord[]
    readonly seed: number
  },
  { onProgress, signal }: { readonly onProgress: (done: number) => void; readonly signal: AbortSignal },
): Promise<AttributionIndexes> {
  const { checkpoint, tokenizer, adapter, records, seed } = input
  const rows = records.map((record) => ({ ...record, tokens: tokenizer.encode(record.text) }))
  const table = RecordTable.encode({ records: rows })
  const spans = buildSpanIndex({ documents: rows, vocabularySize: tokenizer.vocabularySize })

  const gradients = createGradients(checkpoint, adapter, { batchSize: GRADIENT_BATCH })
  try {
    const options = { tokensMax: checkpoint.config.contextMax }
    const meanOf = async (sequences: readonly Sequence[], labels: 'data' | 'sampled', draw: number) => {
      const counted = sequences.reduce((sum, { lossMask }) => sum + lossMask.reduce((a, b) => a + b, 0), 0)
      const parts = await gradients.perExample(sequences, labels, draw)
      const mean = new Float32Array(parts[0]!.gradient.length)
      for (const { gradient } of parts)
        for (let i = 0; i < mean.length; i++) mean[i]! += gradient[i]! / counted
      return mean
    }
    const measured: Float32Array[] = []
    const fisher: Float32Array[] = []
    // records spread over the whole set stand for its curvature
    const stride = Math.max(1, Math.floor(records.length / FISHER_ROWS_MAX))
    for (const [index, record] of records.entries()) {
      signal.throwIfAborted()
      const sequences = fromText(tokenizer, record.text, options)
      measured.push(await meanOf(sequences, 'data', 0))
      if (index % stride === 0 && fisher.length < FISHER_ROWS_MAX) {
        fisher.push(await meanOf(sequences, 'sampled', seed + index))
      }
      onProgress(index + 1)
    }
    const influence = InfluenceIndex.build({
      blocks: gradients.blocks,
      rows: measured,
      fisher,
      recordIds: records.map(({ recordId }) => recordId),
    })
    return {
      records: table,
      influence: InfluenceIndex.encode(influence),
      spans: encodeSpanIndex(spans),
      root: RecordTable.attributionRoot({
        influenceRoot: influence.root,
        spansRoot: spans.root,
        tableHash: Bytes.toHex(Bytes.sha256(table)),
      }),
    }
  } finally {
    await gradients.release()
  }
}
