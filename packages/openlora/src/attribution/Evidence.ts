import type { FoundSpan } from '@openledger/attribution'
import { decoderPrecisions } from '@openledger/model/decoder/DecoderGraph'
import { BaseError, Bytes, CanonicalJson, type Hex } from '@openledger/primitives'
import type { Decoding } from '../commitment/Commitment.ts'

/**
 * Everything about one answer that was computed in floating point, rounded to whole numbers.
 *
 * From it, the published indexes and the answer's tokens, every score and share follows in whole numbers, the same on
 * every machine; it is itself held against a computation of one's own within `TOLERANCE`.
 */
export type Evidence = {
  /** `[dimension]` in [-127, 127]: the answer's gradient as the influence index codes it; empty for an empty answer. */
  readonly queryCode: readonly number[]
  /** `[answer]` `log p_adapter - log p_base` of each token, in thousandths of a nat, without the prompt's passages. */
  readonly liftMilliNats: readonly number[]
  /** `[answer]` `log p_adapter` of each token, in thousandths of a nat. */
  readonly logMilliNats: readonly number[]
  readonly spans: SpanEvidence
  /** Contributions that earned nothing because whoever paid owns them. */
  readonly excludedContributions: readonly Hex[]
  /** Where the prompt was given with passages. */
  readonly context?: ContextEvidence
  /** How the answer was decoded, fixed while it was; undefined for texts that were not decoded here. */
  readonly decoding?: Decoding
}

/** Where the answer repeats the corpus: whoever has only this is shown the rest by openings of the index. */
export type SpanEvidence = {
  readonly found: readonly FoundSpan[]
  /** What the tokens weigh that no span pays, in thousandths of a nat. */
  readonly restMilliNats: number
}

export type ContextEvidence = {
  /** In the order of the prompt. */
  readonly passages: readonly {
    readonly recordId: Hex
    readonly contributionId: Hex
    readonly clusterId: Hex
  }[]
  /** `log p_adapter` of the answer under each coalition of `ContextPool.plan`, in thousandths of a nat. */
  readonly milliNats: readonly number[]
}

/** How far a computation on another processor may be from the one that was signed. */
export const TOLERANCE = {
  /** Of each token's log-probability, and of the sum of their lifts per token. */
  milliNats: 20,
  /** Least cosine of the two query codes, in parts per million. */
  cosinePpm: 995_000,
} as const

const VERSION = 2

/** Serialises evidence; equal evidence gives equal bytes, whose CID stands in the attribution. */
export const encode = (evidence: Evidence): Uint8Array =>
  Bytes.fromUtf8(
    CanonicalJson.stringify({
      version: VERSION,
      queryCode: Bytes.toHex(Uint8Array.from(evidence.queryCode, (value) => value & 0xff)),
      liftMilliNats: [...evidence.liftMilliNats],
      logMilliNats: [...evidence.logMilliNats],
      spans: {
        found: evidence.spans.found.map((span) => ({ ...span })),
        restMilliNats: evidence.spans.restMilliNats,
      },
      excludedContributions: [...evidence.excludedContributions],
      ...(evidence.context === undefined
        ? {}
        : {
            context: {
              passages: evidence.context.passages.map(({ recordId, contributionId, clusterId }) => ({
                recordId,
                contributionId,
                clusterId,
              })),
              milliNats: [...evidence.context.milliNats],
            },
          }),
      ...(evidence.decoding === undefined
        ? {}
        : {
            decoding: {
              precision: evidence.decoding.precision,
              proofs: [...evidence.decoding.proofs],
            },
          }),
    }),
  )

/** @throws {EvidenceError} for bytes that are no evidence of this version. */
export function decode(bytes: Uint8Array): Evidence {
  let parsed: Record<string, unknown>
  try {
    parsed = JSON.parse(Bytes.toUtf8(bytes)) as Record<string, unknown>
  } catch {
    throw new EvidenceError('it is not JSON')
  }
  if (parsed?.version !== VERSION) throw new EvidenceError(`its version is ${String(parsed?.version)}`)
  const { queryCode, liftMilliNats, logMilliNats, excludedContributions } = parsed
  const isWhole = (list: unknown): list is number[] =>
    Array.isArray(list) && list.every((value) => Number.isSafeInteger(value))
  const isHex = (value: unknown): value is Hex =>
    typeof value === 'string' && /^0x(?:[0-9a-f]{2})*$/.test(value)
  if (!isHex(queryCode) || !isWhole(liftMilliNats) || !isWhole(logMilliNats)) {
    throw new EvidenceError('a list of whole numbers is missing')
  }
  if (!Array.isArray(excludedContributions) || !excludedContributions.every(isHex)) {
    throw new EvidenceError('its excluded contributions are no list of ids')
  }
  if (liftMilliNats.length !== logMilliNats.length) {
    throw new EvidenceError('its lists speak of different numbers of tokens')
  }
  const { spans } = parsed as { spans?: Partial<SpanEvidence> }
  if (!Array.isArray(spans?.found) || !spans.found.every(isSpan) || !isWhole([spans.restMilliNats])) {
    throw new EvidenceError('its spans are no list of places in answer and index')
  }
  const { context } = parsed as { context?: { passages?: unknown; milliNats?: unknown } }
  if (context !== undefined && (!Array.isArray(context.passages) || !isWhole(context.milliNats))) {
    throw new EvidenceError('its passages are no list with whole numbers')
  }
  const { decoding } = parsed as { decoding?: { precision?: unknown; proofs?: unknown } }
  if (decoding !== undefined) {
    const isKnown = decoderPrecisions.some((precision) => precision === decoding.precision)
    if (!isKnown || !Array.isArray(decoding.proofs) || !decoding.proofs.every(isHex)) {
      throw new EvidenceError('its decoding has no known precision or no list of proofs')
    }
  }
  return {
    queryCode: Array.from(new Int8Array(Bytes.fromHex(queryCode).slice().buffer)),
    liftMilliNats,
    logMilliNats,
    spans: { found: spans.found, restMilliNats: spans.restMilliNats! },
    excludedContributions,
    ...(context === undefined ? {} : { context: context as ContextEvidence }),
    ...(decoding === undefined ? {} : { decoding: decoding as Decoding }),
  }
}

