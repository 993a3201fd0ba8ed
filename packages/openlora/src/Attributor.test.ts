import {
  buildInfluenceIndex,
  buildSpanIndex,
  encodeInfluenceIndex,
  encodeSpanIndex,
} from '@openledger/attribution'
import {
  Adapter,
  type Checkpoint,
  createCheckpoint,
  createGradients,
  createRandom,
  createTokenizer,
  createTrainer,
  fromText,
  loraTargets,
  type Tokenizer,
  type Trainer,
  trainTokenizer,
} from '@openledger/model'
import { createDecoder, type Decoder } from '@openledger/model/Decoder'
import { Bytes, CanonicalJson, type Hex, Share } from '@openledger/primitives'
import { RecordTable } from '@openledger/protocol'
import { beforeAll, describe, expect, test } from 'vitest'
import { type AttributionReference, loadAttributionIndex } from './AttributionIndex.ts'
import {
  type AttributionModel,
  type AttributionRequest,
  type Attributor,
  createAttributor,
} from './Attributor.ts'
import { hashText, verify } from './Verification.ts'

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

  beforeAll(async () => {
    const texts = records.map(({ text }) => text)
    tokenizer = createTokenizer(
      trainTokenizer(texts, { vocabularySize: 420, specialTokens: ['<|pad|>', '<|bos|>', '<|eos|>'] }),
      { bos_token: '<|bos|>', eos_token: '<|eos|>', pad_token: '<|pad|>' },
    )
    const config = {
      ...{ vocabularySize: 420, hiddenSize: 48, feedForwardSize: 96, layers: 2, heads: 4, keyValueHeads: 2 },
      ...{ headSize: 12, contextMax: 96, ropeTheta: 10_000, normEpsilon: 1e-5, isHeadTied: true },
      ...{ bosId: 1, eosId: 2, padId: 0 },
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
    const fisher = (await gradients.perExample(sequences, 'sampled', 1)).map(({ gradient }) => gradient)
    const recordIds = records.map(({ recordId }) => recordId)
    const influence = buildInfluenceIndex({ blocks: gradients.blocks, rows, fisher, recordIds })
    await gradients.release()
    const documents = records.map((record) => ({ ...record, tokens: tokenizer.encode(record.text) }))
    const spans = buildSpanIndex({ documents, vocabularySize: tokenizer.vocabularySize })
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
    const decoder = await createDecoder(checkpoint, { rows: 2, context: 96, rankMax: 8, threads })
    const attributor = createAttributor({
      ...{ checkpoint, tokenizer, decoder },
      gradients: createGradients(checkpoint, adapter, { batchSize: 1, threads }),
      adapters: { acquire: async () => adapter, release: () => {} },
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
      ...{ sharePpm: 1_000_000, beneficiary: commons, reason: 'The answer is empty.' },
    })
  })

  test('refuses indexes other than those that were published', async () => {
    const attributor = await start()
    const index = { ...model.index, attributionRoot: hexOf(5) }
    await expect(attributor.attribute({ ...request, model: { ...model, index } })).rejects.toMatchObject({
      code: 'engine.attribution_index',
    })
  })

  test('names the line of a receipt that differs from the answer computed again', async () => {
    const recomputed = await (await start()).attribute(request)
    const attribution = {
      ...recomputed.attribution,
      shares: recomputed.attribution.shares.map((share) => ({
        ...share,
        reasons: [...share.reasons],
        ...{ beneficiary: commons, amountWei: '5' },
      })),
      commons: { ...recomputed.attribution.commons, amountWei: '7' },
    }
    const inputs = { ...request, promptText: records[4]!.text.slice(0, 6) }
    const receipt = {
      promptHash: hashText(inputs.promptText),
      answerHash: hashText(request.text),
      inputTokens: request.promptIds.length,
      outputTokens: request.answerIds.length,
      attributionHash: CanonicalJson.hash(attribution),
      inferenceCommitment: recomputed.inferenceCommitment,
      attribution,
    }
    const lineOf = (changes: Partial<typeof receipt>): string => {
      const verdict = verify({ ...receipt, ...changes }, inputs, recomputed)
      return verdict.status === 'same' ? 'same' : verdict.line
    }
    const raised = { ...attribution, liftMilliNats: attribution.liftMilliNats + 1 }
    const moved = {
      ...attribution,
      shares: [{ ...attribution.shares[0]!, sharePpm: 1 }, ...attribution.shares.slice(1)],
    }
    expect([
      lineOf({}),
      lineOf({ promptHash: hexOf(1) }),
      lineOf({ outputTokens: 1 }),
      lineOf({ attribution: raised }),
      lineOf({ attribution: raised, attributionHash: CanonicalJson.hash(raised) }),
      lineOf({ attribution: moved, attributionHash: CanonicalJson.hash(moved) }),
      lineOf({ inferenceCommitment: hexOf(1) }),
    ]).toEqual([
      'same',
      'promptHash',
      'outputTokens',
      'attributionHash',
      'attribution.liftMilliNats',
      'attribution.shares[0]',
      'inferenceCommitment',
    ])
  })
})
