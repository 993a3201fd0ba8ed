/** What one more token adds to the text. */
export type TextDelta = {
  /** Text that is certain: never half a character, never the start of a stop string. May be empty. */
  readonly text: string
  /** A stop string was found: the text ends before it, and no more tokens may be pushed. */
  readonly isStopped: boolean
}

export type TextStream = {
  readonly push: (tokenId: number) => TextDelta
  /** Gives out what was held back; called once, when no more tokens come. */
  readonly flush: () => string
  /** Everything given out so far. */
  readonly text: () => string
}

const REPLACEMENT = '\ufffd'

/**
 * Turns tokens into text deltas that join to exactly what decoding all tokens at once gives, up to a stop string.
 *
 * A token may end in the middle of a UTF-8 character; it is then held until the character is whole. Text is decoded
 * in windows that begin at a character's border, so work per token does not grow with the answer.
 *
 * @param decode - Decodes a run of tokens; incomplete characters come as U+FFFD.
 * @param stop - Non-empty strings that end the answer and are not part of it.
 */
export function createTextStream(
  decode: (ids: readonly number[]) => string,
  stop: readonly string[],
): TextStream {
  const shown: string[] = []
  /** Tokens of the window; the first `settledCount` are already given out and only serve as context. */
  let window: number[] = []
  let settledCount = 0
  let held = ''

  const give = (text: string): string => {
    if (text !== '') shown.push(text)
    return text
  }

  function take(isLast: boolean): string {
    const before = decode(window.slice(0, settledCount))
    const after = decode(window)
    if (after.endsWith(REPLACEMENT) && !isLast) return ''
    window = window.slice(settledCount)
    settledCount = window.length
    return after.slice(before.length)
  }

  return {
    push(tokenId) {
      window.push(tokenId)
      held += take(false)
      const at = firstStop(held, stop)
      if (at >= 0) {
        const text = give(held.slice(0, at))
        held = ''
        return { text, isStopped: true }
      }
      const keep = stopStartLength(held, stop)
      const text = give(held.slice(0, held.length - keep))
      held = held.slice(held.length - keep)
      return { text, isStopped: false }
    },
    flush() {
      const rest = held + take(true)
      held = ''
      return give(rest)
    },
    text: () => shown.join(''),
  }
}

/** Gives the index of the earliest stop string in `text`, or -1. */
function firstStop(text: string, stop: readonly string[]): number {
  let first = -1
  for (const word of stop) {
    const at = text.indexOf(word)
    if (at >= 0 && (first < 0 || at < first)) first = at
  }
  return first
}

/** Gives the length of the longest end of `text` that a stop string begins with. */
function stopStartLength(text: string, stop: readonly string[]): number {
  let longest = 0
  for (const word of stop) {
    for (let length = Math.min(word.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(word.slice(0, length))) longest = length
    }
  }
  return longest
}
