import { Bytes, type Hex } from '@openledger/primitives'
import type { SingularBatch } from '../codec/Batch.ts'
import type { SpanBatch } from '../codec/SpanBatch.ts'
import type { L1Block, L2Block } from './Block.ts'
import { activatedBy, type DerivationConfig, SEQUENCER_DRIFT_SECONDS_MAX } from './Config.ts'

/**
 * What becomes of a batch: `drop` invalidates the rest of its channel, `past` was told before, `undecided` lacks
 * knowledge of L1 or L2 that a node which reads L1 in order never lacks.
 */
export type Verdict = { readonly status: 'accept' | 'drop' | 'past' | 'undecided'; readonly reason: string }

/** One rule: the verdict if the condition holds. The first that holds decides. */
type Rule<Facts> = readonly [
  status: Exclude<Verdict['status'], 'accept'>,
  reason: string,
  holds: (facts: Facts) => boolean,
]

const ACCEPT: Verdict = { status: 'accept', reason: 'valid' }

function judge<Facts>(rules: readonly Rule<Facts>[], facts: Facts): Verdict {
  const rule = rules.find(([, , holds]) => holds(facts))
  return rule === undefined ? ACCEPT : { status: rule[0], reason: rule[1] }
}

/** What both kinds of batches are judged by. */
export type BatchContext = {
  readonly config: DerivationConfig
  readonly parent: L2Block
  /** Consecutive L1 blocks: the epoch that is open, and all known after it. */
  readonly origins: readonly L1Block[]
  /** Number of the L1 block in which the batch's channel was completed. */
  readonly includedAt: bigint
}

type SingularFacts = BatchContext & {
  readonly batch: SingularBatch
  readonly nextTimestamp: bigint
  readonly epoch: L1Block
  readonly next: L1Block | undefined
  /** The origin that the batch names by number, if it is known. */
  readonly origin: L1Block | undefined
}

const isPastDrift = ({ batch, origin }: SingularFacts): boolean =>
  origin !== undefined && batch.timestamp > origin.timestamp + SEQUENCER_DRIFT_SECONDS_MAX
/** Empty, and on the same origin as before: allowed past the drift while the next origin is too young. */
const isWaiting = (facts: SingularFacts): boolean =>
  isPastDrift(facts) && facts.batch.transactions.length === 0 && facts.origin === facts.epoch
const DEPOSIT_TYPE = 0x7e
/** Of a fork to come; op-node drops it before. */
const POST_EXEC_TYPE = 0x7d

/** @see OP specs, derivation, "Batch Queue"; Holocene, Fjord and Jovian, derivation. */
const SINGULAR_RULES: readonly Rule<SingularFacts>[] = [
  ['drop', 'future timestamp', ({ batch, nextTimestamp }) => batch.timestamp > nextTimestamp],
  ['past', 'past timestamp', ({ batch, nextTimestamp }) => batch.timestamp < nextTimestamp],
  ['drop', 'other parent', ({ batch, parent }) => batch.parentHash !== parent.hash],
  [
    'drop',
    'sequencing window expired',
    ({ batch, config, includedAt }) => batch.epochNumber + config.sequencingWindowBlocks < includedAt,
  ],
  ['drop', 'epoch too old', ({ batch, epoch }) => batch.epochNumber < epoch.number],
  ['drop', 'epoch too new', ({ batch, epoch }) => batch.epochNumber > epoch.number + 1n],
  ['undecided', 'next origin unknown', ({ origin }) => origin === undefined],
  ['drop', 'other origin', ({ batch, origin }) => batch.epochHash !== origin?.hash],
  ['drop', 'older than its origin', ({ batch, origin }) => batch.timestamp < (origin?.timestamp ?? 0n)],
  [
    'drop',
    'transactions in a fork’s first block',
    ({ batch, config }) => batch.transactions.length > 0 && activatedBy(config, batch.timestamp).length > 0,
  ],
  [
    'drop',
    'transactions beyond the sequencer drift',
    (facts) => isPastDrift(facts) && facts.batch.transactions.length > 0,
  ],
  [
    'undecided',
    'next origin unknown beyond the sequencer drift',
    (facts) => isWaiting(facts) && facts.next === undefined,
  ],
  [
    'drop',
    'next origin not adopted beyond the sequencer drift',
    (facts) => isWaiting(facts) && facts.batch.timestamp >= (facts.next?.timestamp ?? 0n),
  ],
  ['drop', 'empty transaction', ({ batch }) => batch.transactions.some(({ length }) => length === 0)],
  [
    'drop',
    'transactions that only a node makes',
    ({ batch }) => batch.transactions.some(([type]) => type === DEPOSIT_TYPE || type === POST_EXEC_TYPE),
  ],
]

/** Judges a batch of one block against the safe block that it must follow. */
export function judgeSingular(batch: SingularBatch, context: BatchContext): Verdict {
  const { parent, config, origins } = context
  const [epoch, next] = origins
  if (epoch === undefined) return { status: 'undecided', reason: 'origin unknown' }
  const origin =
    batch.epochNumber === epoch.number ? epoch : batch.epochNumber === epoch.number + 1n ? next : undefined
  const nextTimestamp = parent.timestamp + config.blockTimeSeconds
  return judge(SINGULAR_RULES, { ...context, batch, nextTimestamp, epoch, next, origin })
}

/** A safe block that a span tells again. */
export type KnownBlock = L2Block & {
  /** Encoded, without deposits. */
  readonly transactions: readonly Uint8Array[]
}

type SpanFacts = BatchContext & {
  readonly span: SpanBatch
  readonly nextTimestamp: bigint
  readonly first: bigint
  readonly last: bigint
  readonly epochs: readonly bigint[]
  /** The safe block before the span's first, where that can be said. */
  readonly spanParent: L2Block | undefined
  /** The safe blocks that the span tells again. */
  readonly told: readonly (KnownBlock | undefined)[]
}

