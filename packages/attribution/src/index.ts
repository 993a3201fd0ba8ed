export { IndexBytesError } from './IndexFile.ts'
export type { SpanDocument } from './SpanIndex.ts'
export * as SpanIndex from './SpanIndex.ts'
export {
  build as buildSpanIndex,
  decode as decodeSpanIndex,
  encode as encodeSpanIndex,
} from './SpanIndex.ts'
export type { Span, SpanMatch, TraceOptions } from './SpanTrace.ts'
export * as SpanTrace from './SpanTrace.ts'
export { trace as traceSpans } from './SpanTrace.ts'
export * as SuffixArray from './SuffixArray.ts'
