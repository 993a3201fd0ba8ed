import { buildSpanIndex, commitSpans, SpanIndex, traceSpans } from '@openledger/attribution'
import { Adapter, CheckpointFolder, createGradients, createScorer, loraTargets } from '@openledger/model'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import { BaseError, type Hex } from '@openledger/primitives'
import type { AdapterReference } from '../adapters/AdapterCache.ts'
import { createMergingSource } from '../adapters/AdapterLease.ts'
import { referenceOf } from '../adapters/MergedAdapter.ts'
import { loadAttributionIndex } from '../attribution/AttributionIndex.ts'
import {
  type AttributionModel,
  type AttributionRequest,
  createAttributor,
  draw,
  spansOf,
} from '../attribution/Attributor.ts'
import * as Evidence from '../attribution/Evidence.ts'
import { readHidden } from '../attribution/Inference.ts'
import type { ShownSpans } from '../attribution/ShownSpans.ts'
import type { Decoding } from './Commitment.ts'
import {
  type AnswerInputs,
  type ComputedReceipt,
  type Verdict,
  verify,
  verifyWithoutAnswer,
} from './Verification.ts'

/** Recomputes receipts on a machine of one's own, from published files alone. */
export type Auditor = {
  /**
   * Recomputes what the answer's data earned and names the first line that differs.
   *
   * @param model - As the chain tells it; its files are fetched by CID and checked against the hashes there.
   * @param answer - What the payer has. Without it spans are checked by openings, and influence from the index.
   * @param isOpen - Whether licences let anyone have the model's files; without them only spans can be checked.
   * @param excludedContributions - Those of whoever paid.
   * @throws {AttributionIndexError} @throws {AdapterHashMismatchError} @throws {AuditedBaseError}
   */
  readonly audit: (request: {
    readonly receipt: ComputedReceipt
    readonly model: AttributionModel
    /** Where several models answered together: their adapters, as the chain tells them, with the receipt's weights. */
    readonly merge?: AttributionRequest['merge']
    readonly baseHash: Hex
    readonly answer?: AnswerInputs
    readonly isOpen: boolean
    readonly excludedContributions: readonly Hex[]
  }) => Promise<Verdict>
}

/** Lines that differ when what the payer kept is not what the receipt is about. */
const OTHER_ANSWER: ReadonlySet<string> = new Set(['promptHash', 'answerHash', 'inputTokens', 'outputTokens'])

/**
 * Creates an auditor over a base model's folder.
 * @param fetchBlob - Reads a published file by CID, its bytes checked against the CID.
 */
