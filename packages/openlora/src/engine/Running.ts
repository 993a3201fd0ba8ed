import type { Adapter, Tokenizer } from '@openledger/model'
import { type Activations, createActivations } from '../commitment/Commitment.ts'
import type { GrammarMatcher, Place } from '../grammar/GrammarMatcher.ts'
import type { EngineRequest } from './EngineRequest.ts'
import { createGuessing } from './PromptLookup.ts'
import { createSampler, type Sampler } from './Sampler.ts'
import { createTextStream, type TextStream } from './TextStream.ts'

/** A request from its submission to its end. */
export type Entry = EngineRequest & {
  /** The adapter once it is in memory; null for the base model. */
  resident: Adapter.Adapter | null | undefined
  readonly submittedMs: number
  readonly adapterKey: string
  readonly deadlineMs?: number
}

/** A request that has a row. */
export type Running = {
  readonly entry: Entry
  row: number
  readonly sampler: Sampler
  readonly stream: TextStream
  /** The form of the answer and where it stands in it. */
  readonly form: { readonly matcher: GrammarMatcher; place: Place } | undefined
  readonly answerIds: number[]
  /** What each of `answerIds` was chosen from. */
  readonly activations: Activations
  readonly startedMs: number
  /** Prompt tokens that the row holds. */
  readTokens: number
  /** Tokens of the answer when it got its row. */
  tokensAtStart: number
  firstMs: number | undefined
  readonly guessing: ReturnType<typeof createGuessing>
}

/** What a request needs to begin in a row. */
export type Beginning = {
  readonly row: number
  readonly matcher: GrammarMatcher | undefined
  readonly startedMs: number
  readonly tokenizer: Pick<Tokenizer, 'decode' | 'eosId'>
}

/** The state of an answer of which nothing is read and nothing said. */
export function beginAnswer(entry: Entry, { row, matcher, startedMs, tokenizer }: Beginning): Running {
  return {
    entry,
    row,
    startedMs,
    answerIds: [],
    activations: createActivations(),
    firstMs: undefined,
    guessing: createGuessing(),
    sampler: createSampler(entry.sampling, entry.promptIds, entry.topLogprobs, tokenizer.eosId),
    stream: createTextStream(tokenizer.decode, entry.stop),
    form: matcher && { matcher, place: matcher.start },
    readTokens: 0,
    tokensAtStart: 0,
  }
}

/** The tokens that make up `text`: without those at the end that only a stop string needed. */
export function answerTokens(
  { decode }: Pick<Tokenizer, 'decode'>,
  text: string,
  answerIds: readonly number[],
): readonly number[] {
  let count = answerIds.length
  while (count > 0 && decode(answerIds.slice(0, count - 1)).startsWith(text)) count--
  return answerIds.slice(0, count)
}
