import {
  buildInfluenceIndex,
  buildSpanIndex,
  commitSpans,
  encodeInfluenceIndex,
  encodeSpanIndex,
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
import { Bytes, type Hex } from '@openledger/primitives'
import { RecordTable } from '@openledger/protocol'
import {
  type AttributionIndex,
  type AttributionReference,
  loadAttributionIndex,
} from '../src/attribution/AttributionIndex.ts'
import {
  type AttributionModel,
  type AttributionRequest,
  type Attributor,
  createAttributor,
} from '../src/attribution/Attributor.ts'

export const hexOf = (number: number): Hex => `0x${number.toString(16).padStart(64, '0')}`
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
export const records = topics.flatMap(([phrase, ...words], topic) =>
  Array.from({ length: 4 }, (_, i) => {
    const [a, b, c] = [words[i % 3]!, words[(i + 1) % 3]!, words[(i * 2 + 1) % 3]!]
    const text = `${a} ${b} ${i}: ${phrase}, and mind the ${c} before the ${a} number ${i * 7 + topic}.`
    const recordId = Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))
    return { recordId, contributionId: hexOf(topic + 1), clusterId: recordId, text }
  }),
)
export const commons: Hex = `0x${'c0'.repeat(20)}`

/** A small model that learned `records`, published with its indexes, and an answer that continues one of them. */
export type AttributedModel = {
  readonly checkpoint: Checkpoint
  readonly tokenizer: Tokenizer
  readonly adapter: Adapter.Adapter
  readonly model: AttributionModel
  readonly request: AttributionRequest
  /** Files by name, as the model's reference names them. */
  readonly blobs: ReadonlyMap<string, Uint8Array>
  readonly loadIndex: () => Promise<AttributionIndex>
  /** @param others - Adapters that no index belongs to, by hash. */
  readonly start: (
    threads?: number,
    others?: ReadonlyMap<Hex, Adapter.Adapter>,
  ) => Promise<Attributor & { readonly decoder: Decoder }>
}

/** Two trainings of a small model, on a machine that does other things too. */
export const FIXTURE_TIMEOUT_MS = 180_000

export async function createAttributedModel(): Promise<AttributedModel> {
  const texts = records.map(({ text }) => text)
  const tokenizer = createTokenizer(
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
  await train(tokenizer, whole, babble, 40, 1e-2)
  const checkpoint = { ...base, weights: whole.weights() }
  await whole.release()
  const begin = Adapter.create(config, { rank: 8, alpha: 16, targets: loraTargets, seed: 1 })
  const tuned = createTrainer(checkpoint, { mode: 'lora', adapter: begin })
  await train(tokenizer, tuned, texts, 80, 2e-2)
  const adapter = tuned.adapter()
  await tuned.release()
  const { blobs, reference } = await buildIndex(checkpoint, tokenizer, adapter)
  const model = {
    adapter: { cid: 'adapter', hash: adapter.hash },
    index: reference,
    policy: { influenceBps: 5_000, spansBps: 5_000 },
    commons,
  }
  // a record of the second contribution, continued from its first word to its last but one
  const promptText = records[4]!.text.slice(0, 6)
  const answerText = records[4]!.text.slice(6, -1)
  const promptIds = [tokenizer.bosId, ...tokenizer.encode(promptText)]
  const answerIds = tokenizer.encode(answerText)
  const indexOf = async (asked: AttributionReference) =>
    (await loadAttributionIndex(asked, async (cid) => blobs.get(cid)!)).value
  return {
    checkpoint,
    tokenizer,
    adapter,
    model,
    request: { model, promptIds, answerIds, text: tokenizer.decode(answerIds), excludedContributions: [] },
    blobs,
    loadIndex: () => indexOf(reference),
    async start(threads = 1, others = new Map()) {
      const decoder = await createDecoder(checkpoint, { rows: 2, context: 96, rankMax: 16, threads })
      const attributor = createAttributor({
        checkpoint,
        tokenizer,
        decoder,
        scorer: createScorer(checkpoint, undefined, { threads }),
        gradients: createGradients(checkpoint, adapter, { batchSize: 1, threads }),
        adapters: { acquire: async ({ hash }) => others.get(hash) ?? adapter, release: () => {} },
        indexes: { acquire: indexOf, release: () => {} },
      })
      return { ...attributor, decoder }
    },
  }
}

async function train(
  tokenizer: Tokenizer,
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

async function buildIndex(checkpoint: Checkpoint, tokenizer: Tokenizer, adapter: Adapter.Adapter) {
  const gradients = createGradients(checkpoint, adapter, { batchSize: 8 })
  const sequences = records.map(({ text }) => fromText(tokenizer, text, { tokensMax: 96 })[0]!)
  const rows = (await gradients.perExample(sequences)).map(({ gradient }) => gradient)
  const fisher = (await gradients.perExample(sequences, 'sampled')).map(({ gradient }) => gradient)
  const recordIds = records.map(({ recordId }) => recordId)
  const influence = await buildInfluenceIndex({ blocks: gradients.blocks, rows, fisher, recordIds })
  await gradients.release()
  const documents = records.map((record) => ({ ...record, tokens: tokenizer.encode(record.text) }))
  const spans = commitSpans(buildSpanIndex({ documents, vocabularySize: tokenizer.vocabularySize }))
  const table = RecordTable.encode({ records: documents })
  const attributionRoot = RecordTable.attributionRoot({
    influenceRoot: influence.root,
    spansRoot: spans.root,
    tableHash: Bytes.toHex(Bytes.sha256(table)),
  })
  return {
    blobs: new Map([
      ['influence', encodeInfluenceIndex(influence)],
      ['spans', encodeSpanIndex(spans)],
      ['records', table],
    ]),
    reference: { influenceCid: 'influence', spansCid: 'spans', recordsCid: 'records', attributionRoot },
  }
}
