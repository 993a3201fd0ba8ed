import {
  Adapter,
  type Checkpoint,
  createRandom,
  createTrainer,
  loraTargets,
  type Tokenizer,
} from '@openledger/model'
import { createDecoder, type Decoder } from '@openledger/model/decoder/Decoder'
import { type DecoderPrecision, decoderPrecisions } from '@openledger/model/decoder/DecoderGraph'
import { readHidden } from '@openledger/openlora/attribution/Inference'
import { type Decoding, decodingDifference, worstDistance } from '@openledger/openlora/commitment/Commitment'
import { createEngine } from '@openledger/openlora/engine/Engine'
import { GREEDY } from '@openledger/openlora/engine/Sampler'
import type { Hex } from '@openledger/primitives'
import { readCorpus, sequenceOf } from '../attribution/Corpus.ts'
import { openBase } from '../attribution/World.ts'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'
import { openParts } from '../Parts.ts'

/** What is asked: the start of a piece of code, and how long the answer may be. */
type Question = { readonly promptIds: readonly number[]; readonly outputTokens: number }
/** What a server gave for a question, and what it proves of its making. */
type Served = { readonly answerIds: readonly number[]; readonly decoding: Decoding }

/** What a server does otherwise than it says. */
type Substitution = {
  readonly checkpoint?: Checkpoint
  readonly precision?: DecoderPrecision
  readonly adapter?: Adapter.Adapter | null
  readonly prompt?: (ids: readonly number[]) => readonly number[]
}

const ROWS = 8
const CONTEXT = 256
const RANK = 8
const STEPS = 40
const PROMPT_TOKENS = 40
const OUTPUT_TOKENS_MAX = 96
const HONEST = 'honest: many at once, 2 threads'
/** Relative noise on every activation, as of another processor; products in float32 differ by a tenth of that or less. */
const NOISE = 1e-4
const NOISY = `seen with noise of ${NOISE} on every activation`

/** Trains on the corpus; `midway` is what the adapter was after three quarters of the steps. */
async function train(
  checkpoint: Checkpoint,
  tokenizer: Tokenizer,
  corpus: 'code' | 'text',
): Promise<{ adapter: Adapter.Adapter; midway: Adapter.Adapter }> {
  const { config } = checkpoint
  const { records } = readCorpus(corpus, tokenizer, { contributors: 8, recordsEach: 6, tokens: 64 })
  const trainer = createTrainer(checkpoint, {
    mode: 'lora',
    adapter: Adapter.create(config, { rank: RANK, alpha: 16, targets: loraTargets, seed: 1 }),
  })
  const random = createRandom(7)
  let midway: Adapter.Adapter | undefined
  for (let step = 0; step < STEPS; step++) {
    if (step === (STEPS * 3) / 4) midway = trainer.adapter()
    const drawn = Array.from({ length: 8 }, () => records[random.below(records.length)]!)
    const sequences = drawn.map(({ tokens }) => sequenceOf(config.bosId, tokens))
    const batch = {
      ids: sequences.map(({ ids }) => ids),
      lossMask: sequences.map(({ lossMask }) => lossMask),
    }
    await trainer.step(batch, 3e-3 * (1 - step / STEPS))
  }
  const adapter = trainer.adapter()
  await trainer.release()
  return { adapter, midway: midway! }
}

/** Rounds every matrix to 8 bits with one scale for 32 neighbours: the cheaper base that is hardest to tell. */
function inEightBits(checkpoint: Checkpoint): Checkpoint {
  const weights = new Map(
    [...checkpoint.weights].map(([name, values]) => {
      if (name.includes('norm')) return [name, values] as const
      const rounded = values.slice()
      for (let at = 0; at < values.length; at += 32) {
        const block = values.subarray(at, at + 32)
        const scale = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
        if (scale > 0)
          for (const [i, value] of block.entries()) rounded[at + i] = Math.round(value / scale) * scale
      }
      return [name, rounded] as const
    }),
  )
  return { ...checkpoint, weights }
}

