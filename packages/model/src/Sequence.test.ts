import { expect, test } from 'vitest'
import * as CheckpointFolder from './checkpoint/CheckpointFolder.ts'
import { fromCompletion, fromText, tokensWithin } from './Sequence.ts'

const tokenizer = await CheckpointFolder.readTokenizer(
  new URL('../../../assets/base', import.meta.url).pathname,
)
const text = 'function totalSupply() public view returns (uint256) { return _totalSupply; }'

test('ranges of a text are read but not counted, and every other token is', () => {
  const said = 'public view returns'
  const start = text.indexOf(said)
  const uncounted = [[start, start + said.length]] as const
  const [whole] = fromText(tokenizer, text, { tokensMax: 128 })
  const [part] = fromText(tokenizer, text, { tokensMax: 128, uncounted })
  expect(part!.ids).toEqual(whole!.ids)
  const left = Array.from(part!.ids).filter((_, t) => t > 0 && part!.lossMask[t] === 0)
  expect(tokenizer.decode(left).trim()).toBe(said)
  const counted = (mask: Float32Array) => mask.reduce((sum, weight) => sum + weight, 0)
  expect(counted(part!.lossMask)).toBe(counted(whole!.lossMask) - left.length)
  // the end mark, so that nothing is a text without a token to learn
  expect(part!.lossMask.at(-1)).toBe(1)
})

test('a sequence of a long text in which nothing counts is left out', () => {
  const long = Array.from({ length: 20 }, () => text).join('\n')
  const options = { tokensMax: 64, overlapTokens: 8 }
  const whole = fromText(tokenizer, long, options)
  const part = fromText(tokenizer, long, { ...options, uncounted: [[0, long.length]] })
  expect(whole.length).toBeGreaterThan(5)
  expect(part).toHaveLength(1)
  expect(part[0]!.ids).toEqual(whole.at(-1)!.ids)
  expect(Array.from(part[0]!.lossMask)).toEqual([...new Array(part[0]!.ids.length - 1).fill(0), 1])
})

test('ranges of a completion count from its own beginning', () => {
  const example = { prompt: 'How many are there? ', completion: text }
  const [whole] = fromCompletion(tokenizer, example, { tokensMax: 128 })
  const [part] = fromCompletion(tokenizer, example, { tokensMax: 128, uncounted: [[0, 8]] })
  const left = Array.from(whole!.ids).filter((_, t) => whole!.lossMask[t] === 1 && part!.lossMask[t] === 0)
  expect(tokenizer.decode(left)).toBe('function')
})

test('a token is within a range that it shares a character with', () => {
  const ids = tokenizer.encode(text)
  const offsets = tokenizer.offsets(ids)
  const ranges = [
    [3, 4],
    [20, 31],
  ] as const
  expect(tokensWithin(tokenizer, ids, ranges)).toEqual(
    offsets.map(({ start, end }) => ranges.some(([from, to]) => from < end && start < to)),
  )
})
