import {
  buildInfluenceIndex,
  buildSpanIndex,
  commitSpans,
  encodeInfluenceIndex,
  encodeSpanIndex,
  traceSpans,
} from '@openledger/attribution'
import {
  Adapter,
  type Checkpoint,
  createCheckpoint,
  createGradients,
  createRandom,
  createScorer,
  createTokenizer,
  createTrainer,
  fromText,
  loraTargets,
  type Tokenizer,
  type Trainer,
  trainTokenizer,
} from '@openledger/model'
import { createDecoder, type Decoder } from '@openledger/model/decoder/Decoder'
import { type BaseError, Bytes, CanonicalJson, type Hex, Share } from '@openledger/primitives'
import { RecordTable } from '@openledger/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { createAuditor } from '../commitment/Auditor.ts'
import { createActivations } from '../commitment/Commitment.ts'
import { hashText, verify, verifyWithoutAnswer } from '../commitment/Verification.ts'
import { type AttributionReference, loadAttributionIndex } from './AttributionIndex.ts'
import {
  type AttributionDraft,
  type AttributionModel,
  type AttributionRequest,
  type Attributor,
  createAttributor,
  draw,
  spansOf,
} from './Attributor.ts'
import * as Evidence from './Evidence.ts'
import { readHidden } from './Inference.ts'
import { type Passage, withPassages } from './Passages.ts'
import { showSpans } from './ShownSpans.ts'

const hexOf = (number: number): Hex => `0x${number.toString(16).padStart(64, '0')}`
const topics = [
  ['the token contract transfers value from one owner to another', 'balance', 'allowance', 'supply'],
  ['sail along the northern coast until the lighthouse comes in sight', 'anchor', 'harbour', 'tide'],
  ['knead the dough for ten minutes and let it rise in a warm place', 'flour', 'yeast', 'oven'],
  ['the jury found that no duty of care was owed by the defendant', 'court', 'appeal', 'verdict'],
  ['water the seedlings every evening and shade them from strong sun', 'garden', 'soil', 'hedge'],
  ['the comet returns when its long ellipse brings it near the planets', 'orbit', 'star', 'lens'],
  ['tune the lower string by a fifth and play the second theme softly', 'violin', 'chord', 'score'],
  ['pack the wound with clean gauze and keep the patient lying still', 'doctor', 'fever', 'dose'],
] as const
const records = topics.flatMap(([phrase, ...words], topic) =>
  Array.from({ length: 4 }, (_, i) => {
    const [a, b, c] = [words[i % 3]!, words[(i + 1) % 3]!, words[(i * 2 + 1) % 3]!]
    const text = `${a} ${b} ${i}: ${phrase}, and mind the ${c} before the ${a} number ${i * 7 + topic}.`
    const recordId = Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))
    return { recordId, contributionId: hexOf(topic + 1), clusterId: recordId, text }
  }),
)
const blobs = new Map<string, Uint8Array>()
const commons: Hex = `0x${'c0'.repeat(20)}`

