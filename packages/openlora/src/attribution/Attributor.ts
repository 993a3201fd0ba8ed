import {
  type AttributionInputs,
  copiedParts,
  attribute as divide,
  type Entry,
  foundIn,
  InfluenceIndex,
  type PayoutRecord,
  restOf,
  type SpanTrace,
  type Statement,
  traceSpans,
  weigh,
} from '@openledger/attribution'
import {
  type Adapter,
  type Checkpoint,
  type Gradients,
  Merge,
  type Scorer,
  type Tokenizer,
} from '@openledger/model'
import type { Decoder } from '@openledger/model/decoder/Decoder'
import { type Hex, Share } from '@openledger/primitives'
import type { Attribution } from '@openledger/protocol'
import { cidOf } from '@openledger/store'
import type { AdapterReference } from '../adapters/AdapterCache.ts'
import type { AdapterSource } from '../adapters/AdapterLease.ts'
import { mergedOf, mergeParts, type WeightedReference } from '../adapters/MergedAdapter.ts'
import { commitmentOf, type Decoding } from '../commitment/Commitment.ts'
import type { AttributionIndex, AttributionReference } from './AttributionIndex.ts'
import * as Evidence from './Evidence.ts'
import { type Replay, read, replay } from './Inference.ts'
import { type Context, coalitionPrompts } from './Passages.ts'

/** Named in every attribution: whoever recomputes one needs these rules. */
export const ENGINE_VERSION = 'openledger-attribution/5'

/** What attribution needs to know of a published model. */
export type AttributionModel = {
  readonly adapter: AdapterReference
  readonly index: AttributionReference
  readonly policy: AttributionInputs['policy']
  /** Who gets what no record earned. */
  readonly commons: Hex
}

/** An answer to attribute. */
export type AttributionRequest = {
  readonly model: AttributionModel
  readonly promptIds: readonly number[]
  readonly answerIds: readonly number[]
  /** The text of the answer as it was given out; offsets count in it. */
  readonly text: string
  /** Contributions that earn nothing from this answer, such as those of whoever pays for it. */
  readonly excludedContributions: readonly Hex[]
  /** Where the prompt was given with passages: `promptIds` are of its text. */
  readonly context?: Context
  /** How the answer was decoded; undefined for texts that were not decoded here. */
  readonly decoding?: Decoding
  /** Where several adapters made the answer together: all of them, and which is the model's. */
  readonly merge?: { readonly parts: readonly WeightedReference[]; readonly index: number }
}

/** Why an answer pays whom, before it is known how much; shares and commons sum to `Share.SCALE`. */
export type AttributionDraft = Omit<Attribution.Attribution, 'shares' | 'commons'> & {
  readonly shares: readonly {
    readonly contributionId: Hex
    readonly sharePpm: number
    readonly reasons: readonly Attribution.Reason[]
  }[]
  readonly commons: { readonly sharePpm: number; readonly beneficiary: Hex; readonly reason: string }
}

export type AttributedAnswer = {
  readonly attribution: AttributionDraft
  /** `Evidence.encode` of what the shares follow from; the attribution names its CID. */
  readonly evidence: Uint8Array
  readonly inferenceCommitment: Hex
}

export type Attributor = {
  /**
   * Computes what shaped an answer; the same request gives the same result, whatever else is served.
   *
   * Calls must not overlap.
   */
  readonly attribute: (request: AttributionRequest) => Promise<AttributedAnswer>
}

export type AttributorDependencies = {
  readonly checkpoint: Checkpoint
  readonly tokenizer: Tokenizer
  /** Used by nobody else; for answers to prompts with passages. */
  readonly decoder: Decoder
  /** Of any adapter, or of none. */
  readonly scorer: Scorer
  readonly gradients: Gradients
  readonly adapters: AdapterSource
  readonly indexes: {
    readonly acquire: (reference: AttributionReference) => Promise<AttributionIndex>
    readonly release: (reference: AttributionReference) => void
  }
}

/** What an answer is read with again. */
type Reading = {
  /** As it was made. */
  readonly adapter: Adapter.Adapter
  /** Without the model's own part; undefined for the base alone. */
  readonly rest: Adapter.Adapter | undefined
  /** Of the answer's log-likelihood with respect to the whole adapter, in the model's own matrices. */
  readonly ownGradient: (gradient: Float32Array) => Float32Array
}

