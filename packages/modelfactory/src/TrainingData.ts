import {
  fromCompletion,
  fromText,
  type PreferencePair,
  type Sequence,
  type TextOptions,
  type Tokenizer,
} from '@openledger/model'
import { BaseError } from '@openledger/primitives'
import { type Http, RecordForm } from '@openledger/protocol'
import type { TrainingRecord } from './TrainingPlan.ts'

/**
 * Makes the sequences that a record is learned by: all of a text, the answer to a prompt, every answer of a conversation, the
 * chosen answer of a preference. What repeats an answer of a model is read with the rest, but does not count.
 */
export function sequencesOf(
  tokenizer: Tokenizer,
  { text, echoes = [] }: Pick<TrainingRecord, 'text' | 'echoes'>,
  options: TextOptions,
): Sequence[] {
  const form = RecordForm.read(text)
  /** @param start - Where the completion begins in the record's plain text. */
  const completed = (prompt: string, completion: string, start: number): Sequence[] => {
    const uncounted = echoes.map(([from, to]) => [Math.max(0, from - start), to - start] as const)
    const own = uncounted.filter(([from, to]) => from < to)
    return fromCompletion(tokenizer, { prompt, completion }, { ...options, uncounted: own })
  }
  switch (form.kind) {
    case 'text':
      return fromText(tokenizer, form.text, { ...options, uncounted: echoes })
    case 'completion':
      return completed(form.prompt, form.completion, form.prompt.length)
    case 'preference':
      return completed(form.prompt, form.chosen, form.prompt.length)
    case 'chat': {
      let start = 0
      return form.messages.flatMap(({ role, content }, i) => {
        const own = start
        // a line end stands between messages
        start += content.length + 1
        return role === 'assistant' && i > 0
          ? completed(tokenizer.chat(form.messages.slice(0, i)), content, own)
          : []
      })
    }
    default:
      return form satisfies never
  }
}

/**
 * Picks the records that an objective can learn from: preferences from preferences, likelihood from all.
 * @throws {PreferencesMissingError}
 */
export function recordsFor(
  objective: Http.TrainingConfig['objective'],
  records: readonly TrainingRecord[],
): readonly TrainingRecord[] {
  if (objective === 'likelihood') return records
  const preferences = records.filter(({ text }) => RecordForm.read(text).kind === 'preference')
  if (preferences.length === 0) throw new PreferencesMissingError(records.length)
  return preferences
}

/**
 * Makes a pair from each preference, in which every word counts: two answers are weighed whole. Answers that do not fit into one sequence are cut at the same limit. A prompt that leaves
 * no room for an answer gives none.
 */
export function pairsOf(
  tokenizer: Tokenizer,
  records: readonly TrainingRecord[],
  options: TextOptions,
): PreferencePair[] {
  return records.flatMap(({ text }) => {
    const form = RecordForm.read(text)
    if (form.kind !== 'preference') return []
    const { prompt } = form
    const ofAnswer = (completion: string): Sequence | undefined => {
      const [first] = fromCompletion(tokenizer, { prompt, completion }, options)
      return first?.lossMask.some((weight) => weight > 0) ? first : undefined
    }
    const [chosen, rejected] = [ofAnswer(form.chosen), ofAnswer(form.rejected)]
    return chosen && rejected ? [{ chosen, rejected }] : []
  })
}

export class PreferencesMissingError extends BaseError {
  constructor(records: number) {
    super({
      code: 'training.preferences_missing',
      message: `Expected records with a prompt, a chosen and a rejected answer, but none of ${records} is one. Choose a Datanet of preferences, or learn by likelihood.`,
      context: { records },
    })
  }
}