/** Answers questions with the product's own engine, many at once among questions under another adapter. */
async function serve(
  decoder: Decoder,
  tokenizer: Tokenizer,
  adapters: ReadonlyMap<Hex, Adapter.Adapter>,
  questions: readonly (Question & { readonly adapter: Adapter.Adapter | null })[],
): Promise<Served[]> {
  const answers = new Map<number, (served: Served) => void>()
  const engine = createEngine(
    {
      decoder,
      tokenizer,
      adapters: { acquire: async ({ hash }) => adapters.get(hash)!, release: () => {} },
      clock: { nowMs: () => performance.now() },
      emit: (events) => {
        for (const event of events) {
          if (event.kind === 'failed') throw new Error(event.error.message)
          if (event.kind === 'finished') answers.get(event.id)!(event)
        }
      },
    },
    {
      waitingMax: 10_000,
      waitingPerCallerMax: 10_000,
      prefillTokensPerStepMax: 64,
      prefixBytesMax: 2 ** 24,
      guessedStepTokensMax: 16,
      parkedBytesMax: 2 ** 24,
    },
  )
  return Promise.all(
    questions.map(
      ({ promptIds, outputTokens, adapter }, id) =>
        new Promise<Served>((resolve) => {
          answers.set(id, resolve)
          engine.submit({
            id,
            caller: `caller${id % 3}`,
            promptIds,
            adapter: adapter === null ? undefined : { cid: adapter.hash, hash: adapter.hash },
            outputTokensMax: outputTokens,
            stop: [],
            sampling: { ...GREEDY, temperature: 0.8, seed: id },
            topLogprobs: 0,
          })
        }),
    ),
  )
}

/** What everything is measured on. */
type Scene = {
  readonly checkpoint: Checkpoint
  readonly tokenizer: Tokenizer
  /** That the receipt names, the same before its last steps, and one of other texts. */
  readonly adapters: Readonly<Record<'named' | 'midway' | 'other', Adapter.Adapter>>
  readonly questions: readonly Question[]
}

async function setScene(count: number): Promise<Scene> {
  const { checkpoint, tokenizer } = await openBase()
  const { adapter: named, midway } = await train(checkpoint, tokenizer, 'code')
  const { adapter: other } = await train(checkpoint, tokenizer, 'text')
  const size = { contributors: 16, recordsEach: 12, tokens: PROMPT_TOKENS }
  const { records } = readCorpus('code', tokenizer, size)
  const random = createRandom(11)
  const questions = Array.from({ length: count }, (_, i) => ({
    promptIds: [checkpoint.config.bosId, ...records[i % records.length]!.tokens],
    outputTokens: 1 + random.below(OUTPUT_TOKENS_MAX),
  }))
  return { checkpoint, tokenizer, adapters: { named, midway, other }, questions }
}

/** The ways of answering otherwise than a receipt of this precision says. */
const substitutionsOf = (
  { checkpoint, adapters }: Scene,
  claimed: DecoderPrecision,
): Readonly<Record<string, Substitution>> => {
  const cheaper = claimed === 'f32' ? 'int4' : 'f32'
  return {
    [HONEST]: {},
    [`decodes in ${cheaper}`]: { precision: cheaper },
    'base rounded to 8 bits': { checkpoint: inEightBits(checkpoint) },
    'no adapter': { adapter: null },
    'another adapter': { adapter: adapters.other },
    'the adapter before its last ten steps': { adapter: adapters.midway },
    'half the prompt left out': { prompt: ([first, ...ids]) => [first!, ...ids.slice(ids.length >> 1)] },
    'first word of the prompt another one': { prompt: ([first, , ...ids]) => [first!, 77, ...ids] },
  }
}

/** Has a server answer every question, in one batch with as many questions under another adapter. */
async function answersOf(
  { checkpoint, tokenizer, adapters, questions }: Scene,
  claimed: DecoderPrecision,
  substitution: Substitution,
): Promise<Served[]> {
  const decoder = await createDecoder(substitution.checkpoint ?? checkpoint, {
    rows: ROWS,
    context: CONTEXT,
    rankMax: RANK,
    precision: substitution.precision ?? claimed,
    threads: 2,
  })
  const { adapter = adapters.named, prompt = (ids) => ids } = substitution
  const asked = questions.flatMap((question) => [
    { ...question, promptIds: prompt(question.promptIds), adapter },
    { ...question, adapter: adapters.other },
  ])
  const known = new Map(Object.values(adapters).map((one) => [one.hash, one]))
  const served = await serve(decoder, tokenizer, known, asked)
  await decoder.release()
  return served.filter((_, i) => i % 2 === 0)
}

/** What whoever verifies finds of one server's answers. */
type Row = {
  readonly answers: number
  readonly found: number
  /** Tokens of the shortest answer that was not found out. */
  readonly shortest: number
  /** Of the worst chunk of each answer. */
  readonly exponents: readonly number[]
  readonly mantissas: readonly number[]
}