/**
 * Creates the attributor: one pass over the answer under the adapter, forwards and backwards, and one under the base, for the
 * lift and for the influence of the training records, one trace of the records that the answer repeats. Passages of the prompt
 * cost one more pass for each set of them that is left out. Where several adapters made the answer together, the lift of each is
 * what leaving it out does, and the gradient is taken where they were, in its own matrices.
 */
export function createAttributor({
  checkpoint,
  tokenizer,
  decoder,
  scorer,
  gradients,
  adapters,
  indexes,
}: AttributorDependencies): Attributor {
  function readingOf(
    all: readonly Adapter.Adapter[],
    parts: readonly WeightedReference[],
    index: number,
  ): Reading {
    const own = all[index]!
    const others = <T>(list: readonly T[]): T[] => list.filter((_, i) => i !== index)
    const adapter = mergedOf(parts, all)!
    return {
      adapter,
      rest: mergedOf(others(parts), others(all)),
      ownGradient: (gradient) =>
        adapter === own
          ? gradient
          : Merge.partOfGradient(
              { gradient, blocks: gradients.withAdapter(adapter).blocks },
              gradients.withAdapter(own).blocks,
              mergeParts(parts, all),
              index,
            ),
    }
  }

  /** Reads the answer under every coalition of passages, and without the adapter with none. */
  async function measureContext(context: Context, { adapter, rest }: Reading, answerIds: readonly number[]) {
    const prompts = coalitionPrompts(tokenizer, context)
    const milliNats: number[] = []
    let none: Float64Array | undefined
    for (const promptIds of prompts) {
      const logProbabilities = await read(decoder, adapter, promptIds, answerIds)
      none ??= logProbabilities
      milliNats.push(toMilli(logProbabilities.reduce((sum, nats) => sum + nats, 0)))
    }
    const restLogProbabilities = await read(decoder, rest, prompts[0]!, answerIds)
    return { milliNats, bare: { logProbabilities: none!, restLogProbabilities } }
  }

  return {
    async attribute(request) {
      const { model, promptIds, answerIds } = request
      const { parts, index: own } = request.merge ?? {
        parts: [{ ...model.adapter, weightPpm: Number(Share.SCALE) }],
        index: 0,
      }
      const held: Adapter.Adapter[] = []
      try {
        for (const part of parts) held.push(await adapters.acquire(part))
        const index = await indexes.acquire(model.index)
        try {
          const reading = readingOf(held, parts, own)
          // nothing was chosen, so nothing has to be read again; embeddings are sold this way
          const seen =
            answerIds.length === 0
              ? NOTHING
              : await replay({ scorer, gradients }, reading, promptIds, answerIds)
          const measured =
            request.context === undefined || answerIds.length === 0
              ? undefined
              : await measureContext(request.context, reading, answerIds)
          const lifted = measured?.bare ?? seen
          const logMilliNats = Array.from(seen.logProbabilities, toMilli)
          const trace = traceSpans(index.spans, answerIds)
          const evidence: Evidence.Evidence = {
            queryCode:
              answerIds.length === 0
                ? []
                : [...InfluenceIndex.queryCode(index.influence, reading.ownGradient(seen.gradient))],
            liftMilliNats: Array.from(lifted.logProbabilities, (nats, i) =>
              toMilli(nats - lifted.restLogProbabilities[i]!),
            ),
            logMilliNats,
            spans: spansOf(trace, logMilliNats),
            excludedContributions: request.excludedContributions,
            ...(measured === undefined
              ? {}
              : { context: { passages: request.context!.passages, milliNats: measured.milliNats } }),
            ...(request.decoding === undefined ? {} : { decoding: request.decoding }),
          }
          const { baseHash } = checkpoint
          return {
            attribution: draw(index, evidence, request, tokenizer, trace),
            evidence: Evidence.encode(evidence),
            inferenceCommitment: commitmentOf({
              baseHash,
              adapterHash: reading.adapter.hash,
              promptIds,
              answerIds,
              decoding: request.decoding,
            }),
          }
        } finally {
          indexes.release(model.index)
        }
      } finally {
        for (const part of parts.slice(0, held.length)) adapters.release(part)
      }
    },
  }
}

