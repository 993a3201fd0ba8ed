import { traceSpans } from '@openledger/attribution'
import { type Adapter, createScorer, type Message } from '@openledger/model'
import { Bytes, CanonicalJson, type Hex, Share } from '@openledger/primitives'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  type AttributedModel,
  commons,
  createAttributedModel,
  FIXTURE_TIMEOUT_MS,
  hexOf,
} from '../../test/attributedModel.ts'
import { hashText, verify, verifyWithoutAnswer } from '../commitment/Verification.ts'
import { type AttributionDraft, type AttributionRequest, draw, spansOf } from './Attributor.ts'
import * as Evidence from './Evidence.ts'
import { coalitionPrompts, type Passage, withPassages } from './Passages.ts'
import { showSpans } from './ShownSpans.ts'

/** Tokens are characters, so that a prompt can be read back. */
const characters = { bosId: 0, encode: (text: string) => Array.from(text, (c) => c.charCodeAt(0)) }
const read = (ids: readonly number[]) => String.fromCharCode(...ids.slice(1))

const passage = (text: string, cluster = text): Passage => ({
  recordId: `0x${text}`,
  contributionId: '0x1',
  clusterId: `0x${cluster}`,
  text,
})

test('passages stand in front of a text, or of the last message from a person', () => {
  const two = [passage('one'), passage('two')]
  expect(withPassages('why?', two)).toBe('one\n\ntwo\n\nwhy?')
  const messages: Message[] = [
    { role: 'system', content: 'be brief' },
    { role: 'user', content: 'hello' },
    { role: 'assistant', content: 'yes' },
    { role: 'user', content: 'why?' },
  ]
  expect(withPassages(messages, two).map(({ content }) => content)).toEqual([
    'be brief',
    'hello',
    'yes',
    'one\n\ntwo\n\nwhy?',
  ])
  expect(withPassages(messages, [])).toBe(messages)
  expect(() => withPassages(messages.slice(0, 1), two)).toThrow(/message of role user/)
})

test('each set of passages that is left in gives the prompt without the others and without a trace of them', () => {
  const passages = [passage('a'), passage('b'), passage('A', 'a')]
  const promptText = `<|user|>${withPassages('why?', passages)}<|end|>`
  expect(coalitionPrompts(characters, { promptText, passages }).map(read)).toEqual([
    '<|user|>why?<|end|>',
    '<|user|>a\n\nA\n\nwhy?<|end|>',
    '<|user|>b\n\nwhy?<|end|>',
    promptText,
  ])
})

test('a template that changes what it is given is not measured as if it had not', () => {
  const passages = [passage('a ')]
  expect(() => coalitionPrompts(characters, { promptText: 'a\n\nwhy?', passages })).toThrow(
    /holds its passages as they are/,
  )
})

