import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clusterRecords, InfluenceIndex, traceSpans } from '@openledger/attribution'
import { ECHO_SHARE_PPM_MAX, findEchoes, type TextRange } from '@openledger/datanet/Echoes'
import { createSimilarityIndex, sequencesOf } from '@openledger/datanet/Similarity'
import {
  Adapter,
  type Checkpoint,
  CheckpointFolder,
  createGradients,
  createRandom,
  createScorer,
  fromText,
  type Tokenizer,
} from '@openledger/model'
import { createDecoder } from '@openledger/model/decoder/Decoder'
import { buildIndexes } from '@openledger/modelfactory/AttributionIndexes'
import { createRetrainer } from '@openledger/modelfactory/Retraining'
import { sequencesOf as sequencesOfRecord } from '@openledger/modelfactory/TrainingData'
import { loadAttributionIndex } from '@openledger/openlora/attribution/AttributionIndex'
import { draw, spansOf } from '@openledger/openlora/attribution/Attributor'
import { replay } from '@openledger/openlora/attribution/Inference'
import { Bytes, CanonicalJson, type Hex } from '@openledger/primitives'
import { Http } from '@openledger/protocol'
import { dot } from './Estimators.ts'

/** Who registered which texts; authors and their texts come in the order of registration. */
export type Author = {
  readonly name: string
  readonly texts: readonly string[]
  /** Of each text, the ranges that repeat answers; left out, there are none. */
  readonly echoes?: readonly (readonly TextRange[])[]
}

/** A question with the answer that it got. */
export type Answer = { readonly promptIds: readonly number[]; readonly answerIds: readonly number[] }

/** What each author gets of all answers together, as a part of everything that they pay contributors. */
export type Pay = ReadonlyMap<string, number>

/** A model trained on the records of all authors, with the product's own indexes and payout rule. */
export type World = {
  readonly authors: readonly Author[]
  /** By the product: indexes, duplicates, thresholds, spans, commons. */
  readonly pay: (answers: readonly Answer[], excluded?: readonly string[]) => Promise<Pay>
  /** Without any defence: products of gradients, clipped at zero, every record for itself. */
  readonly naivePay: (answers: readonly Answer[]) => Promise<Pay>
  /** Has the model continue prompts; another seed draws other answers. */
  readonly ask: (prompts: readonly (readonly number[])[], tokens: number, seed?: number) => Promise<Answer[]>
  /** Scores texts as a record's raw gradient would be for these answers: what a shadow model tells an attacker. */
  readonly rate: (texts: readonly string[], answers: readonly Answer[]) => Promise<number[]>
  readonly tokenizer: Tokenizer
}

/** What an answer is under one adapter. */
type Reading = {
  readonly gradient: Float32Array
  readonly liftMilliNats: readonly number[]
  readonly logMilliNats: readonly number[]
}
const readings = new WeakMap<Answer, Map<string, Reading>>()

const CONFIG = Http.trainingConfigSchema.parse({
  rank: 4,
  alpha: 16,
  epochs: 4,
  batchSize: 16,
  sequenceTokens: 128,
  learningRate: 6e-3,
  rehearsal: 0,
  seed: 1,
  agreementRetrainings: 0,
  patience: 0,
})
const baseDirectory = join(import.meta.dirname, '..', '..', 'assets', 'base')
const commons: Hex = `0x${'c0'.repeat(20)}`

export const openBase = async (): Promise<{ checkpoint: Checkpoint; tokenizer: Tokenizer }> => ({
  checkpoint: await CheckpointFolder.read(baseDirectory),
  tokenizer: await CheckpointFolder.readTokenizer(baseDirectory),
})

/**
 * What validation says of texts that come after others were registered and answers were given: a text that mostly repeats
 * answers is not accepted, of any other the passages that do are marked.
 */
