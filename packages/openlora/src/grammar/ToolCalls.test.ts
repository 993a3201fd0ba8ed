import { writeCall } from '@openledger/model/tokenizer/ToolText'
import { describe, expect, test } from 'vitest'
import { grammarOf } from './AnswerForm.ts'
import { createGrammarMatcher, isAllowed } from './GrammarMatcher.ts'
import { createTokenTrie } from './TokenTrie.ts'
import { type CallEvent, createToolCallReader } from './ToolCalls.ts'

/** Every byte is a token; 256 is the end. */
const bytes = (id: number): Uint8Array => (id < 256 ? Uint8Array.of(id) : new Uint8Array())
const trie = createTokenTrie(257, bytes)
const callable = [
  { name: 'add', parameters: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } },
  { name: 'now' },
]

function accepts(isRequired: boolean, isParallel: boolean, text: string): boolean {
  const grammar = grammarOf({ tools: { callable, isRequired, isParallel } })
  const matcher = createGrammarMatcher(grammar, trie, { bytes, eosId: 256 })
  let place = matcher.start
  for (const byte of new TextEncoder().encode(text)) {
    if (!isAllowed(matcher.mask(place), byte)) return false
    place = matcher.advance(place, byte)
  }
  return place.mayEnd
}

const call = writeCall('add', '{"n":5}')
const other = writeCall('now', '{ "at": [1] }')

describe('an answer that may call tools', () => {
  test.for<[string, boolean, boolean, string, boolean]>([
    ['text alone', false, true, 'hello <tool> <tool_cal', true],
    ['text and a call', false, true, `hello\n${call}`, true],
    ['calls alone', false, true, `${call}\n${other}`, true],
    ['a begun call', false, true, '<tool_call>\n{"name": "', false],
    ['text behind a call', false, true, `${call} and`, false],
    ['another tool', false, true, writeCall('sub', '{"n":5}'), false],
    ['arguments that do not fit', false, true, writeCall('add', '{"n":"5"}'), false],
    ['text where a call is required', true, true, 'hello', false],
    ['a call where one is required', true, true, call, true],
    ['two calls where one is allowed', true, false, `${call}\n${call}`, false],
  ])('%s', ([, isRequired, isParallel, text, expected]) => {
    expect(accepts(isRequired, isParallel, text)).toBe(expected)
  })
})

test('an answer is read the same however it is cut', () => {
  const text = `Let me see.\n${call}\n${other}`
  const joined = (size: number): CallEvent[] => {
    const reader = createToolCallReader()
    const events: CallEvent[] = []
    for (let at = 0; at < text.length; at += size) events.push(...reader.push(text.slice(at, at + size)))
    events.push(...reader.flush())
    const merged: CallEvent[] = []
    for (const event of events) {
      const last = merged.at(-1)
      if (last !== undefined && last.kind === event.kind && last.kind !== 'call' && event.kind !== 'call') {
        merged[merged.length - 1] = { ...last, text: last.text + event.text }
      } else merged.push(event)
    }
    return merged
  }
  const expected: CallEvent[] = [
    { kind: 'content', text: 'Let me see.\n' },
    { kind: 'call', index: 0, name: 'add' },
    { kind: 'arguments', index: 0, text: '{"n":5}' },
    { kind: 'call', index: 1, name: 'now' },
    { kind: 'arguments', index: 1, text: '{ "at": [1] }' },
  ]
  for (const size of [1, 2, 3, 7, 20, text.length]) expect(joined(size)).toEqual(expected)
})

test('text that only begins like a call is given out in the end', () => {
  const reader = createToolCallReader()
  expect(reader.push('a <tool')).toEqual([{ kind: 'content', text: 'a ' }])
  expect(reader.flush()).toEqual([{ kind: 'content', text: '<tool' }])
})