/**
 * Draws an answer's attribution from its evidence, in whole numbers alone: the same on every machine.
 *
 * @param index - Of the model that the request names, checked against its root.
 */
export function draw(
  index: AttributionIndex,
  evidence: Evidence.Evidence,
  request: Omit<AttributionRequest, 'promptIds' | 'excludedContributions' | 'context'>,
  tokenizer: Pick<Tokenizer, 'offsets'>,
  spans = traceSpans(index.spans, request.answerIds),
): AttributionDraft {
  const { statement } = divide({
    ...inputsOf(index, evidence, request.model.policy),
    spans,
    logProbabilities: evidence.logMilliNats.map(toNats),
  })
  const offsets = tokenizer.offsets(request.answerIds)
  const { length } = request.text
  return toDraft(statement, spans, evidence, request.model, (start, end) => ({
    start: Math.min(offsets[start]!.start, length),
    end: Math.min(offsets[end - 1]!.end, length),
  }))
}

/** What of a trace stands in the evidence. */
export const spansOf = (trace: SpanTrace, logMilliNats: readonly number[]): Evidence.SpanEvidence => ({
  found: foundIn(trace),
  restMilliNats: restOf(trace, weigh(trace, logMilliNats.map(toNats))),
})

/**
 * Draws an answer's attribution without the answer, from its evidence and what openings of the index prove of its spans.
 *
 * @returns With spans' places in tokens instead of characters.
 */
export function drawOpened(
  index: AttributionIndex,
  evidence: Evidence.Evidence,
  trace: SpanTrace,
  model: Pick<AttributionModel, 'policy' | 'commons'>,
): AttributionDraft {
  const { statement } = divide({
    ...inputsOf(index, evidence, model.policy),
    ...spanInputs(evidence, trace),
  })
  return toDraft(statement, trace, evidence, model, (start, end) => ({ start, end }))
}

/** How openings stand among what shares follow from. */
export const spanInputs = (
  { logMilliNats, spans }: Evidence.Evidence,
  trace: SpanTrace,
): Pick<AttributionInputs, 'spans' | 'restMilliNats' | 'logProbabilities'> => ({
  spans: trace,
  restMilliNats: spans.restMilliNats,
  logProbabilities: logMilliNats.map(toNats),
})

/** What of an answer's shares follows from its evidence alone, without its tokens. */
export function inputsOf(
  index: AttributionIndex,
  { queryCode, liftMilliNats, excludedContributions, context }: Evidence.Evidence,
  policy: AttributionInputs['policy'],
): AttributionInputs {
  const records = payoutRecordsOf(index)
  return {
    policy,
    records: context === undefined ? records : [...records, ...passageRecords(context, records.length)],
    lift: liftMilliNats.map(toNats),
    ...(queryCode.length === 0
      ? {}
      : {
          influence: {
            recordIds: index.influence.recordIds,
            scores: InfluenceIndex.scan(index.influence, Int8Array.from(queryCode)),
          },
        }),
    ...(context === undefined
      ? {}
      : {
          context: {
            recordIds: context.passages.map(({ clusterId }) => clusterId),
            milliNats: context.milliNats,
          },
        }),
    excluded: excludedContributions,
  }
}

/** Passages as records that are paid: the first of each one's cluster, after all that the model was trained on. */
const passageRecords = ({ passages }: Evidence.ContextEvidence, arrival: number): PayoutRecord[] =>
  passages.map(({ contributionId, clusterId }) => ({
    recordId: clusterId,
    contributionId,
    clusterId,
    arrival,
    contributor: contributionId,
    beneficiary: contributionId,
  }))

const NOTHING: Replay = {
  logProbabilities: new Float64Array(),
  restLogProbabilities: new Float64Array(),
  gradient: new Float32Array(),
}

const toMilli = (nats: number): number => Math.round(nats * 1e3)
export const toNats = (milliNats: number): number => milliNats / 1e3

const payoutRecords = new WeakMap<AttributionIndex, readonly PayoutRecord[]>()

