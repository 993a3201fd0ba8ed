import type { Message } from '@openledger/model'
import { expect, test } from 'vitest'
import { coalitionPrompts, type Passage, withPassages } from './Passages.ts'

/** Tokens are characters, so that a prompt can be read back. */
const tokenizer = { bosId: 0, encode: (text: string) => Array.from(text, (c) => c.charCodeAt(0)) }
const read = (ids: readonly number[]) => String.fromCharCode(...ids.slice(1))

const passage = (text: string, cluster = text): Passage => ({
  recordId: `0x${text}`,
  contributionId: '0x1',
  clusterId: `0x${cluster}`,
  text,
})

test('passages stand in front of a text, or of the last message from a person', () => {
  const two = [passage('one'), passage('two')]
  expect(withPassages('why?', two)).toBe('one\n\ntwo\n\nwhy?')
  const messages: Message[] = [
    { role: 'system', content: 'be brief' },
    { role: 'user', content: 'hello' },
    { role: 'assistant', content: 'yes' },
    { role: 'user', content: 'why?' },
  ]
  expect(withPassages(messages, two).map(({ content }) => content)).toEqual([
    'be brief',
    'hello',
    'yes',
    'one\n\ntwo\n\nwhy?',
  ])
  expect(withPassages(messages, [])).toBe(messages)
  expect(() => withPassages(messages.slice(0, 1), two)).toThrow(/message of role user/)
})

test('each set of passages that is left in gives the prompt without the others and without a trace of them', () => {
  const passages = [passage('a'), passage('b'), passage('A', 'a')]
  const promptText = `<|user|>${withPassages('why?', passages)}<|end|>`
  expect(coalitionPrompts(tokenizer, { promptText, passages }).map(read)).toEqual([
    '<|user|>why?<|end|>',
    '<|user|>a\n\nA\n\nwhy?<|end|>',
    '<|user|>b\n\nwhy?<|end|>',
    promptText,
  ])
})

test('a template that changes what it is given is not measured as if it had not', () => {
  const passages = [passage('a ')]
  expect(() => coalitionPrompts(tokenizer, { promptText: 'a\n\nwhy?', passages })).toThrow(
    /holds its passages as they are/,
  )
})
