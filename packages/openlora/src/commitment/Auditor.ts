import { Adapter, CheckpointFolder, createGradients, loraTargets } from '@openledger/model'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import { BaseError, type Hex } from '@openledger/primitives'
import { loadAttributionIndex } from '../attribution/AttributionIndex.ts'
import { type AttributionModel, createAttributor, draw } from '../attribution/Attributor.ts'
import * as Evidence from '../attribution/Evidence.ts'
import { readHidden } from '../attribution/Inference.ts'
import type { Decoding } from './Commitment.ts'
import {
  type AnswerInputs,
  type ComputedReceipt,
  type Verdict,
  verify,
  verifyInfluence,
} from './Verification.ts'

/** Recomputes receipts on a machine of one's own, from published files alone. */
export type Auditor = {
  /**
   * Recomputes what the answer's data earned and names the first line that differs.
   *
   * @param model - As the chain tells it; its files are fetched by CID and checked against the hashes there.
   * @param answer - What the payer has. Without it only the influence lines can be recomputed.
   * @param excludedContributions - Those of whoever paid.
   * @throws {AttributionIndexError} @throws {AdapterHashMismatchError} @throws {AuditedBaseError}
   */
  readonly audit: (request: {
    readonly receipt: ComputedReceipt
    readonly model: AttributionModel
    readonly baseHash: Hex
    readonly answer?: AnswerInputs
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
  readonly fetchBlob: (cid: string) => Promise<Uint8Array>
}): Auditor {
  const { baseDirectory, fetchBlob } = deps
  return {
    async audit({ receipt, model, baseHash, answer, excludedContributions }) {
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
      const { value: index } = await loadAttributionIndex(model.index, fetchBlob)
      if (answer === undefined) return verifyInfluence(receipt, evidence, index, model)

      const checkpoint = await CheckpointFolder.read(baseDirectory)
      if (checkpoint.baseHash !== baseHash) throw new AuditedBaseError(baseHash, checkpoint.baseHash)
      const tokenizer = await CheckpointFolder.readTokenizer(baseDirectory)
      const { config } = checkpoint
      const adapter = Adapter.decode(config, await fetchBlob(model.adapter.cid))
      if (adapter.hash !== model.adapter.hash) throw new AuditedAdapterError(model.adapter.hash, adapter.hash)
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
        adapters: { acquire: async () => adapter, release: () => {} },
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
        }
        const measured = await attributor.attribute(request)
        const drawn = draw(index, claimed, request, tokenizer)
        const hidden =
          claimed.decoding === undefined || answerIds.length === 0
            ? undefined
            : await readIn(claimed.decoding.precision, answer)
        const verdict = verify(receipt, answer, evidence, { drawn, measured, hidden })
        const isOther = verdict.status === 'same' || OTHER_ANSWER.has(verdict.line)
        if (isOther) return verdict
        // what follows from evidence within rounding is the same on every machine
        const isMeasured = Evidence.difference(claimed, Evidence.decode(measured.evidence)) === undefined
        return { ...verdict, computed: isMeasured ? drawn : measured.attribution }
      } finally {
        await gradients.release()
      }
    },
  }
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