const endOrigin = ({ origins, epochs }: SpanFacts): L1Block | undefined =>
  origins.find(({ number }) => number === epochs.at(-1))
const isPrefix = (prefix: Hex, hash: Hex | undefined): boolean => hash?.startsWith(prefix) === true

/**
 * Rules for a span as a whole; its blocks are then judged one by one, so a span is valid up to its first invalid block.
 * @see OP specs, Delta, "Span batches"; Holocene, derivation, "Span Batches".
 */
const SPAN_RULES: readonly Rule<SpanFacts>[] = [
  [
    'undecided',
    'next origin unknown',
    ({ epochs, origins }) => origins.length < 2 && epochs[0] === origins[0]!.number + 1n,
  ],
  ['drop', 'future timestamp', ({ first, nextTimestamp }) => first > nextTimestamp],
  ['past', 'no new block', ({ last, nextTimestamp }) => last < nextTimestamp],
  [
    'drop',
    'misaligned timestamp',
    ({ first, parent, nextTimestamp, config }) =>
      first < nextTimestamp &&
      (first > parent.timestamp || (parent.timestamp - first) % config.blockTimeSeconds !== 0n),
  ],
  ['undecided', 'parent unknown', ({ spanParent }) => spanParent === undefined],
  ['drop', 'other parent', ({ span, spanParent }) => !isPrefix(span.parentCheck, spanParent?.hash)],
  [
    'drop',
    'sequencing window expired',
    ({ epochs, config, includedAt }) => epochs[0]! + config.sequencingWindowBlocks < includedAt,
  ],
  ['drop', 'epoch too new', ({ epochs, spanParent }) => epochs[0]! > spanParent!.origin.number + 1n],
  ['undecided', 'last origin unknown', (facts) => endOrigin(facts) === undefined],
  ['drop', 'other origin', (facts) => !isPrefix(facts.span.l1OriginCheck, endOrigin(facts)?.hash)],
  ['drop', 'epoch too old', ({ epochs, spanParent }) => epochs[0]! < spanParent!.origin.number],
  ['undecided', 'told block unknown', ({ told }) => told.includes(undefined)],
  [
    'drop',
    'tells a safe block otherwise',
    ({ told, span, epochs }) =>
      told.some(
        (known, i) =>
          known!.origin.number !== epochs[i] ||
          known!.transactions.length !== span.blocks[i]!.transactions.length ||
          known!.transactions.some((raw, at) => !Bytes.equals(raw, span.blocks[i]!.transactions[at]!)),
      ),
  ],
]

/**
 * Judges a span against the safe chain that it must continue.
 * @param known - Answers for safe blocks up to the parent.
 */
export function judgeSpan(
  span: SpanBatch,
  context: BatchContext & { readonly known: (number: bigint) => KnownBlock | undefined },
): Verdict {
  const { parent, config, origins, known } = context
  if (origins.length === 0) return { status: 'undecided', reason: 'origin unknown' }
  const first = timestampIn(span, 0, config)
  const last = timestampIn(span, span.blocks.length - 1, config)
  const nextTimestamp = parent.timestamp + config.blockTimeSeconds
  /** How many blocks of the span are safe already. */
  const overlap = first < nextTimestamp ? (nextTimestamp - first) / config.blockTimeSeconds : 0n
  const parentNumber = parent.number - overlap
  const isOverlap = overlap > 0n && last >= nextTimestamp
  return judge(SPAN_RULES, {
    ...context,
    span,
    nextTimestamp,
    first,
    last,
    epochs: epochsOf(span),
    spanParent: overlap === 0n ? parent : parentNumber < 0n ? undefined : known(parentNumber),
    told: isOverlap
      ? Array.from({ length: Number(overlap) }, (_, i) => known(parentNumber + BigInt(i) + 1n))
      : [],
  })
}

/** A time beyond 64 bits begins again at zero, as in op-node: such a span is past, not future. */
const timestampIn = (span: SpanBatch, index: number, config: DerivationConfig): bigint =>
  BigInt.asUintN(
    64,
    config.genesis.timestamp + span.relativeTimestamp + config.blockTimeSeconds * BigInt(index),
  )

/** The origin of each block of a span: the last is named, the others are counted back from it. */
export function epochsOf(span: SpanBatch): bigint[] {
  const epochs = new Array<bigint>(span.blocks.length)
  let epoch = span.l1OriginNumber
  for (let i = span.blocks.length - 1; i >= 0; i--) {
    epochs[i] = epoch
    if (span.blocks[i]!.isOriginAdvanced) epoch -= 1n
  }
  return epochs
}

/**
 * Takes from a span the blocks that are not safe yet.
 * @returns `undefined` when a block names an origin that is not known or goes back, which invalidates the whole span.
 */
export function newBlocksOf(
  span: SpanBatch,
  { config, parent, origins }: BatchContext,
): Omit<SingularBatch, 'parentHash'>[] | undefined {
  const epochs = epochsOf(span)
  const byNumber = new Map(origins.map((origin) => [origin.number, origin]))
  const blocks: Omit<SingularBatch, 'parentHash'>[] = []
  for (const [i, { transactions }] of span.blocks.entries()) {
    const timestamp = timestampIn(span, i, config)
    if (timestamp <= parent.timestamp) continue
    const epochNumber = epochs[i]!
    const origin = byNumber.get(epochNumber)
    if (origin === undefined || epochNumber < parent.origin.number) return undefined
    blocks.push({ epochNumber, epochHash: origin.hash, timestamp, transactions })
  }
  return blocks
}
