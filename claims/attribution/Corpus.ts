import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Sequence, Tokenizer } from '@openledger/model'

/** A piece of a contributor's text, as tokens. */
export type Piece = { readonly contributor: number; readonly tokens: readonly number[] }

/** Pieces of equal length from several contributors: some to train on, one of each contributor to ask about. */
export type Corpus = {
  readonly contributors: readonly string[]
  readonly records: readonly Piece[]
  readonly heldOut: readonly Piece[]
}

/** Kinds of text that the repository has at hand under licences that allow it, none of it seen by the base model. */
export const CORPORA = ['code', 'text', 'instructions'] as const
export type CorpusName = (typeof CORPORA)[number]

export type CorpusSize = {
  readonly contributors: number
  readonly recordsEach: number
  readonly tokens: number
}

const modules = join(import.meta.dirname, '..', '..', 'node_modules')

/** What a contributor has: texts, of which each is a piece, or one that is cut into pieces. */
type File = { readonly name: string; readonly texts: readonly string[]; readonly isCut: boolean }

/**
 * What each corpus is made of: the Solidity of OpenZeppelin Contracts, the prose of its documentation comments, and what a
 * comment asks of a function with the function as the answer.
 */
const files: Readonly<Record<CorpusName, () => File[]>> = {
  code: () =>
    sources().map(({ name, text }) => ({
      name,
      texts: [text.slice(text.indexOf('\npragma') + 1)],
      isCut: true,
    })),
  text: () => sources().map(({ name, text }) => ({ name, texts: [prose(text)], isCut: true })),
  instructions: () => sources().map(({ name, text }) => ({ name, texts: instructions(text), isCut: false })),
}

/**
 * Reads a corpus: one file for each contributor, the shortest that are long enough, as pieces of one length.
 *
 * The pieces of a file are spread over its length; the one after the middle of them is held out.
 */
export function readCorpus(name: CorpusName, tokenizer: Tokenizer, size: CorpusSize): Corpus {
  const { contributors, recordsEach, tokens } = size
  const found = files[name]()
    .map((file) => {
      const texts = file.texts.map((text) => tokenizer.encode(text))
      const length = texts.reduce((sum, ids) => sum + ids.length, 0)
      const pieces = (file.isCut ? cut : choose)(texts, recordsEach + 1, tokens)
      return { name: file.name, length, pieces }
    })
    .filter(({ pieces }) => pieces.length === recordsEach + 1)
    // interfaces repeat their contracts, and one of each folder's giants would leave no room for others
    .sort((a, b) => a.length - b.length || (a.name < b.name ? -1 : 1))
    .slice(0, contributors)
  if (found.length < contributors) {
    throw new Error(
      `Expected ${contributors} files of ${recordsEach + 1} pieces of ${tokens} tokens, found ${found.length}.`,
    )
  }
  const records: Piece[] = []
  const heldOut: Piece[] = []
  for (const [contributor, { pieces }] of found.entries()) {
    for (const [i, piece] of pieces.entries()) {
      if (i === recordsEach >> 1) heldOut.push({ contributor, tokens: piece })
      else records.push({ contributor, tokens: piece })
    }
  }
  return { contributors: found.map((file) => file.name), records, heldOut }
}

/** Makes what is trained on: every token behind the begin mark counts as one. */
export const sequenceOf = (bosId: number, tokens: readonly number[]): Sequence => ({
  ids: Int32Array.of(bosId, ...tokens),
  lossMask: Float32Array.from({ length: tokens.length + 1 }, (_, i) => (i > 0 ? 1 : 0)),
})

function sources(): { name: string; text: string }[] {
  const root = join(modules, '@openzeppelin', 'contracts')
  return globSync('**/*.sol', { cwd: root })
    .filter((path) => !/mocks|interfaces\/|[/]I[A-Z]/.test(path))
    .sort()
    .map((path) => ({
      name: join(dirname(path), path.split('/').at(-1)!),
      text: readFileSync(join(root, path), 'utf8'),
    }))
}

type Pieces = readonly (readonly number[])[]

/** Cuts pieces out of one text at even distances; none where it is too short. */
function cut([text = []]: Pieces, count: number, tokens: number): Pieces {
  const stride = Math.floor(text.length / count)
  if (text.length < count * tokens) return []
  return Array.from({ length: count }, (_, i) => text.slice(i * stride, i * stride + tokens))
}

/** Takes the beginnings of texts, spread over all that are long enough; none where they are too few. */
function choose(texts: Pieces, count: number, tokens: number): Pieces {
  const long = texts.filter((ids) => ids.length >= tokens)
  if (long.length < count) return []
  return Array.from({ length: count }, (_, i) =>
    long[Math.floor((i * long.length) / count)]!.slice(0, tokens),
  )
}

/** Makes a task of each documented function: the first sentence of its comment, and the function as the answer. */
function instructions(text: string): string[] {
  const documented =
    /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(function (\w+)[\s\S]*?\n {4}\}|function (\w+)[^;{]*;)/g
  return [...text.matchAll(documented)].map(([, comment, code]) => {
    const [sentence] = prose(comment!).replaceAll(/\s+/g, ' ').trim().split('. ')
    return `Task: ${sentence!.replace(/\.$/, '')}.\nAnswer: ${code!.replaceAll('\n    ', '\n')}\n`
  })
}

/** Takes the sentences of a contract's documentation, without marks and tags. */
function prose(text: string): string {
  const lines = text.split('\n').flatMap((line) => {
    const match = /^\s*(?:\*|\/\/\/)\s?(.*)$/.exec(line)
    return match === null ? [] : [match[1]!.replace(/^@\w+\s*/, '').trimEnd()]
  })
  return lines.filter((line) => line !== '/').join('\n')
}