describe('createAttributor', () => {
  let checkpoint: Checkpoint
  let tokenizer: Tokenizer
  let adapter: Adapter.Adapter
  let model: AttributionModel
  let request: AttributionRequest
  /** Adapters that no index belongs to, by hash. */
  const others = new Map<Hex, Adapter.Adapter>()

  beforeAll(async () => {
    const texts = records.map(({ text }) => text)
    tokenizer = createTokenizer(
      trainTokenizer(texts, { vocabularySize: 420, specialTokens: ['<|pad|>', '<|bos|>', '<|eos|>'] }),
      { bos_token: '<|bos|>', eos_token: '<|eos|>', pad_token: '<|pad|>' },
    )
    const config = {
      vocabularySize: 420,
      hiddenSize: 48,
      feedForwardSize: 96,
      layers: 2,
      heads: 4,
      keyValueHeads: 2,
      headSize: 12,
      contextMax: 96,
      ropeTheta: 10_000,
      normEpsilon: 1e-5,
      isHeadTied: true,
      bosId: 1,
      eosId: 2,
      padId: 0,
    }
    // the base knows the words but not their order; the adapter learns the records
    const words = [...new Set(texts.flatMap((text) => text.split(/(?= )/)))]
    const random = createRandom(1)
    const babble = Array.from({ length: 16 }, () => random.shuffle(words).slice(0, 30).join(''))
    const base = createCheckpoint(config, 1)
    const whole = createTrainer(base, { mode: 'full' })
    await train(whole, babble, 40, 1e-2)
    checkpoint = { ...base, weights: whole.weights() }
    await whole.release()
    const start = Adapter.create(config, { rank: 8, alpha: 16, targets: loraTargets, seed: 1 })
    const tuned = createTrainer(checkpoint, { mode: 'lora', adapter: start })
    await train(tuned, texts, 80, 2e-2)
    adapter = tuned.adapter()
    await tuned.release()
    const index = await buildIndex()
    model = {
      adapter: { cid: 'adapter', hash: adapter.hash },
      index,
      policy: { influenceBps: 5_000, spansBps: 5_000 },
      commons,
    }
    // a record of the second contribution, continued from its first word to its last but one
    const promptText = records[4]!.text.slice(0, 6)
    const answerText = records[4]!.text.slice(6, -1)
    const promptIds = [tokenizer.bosId, ...tokenizer.encode(promptText)]
    const answerIds = tokenizer.encode(answerText)
    request = { model, promptIds, answerIds, text: tokenizer.decode(answerIds), excludedContributions: [] }
  })

  async function train(
    trainer: Trainer,
    texts: readonly string[],
    steps: number,
    rate: number,
  ): Promise<void> {
    const sequences = texts.flatMap((text) => fromText(tokenizer, text, { tokensMax: 96 }))
    const batch = {
      ids: sequences.map(({ ids }) => ids),
      lossMask: sequences.map(({ lossMask }) => lossMask),
    }
    for (let step = 0; step < steps; step++) await trainer.step(batch, rate * (1 - step / steps))
  }

  async function buildIndex(): Promise<AttributionReference> {
    const gradients = createGradients(checkpoint, adapter, { batchSize: 8 })
    const sequences = records.map(({ text }) => fromText(tokenizer, text, { tokensMax: 96 })[0]!)
    const rows = (await gradients.perExample(sequences)).map(({ gradient }) => gradient)
    const fisher = (await gradients.perExample(sequences, 'sampled')).map(({ gradient }) => gradient)
    const recordIds = records.map(({ recordId }) => recordId)
    const influence = buildInfluenceIndex({ blocks: gradients.blocks, rows, fisher, recordIds })
    await gradients.release()
    const documents = records.map((record) => ({ ...record, tokens: tokenizer.encode(record.text) }))
    const spans = commitSpans(buildSpanIndex({ documents, vocabularySize: tokenizer.vocabularySize }))
    const table = RecordTable.encode({ records: documents })
    blobs.set('influence', encodeInfluenceIndex(influence))
    blobs.set('spans', encodeSpanIndex(spans))
    blobs.set('records', table)
    const attributionRoot = RecordTable.attributionRoot({
      influenceRoot: influence.root,
      spansRoot: spans.root,
      tableHash: Bytes.toHex(Bytes.sha256(table)),
    })
    return { influenceCid: 'influence', spansCid: 'spans', recordsCid: 'records', attributionRoot }
  }

  async function start(threads = 1): Promise<Attributor & { decoder: Decoder }> {
    const decoder = await createDecoder(checkpoint, { rows: 2, context: 96, rankMax: 16, threads })
    const attributor = createAttributor({
      checkpoint,
      tokenizer,
      decoder,
      gradients: createGradients(checkpoint, adapter, { batchSize: 1, threads }),
      adapters: { acquire: async ({ hash }) => others.get(hash) ?? adapter, release: () => {} },
      indexes: {
        acquire: async (reference) =>
          (await loadAttributionIndex(reference, async (cid) => blobs.get(cid)!)).value,
        release: () => {},
      },
    })
    return { ...attributor, decoder }
  }

  test('pays most to the contribution that the answer comes from, in shares that sum exactly', async () => {
    const { attribution } = await (await start()).attribute(request)
    const { shares, commons: rest } = attribution
    expect(shares.reduce((sum, { sharePpm }) => sum + sharePpm, rest.sharePpm)).toBe(Number(Share.SCALE))
    expect(attribution.liftMilliNats).toBeGreaterThan(0)
    expect(shares[0]).toMatchObject({ contributionId: hexOf(2) })
    expect(shares[0]!.sharePpm).toBeGreaterThan(400_000)
    for (const { sharePpm } of shares.slice(1)) expect(10 * sharePpm).toBeLessThan(shares[0]!.sharePpm)
    expect(shares[0]!.reasons.map(({ kind }) => kind)).toContain('span')
    expect(shares[0]!.reasons.map(({ kind }) => kind)).toContain('influence')
    for (const { sharePpm, reasons } of shares) {
      expect(reasons.reduce((sum, reason) => sum + reason.sharePpm, 0)).toBe(sharePpm)
    }
  })

  test('shows spans as ranges of the text that their records contain', async () => {
    const { attribution } = await (await start()).attribute(request)
    const reasons = attribution.shares.flatMap((share) => share.reasons)
    const spans = reasons.filter((reason) => reason.kind === 'span')
    expect(spans.length).toBeGreaterThan(0)
    for (const { recordId, start: from, end, occurrences } of spans) {
      const words = request.text.slice(from, end)
      expect(words.length).toBeGreaterThan(0)
      expect(records.find((record) => record.recordId === recordId)!.text).toContain(words)
      expect(occurrences).toBeGreaterThan(0)
    }
  })

  test('gives the same bytes again, after other answers, and on another number of threads', async () => {
    const attributor = await start()
    const first = await attributor.attribute(request)
    await attributor.attribute({ ...request, promptIds: request.promptIds.slice(0, 2) })
    expect(await attributor.attribute(request)).toEqual(first)
    expect(await (await start(2)).attribute(request)).toEqual(first)
    expect(attributor.decoder.length(0)).toBe(0)
  })

  test('pays nothing to excluded contributions, and their part to the commons', async () => {
    const attributor = await start()
    const all = await attributor.attribute(request)
    const without = await attributor.attribute({ ...request, excludedContributions: [hexOf(2)] })
    expect(without.attribution.shares.map(({ contributionId }) => contributionId)).not.toContain(hexOf(2))
    const gained = without.attribution.commons.sharePpm - all.attribution.commons.sharePpm
    expect(gained).toBeGreaterThanOrEqual(all.attribution.shares[0]!.sharePpm - 2)
    expect(without.attribution.commons.reason).toContain('whoever pays')
  })

  test('gives an empty answer to the commons whole', async () => {
    const { attribution } = await (await start()).attribute({ ...request, answerIds: [], text: '' })
    expect(attribution.shares).toEqual([])
    expect(attribution.commons).toEqual({
      sharePpm: 1_000_000,
      beneficiary: commons,
      reason: 'The answer is empty.',
    })
  })

  describe('where several adapters answered together', () => {
    const partOf = (own: Adapter.Adapter, weightPpm: number) => ({ cid: own.hash, hash: own.hash, weightPpm })
    function another(spread: number): Adapter.Adapter {
      const { config } = checkpoint
      // of the shape that the index was built for, which it stands in for here
      const empty = Adapter.create(config, { rank: 8, alpha: 4, targets: loraTargets, seed: 9 })
      const random = createRandom(9)
      const tensors = new Map(
        [...empty.tensors].map(([name, { a, b }]) => [name, { a, b: b.map(() => spread * random.normal()) }]),
      )
      const made = Adapter.from({ ...empty, tensors })
      others.set(made.hash, made)
      return made
    }

    test('the lift of each is what leaving it out does, as another program measures it', async () => {
      const second = another(0.1)
      const parts = [partOf(second, -700_000), partOf(adapter, 800_000)]
      const attributor = await start()
      const { promptIds, answerIds } = request
      /** The oracle: a base with the changes in its weights, read by the program that measures losses. */
      const likelihood = async (...given: readonly (readonly [Adapter.Adapter, number])[]) => {
        const weights = given.reduce<ReadonlyMap<string, Float32Array>>(
          (sum, [one, weight]) => Adapter.merge(sum, { ...one, alpha: one.alpha * weight }),
          checkpoint.weights,
        )
        const scorer = createScorer({ ...checkpoint, weights: new Map(weights) }, undefined)
        const logs = await scorer.logProbabilities(Int32Array.from([...promptIds, ...answerIds]))
        await scorer.release()
        return 1e3 * logs.slice(promptIds.length).reduce((sum, nats) => sum + nats, 0)
      }
      const both = await likelihood([second, -0.7], [adapter, 0.8])
      const left = [await likelihood([adapter, 0.8]), await likelihood([second, -0.7])]
      for (const index of [0, 1]) {
        const { attribution } = await attributor.attribute({ ...request, merge: { parts, index } })
        expect(Math.abs(attribution.liftMilliNats - (both - left[index]!))).toBeLessThan(answerIds.length)
        const { shares, commons: rest } = attribution
        expect(shares.reduce((sum, { sharePpm }) => sum + sharePpm, rest.sharePpm)).toBe(Number(Share.SCALE))
      }
    })

    test('one that does nothing changes nobody’s share, whatever its weight, and earns no influence', async () => {
      const nothing = another(0)
      const parts = [partOf(nothing, 4_000_000), partOf(adapter, 1_000_000)]
      const attributor = await start()
      const alone = await attributor.attribute(request)
      const beside = await attributor.attribute({ ...request, merge: { parts, index: 1 } })
      expect(Evidence.difference(Evidence.decode(alone.evidence), Evidence.decode(beside.evidence))).toBe(
        undefined,
      )
      const paid = ({ attribution }: typeof alone) =>
        attribution.shares.map(({ contributionId, sharePpm }) => [contributionId, sharePpm] as const)
      for (const [i, [contributionId, sharePpm]] of paid(alone).entries()) {
        const [other, otherPpm] = paid(beside)[i]!
        expect(other).toBe(contributionId)
        expect(Math.abs(otherPpm - sharePpm)).toBeLessThan(2_000)
      }
      const own = await attributor.attribute({ ...request, merge: { parts, index: 0 } })
      expect(own.attribution.liftMilliNats).toBe(0)
      const kinds = own.attribution.shares.flatMap(({ reasons }) => reasons.map(({ kind }) => kind))
      expect(kinds).not.toContain('influence')
    })

    test('the commitment tells weights and order, and one adapter at weight 1 is itself', async () => {
      const second = another(0.1)
      const attributor = await start()
      const commitmentOf = async (...parts: readonly ReturnType<typeof partOf>[]): Promise<Hex> => {
        const index = parts.findIndex(({ hash }) => hash === adapter.hash)
        return (await attributor.attribute({ ...request, merge: { parts, index } })).inferenceCommitment
      }
      const [a, b] = [partOf(adapter, 500_000), partOf(second, 500_000)]
      const found = [
        await commitmentOf(a, b),
        await commitmentOf(b, a),
        await commitmentOf(a, { ...b, weightPpm: 500_001 }),
        await commitmentOf(a),
        await commitmentOf(partOf(adapter, 1_000_000)),
      ]
      expect(new Set(found).size).toBe(5)
      expect(found[4]).toBe((await attributor.attribute(request)).inferenceCommitment)
    })
  })

  describe('with passages in the prompt', () => {
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
      const { value: index } = await loadAttributionIndex(model.index, async (cid) => blobs.get(cid)!)
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
        } as Receipt
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

  test('refuses indexes other than those that were published', async () => {
    const attributor = await start()
    const index = { ...model.index, attributionRoot: hexOf(5) }
    await expect(attributor.attribute({ ...request, model: { ...model, index } })).rejects.toMatchObject({
      code: 'engine.attribution_index',
    })
  })

  test('refuses index files that are cut short, swapped, of another version or of other records', async () => {
    const codeOf = (changes: Record<string, Uint8Array>): Promise<string> =>
      loadAttributionIndex(model.index, async (cid) => changes[cid] ?? blobs.get(cid)!).then(
        () => 'loaded',
        (error: BaseError) => error.code,
      )
    const influence = blobs.get('influence')!
    const another = influence.slice()
    another[8]! += 1
    const fewer = RecordTable.encode({
      records: RecordTable.decode(blobs.get('records')!).records.slice(1),
    })
    expect({
      untouched: await codeOf({}),
      cut: await codeOf({ influence: influence.subarray(0, influence.length - 4_096) }),
      empty: await codeOf({ spans: new Uint8Array() }),
      swapped: await codeOf({ influence: blobs.get('spans')!, spans: influence }),
      anotherVersion: await codeOf({ influence: another }),
      otherRecords: await codeOf({ records: fewer }),
    }).toEqual({
      untouched: 'loaded',
      cut: 'attribution.index_bytes',
      empty: 'attribution.index_bytes',
      swapped: 'attribution.index_bytes',
      anotherVersion: 'attribution.index_bytes',
      otherRecords: 'engine.attribution_index',
    })
  })

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
    const { value: index } = await loadAttributionIndex(model.index, async (cid) => blobs.get(cid)!)
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
      const { value: index } = await loadAttributionIndex(model.index, async (cid) => blobs.get(cid)!)
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