/**
 * Compares evidence with the same computed again.
 * @returns The first list that is further away than rounding explains, if one is.
 */
export function difference(
  claimed: Evidence,
  recomputed: Evidence,
): { readonly line: string; readonly expected: string; readonly claimed: string } | undefined {
  for (const line of ['logMilliNats', 'liftMilliNats'] as const) {
    if (claimed[line].length !== recomputed[line].length) {
      return { line, expected: `${recomputed[line].length} tokens`, claimed: `${claimed[line].length}` }
    }
    const at = claimed[line].findIndex(
      (value, i) => Math.abs(value - recomputed[line][i]!) > TOLERANCE.milliNats,
    )
    if (at !== -1) {
      return {
        line: `${line}[${at}]`,
        expected: `${recomputed[line][at]} ± ${TOLERANCE.milliNats}`,
        claimed: `${claimed[line][at]}`,
      }
    }
  }
  const contextLine = contextDifference(claimed, recomputed)
  if (contextLine !== undefined) return contextLine
  const cosinePpm = cosine(claimed.queryCode, recomputed.queryCode)
  if (cosinePpm < TOLERANCE.cosinePpm) {
    return {
      line: 'queryCode',
      expected: `a cosine of at least ${TOLERANCE.cosinePpm} ppm with the recomputed code`,
      claimed: `${cosinePpm} ppm`,
    }
  }
  return undefined
}

/** Compares the passages' ids exactly, and each coalition's likelihood within the tolerance of its tokens. */
function contextDifference(claimed: Evidence, recomputed: Evidence): ReturnType<typeof difference> {
  const idsOf = ({ context }: Evidence): string => JSON.stringify(context?.passages ?? [])
  if (idsOf(claimed) !== idsOf(recomputed)) {
    return { line: 'context.passages', expected: idsOf(recomputed), claimed: idsOf(claimed) }
  }
  const expected = recomputed.context?.milliNats ?? []
  const found = claimed.context?.milliNats ?? []
  const tolerance = TOLERANCE.milliNats * Math.max(1, recomputed.logMilliNats.length)
  const at = expected.findIndex((value, i) => !(Math.abs(value - found[i]!) <= tolerance))
  if (at === -1 && found.length === expected.length) return undefined
  return {
    line: at === -1 ? 'context.milliNats' : `context.milliNats[${at}]`,
    expected: at === -1 ? `${expected.length} coalitions` : `${expected[at]} ± ${tolerance}`,
    claimed: at === -1 ? `${found.length}` : `${found[at]}`,
  }
}

function isSpan(span: unknown): span is FoundSpan {
  if (typeof span !== 'object' || span === null) return false
  const { kind, ...numbers } = span as Readonly<Record<string, unknown>>
  const names = Object.keys(numbers).sort().join()
  const isKnown =
    (kind === 'matched' && names === 'end,firstRank,occurrenceCount,start') ||
    (kind === 'boilerplate' && names === 'end,start,surprisalMicroNats')
  return isKnown && Object.values(numbers).every((value) => Number.isSafeInteger(value))
}

function cosine(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return -1_000_000
  let [ab, aa, bb] = [0, 0, 0]
  for (const [i, value] of a.entries()) {
    ab += value * b[i]!
    aa += value * value
    bb += b[i]! * b[i]!
  }
  if (aa === 0 && bb === 0) return 1_000_000
  return aa === 0 || bb === 0 ? 0 : Math.round((1e6 * ab) / Math.sqrt(aa * bb))
}

export class EvidenceError extends BaseError {
  constructor(reason: string) {
    super({
      code: 'engine.evidence',
      message: `Expected the evidence of an answer, but ${reason}. Fetch it again by the CID that the receipt names.`,
      context: { reason },
    })
  }
}
