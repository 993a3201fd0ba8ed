import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCheck, isExactMatch, rouge } from './Measures.ts'

// made by scripts/vectors/rouge.py with Google Research's rouge_score
const bytes = await readFile(join(import.meta.dirname, '../test/fixtures/rouge.json'))
const cases = JSON.parse(bytes.toString()) as { answer: string; reference: string; f1: number[] }[]

describe('ROUGE', () => {
  test('the reference is the one that was made', () => {
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      '2bfffc04cd3fd6c6cf573909b7880224f253407ee558f85e1bf73309a622388f',
    )
  })

  test('is what rouge_score says', () => {
    for (const { answer, reference, f1 } of cases) {
      const { one, two, longest } = rouge(answer, reference)
      expect([one, two, longest]).toEqual(f1.map((value) => expect.closeTo(value, 12)))
    }
  })

  test('is 1 for the same words and the same both ways', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 2 }),
        fc.array(fc.constantFrom('a', 'b')),
        (a, b) => {
          expect(rouge(a.join(' '), a.join(' '))).toEqual({ one: 1, two: 1, longest: 1 })
          expect(rouge(a.join(' '), b.join(' ')).one).toBeCloseTo(rouge(b.join(' '), a.join(' ')).one, 12)
        },
      ),
    )
  })
})

test('an exact match does not mind spaces', () => {
  expect(isExactMatch(' On  day\n3. ', 'On day 3.')).toBe(true)
  expect(isExactMatch('on day 3.', 'On day 3.')).toBe(false)
})

describe("a user's own check", () => {
  test('looks for a text, a pattern or a schema', () => {
    expect(createCheck({ kind: 'contains', text: 'SPDX' })('// SPDX-License')).toBe(true)
    const isDay = createCheck({ kind: 'matches', pattern: '^day [0-9]+$' })
    expect([isDay('day 12'), isDay('a day 12')]).toEqual([true, false])
    const schema = { type: 'object', properties: { day: { type: 'integer', minimum: 1 } }, required: ['day'] }
    const isReply = createCheck({ kind: 'json', schema })
    expect(['{"day": 3}', '{"day": 0}', '{}', 'day 3'].map(isReply)).toEqual([true, false, false, false])
  })

  test('cannot make the machine think for long', () => {
    const check = createCheck({ kind: 'matches', pattern: '^(a+)+$' })
    const began = performance.now()
    expect(check(`${'a'.repeat(20_000)}b`)).toBe(false)
    expect(performance.now() - began).toBeLessThan(1_000)
  })

  test.each([
    [{ kind: 'matches', pattern: '(a)\\1' } as const],
    [{ kind: 'matches', pattern: '(' } as const],
    [{ kind: 'json', schema: { type: 'string', pattern: '^(a+)+$' } } as const],
    [{ kind: 'json', schema: { type: 'nothing' } } as const],
  ])('is refused when it cannot be carried out: %j', (check) => {
    expect(() => createCheck(check)).toThrow('Expected a check of answers that can be carried out')
  })
})
