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
 * chosen answer of a preference.
 */
export function sequencesOf(tokenizer: Tokenizer, record: string, options: TextOptions): Sequence[] {
  const form = RecordForm.read(record)
  switch (form.kind) {
    case 'text':
      return fromText(tokenizer, form.text, options)
    case 'completion':
      return fromCompletion(tokenizer, form, options)
    case 'preference':
      return fromCompletion(tokenizer, { prompt: form.prompt, completion: form.chosen }, options)
    case 'chat':
      return form.messages.flatMap(({ role, content }, i) =>
        role === 'assistant' && i > 0
          ? fromCompletion(
              tokenizer,
              { prompt: tokenizer.chat(form.messages.slice(0, i)), completion: content },
              options,
            )
          : [],
      )
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
 * Makes a pair from each preference; answers that do not fit into one sequence are cut at the same limit. A prompt that leaves
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
