import {
  Adapter,
  type Checkpoint,
  createRandom,
  createTrainer,
  loraTargets,
  type Tokenizer,
} from '@openledger/model'
import { createDecoder, type Decoder } from '@openledger/model/decoder/Decoder'
import type { DecoderPrecision } from '@openledger/model/decoder/DecoderGraph'
import { readHidden } from '@openledger/openlora/attribution/Inference'
import { type Decoding, decodingDifference, worstDistance } from '@openledger/openlora/commitment/Commitment'
import { createEngine } from '@openledger/openlora/engine/Engine'
import { GREEDY } from '@openledger/openlora/engine/Sampler'
import type { Hex } from '@openledger/primitives'
import { readCorpus, sequenceOf } from '../attribution/Corpus.ts'
import { openBase } from '../attribution/World.ts'
import { type Claim, type ClaimOptions, type Finding, table } from '../Claim.ts'

/** What is asked: the start of a piece of code, and how long the answer may be. */
type Question = { readonly promptIds: readonly number[]; readonly outputTokens: number }
/** What a server gave for a question, and what it proves of its making. */
type Served = { readonly answerIds: readonly number[]; readonly decoding: Decoding }

/** A server that answers otherwise than it says. */
type Substitution = {
  readonly what: string
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
const PRECISIONS = ['f32', 'int4'] as const
/** Relative noise on every activation that an honest answer is looked at with: ten times what processors differ by. */
const NOISE = 1e-4

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

/** Adds noise of a share of each value. */
function withNoise(hidden: Float32Array, share: number): Float32Array {
  const random = createRandom(3)
  return hidden.map((value) => value * (1 + share * random.normal()))
}

export const claim: Claim = {
  says: 'A server that decodes with another base, adapter, precision or prompt than its receipt names is found out by whoever has the model, and an honest one never.',
  async run({ isQuick, say }: ClaimOptions): Promise<Finding> {
    const count = isQuick ? 24 : 96
    const { checkpoint, tokenizer } = await openBase()
    const { adapter, midway } = await train(checkpoint, tokenizer, 'code')
    const { adapter: other } = await train(checkpoint, tokenizer, 'text')
    const adapters = new Map([adapter, midway, other].map((one) => [one.hash, one]))
    const { records } = readCorpus('code', tokenizer, {
      contributors: 16,
      recordsEach: 12,
      tokens: PROMPT_TOKENS,
    })
    const random = createRandom(11)
    const { bosId } = checkpoint.config
    const questions = Array.from(
      { length: count },
      (_, i): Question => ({
        promptIds: [bosId, ...records[i % records.length]!.tokens],
        outputTokens: 1 + random.below(OUTPUT_TOKENS_MAX),
      }),
    )
    const rows: (string | number)[][] = [
      ['the receipt says', 'the server', 'answers', 'found out', 'exponents apart', 'mantissas apart'],
    ]
    const failures: string[] = []
    let missed = 0
    let dishonest = 0
    let shortest = Number.POSITIVE_INFINITY

    for (const claimed of PRECISIONS) {
      const verifier = await createDecoder(checkpoint, {
        rows: 1,
        context: CONTEXT,
        rankMax: RANK,
        precision: claimed,
        threads: 1,
      })
      const look = async (served: readonly Served[], what: string, noise = 0) => {
        let found = 0
        const apart: { exponents: number; mantissas: number }[] = []
        for (const [i, { answerIds, decoding }] of served.entries()) {
          if (answerIds.length === 0) continue
          const read = await readHidden(verifier, adapter, questions[i]!.promptIds, answerIds)
          const hidden = noise === 0 ? read : withNoise(read, noise)
          const told = { ...decoding, precision: claimed }
          if (decodingDifference(told, hidden, answerIds.length) !== undefined) found++
          else shortest = Math.min(shortest, what.startsWith('honest') ? shortest : answerIds.length)
          apart.push(worstDistance(told, hidden, answerIds.length))
        }
        const range = (values: number[]): string => {
          const sorted = values.sort((a, b) => a - b)
          const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!
          return `${at(0).toFixed(3)} to ${at(1).toFixed(3)}, median ${at(0.5).toFixed(3)}`
        }
        rows.push([
          claimed,
          what,
          apart.length,
          `${found} (${((100 * found) / apart.length).toFixed(1)} %)`,
          range(apart.map(({ exponents }) => exponents)),
          range(apart.map(({ mantissas }) => mantissas)),
        ])
        say(rows.at(-1)!.join('  '))
        return { found, answers: apart.length }
      }
      const answersOf = async ({
        checkpoint: base,
        precision,
        adapter: own,
        prompt,
      }: Omit<Substitution, 'what'>) => {
        const decoder = await createDecoder(base ?? checkpoint, {
          rows: ROWS,
          context: CONTEXT,
          rankMax: RANK,
          precision: precision ?? claimed,
          threads: 2,
        })
        const asked = questions.flatMap((question) => [
          {
            ...question,
            promptIds: prompt === undefined ? question.promptIds : prompt(question.promptIds),
            adapter: own === undefined ? adapter : own,
          },
          // neighbours in the batch
          { ...question, adapter: other },
        ])
        const served = await serve(decoder, tokenizer, adapters, asked)
        await decoder.release()
        return served.filter((_, i) => i % 2 === 0)
      }

      const honest = await answersOf({})
      for (const [what, noise] of [
        ['honest, many at once, 2 threads', 0],
        [`honest, seen with noise of ${NOISE} on every activation`, NOISE],
      ] as const) {
        const { found } = await look(honest, what, noise)
        if (found > 0) failures.push(`${found} false alarms: ${claimed}, ${what}`)
      }
      const cheaper = claimed === 'f32' ? 'int4' : 'f32'
      const substitutions: Substitution[] = [
        { what: `decodes in ${cheaper}`, precision: cheaper },
        { what: 'base rounded to 8 bits', checkpoint: inEightBits(checkpoint) },
        { what: 'no adapter', adapter: null },
        { what: 'another adapter', adapter: other },
        { what: 'the adapter before its last ten steps', adapter: midway },
        {
          what: 'half the prompt left out',
          prompt: ([first, ...ids]) => [first!, ...ids.slice(ids.length >> 1)],
        },
        { what: 'first word of the prompt another one', prompt: ([first, , ...ids]) => [first!, 77, ...ids] },
      ]
      for (const { what, ...changes } of substitutions) {
        const { found, answers } = await look(await answersOf(changes), what)
        dishonest += answers
        missed += answers - found
      }
      await verifier.release()
    }
    const figure = (100 * (dishonest - missed)) / dishonest
    return {
      figure,
      unit: '% of dishonest answers found out',
      goal: 99,
      sense: 'at least',
      failures,
      report: `${table(rows)}\n\n${dishonest} dishonest answers of 1 to ${OUTPUT_TOKENS_MAX} tokens, ${missed} not found out${missed === 0 ? '' : `, the shortest of ${shortest} tokens`}. Exponents apart: share of the largest activations whose sign or exponent differs, in the worst chunk of an answer; mantissas apart: mean difference of the others, in units of the last of 7 bits.`,
    }
  },
}