/** The records of a model as the payout rule sees them. */
export function payoutRecordsOf(index: AttributionIndex): readonly PayoutRecord[] {
  const known = payoutRecords.get(index) ?? toPayoutRecords(index)
  payoutRecords.set(index, known)
  return known
}

/**
 * Gives the payout rule its records. Contributions stand for their contributors and beneficiaries here: who is excluded
 * and who is paid is decided outside, by contribution.
 */
function toPayoutRecords({ records, spans, influence }: AttributionIndex): PayoutRecord[] {
  const copied = copiedParts(spans, influence)
  return records.map(({ recordId, contributionId, clusterId }, arrival) => ({
    recordId,
    contributionId,
    clusterId,
    arrival,
    contributor: contributionId,
    beneficiary: contributionId,
    copied: copied[arrival]!,
  }))
}

function toDraft(
  statement: Statement,
  trace: SpanTrace,
  evidence: Evidence.Evidence,
  model: Pick<AttributionModel, 'commons'>,
  charactersOf: (start: number, end: number) => { readonly start: number; readonly end: number },
): AttributionDraft {
  const reasonsOf = (entry: Entry): Attribution.Reason[] => {
    const lines = [...entry.influence, ...entry.spans, ...entry.context]
    const parts = Share.split(
      BigInt(entry.sharePpm),
      lines.map(({ units }) => BigInt(units)),
    )
    const influence = entry.influence.map(({ recordId, microZ }, i) => ({
      kind: 'influence' as const,
      recordId: recordId as Hex,
      milliZ: Math.round(microZ / 1e3),
      sharePpm: Number(parts[i]!),
    }))
    const spans = entry.spans.map(({ recordId, start, end }, i) => ({
      kind: 'span' as const,
      recordId: recordId as Hex,
      ...charactersOf(start, end),
      occurrences: trace.spans[trace.spanOfToken[start]!]!.occurrenceCount,
      sharePpm: Number(parts[entry.influence.length + i]!),
    }))
    const before = influence.length + spans.length
    const context = entry.context.map(({ recordId, milliNats }, i) => ({
      kind: 'context' as const,
      recordId: recordId as Hex,
      milliNats,
      sharePpm: Number(parts[before + i]!),
    }))
    // what rounds to nothing explains nothing
    return [...influence, ...spans, ...context].filter(({ sharePpm }) => sharePpm > 0)
  }
  return {
    engineVersion: ENGINE_VERSION,
    evidenceCid: cidOf(Evidence.encode(evidence)),
    policy: statement.policy,
    liftMilliNats: statement.influence.netLiftMilliNats,
    ...(evidence.context === undefined
      ? {}
      : {
          context: {
            passages: evidence.context.passages.map(({ recordId }) => recordId),
            liftMilliNats: statement.context!.liftMilliNats,
          },
        }),
    shares: statement.entries.map((entry) => ({
      contributionId: entry.contributionId as Hex,
      sharePpm: entry.sharePpm,
      reasons: reasonsOf(entry),
    })),
    commons: {
      sharePpm: statement.commons.sharePpm,
      beneficiary: model.commons,
      reason: commonsReason(statement),
    },
  }
}

function commonsReason({ tokenCount, influence, spans, context, commons }: Statement): string {
  if (commons.sharePpm === 0) return ''
  if (tokenCount === 0) return 'The answer is empty.'
  const reasons = [
    influence.poolUnits > 0 && influence.netLiftMilliNats <= 0
      ? 'The base model alone makes this answer as likely as the adapter does, so no training record is paid for influence.'
      : influence.paidUnits < influence.poolUnits &&
        'No training record stands out for a part of the influence, or the base model alone gives that part.',
    context !== undefined &&
      (context.liftMilliNats <= 0
        ? 'The passages of the prompt make this answer no likelier, so they are paid nothing.'
        : context.paidUnits < context.poolUnits && 'A part of what passages did, others of them undid.'),
    spans.paidUnits < spans.poolUnits && 'A part of the words repeats no record, or is common to many.',
    commons.excludedUnits > 0 && 'A part would have gone to contributions of whoever pays for the answer.',
  ]
  return reasons.filter((reason) => reason !== false).join(' ')
}
