import { SHINGLE_WORDS, sequencesOf, wordsOf } from './Similarity.ts'

/** Part of a text, in characters: first, and one past the last. */
export type TextRange = readonly [start: number, end: number]

/** What a text repeats of answers that were given before it. */
export type Echoes = {
  /** The runs that are repeated; they are neither learned nor paid. */
  readonly ranges: readonly TextRange[]
  /** Share of the text's words that stand in repeated sequences, in millionths. */
  readonly sharePpm: number
}

/** A text of which so much is repeated is the answer again, whatever was changed in it. */
export const ECHO_SHARE_PPM_MAX = 500_000

/**
 * Finds the runs of a text that repeat answers.
 *
 * @param isAnswered - Whether an answer said these five words before the text came.
 * @param isRegistered - Whether an earlier record says them: then the answer has them from there, and whoever repeats them is
 *   judged as a copy of that record.
 */
export function findEchoes(
  text: string,
  isAnswered: (sequence: string) => boolean,
  isRegistered: (sequence: string) => boolean,
): Echoes {
  const words = wordsOf(text)
  const isEchoed = new Uint8Array(words.length)
  for (const [start, sequence] of sequencesOf(text).entries()) {
    if (isAnswered(sequence) && !isRegistered(sequence)) isEchoed.fill(1, start, start + SHINGLE_WORDS)
  }
  const ranges: TextRange[] = []
  let echoedCount = 0
  for (let from = 0, to = 0; from < words.length; from = to + 1) {
    to = from
    while (to < words.length && isEchoed[to] === 1) to++
    echoedCount += to - from
    if (to > from) ranges.push([words[from]!.start, words[to - 1]!.end])
  }
  const sharePpm = words.length === 0 ? 0 : Math.floor((echoedCount * 1_000_000) / words.length)
  return { ranges, sharePpm }
}
