import { ContextPool } from '@openledger/attribution'
import type { Message, Tokenizer } from '@openledger/model'
import { BaseError, type Hex } from '@openledger/primitives'

/** A record that a prompt is given with, and who is paid for it. */
export type Passage = {
  readonly recordId: Hex
  /** Of its cluster of duplicates, the contribution that was first. */
  readonly contributionId: Hex
  /** Id of the first record of its cluster. */
  readonly clusterId: Hex
  readonly text: string
}

/** A prompt as the model read it, with the passages in it. */
export type Context = { readonly promptText: string; readonly passages: readonly Passage[] }

/** Ends each passage, so that leaving one out leaves the rest of the prompt as it is. */
const PASSAGE_END = '\n\n'

const blockOf = (passages: readonly Pick<Passage, 'text'>[]): string =>
  passages.map(({ text }) => text + PASSAGE_END).join('')

/** Puts passages in front of a text, or of the last message that a person wrote. @throws {PassagesError} */
export function withPassages<P extends string | readonly Message[]>(
  prompt: P,
  passages: readonly Pick<Passage, 'text'>[],
): P {
  if (passages.length === 0) return prompt
  const block = blockOf(passages)
  if (typeof prompt === 'string') return (block + prompt) as P
  const at = prompt.findLastIndex(({ role }) => role === 'user')
  if (at === -1) throw new PassagesError('a message of role user that passages can stand in front of', 'none')
  return prompt.map((message, i) =>
    i === at ? { ...message, content: block + message.content } : message,
  ) as unknown as P
}

/** Finds where passages stand. @throws {PassagesError} when the text does not hold them one after the other. */
export function placeOf({ promptText, passages }: Context): { readonly start: number; readonly end: number } {
  const block = blockOf(passages)
  const start = promptText.indexOf(block)
  if (start === -1)
    throw new PassagesError('a prompt that holds its passages as they are', 'one that changed them')
  return { start, end: start + block.length }
}

/**
 * Gives the prompt under each coalition of `ContextPool.plan`: the text that was read, without the passages of those who are
 * left out.
 *
 * @returns Token ids, beginning with the document's first token as every prompt does.
 * @throws {PassagesError} when the text does not hold the passages one after the other.
 */
export function coalitionPrompts(
  tokenizer: Pick<Tokenizer, 'bosId' | 'encode'>,
  context: Context,
): number[][] {
  const { promptText, passages } = context
  const { start, end } = placeOf(context)
  const { players, coalitions } = ContextPool.plan(passages.map(({ clusterId }) => clusterId))
  return coalitions.map((coalition) => {
    const left = new Set(coalition.flatMap((player) => players[player]!))
    const kept = blockOf(passages.filter((_, passage) => left.has(passage)))
    const text = promptText.slice(0, start) + kept + promptText.slice(end)
    return [tokenizer.bosId, ...tokenizer.encode(text)]
  })
}

export class PassagesError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'openlora.passages',
      message: `Expected ${expected}, got ${got}. Give passages with a text or a conversation, and begin and end them with words.`,
      context: { expected, got, param: 'passages' },
    })
  }
}