export function admit(
  name: string,
  texts: readonly string[],
  { earlier, answers }: { readonly earlier: readonly string[]; readonly answers: readonly string[] },
): Required<Author> {
  const registered = createSimilarityIndex()
  for (const [i, text] of earlier.entries()) registered.add(String(i), text)
  const answered = new Set(answers.flatMap(sequencesOf))
  const admitted = texts.flatMap((text) => {
    const { ranges, sharePpm } = findEchoes(text, (sequence) => answered.has(sequence), registered.has)
    return sharePpm > ECHO_SHARE_PPM_MAX ? [] : [{ text, ranges }]
  })
  return { name, texts: admitted.map(({ text }) => text), echoes: admitted.map(({ ranges }) => ranges) }
}

/**
 * Trains on the authors' records, indexes them and stands ready to pay.
 * @param trainedAs - Authors whose records, in this order, the adapter was trained on, where only names differ.
 */
export async function createWorld(
  authors: readonly Author[],
  {
    say,
    trainedAs = authors,
  }: { readonly say: (line: string) => void; readonly trainedAs?: readonly Author[] },
): Promise<World> {
  const { checkpoint, tokenizer } = await openBase()
  const { config } = checkpoint
  const recordsOf = (list: readonly Author[]) =>
    list.flatMap(({ name, texts, echoes }) =>
      texts.map((text, i) => ({
        recordId: hashOf(`${name} ${i} ${text}`),
        contributionId: hashOf(name),
        text,
        echoes: echoes?.[i] ?? [],
      })),
    )
  const records = recordsOf(authors)
  const clusters = clusterRecords(records)
  const training = records.map((record, i) => ({ ...record, clusterId: clusters[i]!.clusterId as Hex }))
  const adapter = await trained(checkpoint, tokenizer, recordsOf(trainedAs), say)
  say(`indexing ${records.length} records of ${authors.length} authors`)
  const signal = new AbortController().signal
  const indexes = await buildIndexes(
    { checkpoint, tokenizer, adapter, records: training, seed: CONFIG.seed },
    { onProgress: () => {}, signal },
  )
  const files: Record<string, Uint8Array> = {
    influence: indexes.influence,
    spans: indexes.spans,
    records: indexes.records,
  }
  const reference = {
    influenceCid: 'influence',
    spansCid: 'spans',
    recordsCid: 'records',
    attributionRoot: indexes.root,
  }
  const { value: index } = await loadAttributionIndex(reference, async (cid) => files[cid]!)
  const rank = CONFIG.rank
  const decoder = await createDecoder(checkpoint, { rows: 1, context: config.contextMax, rankMax: rank })
  const gradients = createGradients(checkpoint, adapter, { batchSize: 1 })
  const scorer = createScorer(checkpoint, undefined)
  const nameOf = new Map(authors.map(({ name }) => [hashOf(name), name]))
  /** Read once for each adapter, whatever index it is paid by. */
  const read = async (answer: Answer): Promise<Reading> => {
    const { promptIds, answerIds } = answer
    const known = readings.get(answer)?.get(adapter.hash)
    if (known !== undefined) return known
    const seen = await replay({ scorer, gradients }, { adapter, rest: undefined }, promptIds, answerIds)
    const reading = {
      gradient: seen.gradient,
      liftMilliNats: Array.from(seen.logProbabilities, (nats, i) =>
        Math.round(1e3 * (nats - seen.restLogProbabilities[i]!)),
      ),
      logMilliNats: Array.from(seen.logProbabilities, (nats) => Math.round(1e3 * nats)),
    }
    const ofAnswer = readings.get(answer) ?? new Map<string, Reading>()
    readings.set(answer, ofAnswer.set(adapter.hash, reading))
    return reading
  }
  const gradientOfText = async (text: string): Promise<Float32Array> => {
    const sequences = fromText(tokenizer, text, { tokensMax: config.contextMax })
    return (await gradients.perExample(sequences.slice(0, 1)))[0]!.gradient
  }
  return {
    authors,
    tokenizer,
    async pay(answers, excluded = []) {
      const sums = new Map(authors.map(({ name }) => [name, 0]))
      for (const answer of answers) {
        const { gradient, liftMilliNats, logMilliNats } = await read(answer)
        const trace = traceSpans(index.spans, answer.answerIds)
        const evidence = {
          queryCode: [...InfluenceIndex.queryCode(index.influence, gradient)],
          liftMilliNats,
          logMilliNats,
          spans: spansOf(trace, logMilliNats),
          excludedContributions: excluded.map(hashOf),
        }
        const { answerIds } = answer
        const model = {
          adapter: { cid: 'adapter', hash: adapter.hash },
          index: reference,
          policy: { influenceBps: 5_000, spansBps: 5_000 },
          commons,
        }
        const request = { model, answerIds, text: tokenizer.decode(answerIds) }
        const { shares } = draw(index, evidence, request, tokenizer, trace)
        for (const { contributionId, sharePpm } of shares) {
          const name = nameOf.get(contributionId)!
          sums.set(name, sums.get(name)! + sharePpm / 1e6 / answers.length)
        }
      }
      return sums
    },
    async naivePay(answers) {
      const rows: { name: string; gradient: Float32Array }[] = []
      for (const { name, texts } of authors)
        for (const text of texts) rows.push({ name, gradient: await gradientOfText(text) })
      const sums = new Map(authors.map(({ name }) => [name, 0]))
      for (const answer of answers) {
        const { gradient } = await read(answer)
        const scores = rows.map((row) => Math.max(0, dot(row.gradient, gradient)))
        const total = scores.reduce((sum, score) => sum + score, 0) || 1
        for (const [i, { name }] of rows.entries())
          sums.set(name, sums.get(name)! + scores[i]! / total / answers.length)
      }
      return sums
    },
    async ask(prompts, tokens, seed = 11) {
      const random = createRandom(seed)
      const answers: Answer[] = []
      for (const promptIds of prompts) {
        decoder.setAdapter(0, adapter)
        const answerIds: number[] = []
        let logits = await decoder.prefill(0, promptIds)
        while (answerIds.length < tokens) {
          const next = choose(logits, random.next())
          answerIds.push(next)
          if (answerIds.length < tokens) logits = (await decoder.step([next]))[0]!
        }
        decoder.free(0)
        answers.push({ promptIds, answerIds })
      }
      return answers
    },
    async rate(texts, answers) {
      const queries: Float32Array[] = []
      for (const answer of answers) queries.push((await read(answer)).gradient)
      const ratings: number[] = []
      for (const text of texts) {
        const row = await gradientOfText(text)
        ratings.push(queries.reduce((sum, query) => sum + dot(row, query), 0))
      }
      return ratings
    },
  }
}