describe('an answer to a prompt with passages', () => {
  let { checkpoint, tokenizer, adapter, model, start, loadIndex } = {} as AttributedModel

  beforeAll(async () => {
    ;({ checkpoint, tokenizer, adapter, model, start, loadIndex } = await createAttributedModel())
  }, FIXTURE_TIMEOUT_MS)

  const hashOf = (text: string): Hex => Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))
  /** Records that the model was not trained on. */
  const news = 'doctor fever dose'
  const passages: Passage[] = [
    { text: 'fever', owner: hexOf(98) },
    { text: news, owner: hexOf(99) },
  ].map(({ text, owner }) => ({
    recordId: hashOf(text),
    clusterId: hashOf(text),
    contributionId: owner,
    text,
  }))
  const helping = passages.slice(1)
  const twin = { ...helping[0]!, recordId: hexOf(77) }

  function asked(given: readonly Passage[]): AttributionRequest {
    const promptText = withPassages(' number 3:', given)
    const promptIds = [tokenizer.bosId, ...tokenizer.encode(promptText)]
    const answerIds = tokenizer.encode(' pack the wound')
    return {
      model,
      promptIds,
      answerIds,
      text: tokenizer.decode(answerIds),
      excludedContributions: [],
      context: { promptText, passages: given },
    }
  }

  /** The oracle: what another program, built for measuring losses, says of the answer after a text. */
  async function likelihood(
    promptText: string,
    answerIds: readonly number[],
    own: Adapter.Adapter | undefined,
  ) {
    const prompt = [tokenizer.bosId, ...tokenizer.encode(promptText)]
    const ids = Int32Array.from([...prompt, ...answerIds])
    const scorer = createScorer(checkpoint, own)
    const logs = await scorer.logProbabilities(ids)
    await scorer.release()
    return 1e3 * logs.slice(prompt.length).reduce((sum, nats) => sum + nats, 0)
  }

  test('measures the answer under every set of passages, and the adapter without any', async () => {
    const { attribution, evidence } = await (await start()).attribute(asked(passages))
    const { context, liftMilliNats } = Evidence.decode(evidence)
    const { answerIds } = asked(passages)
    const texts = [[], [passages[0]!], [passages[1]!], passages]
    for (const [i, given] of texts.entries()) {
      const expected = await likelihood(withPassages(' number 3:', given), answerIds, adapter)
      expect(Math.abs(context!.milliNats[i]! - expected)).toBeLessThan(2)
    }
    const [none, , , all] = context!.milliNats as [number, number, number, number]
    const base = await likelihood(' number 3:', answerIds, undefined)
    const lift = liftMilliNats.reduce((sum, value) => sum + value, 0)
    expect(Math.abs(lift - (none - base))).toBeLessThan(answerIds.length)
    expect(attribution).toMatchObject({
      liftMilliNats: lift,
      context: { passages: passages.map(({ recordId }) => recordId), liftMilliNats: all - none },
    })
  })

  test('pays a record that it was not trained on for what it does to the answer', async () => {
    const { attribution, evidence } = await (await start()).attribute(asked(helping))
    const [none, all] = Evidence.decode(evidence).context!.milliNats as [number, number]
    expect(all - none).toBeGreaterThan(1_000)
    const share = attribution.shares.find(({ contributionId }) => contributionId === hexOf(99))!
    const { recordId } = helping[0]!
    expect(share.reasons).toEqual([
      { kind: 'context', recordId, milliNats: all - none, sharePpm: share.sharePpm },
    ])
    // the adapter alone makes this answer no likelier than the base, so all that moved it is the passage
    expect(attribution.liftMilliNats).toBeLessThan(0)
    expect(share.sharePpm).toBe(500_000)
    const sum = attribution.shares.reduce((total, { sharePpm }) => total + sharePpm, 0)
    expect(sum + attribution.commons.sharePpm).toBe(Number(Share.SCALE))
  })

  test('pays the first of two that say the same, once, and nobody for what the payer owns', async () => {
    const attributor = await start()
    const paidIn = async (given: readonly Passage[]) =>
      (await attributor.attribute(asked(given))).attribution.shares.flatMap(({ reasons }) =>
        reasons.filter(({ kind }) => kind === 'context').map(({ recordId }) => recordId),
      )
    expect(await paidIn([twin])).toEqual(await paidIn(helping))
    const own = await attributor.attribute({ ...asked(helping), excludedContributions: [hexOf(99)] })
    expect(own.attribution.shares.map(({ contributionId }) => contributionId)).not.toContain(hexOf(99))
    expect(own.attribution.commons.reason).toContain('whoever pays')
  })

  test('is refused where the prompt does not hold them', async () => {
    const request = asked(passages)
    const context = { promptText: ' number 3:', passages }
    await expect((await start()).attribute({ ...request, context })).rejects.toMatchObject({
      code: 'openlora.passages',
    })
  })

  test('is checked line by line by whoever has the prompt, and by whoever has not', async () => {
    const request = asked(passages)
    const answer = await (await start()).attribute(request)
    const index = await loadIndex()
    const { promptText } = request.context!
    const lines = (evidence: Uint8Array, alter: (draft: AttributionDraft) => object = () => ({})) => {
      const drawn = draw(index, Evidence.decode(evidence), request, tokenizer)
      const money = { beneficiary: commons, amountWei: '5' }
      const attribution = {
        ...drawn,
        shares: drawn.shares.map((share) => ({ ...share, reasons: [...share.reasons], ...money })),
        commons: { ...drawn.commons, amountWei: '7' },
        ...alter(drawn),
      }
      const receipt = {
        promptHash: hashText(promptText),
        answerHash: hashText(request.text),
        inputTokens: request.promptIds.length,
        outputTokens: request.answerIds.length,
        attributionHash: CanonicalJson.hash(attribution as never),
        inferenceCommitment: answer.inferenceCommitment,
        attribution,
      } as Parameters<typeof verify>[0]
      const { logMilliNats, spans: claimed } = Evidence.decode(evidence)
      const told = verify(receipt, { ...request, promptText, passages }, evidence, {
        drawn,
        spans: spansOf(traceSpans(index.spans, request.answerIds), logMilliNats),
        measured: answer,
        hidden: undefined,
      })
      const untold = verifyWithoutAnswer(
        receipt,
        { evidence, shown: showSpans(index, claimed), index },
        model,
      )
      return [told, untold].map((verdict) => (verdict.status === 'same' ? 'same' : verdict.line))
    }
    const evidence = Evidence.decode(answer.evidence)
    const forge = (changes: Partial<Evidence.ContextEvidence>) =>
      lines(Evidence.encode({ ...evidence, context: { ...evidence.context!, ...changes } }))
    expect(lines(answer.evidence)).toEqual(['same', 'same'])
    expect(lines(answer.evidence, () => ({ context: undefined }))).toEqual([
      'attribution.context',
      'attribution.context',
    ])
    // what follows from forged evidence is found by whoever measures it again
    const [none, first, second, all] = evidence.context!.milliNats as [number, number, number, number]
    expect((await forge({ milliNats: [none, first, second, all + 500] }))[0]).toBe(
      'evidence.context.milliNats[3]',
    )
    expect((await forge({ milliNats: [none, first, second, all + 1] }))[0]).toBe('same')
    const stolen = evidence.context!.passages.map((passage) => ({ ...passage, contributionId: hexOf(66) }))
    expect((await forge({ passages: stolen }))[0]).toBe('evidence.context.passages')
  })
})
