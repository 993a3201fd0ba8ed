import { CanonicalJson } from '@openledger/primitives'
import { z } from 'zod'

const text = z.string().min(1)

/**
 * What a record may be besides plain text: a JSON object of one of these shapes, and of nothing else.
 *
 * A prompt with its completion, a conversation, or two answers to one prompt of which people prefer the first.
 */
const shapes = {
  completion: z.strictObject({ prompt: text, completion: text }),
  chat: z.strictObject({
    messages: z
      .array(z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: text }))
      .min(2)
      .max(64),
  }),
  preference: z.strictObject({ prompt: text, chosen: text, rejected: text }),
}

/** A record as training reads it. */
export type RecordForm =
  | { readonly kind: 'text'; readonly text: string }
  | ({ readonly kind: 'completion' } & z.output<typeof shapes.completion>)
  | ({ readonly kind: 'chat' } & z.output<typeof shapes.chat>)
  | ({ readonly kind: 'preference' } & z.output<typeof shapes.preference>)

/** Reads a record's form; whatever has no other form is plain text, so that every record has one. */
export function read(record: string): RecordForm {
  const plain = { kind: 'text', text: record } as const
  if (!record.startsWith('{')) return plain
  let value: unknown
  try {
    value = JSON.parse(record)
  } catch {
    return plain
  }
  return fromValue(value) ?? plain
}

/** Reads a form from a parsed object; undefined when it has none of the shapes. */
export function fromValue(value: unknown): Exclude<RecordForm, { kind: 'text' }> | undefined {
  const completion = shapes.completion.safeParse(value)
  if (completion.success) return { kind: 'completion', ...completion.data }
  const preference = shapes.preference.safeParse(value)
  if (preference.success) return { kind: 'preference', ...preference.data }
  const chat = shapes.chat.safeParse(value)
  if (chat.success && chat.data.messages.some(({ role }, i) => i > 0 && role === 'assistant'))
    return { kind: 'chat', ...chat.data }
  return undefined
}

/** Writes a form as a record; equal forms give equal records. */
export function write(form: RecordForm): string {
  if (form.kind === 'text') return form.text
  const { kind: _, ...value } = form
  return CanonicalJson.stringify(value)
}

/** What a person would read of a record, in the order in which a model reads it: what answers are compared with. */
export function plainText(record: string): string {
  const form = read(record)
  switch (form.kind) {
    case 'text':
      return form.text
    case 'completion':
      return `${form.prompt}${form.completion}`
    case 'chat':
      return form.messages.map(({ content }) => content).join('\n')
    case 'preference':
      return `${form.prompt}${form.chosen}`
    default:
      return form satisfies never
  }
}
