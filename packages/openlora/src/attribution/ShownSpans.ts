import {
  type OpenedSpans,
  type Opener,
  openIndex,
  openSpans,
  type SpanOpening,
  SpanOpeningError,
  verifySpans,
} from '@openledger/attribution'
import type { Hex } from '@openledger/primitives'
import { RecordTable } from '@openledger/protocol'
import type { AttributionIndex } from './AttributionIndex.ts'
import type * as Evidence from './Evidence.ts'

/** What a receipt's spans are paid by, shown without the index, and what leads from it to the root on chain. */
export type ShownSpans = SpanOpening & {
  readonly spansRoot: Hex
  readonly influenceRoot: Hex
  readonly tableHash: Hex
}

const openers = new WeakMap<AttributionIndex, Opener>()

/** @throws {SpanOpeningError} */
export function showSpans(index: AttributionIndex, { found }: Evidence.SpanEvidence): ShownSpans {
  const opener = openers.get(index) ?? openIndex(index.spans)
  openers.set(index, opener)
  return {
    ...openSpans(opener, found),
    spansRoot: index.spans.root,
    influenceRoot: index.influence.root,
    tableHash: index.tableHash,
  }
}

/**
 * Checks what was shown against the model's root on chain.
 * @throws {SpanOpeningError} at the first thing that does not hold.
 */
export function verifyShown(
  { spansRoot, influenceRoot, tableHash, ...opening }: ShownSpans,
  attributionRoot: Hex,
  { spans: { found }, logMilliNats }: Pick<Evidence.Evidence, 'spans' | 'logMilliNats'>,
): OpenedSpans {
  const root = RecordTable.attributionRoot({ influenceRoot, spansRoot, tableHash })
  if (root !== attributionRoot) throw new SpanOpeningError(`the root ${attributionRoot}, as published`, root)
  return verifySpans(opening, { root: spansRoot, found, tokenCount: logMilliNats.length })
}
