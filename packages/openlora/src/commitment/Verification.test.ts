import { traceSpans } from '@openledger/attribution'
import { CanonicalJson } from '@openledger/primitives'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  type AttributedModel,
  commons,
  createAttributedModel,
  FIXTURE_TIMEOUT_MS,
  hexOf,
  records,
} from '../../test/attributedModel.ts'
import { draw, spansOf } from '../attribution/Attributor.ts'
import * as Evidence from '../attribution/Evidence.ts'
import { readHidden } from '../attribution/Inference.ts'
import { showSpans } from '../attribution/ShownSpans.ts'
import { createAuditor } from './Auditor.ts'
import { createActivations } from './Commitment.ts'
import { hashText, verify, verifyWithoutAnswer } from './Verification.ts'

describe('verification of a receipt', () => {
  let { checkpoint, tokenizer, adapter, model, request, blobs, loadIndex, start } = {} as AttributedModel

  beforeAll(async () => {
    ;({ checkpoint, tokenizer, adapter, model, request, blobs, loadIndex, start } =
      await createAttributedModel())
  }, FIXTURE_TIMEOUT_MS)

  async function soldReceipt() {
    const { attribute, decoder } = await start()
    const hidden = await readHidden(decoder, adapter, request.promptIds, request.answerIds)
    const activations = createActivations()
    for (let at = 0; at < hidden.length; at += 48) activations.push(hidden.subarray(at, at + 48))
    const proofs = activations.prove(request.answerIds.length)
    const answer = await attribute({ ...request, decoding: { precision: 'f32', proofs } })
    const attribution = {
      ...answer.attribution,
      shares: answer.attribution.shares.map((share) => ({
        ...share,
        reasons: [...share.reasons],
        beneficiary: commons,
        amountWei: '5',
      })),
      commons: { ...answer.attribution.commons, amountWei: '7' },
    }
    const promptText = records[4]!.text.slice(0, 6)
    const receipt = {
      promptHash: hashText(promptText),
      answerHash: hashText(request.text),
      inputTokens: request.promptIds.length,
      outputTokens: request.answerIds.length,
      attributionHash: CanonicalJson.hash(attribution),
      inferenceCommitment: answer.inferenceCommitment,
      attribution,
    }
    return { receipt, answer, hidden, inputs: { ...request, promptText } }
  }
  type Receipt = Awaited<ReturnType<typeof soldReceipt>>['receipt']
  /** As whoever signed it would: with the hash of what was changed. */
  const resigned = (receipt: Receipt, changes: object): Receipt => {
    const attribution = { ...receipt.attribution, ...changes }
    return { ...receipt, attribution, attributionHash: CanonicalJson.hash(attribution) }
  }

  test('names the line of a receipt that differs from the answer computed again, whichever was altered', async () => {
    const { receipt, answer, hidden, inputs } = await soldReceipt()
    const index = await loadIndex()
    const lineOf = (altered: Receipt, evidence = answer.evidence): string => {
      const drawn = draw(index, Evidence.decode(evidence), request, tokenizer)
      const { logMilliNats } = Evidence.decode(evidence)
      const spans = spansOf(traceSpans(index.spans, request.answerIds), logMilliNats)
      const verdict = verify(altered, inputs, evidence, { drawn, spans, measured: answer, hidden })
      return verdict.status === 'same' ? 'same' : verdict.line
    }
    const { attribution } = receipt
    const [first, ...others] = attribution.shares
    const withFirst = (changes: object) =>
      resigned(receipt, { shares: [{ ...first!, ...changes }, ...others] })
    const reasonsWith = (changes: object) =>
      withFirst({
        reasons: first!.reasons.map((reason, i) => (i === 0 ? { ...reason, ...changes } : reason)),
      })
    const forged = Evidence.decode(answer.evidence)
    const { proofs } = forged.decoding!
    const forge = (changes: Partial<Evidence.Evidence>): string => {
      const evidence = Evidence.encode({ ...forged, ...changes })
      const drawn = draw(index, Evidence.decode(evidence), request, tokenizer)
      const shares = drawn.shares.map((share) => ({
        ...share,
        reasons: [...share.reasons],
        beneficiary: commons,
        amountWei: '5',
      }))
      return lineOf(
        resigned(receipt, { ...drawn, shares, commons: { ...drawn.commons, amountWei: '7' } }),
        evidence,
      )
    }
    expect({
      untouched: lineOf(receipt),
      promptHash: lineOf({ ...receipt, promptHash: hexOf(1) }),
      answerHash: lineOf({ ...receipt, answerHash: hexOf(1) }),
      inputTokens: lineOf({ ...receipt, inputTokens: 1 }),
      outputTokens: lineOf({ ...receipt, outputTokens: 1 }),
      attributionHash: lineOf({ ...receipt, attributionHash: hexOf(1) }),
      inferenceCommitment: lineOf({ ...receipt, inferenceCommitment: hexOf(1) }),
      engineVersion: lineOf(resigned(receipt, { engineVersion: 'another' })),
      evidenceCid: lineOf(resigned(receipt, { evidenceCid: 'another' })),
      policy: lineOf(resigned(receipt, { policy: { influenceBps: 4_999, spansBps: 5_001 } })),
      liftMilliNats: lineOf(resigned(receipt, { liftMilliNats: attribution.liftMilliNats + 1 })),
      shareDropped: lineOf(resigned(receipt, { shares: others })),
      payee: lineOf(withFirst({ contributionId: hexOf(9) })),
      sharePpm: lineOf(withFirst({ sharePpm: first!.sharePpm + 1 })),
      reasonRecord: lineOf(reasonsWith({ recordId: hexOf(9) })),
      reasonShare: lineOf(reasonsWith({ sharePpm: 1 })),
      commonsShare: lineOf(resigned(receipt, { commons: { ...attribution.commons, sharePpm: 1 } })),
      commonsPayee: lineOf(resigned(receipt, { commons: { ...attribution.commons, beneficiary: hexOf(1) } })),
      commonsReason: lineOf(resigned(receipt, { commons: { ...attribution.commons, reason: 'None.' } })),
      forgedCode: forge({ queryCode: forged.queryCode.map((value) => -value) }),
      forgedLift: forge({ liftMilliNats: forged.liftMilliNats.map((value) => value + 200) }),
      forgedWeights: forge({
        logMilliNats: forged.logMilliNats.map((value, i) => (i === 0 ? value - 900 : value)),
      }),
      forgedSpans: forge({ spans: { ...forged.spans, found: forged.spans.found.slice(1) } }),
      forgedRest: forge({ spans: { ...forged.spans, restMilliNats: forged.spans.restMilliNats + 1 } }),
      roundedOtherwise: forge({ liftMilliNats: forged.liftMilliNats.map((value) => value + 1) }),
      forgedProof: forge({ decoding: { ...forged.decoding!, proofs: [...proofs].reverse() } }),
      noProofs: forge({ decoding: { ...forged.decoding!, proofs: [] } }),
    }).toEqual({
      untouched: 'same',
      promptHash: 'promptHash',
      answerHash: 'answerHash',
      inputTokens: 'inputTokens',
      outputTokens: 'outputTokens',
      attributionHash: 'attributionHash',
      inferenceCommitment: 'inferenceCommitment',
      engineVersion: 'attribution.engineVersion',
      evidenceCid: 'attribution.evidenceCid',
      policy: 'attribution.policy',
      liftMilliNats: 'attribution.liftMilliNats',
      shareDropped: 'attribution.shares',
      payee: 'attribution.shares[0]',
      sharePpm: 'attribution.shares[0]',
      reasonRecord: 'attribution.shares[0]',
      reasonShare: 'attribution.shares[0]',
      commonsShare: 'attribution.commons',
      commonsPayee: 'attribution.commons',
      commonsReason: 'attribution.commons',
      forgedCode: 'evidence.queryCode',
      forgedLift: 'evidence.liftMilliNats[0]',
      forgedWeights: 'evidence.logMilliNats[0]',
      forgedSpans: 'evidence.spans',
      forgedRest: 'evidence.spans',
      roundedOtherwise: 'same',
      forgedProof: 'evidence.decoding.proofs[0]',
      noProofs: 'evidence.decoding.proofs',
    })
  })

  describe('without prompt and answer', () => {
    async function audited() {
      const { receipt, answer } = await soldReceipt()
      const index = await loadIndex()
      const { evidence } = answer
      const shown = showSpans(index, Evidence.decode(evidence).spans)
      const lineOf = (altered: Receipt, changes: object = {}): string => {
        const verdict = verifyWithoutAnswer(altered, { evidence, shown, index, ...changes }, model)
        return verdict.status === 'same' ? 'same' : verdict.line
      }
      const [first, ...others] = receipt.attribution.shares
      const withReason = (kind: string, change: (reason: Reason) => object) => {
        const at = first!.reasons.findIndex((reason) => reason.kind === kind)
        const reasons = first!.reasons.map((reason, i) => (i === at ? change(reason) : reason))
        return resigned(receipt, { shares: [{ ...first!, reasons }, ...others] })
      }
      return { receipt, evidence, shown, lineOf, withReason }
    }
    type Reason = Receipt['attribution']['shares'][number]['reasons'][number]
    const span = (change: object) => (reason: Reason) => ({ ...reason, ...change })

    test('every share follows from the evidence, the index and openings of it', async () => {
      const { receipt, lineOf, withReason } = await audited()
      expect([
        lineOf(receipt),
        lineOf(withReason('influence', (reason) => ({ ...reason, milliZ: 1 }))),
        lineOf(withReason('span', span({ occurrences: 7 }))),
        lineOf(withReason('span', span({ recordId: hexOf(9) }))),
        lineOf(resigned(receipt, { liftMilliNats: 1 })),
        lineOf(resigned(receipt, { commons: { ...receipt.attribution.commons, sharePpm: 1 } })),
      ]).toEqual([
        'same',
        'attribution.shares[0]',
        'attribution.shares[0]',
        'attribution.shares[0]',
        'attribution.liftMilliNats',
        'attribution.commons',
      ])
    })

    test('an auditor on another machine makes the index again, and asks for none where licences keep it', async () => {
      const { receipt, evidence, shown } = await audited()
      const asked: string[] = []
      const audit = async (isOpen: boolean, claimed: Receipt) => {
        const auditor = createAuditor({
          baseDirectory: 'none',
          fetchShown: async () => shown,
          fetchBlob: async (cid) => {
            asked.push(cid)
            return cid === receipt.attribution.evidenceCid ? evidence : blobs.get(cid)!
          },
        })
        const request = { receipt: claimed, model, baseHash: checkpoint.baseHash, isOpen }
        const verdict = await auditor.audit({ ...request, excludedContributions: [] })
        return verdict.status === 'same' ? 'same' : verdict.line
      }
      const [first, ...others] = receipt.attribution.shares
      const forged = resigned(receipt, { shares: [{ ...first!, reasons: [] }, ...others] })
      expect(await audit(false, receipt)).toBe('same')
      expect(await audit(false, forged)).toBe('attribution.shares[0]')
      expect(new Set(asked)).toEqual(new Set([receipt.attribution.evidenceCid]))
      expect(await audit(true, receipt)).toBe('same')
      expect(await audit(true, forged)).toBe('attribution.shares[0]')
      expect(asked).toContain('spans')
    })

    test('every span line follows from openings alone, for whoever may not have the index', async () => {
      const { receipt, evidence, shown, lineOf, withReason } = await audited()
      const closed = { index: undefined }
      const reason = receipt.attribution.shares[0]!.reasons.find(({ kind }) => kind === 'span')!
      const dropped = resigned(receipt, {
        shares: receipt.attribution.shares.map((share) => ({
          ...share,
          reasons: share.reasons.filter(({ kind }) => kind !== 'span'),
        })),
      })
      expect([
        lineOf(receipt, closed),
        lineOf(withReason('span', span({ occurrences: 7 })), closed),
        lineOf(withReason('span', span({ recordId: hexOf(9) })), closed),
        lineOf(withReason('span', span({ sharePpm: reason.sharePpm + 3 })), closed),
        lineOf(dropped, closed),
      ]).toEqual(['same', ...Array(4).fill('attribution.shares[0]')])
      const of = Evidence.decode(evidence).spans.found
      expect(of.some(({ kind }) => kind === 'matched')).toBe(true)
      const [opened] = shown.spans
      const flipped = {
        ...opened!,
        order: { ...opened!.order, siblings: `${opened!.order.siblings.slice(0, -1)}0` },
      }
      const again = {
        ...opened!,
        order: { ...opened!.order, siblings: `${opened!.order.siblings.slice(0, -1)}1` },
      }
      const wrong = [flipped, again].find(({ order }) => order.siblings !== opened!.order.siblings)!
      for (const forged of [
        { ...shown, spans: [wrong, ...shown.spans.slice(1)] },
        { ...shown, spans: [] },
        { ...shown, documents: shown.documents.slice(1) },
        { ...shown, tableHash: hexOf(3) },
      ]) {
        expect(lineOf(receipt, { ...closed, shown: forged })).toBe('evidence.spans')
      }
    })
  })
})
