import { type Adapter, type Checkpoint, createTrainer, type Tokenizer } from '@openledger/model'
import { createDecoder, type Decoder } from '@openledger/model/decoder/Decoder'
import { type Http, RecordForm } from '@openledger/protocol'
import { createForgetting } from './Forgetting.ts'
import { type Answers, headToHead, type Judge } from './HeadToHead.ts'
import { createLearner } from './Learner.ts'
import { createCheck, isExactMatch, rouge } from './Measures.ts'
import type { Parted, TrainingRecord } from './TrainingPlan.ts'
import type { Losses } from './TrainingSteps.ts'

/** Prompts that are answered at most. */
const PROMPTS_MAX = 24
const ANSWER_TOKENS_MAX = 64
/** What the base's own texts are drawn from: none of them is rehearsed, nor is the adapter scaled by them. */
const BASE_TEXTS_SEED = 0x0b5e

/** What a run made: an adapter over the base, or a model of its own. */
export type Learned = { readonly adapter: Adapter.Adapter } | { readonly whole: Checkpoint }

type Prompt = {
  readonly ids: readonly number[]
  readonly expected: string
  readonly tokensMax: number
  /** Whether a judge may see it. */
  readonly isOpen: boolean
}

/**
 * Has the model and the base answer prompts of the test records, always with the likeliest token, and compares the
 * answers with what the records say. A record without a prompt is cut in half: its first half is continued.
 *
 * What the model forgot shows in texts that the base writes: one that changed nothing has the base's own loss there.
 *
 * @param previous - The model's predecessor, which is held against the same records.
 * @param judge - Chooses between the model's answers and the base's and predecessor's, where the configuration asks for it.
 * @throws {CheckError} {DOMException} `AbortError` when the signal aborts.
 */
export async function evaluate(
  input: {
    readonly checkpoint: Checkpoint
    readonly tokenizer: Tokenizer
    readonly learned: Learned
    readonly config: Http.TrainingConfig
    /** What the adapter was scaled by; 1 for a whole model. */
    readonly scale: number
    readonly previous?: { readonly name: string; readonly adapter: Adapter.Adapter }
    readonly judge?: Judge
  } & Parted,
  signal: AbortSignal,
): Promise<Http.Evaluation> {
  const { checkpoint, tokenizer, learned, test, config, previous } = input
  const contextMax = checkpoint.config.contextMax
  const prompts = test
    .flatMap((record) => promptOf(tokenizer, record, contextMax) ?? [])
    .slice(0, PROMPTS_MAX)
  const checks = config.checks.map(createCheck)
  const adapter = 'adapter' in learned ? learned.adapter : undefined
  const rankMax = Math.max(1, adapter?.rank ?? 0, previous?.adapter.rank ?? 0)
  const decoderOf = (own: Checkpoint) => createDecoder(own, { rows: 1, context: contextMax, rankMax })
  const decoder = await decoderOf(checkpoint)
  const whole = 'whole' in learned ? await decoderOf(learned.whole) : undefined
  try {
    const answersOf = async (own: Adapter.Adapter | undefined, from = decoder): Promise<string[]> => {
      const answers: string[] = []
      for (const prompt of prompts) {
        signal.throwIfAborted()
        answers.push(await answerOf(from, tokenizer, own, prompt))
      }
      return answers
    }
    const scoresOf = (answers: readonly string[]): Http.Scores => {
      const totals = { exact: 0, one: 0, two: 0, longest: 0, passed: 0 }
      for (const [i, prompt] of prompts.entries()) {
        const answer = answers[i]!
        const { one, two, longest } = rouge(answer, prompt.expected)
        if (isExactMatch(answer, prompt.expected)) totals.exact++
        totals.one += one
        totals.two += two
        totals.longest += longest
        totals.passed += checks.filter((check) => check(answer)).length
      }
      const ppm = (sum: number, count: number) => Math.round((1e6 * sum) / Math.max(1, count))
      return {
        exactMatchPpm: ppm(totals.exact, prompts.length),
        rouge1Ppm: ppm(totals.one, prompts.length),
        rouge2Ppm: ppm(totals.two, prompts.length),
        rougeLPpm: ppm(totals.longest, prompts.length),
        checksPassedPpm: checks.length === 0 ? null : ppm(totals.passed, prompts.length * checks.length),
      }
    }
    const [ours, base] = [await answersOf(adapter, whole), await answersOf(undefined)]
    const rivals = [{ name: 'the base', answers: base }]
    if (config.isJudged && previous !== undefined)
      rivals.push({ name: previous.name, answers: await answersOf(previous.adapter) })
    return {
      prompts: prompts.length,
      ours: scoresOf(ours),
      base: scoresOf(base),
      previous:
        previous === undefined || config.objective === 'preference'
          ? null
          : { name: previous.name, testLoss: (await lossesOf(input, previous.adapter)).testLoss },
      baseTexts: await baseTextsOf(input, signal),
      judged: config.isJudged
        ? await judge(
            input.judge,
            rivals.map(({ name, answers }) => ({
              name,
              answers: prompts.flatMap(({ ids, expected, isOpen }, i) =>
                isOpen
                  ? {
                      prompt: tokenizer.decode(ids.filter((id) => id !== tokenizer.bosId)),
                      reference: expected,
                      ours: ours[i]!,
                      theirs: answers[i]!,
                    }
                  : [],
              ),
            })),
            signal,
          )
        : null,
      scale: input.scale,
    }
  } finally {
    await decoder.release()
    await whole?.release()
  }
}