/** Reads answers again under the named model alone, on one thread, and compares. */
async function look(
  { checkpoint, adapters, questions }: Scene,
  claimed: DecoderPrecision,
  served: readonly Served[],
  noise = 0,
): Promise<Row> {
  const verifier = await createDecoder(checkpoint, {
    rows: 1,
    context: CONTEXT,
    rankMax: RANK,
    precision: claimed,
    threads: 1,
  })
  const random = createRandom(3)
  const answers = served.flatMap(({ answerIds, decoding }, i) =>
    answerIds.length === 0 ? [] : [{ answerIds, decoding, promptIds: questions[i]!.promptIds }],
  )
  const seen = []
  for (const { answerIds, decoding, promptIds } of answers) {
    const read = await readHidden(verifier, adapters.named, promptIds, answerIds)
    const hidden = noise === 0 ? read : read.map((value) => value * (1 + noise * random.normal()))
    const told = { ...decoding, precision: claimed }
    seen.push({
      tokens: answerIds.length,
      isFound: decodingDifference(told, hidden, answerIds.length) !== undefined,
      ...worstDistance(told, hidden, answerIds.length),
    })
  }
  await verifier.release()
  return {
    answers: seen.length,
    found: seen.filter(({ isFound }) => isFound).length,
    shortest: Math.min(CONTEXT, ...seen.flatMap(({ isFound, tokens }) => (isFound ? [] : [tokens]))),
    exponents: seen.map(({ exponents }) => exponents),
    mantissas: seen.map(({ mantissas }) => mantissas),
  }
}

/** Least, median and most. */
function range(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b)
  return [0, sorted.length >> 1, sorted.length - 1].map((at) => sorted[at]!.toFixed(3)).join(' / ')
}

export const claim: Claim = {
  says: 'A server that decodes with another base, adapter, precision or prompt than its receipt names is found out by whoever has the model, and an honest one never.',
  async run({ isQuick, words, say }: ClaimOptions): Promise<Finding> {
    const count = isQuick ? 24 : 96
    const parts = openParts(`substitution-${count}`, [
      'claims/attack/substitution.ts',
      'packages/openlora/src/{engine,commitment}/*.ts',
      'packages/model/src/{decoder,training}/*.ts',
    ])
    const scene = await setScene(count)
    const rows: (readonly [claimed: DecoderPrecision, what: string, row: Row])[] = []
    const claims = decoderPrecisions.filter((one) => words.length === 0 || words.includes(one))
    for (const claimed of claims) {
      for (const [what, substitution] of Object.entries(substitutionsOf(scene, claimed))) {
        const found = await parts.once(`${claimed} ${what}`, async () => {
          const served = await answersOf(scene, claimed, substitution)
          const row = await look(scene, claimed, served)
          return what === HONEST ? [row, await look(scene, claimed, served, NOISE)] : [row]
        })
        rows.push(...found.map((row, i) => [claimed, i === 0 ? what : `${HONEST}, ${NOISY}`, row] as const))
        say(`${claimed}, ${what}: ${found[0]!.found} of ${found[0]!.answers} found out`)
      }
    }
    parts.forget()
    const honest = rows.filter(([, what]) => what.startsWith(HONEST))
    const dishonest = rows.filter(([, what]) => !what.startsWith(HONEST)).map(([, , row]) => row)
    const total = dishonest.reduce((sum, { answers }) => sum + answers, 0)
    const missed = total - dishonest.reduce((sum, { found }) => sum + found, 0)
    const shortest = Math.min(...dishonest.map((row) => row.shortest))
    return {
      figure: (100 * (total - missed)) / total,
      unit: '% of dishonest answers found out',
      goal: 99,
      sense: 'at least',
      failures: honest.flatMap(([claimed, what, { found }]) =>
        found === 0 ? [] : [`${found} false alarms: ${claimed}, ${what}`],
      ),
      report: `${table([
        ['the receipt says', 'the server', 'answers', 'found out', 'exponents apart, %', 'mantissas apart'],
        ...rows.map(([claimed, what, { answers, found, exponents, mantissas }]) => [
          claimed,
          what,
          answers,
          found,
          range(exponents.map((share) => 100 * share)),
          range(mantissas),
        ]),
      ])}\n\n${total} dishonest answers of 1 to ${OUTPUT_TOKENS_MAX} tokens, ${missed} not found out${missed === 0 ? '' : `, the shortest of ${shortest} tokens`}. Apart is the worst chunk of an answer, least / median / most over answers: activations of the largest whose sign or exponent differs, and the mean difference of the others' mantissas in units of the last of 7 bits. The shipped base, adapters of rank ${RANK} trained on Solidity and on its comments, answers drawn at temperature 0.8.`,
    }
  },
}
