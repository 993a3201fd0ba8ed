/** An earlier record that a text repeats, and how much of the text it accounts for. */
export type Similar = {
  readonly id: string
  /** Share of the text's word sequences that the record has too, in millionths. */
  readonly similarityPpm: number
}

/** Remembers records so that one can ask whether a text is mostly a repetition of one of them. */
export type SimilarityIndex = {
  /** Remembers a record; the first to say something is the one that is named. */
  readonly add: (id: string, text: string) => void
  /** Gives the record that accounts for most of the text, or nothing when the text is its own. */
  readonly find: (text: string) => Similar | undefined
  /** Whether a record says these words in a row; they come as `sequencesOf` gives them. */
  readonly has: (sequence: string) => boolean
}

export type SimilarityOptions = {
  /** Share of a text that one earlier record must account for. */
  readonly sharePpmMin?: number
}

/** A word of a text in its plainest form, and where it stands in characters. */
export type Word = { readonly word: string; readonly start: number; readonly end: number }

/** Words in a row that count as one thing said; five are rarely the same by chance. */
export const SHINGLE_WORDS = 5
const SHARE_PPM_MIN = 800_000
/** Little that is new counts as nothing new when the rest, at least this share, is one earlier record's. */
const SHORT_ADDITION_SHARE_PPM_MIN = 600_000
const SHORT_ADDITION_SHINGLES = 12
/** A text stitched together from several earlier records is found at this share. */
const STITCHED_SHARE_PPM_MIN = 900_000
/** A text of fewer sequences is compared whole, because a few common phrases would already fill it. */
const SHINGLE_COUNT_MIN = 12
/** A character of a script that is written without spaces counts as a word. */
const WORD = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}]|[\p{L}\p{M}\p{N}_]+/gu
/** What this many records say belongs to nobody. */
const BOILERPLATE_RECORD_COUNT = 16

/**
 * Creates an empty index over sequences of five words (word shingles, Broder 1997).
 *
 * A text is similar when one record has four fifths of its sequences (three fifths, when what it adds is a line or
 * two), or several records together have nine tenths;
 * spacing, letter case and punctuation do not matter. Padding a copy with new text thins the copy out and is paid as what
 * it is; it does not make the copied part new.
 */
export function createSimilarityIndex({
  sharePpmMin = SHARE_PPM_MIN,
}: SimilarityOptions = {}): SimilarityIndex {
  const ids: string[] = []
  const wholes = new Map<string, number>()
  const postings = new Map<number, number[]>()

  return {
    add(id, text) {
      const record = ids.push(id) - 1
      const whole = wholeOf(text)
      if (!wholes.has(whole)) wholes.set(whole, record)
      for (const shingle of shinglesOf(text)) {
        const records = postings.get(shingle)
        if (records === undefined) postings.set(shingle, [record])
        else if (records.length < BOILERPLATE_RECORD_COUNT) records.push(record)
      }
    },
    find(text) {
      const same = wholes.get(wholeOf(text))
      if (same !== undefined) return { id: ids[same]!, similarityPpm: 1_000_000 }
      const shingles = [...shinglesOf(text)]
        .map((shingle) => postings.get(shingle) ?? [])
        .filter((records) => records.length < BOILERPLATE_RECORD_COUNT)
      if (shingles.length < SHINGLE_COUNT_MIN) return undefined
      const known = shingles.filter((records) => records.length > 0)
      const counts = new Map<number, number>()
      for (const records of known)
        for (const record of records) counts.set(record, (counts.get(record) ?? 0) + 1)
      let best: [record: number, count: number] = [-1, 0]
      // equal counts go to the earlier record
      for (const entry of counts)
        if (entry[1] > best[1] || (entry[1] === best[1] && entry[0] < best[0])) best = entry
      const ppm = (count: number) => Math.floor((count * 1_000_000) / shingles.length)
      const isShortAddition = shingles.length - best[1] < SHORT_ADDITION_SHINGLES
      const share = isShortAddition ? SHORT_ADDITION_SHARE_PPM_MIN : sharePpmMin
      if (ppm(best[1]) >= share) return { id: ids[best[0]]!, similarityPpm: ppm(best[1]) }
      if (ppm(known.length) < STITCHED_SHARE_PPM_MIN) return undefined
      return { id: ids[best[0]]!, similarityPpm: ppm(known.length) }
    },
    has: (sequence) => postings.has(hashOf(sequence)),
  }
}

/** Gives the words of a text in order; spacing, letter case and punctuation do not matter. */
export const wordsOf = (text: string): Word[] =>
  Array.from(text.matchAll(WORD), ({ 0: word, index }) => ({
    word: word.normalize('NFKC').toLowerCase(),
    start: index,
    end: index + word.length,
  }))

/** Gives every five words in a row, in order. */
export function sequencesOf(text: string): string[] {
  const words = wordsOf(text).map(({ word }) => word)
  return Array.from({ length: Math.max(0, words.length - SHINGLE_WORDS + 1) }, (_, i) =>
    words.slice(i, i + SHINGLE_WORDS).join(' '),
  )
}

const wholeOf = (text: string): string =>
  wordsOf(text)
    .map(({ word }) => word)
    .join(' ')

const shinglesOf = (text: string): Set<number> => new Set(sequencesOf(text).map(hashOf))

/** 32-bit FNV-1a; a chance collision makes one sequence of many look known. */
function hashOf(sequence: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < sequence.length; at++) hash = Math.imul(hash ^ sequence.charCodeAt(at), 0x01000193)
  return hash
}
