export { IndexBytesError } from './IndexFile.ts'
export * as InfluenceIndex from './influence/InfluenceIndex.ts'
export {
  build as buildInfluenceIndex,
  decode as decodeInfluenceIndex,
  encode as encodeInfluenceIndex,
  score as scoreInfluence,
} from './influence/InfluenceIndex.ts'
export type { GradientBlock } from './influence/Whitening.ts'
export * as ContextPool from './payout/ContextPool.ts'
export {
  clusterRecords,
  type DuplicateCandidate,
  type DuplicateVerdict,
} from './payout/Duplicates.ts'
export type { InfluenceLine } from './payout/InfluencePool.ts'
export { type CopiedPart, copiedParts } from './payout/Lineage.ts'
export type { Attribution, AttributionInputs, Entry, Statement } from './payout/Payout.ts'
export * as Payout from './payout/Payout.ts'
export { attribute, verify as verifyAttribution } from './payout/Payout.ts'
export { type PayoutRecord, UnknownRecordError } from './payout/PayoutRecord.ts'
export { restOf, type SpanLine, weigh } from './payout/SpanPool.ts'
export { commit as commitSpans, type Opener, open as openIndex } from './spans/SpanCommitment.ts'
export * as SpanIndex from './spans/SpanIndex.ts'
export {
  build as buildSpanIndex,
  decode as decodeSpanIndex,
  encode as encodeSpanIndex,
  lineage,
  type SpanDocument,
} from './spans/SpanIndex.ts'
export {
  type FoundSpan,
  foundIn,
  type OpenedSpans,
  openSpans,
  type SpanOpening,
  SpanOpeningError,
  verifySpans,
} from './spans/SpanOpening.ts'
export {
  type Span,
  type SpanMatch,
  type SpanRun,
  type SpanTrace,
  type TraceOptions,
  trace as traceSpans,
} from './spans/SpanTrace.ts'
export * as SuffixArray from './spans/SuffixArray.ts'
