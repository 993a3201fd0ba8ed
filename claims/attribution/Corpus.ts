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
export const CORPORA = ['code', 'text'] as const
export type CorpusName = (typeof CORPORA)[number]

export type CorpusSize = {
  readonly contributors: number
  readonly recordsEach: number
  readonly tokens: number
}

const modules = join(import.meta.dirname, '..', '..', 'node_modules')

/** What each corpus is made of: the Solidity of OpenZeppelin Contracts, and the prose of its documentation comments. */
const files: Readonly<Record<CorpusName, () => { name: string; text: string }[]>> = {
  code: () => sources().map(({ name, text }) => ({ name, text: text.slice(text.indexOf('\npragma') + 1) })),
  text: () => sources().map(({ name, text }) => ({ name, text: prose(text) })),
}

/**
 * Reads a corpus: one file for each contributor, the longest files first, cut into pieces of one length.
 *
 * The pieces of a file are spread over its length; the one after the middle of them is held out.
 */
export function readCorpus(name: CorpusName, tokenizer: Tokenizer, size: CorpusSize): Corpus {
  const { contributors, recordsEach, tokens } = size
  const needed = tokens * (recordsEach + 1)
  const found = files[name]()
    .map((file) => ({ name: file.name, ids: tokenizer.encode(file.text) }))
    .filter(({ ids }) => ids.length >= needed)
    // interfaces repeat their contracts, and one of each folder's giants would leave no room for others
    .sort((a, b) => a.ids.length - b.ids.length || (a.name < b.name ? -1 : 1))
    .slice(0, contributors)
  if (found.length < contributors) {
    throw new Error(`Expected ${contributors} files of ${needed} tokens or more, found ${found.length}.`)
  }
  const records: Piece[] = []
  const heldOut: Piece[] = []
  for (const [contributor, { ids }] of found.entries()) {
    const stride = Math.floor(ids.length / (recordsEach + 1))
    for (let i = 0; i <= recordsEach; i++) {
      const piece = { contributor, tokens: ids.slice(i * stride, i * stride + tokens) }
      if (i === recordsEach >> 1) heldOut.push(piece)
      else records.push(piece)
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

/** Takes the sentences of a contract's documentation, without marks and tags. */
function prose(text: string): string {
  const lines = text.split('\n').flatMap((line) => {
    const match = /^\s*(?:\*|\/\/\/)\s?(.*)$/.exec(line)
    return match === null ? [] : [match[1]!.replace(/^@\w+\s*/, '').trimEnd()]
  })
  return lines.filter((line) => line !== '/').join('\n')
}
