import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openZeppelinModules } from './OpenZeppelin.ts'
import { splitIntoRecords } from './Records.ts'
import { createSimilarityIndex } from './Similarity.ts'

const recordsByModule = openZeppelinModules().map(({ files }) =>
  files.flatMap(({ path, text }) => splitIntoRecords({ name: path, text })),
)

test('calls no record of the first modules a copy of another module’s', () => {
  const index = createSimilarityIndex()
  for (const [module, records] of recordsByModule.entries()) {
    expect(records.map(index.find)).toEqual(records.map(() => undefined))
    records.forEach((text, i) => {
      index.add(`${module}:${i}`, text)
    })
  }
})

describe('finds the original of', () => {
  const texts = recordsByModule.flat()
  const index = createSimilarityIndex()
  texts.forEach((text, i) => {
    index.add(String(i), text)
  })
  const everyFifth = texts.map((text, i) => ({ text, i })).filter(({ i }) => i % 5 === 0)
  /** Share of copies that are found, and named after a record that says the same. */
  const foundShare = (copy: (text: string) => string) =>
    everyFifth.filter(({ text }) => index.find(copy(text)) !== undefined).length / everyFifth.length

  test('every record itself, with other spacing, case and punctuation', () => {
    for (const { text, i } of everyFifth) {
      expect(index.find(text)).toEqual({ id: String(i), similarityPpm: 1_000_000 })
      const copy = text.replace(/\s+/g, '  ').replace(/[;{}]/g, '').toUpperCase()
      expect(index.find(copy)).toEqual({ id: String(i), similarityPpm: 1_000_000 })
    }
  })

  test('records with a line added, or their first tenth left out', () => {
    expect(foundShare((text) => `${text}\n// improved by me, for my own benefit`)).toBeGreaterThan(0.95)
    expect(foundShare((text) => text.slice(text.length / 10))).toBeGreaterThan(0.9)
  })

  test('two halves of different records put together', () => {
    expect(
      foundShare((text) => text.slice(0, text.length / 2) + texts[7]!.slice(texts[7]!.length / 2)),
    ).toBeGreaterThan(0.85)
  })
})

test('names the record that was there first', () => {
  const index = createSimilarityIndex()
  const text = recordsByModule[0]![3]!
  index.add('first', text)
  index.add('second', `${text} `)
  expect(index.find(text)?.id).toBe('first')
  expect(index.find(`${text} and so on`)?.id).toBe('first')
})

test('agrees with counting word sequences one by one', () => {
  const word = fc.constantFrom('alpha', 'beta', 'gamma', 'delta', 'eins', 'zwei', 'drei')
  const text = fc.array(word, { minLength: 18, maxLength: 40 })
  const sequences = (words: readonly string[]) =>
    new Set(words.slice(4).map((_, i) => words.slice(i, i + 5).join(' ')))
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 6 }), text, (known, asked) => {
      const index = createSimilarityIndex()
      known.forEach((words, i) => {
        index.add(String(i), words.join(' '))
      })
      const own = sequences(asked)
      fc.pre(own.size >= 12)
      const shared = known.map((words) => [...own].filter((each) => sequences(words).has(each)).length)
      const best = Math.max(...shared)
      const together = [...own].filter((each) => known.some((words) => sequences(words).has(each))).length
      const isSame = known.some((words) => words.join(' ') === asked.join(' '))
      const least = own.size - best < 12 ? 0.6 : 0.8
      const expected = isSame || best / own.size >= least || together / own.size >= 0.9
      expect(index.find(asked.join(', ')) !== undefined).toBe(expected)
    }),
    { numRuns: 300 },
  )
})