/** Has a judge compare with each rival; a judge that fails leaves the rest of the evaluation as it is. */
async function judge(
  chosen: Judge | undefined,
  rivals: readonly { readonly name: string; readonly answers: readonly Answers[] }[],
  signal: AbortSignal,
): Promise<Http.Evaluation['judged']> {
  if (chosen === undefined)
    return { judge: 'none', rounds: [], failure: 'The worker that carried out the run has no judge.' }
  const name = chosen.name
  if (rivals[0]!.answers.length === 0)
    return {
      judge: name,
      rounds: [],
      failure: 'No test record has an open licence; others are not shown to a judge.',
    }
  try {
    const rounds: Http.HeadToHead[] = []
    for (const rival of rivals) rounds.push(await headToHead(rival.name, rival.answers, chosen, signal))
    return { judge: name, rounds, failure: null }
  } catch (error) {
    signal.throwIfAborted()
    return { judge: name, rounds: [], failure: (error as Error).message }
  }
}

/** Mean losses of the model and of the base on what the base writes, in nats a token. */
async function baseTextsOf(
  { checkpoint, learned, config }: Pick<Parameters<typeof evaluate>[0], 'checkpoint' | 'learned' | 'config'>,
  signal: AbortSignal,
): Promise<Http.Evaluation['baseTexts']> {
  const { sequenceTokens } = config
  const { lossOf, lossOfWhole, release } = await createForgetting(checkpoint, {
    sequenceTokens,
    seed: BASE_TEXTS_SEED,
    signal,
  })
  try {
    const loss = 'whole' in learned ? await lossOfWhole(learned.whole) : await lossOf(learned.adapter)
    return { loss, baseLoss: await lossOf(undefined) }
  } finally {
    await release()
  }
}

/** Measures an adapter on the records that are not learned, as a run measures its own. */
export async function lossesOf(
  input: Pick<Parameters<typeof evaluate>[0], 'checkpoint' | 'tokenizer' | 'config' | keyof Parted>,
  adapter: Adapter.Adapter,
): Promise<Losses> {
  const isQuantised = input.config.method === 'qlora'
  const trainer = createTrainer(input.checkpoint, { mode: 'lora', adapter, isQuantised })
  try {
    const { measure } = await createLearner(trainer, input)
    return { validationLoss: await measure('validation'), testLoss: await measure('test') }
  } finally {
    await trainer.release()
  }
}

function promptOf(
  tokenizer: Tokenizer,
  { text, isOpen = false }: TrainingRecord,
  contextMax: number,
): Prompt | undefined {
  const form = RecordForm.read(text)
  const ofParts = (prompt: readonly number[], answer: readonly number[]): Prompt | undefined => {
    const tokensMax = Math.min(ANSWER_TOKENS_MAX, answer.length)
    const ids = [tokenizer.bosId, ...prompt].slice(-(contextMax - tokensMax))
    return tokensMax === 0 || prompt.length === 0
      ? undefined
      : { ids, expected: tokenizer.decode(answer.slice(0, tokensMax)), tokensMax, isOpen }
  }
  switch (form.kind) {
    case 'text': {
      const ids = tokenizer.encode(form.text)
      const half = Math.floor(ids.length / 2)
      return ofParts(ids.slice(0, half), ids.slice(half))
    }
    case 'completion':
      return ofParts(tokenizer.encode(form.prompt), tokenizer.encode(form.completion))
    case 'preference':
      return ofParts(tokenizer.encode(form.prompt), tokenizer.encode(form.chosen))
    case 'chat': {
      const last = form.messages.findLastIndex(({ role }, i) => role === 'assistant' && i > 0)
      const prompt = tokenizer.chat(form.messages.slice(0, last))
      return ofParts(tokenizer.encode(prompt), tokenizer.encode(form.messages[last]!.content))
    }
    default:
      return form satisfies never
  }
}

async function answerOf(
  decoder: Decoder,
  tokenizer: Tokenizer,
  adapter: Adapter.Adapter | undefined,
  { ids, tokensMax }: Prompt,
): Promise<string> {
  decoder.setAdapter(0, adapter)
  const answer: number[] = []
  let logits = await decoder.prefill(0, ids)
  for (;;) {
    const next = likeliest(logits)
    if (next === tokenizer.eosId) break
    answer.push(next)
    if (answer.length === tokensMax) break
    logits = (await decoder.step([next]))[0]!
  }
  decoder.free(0)
  return tokenizer.decode(answer)
}

function likeliest(logits: Float32Array): number {
  let best = 0
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i
  return best
}
