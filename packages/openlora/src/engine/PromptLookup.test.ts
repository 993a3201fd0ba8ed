import { expect, test } from 'vitest'
import { guessNext } from './PromptLookup.ts'

test('guesses what followed the last place where the end stood before, the longer end first', () => {
  expect(guessNext([1, 2, 3, 9, 8, 5, 2, 3, 7, 1, 2, 3], 2)).toEqual([9, 8])
  expect(guessNext([2, 3, 4, 6, 2, 3, 5, 1, 2, 3], 3)).toEqual([5, 1, 2])
})

test('guesses nothing when the end is new or there is no room', () => {
  expect(guessNext([1, 2, 3, 4], 4)).toEqual([])
  expect(guessNext([1, 1, 1, 1], 0)).toEqual([])
  expect(guessNext([], 4)).toEqual([])
})
