import fc from 'fast-check'
import { expect, test } from 'vitest'
import { plainText, read, write } from './RecordForm.ts'

const words = fc.string({ minLength: 1 })
const forms = fc.oneof(
  fc.record({ kind: fc.constant('completion' as const), prompt: words, completion: words }),
  fc.record({ kind: fc.constant('preference' as const), prompt: words, chosen: words, rejected: words }),
  fc.record({
    kind: fc.constant('chat' as const),
    messages: fc
      .array(fc.record({ role: fc.constantFrom('system' as const, 'user' as const), content: words }), {
        minLength: 1,
        maxLength: 5,
      })
      .map((list) => [...list, { role: 'assistant' as const, content: 'yes' }]),
  }),
)

test('every form is read as it was written', () => {
  fc.assert(
    fc.property(forms, (form) => {
      expect(read(write(form))).toEqual(form)
    }),
  )
})

test('whatever has no other form is text, the same text', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(write(read(text))).toBe(text)
    }),
  )
  for (const record of [
    '{"prompt":"a"}',
    '{"prompt":"a","completion":""}',
    '{"prompt":1,"completion":"b"}',
    '{',
    '{}',
  ])
    expect(read(record)).toEqual({ kind: 'text', text: record })
  // a conversation in which nobody answers teaches nothing
  const unanswered = JSON.stringify({
    messages: [
      { role: 'user', content: 'a' },
      { role: 'user', content: 'b' },
    ],
  })
  expect(read(unanswered).kind).toBe('text')
})

test('gives what a person would read of it', () => {
  expect(plainText('{"completion":" is 2","prompt":"1 + 1"}')).toBe('1 + 1 is 2')
  expect(plainText('{"prompt":"Sky? ","chosen":"blue","rejected":"green"}')).toBe('Sky? blue')
  expect(plainText('{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Ho"}]}')).toBe(
    'Hi\nHo',
  )
  expect(plainText('plain')).toBe('plain')
})
