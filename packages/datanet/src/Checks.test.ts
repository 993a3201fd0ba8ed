import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { findFault } from './Checks.ts'
import { openZeppelinModules } from './OpenZeppelin.ts'
import { splitIntoRecords } from './Records.ts'

/** Pseudo-random bytes that are the same in every run. */
const bytes = (size: number) =>
  Buffer.concat(
    Array.from({ length: Math.ceil(size / 32) }, (_, i) => createHash('sha256').update(`${i}`).digest()),
  )
const letters = (size: number, alphabet: string) =>
  [...bytes(size)].map((byte) => alphabet[byte % alphabet.length]).join('')

describe('finds nothing wrong with', () => {
  test('any record of the first modules', () => {
    const records = openZeppelinModules().flatMap(({ files }) =>
      files.flatMap(({ path, text }) => splitIntoRecords({ name: path, text })),
    )
    expect(records.map(findFault).filter((reason) => reason !== undefined)).toEqual([])
  })

  test.each([
    'The quick brown fox jumps over the lazy dog.',
    'Donaudampfschifffahrtsgesellschaftskapitän ist ein langes, aber gebräuchliches Wort.',
    '敏捷的棕色狐狸跳过了懒狗。这是一个用于测试的句子，它包含所有需要的字符。',
    'Быстрая коричневая лиса перепрыгивает через ленивую собаку.',
    'const xs = [1, 2, 3].map((x) => x ** 2) // squares',
    '| name | wei |\n| --- | --- |\n| alice | 100 |\n| bob | 250 |',
    'strcmp strncpy fprintf sprintf memset malloc calloc realloc are functions of the C library.',
  ])('%s', (text) => expect(findFault(text)).toBeUndefined())
})

describe('says what is wrong with', () => {
  test.each([
    ['hi there', /^Too short: 7 letters/],
    ['{}();'.repeat(30), /^Too short/],
    [`${'!?&%$#@*'.repeat(40)} and three words more`, /^Not language or code/],
    ['buy this token now\n'.repeat(20), /^Repetitive: only 5 %/],
    ['aaaaaaaaaaaaaaaa '.repeat(10), /^Repetitive: 0\.\d bits/],
    [bytes(600).toString('base64'), /^Looks like encoded bytes/],
    [`key: ${bytes(400).toString('hex')}`, /^Looks like encoded bytes/],
    [letters(400, 'bcdfghjklmnpqrstvwxzaeiou').replace(/.{7}/g, '$& '), /^Looks like random letters/],
  ])('%j', (text, reason) => expect(findFault(text)).toMatch(reason))
})
