import v8 from 'node:v8'
import { BaseError } from '@openledger/primitives'
import type { Http } from '@openledger/protocol'
import { z } from 'zod'

/** Whether an answer is the expected one, but for spaces around and between words. */
export const isExactMatch = (answer: string, expected: string): boolean =>
  answer.trim().split(/\s+/).join(' ') === expected.trim().split(/\s+/).join(' ')

/** How much of a reference an answer has in common with it: F1 of single words, pairs of words and the longest subsequence. */
export type Rouge = { readonly one: number; readonly two: number; readonly longest: number }

/**
 * Compares an answer with a reference by words: runs of a to z and 0 to 9 in lower case, not stemmed.
 * @see Lin 2004, "ROUGE"; the numbers are those of Google Research's rouge_score.
 */
export function rouge(answer: string, reference: string): Rouge {
  const [ours, theirs] = [wordsOf(answer), wordsOf(reference)]
  return {
    one: f1(overlap(ours, theirs), ours.length, theirs.length),
    two: f1(overlap(pairsOf(ours), pairsOf(theirs)), ours.length - 1, theirs.length - 1),
    longest: f1(commonSubsequence(ours, theirs), ours.length, theirs.length),
  }
}

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? []
const pairsOf = (words: readonly string[]): string[] => words.slice(1).map((word, i) => `${words[i]} ${word}`)

function f1(shared: number, ours: number, theirs: number): number {
  if (shared === 0) return 0
  const [precision, recall] = [shared / ours, shared / theirs]
  return (2 * precision * recall) / (precision + recall)
}

function overlap(ours: readonly string[], theirs: readonly string[]): number {
  const left = new Map<string, number>()
  for (const word of theirs) left.set(word, (left.get(word) ?? 0) + 1)
  let shared = 0
  for (const word of ours) {
    const count = left.get(word) ?? 0
    if (count > 0) shared++
    left.set(word, count - 1)
  }
  return shared
}

function commonSubsequence(ours: readonly string[], theirs: readonly string[]): number {
  let row = new Array<number>(theirs.length + 1).fill(0)
  for (const word of ours) {
    const next = [0]
    for (const [i, other] of theirs.entries())
      next.push(word === other ? row[i]! + 1 : Math.max(row[i + 1]!, next[i]!))
    row = next
  }
  return row.at(-1)!
}

/** Says whether an answer passes. */
export type Check = (answer: string) => boolean

/**
 * Prepares a user's own check. Nothing of it is executed but a comparison: patterns run in an engine whose time is linear in the
 * answer, and schemas have no patterns.
 * @throws {CheckError} naming what is wrong with it.
 */
export function createCheck(check: Http.Check): Check {
  switch (check.kind) {
    case 'contains':
      return (answer) => answer.includes(check.text)
    case 'matches': {
      const pattern = linearPattern(check.pattern)
      return (answer) => pattern.test(answer)
    }
    case 'json': {
      const schema = schemaOf(check.schema)
      return (answer) => {
        try {
          return schema.safeParse(JSON.parse(answer)).success
        } catch {
          return false
        }
      }
    }
    default:
      return check satisfies never
  }
}

function linearPattern(source: string): RegExp {
  // only patterns with the flag `l` are run by it; it never goes back over what it has read
  v8.setFlagsFromString('--enable-experimental-regexp-engine')
  try {
    return new RegExp(source, 'l')
  } catch (cause) {
    throw new CheckError(`the pattern ${JSON.stringify(source)} is not one (${(cause as Error).message})`)
  }
}

function schemaOf(schema: Readonly<Record<string, unknown>>): z.ZodType {
  if (JSON.stringify(schema).includes('"pattern')) throw new CheckError('a schema must not have patterns')
  try {
    return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0])
  } catch (cause) {
    throw new CheckError(`the schema is not one (${(cause as Error).message})`)
  }
}

export class CheckError extends BaseError {
  constructor(reason: string) {
    super({
      code: 'training.check',
      message: `Expected a check of answers that can be carried out, but ${reason}. Patterns have no references back and no looking around; use a check of another kind for those.`,
    })
  }
}