/** Trains once for each list of records; later runs find the adapter. */
async function trained(
  checkpoint: Checkpoint,
  tokenizer: Tokenizer,
  records: readonly { readonly text: string; readonly echoes: readonly TextRange[] }[],
  say: (line: string) => void,
): Promise<Adapter.Adapter> {
  const texts = records.map(({ text }) => text)
  const echoes = records.some((record) => record.echoes.length > 0)
    ? { echoes: records.map((record) => record.echoes) }
    : {}
  const key = CanonicalJson.hash({ config: CONFIG, baseHash: checkpoint.baseHash, texts, ...echoes })
  const directory = join(tmpdir(), 'openledger-attack')
  const path = join(directory, `${key.slice(2, 18)}.safetensors`)
  if (existsSync(path)) return Adapter.decode(checkpoint.config, readFileSync(path))
  say(`training on ${records.length} records`)
  const sequences = records.flatMap((record) =>
    sequencesOfRecord(tokenizer, record, { tokensMax: CONFIG.sequenceTokens }),
  )
  const retrainer = createRetrainer(checkpoint, sequences, CONFIG)
  const adapter = await retrainer.without(new Set())
  await retrainer.release()
  mkdirSync(directory, { recursive: true })
  writeFileSync(path, Adapter.encode(adapter))
  return adapter
}

/** Draws a token at temperature 0.7. */
function choose(logits: ArrayLike<number>, uniform: number): number {
  const most = Array.from(logits).reduce((a, b) => Math.max(a, b))
  const powers = Array.from(logits, (value) => Math.exp((value - most) / 0.7))
  let rest = uniform * powers.reduce((sum, value) => sum + value, 0)
  const at = powers.findIndex((value) => {
    rest -= value
    return rest <= 0
  })
  return at < 0 ? powers.length - 1 : at
}

const hashOf = (text: string): Hex => Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text)))
