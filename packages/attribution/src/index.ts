export * as ContextPool from './ContextPool.ts'
export {
  clusterRecords,
  type DuplicateCandidate,
  type DuplicateVerdict,
} from './Duplicates.ts'
export { IndexBytesError } from './IndexFile.ts'
export * as InfluenceIndex from './InfluenceIndex.ts'
export {
  build as buildInfluenceIndex,
  decode as decodeInfluenceIndex,
  encode as encodeInfluenceIndex,
  score as scoreInfluence,
} from './InfluenceIndex.ts'
export type { InfluenceLine } from './InfluencePool.ts'
export { type CopiedPart, copiedParts } from './Lineage.ts'
export type { Attribution, AttributionInputs, Entry, Statement } from './Payout.ts'
export * as Payout from './Payout.ts'
export { attribute, verify as verifyAttribution } from './Payout.ts'
export { type PayoutRecord, UnknownRecordError } from './PayoutRecord.ts'
export * as SpanIndex from './SpanIndex.ts'
export {
  build as buildSpanIndex,
  decode as decodeSpanIndex,
  encode as encodeSpanIndex,
  lineage,
  type SpanDocument,
} from './SpanIndex.ts'
export type { SpanLine } from './SpanPool.ts'
export {
  type Span,
  type SpanMatch,
  type SpanRun,
  type SpanTrace,
  type TraceOptions,
  trace as traceSpans,
} from './SpanTrace.ts'
export * as SuffixArray from './SuffixArray.ts'
export type { GradientBlock } from './Whitening.ts'