export function createAuditor(deps: {
  readonly baseDirectory: string
  /** Has the server show what the receipt's spans are paid by. */
  readonly fetchShown: () => Promise<ShownSpans>
  readonly fetchBlob: (cid: string) => Promise<Uint8Array>
}): Auditor {
  const { baseDirectory, fetchBlob, fetchShown } = deps
  return {
    async audit({ receipt, model, merge, baseHash, answer, isOpen, excludedContributions }) {
      const { attribution } = receipt
      if (attribution.evidenceCid === undefined) {
        return { status: 'different', line: 'attribution.evidenceCid', expected: 'a CID', claimed: null }
      }
      const evidence = await fetchBlob(attribution.evidenceCid)
      const claimed = Evidence.decode(evidence)
      const excluded = [...excludedContributions].sort()
      if (String(excluded) !== String([...claimed.excludedContributions].sort())) {
        return {
          status: 'different',
          line: 'evidence.excludedContributions',
          expected: excluded,
          claimed: [...claimed.excludedContributions],
        }
      }
      const index = isOpen ? (await loadAttributionIndex(model.index, fetchBlob)).value : undefined
      const own = index && remade(index.spans)
      if (own !== index?.spans.root) {
        return { status: 'different', line: 'the span index', expected: own!, claimed: index!.spans.root }
      }
      if (answer === undefined || index === undefined) {
        return verifyWithoutAnswer(receipt, { evidence, shown: await fetchShown(), index }, model)
      }

      const checkpoint = await CheckpointFolder.read(baseDirectory)
      if (checkpoint.baseHash !== baseHash) throw new AuditedBaseError(baseHash, checkpoint.baseHash)
      const tokenizer = await CheckpointFolder.readTokenizer(baseDirectory)
      const { config } = checkpoint
      const decode = async ({ cid, hash }: AdapterReference): Promise<Adapter.Adapter> => {
        const adapter = Adapter.decode(config, await fetchBlob(cid))
        if (adapter.hash !== hash) throw new AuditedAdapterError(hash, adapter.hash)
        return adapter
      }
      const adapters = createMergingSource({ acquire: decode, release: () => {} })
      const adapter = await adapters.acquire(merge === undefined ? model.adapter : referenceOf(merge.parts))
      const shape = Adapter.create(config, { rank: 1, alpha: 1, targets: loraTargets, seed: 0 })
      const gradients = createGradients(checkpoint, shape, { batchSize: 1 })
      const decoderOf = (precision: Decoding['precision']) =>
        createDecoder(checkpoint, {
          rows: 1,
          context: config.contextMax,
          rankMax: adapter.rank,
          precision,
        })
      const decoder = await decoderOf('f32')
      const scorer = createScorer(checkpoint, undefined)
      const readIn = async (precision: Decoding['precision'], { promptIds, answerIds }: AnswerInputs) => {
        if (precision === 'f32') return readHidden(decoder, adapter, promptIds, answerIds)
        const coarse = await decoderOf(precision)
        try {
          return await readHidden(coarse, adapter, promptIds, answerIds)
        } finally {
          await coarse.release()
        }
      }
      const attributor = createAttributor({
        checkpoint,
        tokenizer,
        gradients,
        decoder,
        scorer,
        adapters,
        indexes: { acquire: async () => index, release: () => {} },
      })
      try {
        const { promptIds, answerIds, text, promptText, passages } = answer
        const request = {
          model,
          promptIds,
          answerIds,
          text,
          excludedContributions: claimed.excludedContributions,
          ...(passages === undefined || passages.length === 0 ? {} : { context: { promptText, passages } }),
          ...(claimed.decoding === undefined ? {} : { decoding: claimed.decoding }),
          ...(merge === undefined ? {} : { merge }),
        }
        const measured = await attributor.attribute(request)
        const drawn = draw(index, claimed, request, tokenizer)
        const hidden =
          claimed.decoding === undefined || answerIds.length === 0
            ? undefined
            : await readIn(claimed.decoding.precision, answer)
        const spans = spansOf(traceSpans(index.spans, answerIds), claimed.logMilliNats)
        const verdict = verify(receipt, answer, evidence, { drawn, spans, measured, hidden })
        const isOther = verdict.status === 'same' || OTHER_ANSWER.has(verdict.line)
        if (isOther) return verdict
        // what follows from evidence within rounding is the same on every machine
        const isMeasured = Evidence.difference(claimed, Evidence.decode(measured.evidence)) === undefined
        return { ...verdict, computed: isMeasured ? drawn : measured.attribution }
      } finally {
        await gradients.release()
        await scorer.release()
        await decoder.release()
      }
    },
  }
}

/** The root of an index made anew from its own records: that of one which was not sorted, or committed to, as it should is another. */
function remade(index: SpanIndex.SpanIndex): Hex {
  const { vocabularySize, copyTokensMin } = index
  const documents = SpanIndex.documentsOf(index)
  return commitSpans(buildSpanIndex({ documents, vocabularySize, copyTokensMin })).root
}

export class AuditedBaseError extends BaseError {
  constructor(expected: Hex, got: Hex) {
    super({
      code: 'audit.base',
      message: `Expected the base ${expected} that the model was published on, got ${got}. Name its folder with --base.`,
      context: { expected, got },
    })
  }
}

export class AuditedAdapterError extends BaseError {
  constructor(expected: Hex, got: Hex) {
    super({
      code: 'audit.adapter',
      message: `Expected the adapter ${expected} that the chain names, got ${got}. The server gave other bytes than were published.`,
      context: { expected, got },
    })
  }
}
