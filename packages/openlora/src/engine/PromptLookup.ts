/** Longest and shortest ends of a text that are looked for earlier in it. */
const NGRAM_MAX = 3
const NGRAM_MIN = 2

/**
 * Guesses how a text goes on: what followed the last earlier place where its end stood before.
 *
 * @param ids - Prompt and answer so far.
 * @param countMax - Guessed tokens at most.
 * @returns Nothing when its end is new.
 * @see Saxena 2023, "Prompt Lookup Decoding".
 */
export function guessNext(ids: readonly number[], countMax: number): number[] {
  if (countMax < 1) return []
  for (let length = Math.min(NGRAM_MAX, ids.length - 1); length >= NGRAM_MIN; length--) {
    const end = ids.length - length
    for (let at = end - 1; at >= 0; at--) {
      let matched = 0
      while (matched < length && ids[at + matched] === ids[end + matched]) matched++
      if (matched === length) return ids.slice(at + length, at + length + countMax)
    }
  }
  return []
}

/** Pauses between wrong guesses double up to this. */
const PAUSE_MAX = 64

/** Decides for one answer when guessing is worth it: each wrong guess is followed by a longer pause, a right one by none. */
export function createGuessing() {
  let pause = 0
  let nextPause = 1
  return {
    /** Whether to guess now; asked once a step. */
    isDue(): boolean {
      if (pause === 0) return true
      pause--
      return false
    },
    /** Takes how many tokens of a guess the model chose as well. */
    learn(right: number): void {
      nextPause = right > 0 ? 1 : Math.min(PAUSE_MAX, 2 * nextPause)
      pause = right > 0 ? 0 : nextPause
    },
  }
}
