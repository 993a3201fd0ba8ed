/**
 * What a record must be to be worth training on, whoever sent it. Each check looks at the text alone and gives a reason
 * in words; whether others had it first is checked elsewhere.
 */
export type Check = (text: string) => string | undefined

/** Fewer letters and digits than this teach a model nothing. */
const LETTER_COUNT_MIN = 12
/** Share of characters that are letters, digits or white space; code has more signs than prose, ciphers more still. */
const WORDLIKE_SHARE_MIN = 0.5
/** Text above this many lines must not be mostly the same line again. */
const REPEATED_LINE_COUNT = 4
const DISTINCT_LINE_SHARE_MIN = 0.25
/** Bits per character; English prose has about 4.2, source code about 4.8, one letter repeated 0. */
const ENTROPY_BITS_MIN = 2
/** From this length on entropy is a statement about the text and not about its shortness. */
const ENTROPY_CHARACTERS_MIN = 64
/** No word of a language, and no identifier, is this long; keys, hashes and encoded bytes are. */
const WORD_CHARACTERS_MAX = 80
const LONG_WORD_SHARE_MAX = 0.5
/** Latin words without any vowel or with five consonants in a row: 1 % in English, 46 % among random letters. */
const UNPRONOUNCEABLE_SHARE_MAX = 0.3
const LATIN_WORD_COUNT_MIN = 8

const CHECKS: readonly Check[] = [
  (text) => {
    const letterCount = text.match(/[\p{L}\p{N}]/gu)?.length ?? 0
    return letterCount >= LETTER_COUNT_MIN
      ? undefined
      : `Too short: ${letterCount} letters and digits, at least ${LETTER_COUNT_MIN} are needed.`
  },
  (text) => {
    const share = (text.match(/[\p{L}\p{M}\p{N}\s_]/gu)?.join('').length ?? 0) / text.length
    return share >= WORDLIKE_SHARE_MIN
      ? undefined
      : `Not language or code: only ${percent(share)} of it is letters, digits or spaces.`
  },
  (text) => {
    const lines = text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]))
    const share = new Set(lines).size / lines.length
    return lines.length < REPEATED_LINE_COUNT || share >= DISTINCT_LINE_SHARE_MIN
      ? undefined
      : `Repetitive: only ${percent(share)} of its lines differ from each other.`
  },
  (text) => {
    const bits = entropyBits(text)
    return text.length < ENTROPY_CHARACTERS_MIN || bits >= ENTROPY_BITS_MIN
      ? undefined
      : `Repetitive: ${bits.toFixed(1)} bits of information a character.`
  },
  (text) => {
    const words = text.split(/\s+/)
    const longCharacters = words.filter((word) => isEncodedLike(word)).join('').length
    const share = longCharacters / words.join('').length
    return share <= LONG_WORD_SHARE_MAX
      ? undefined
      : `Looks like encoded bytes: ${percent(share)} of it is unbroken runs of letters and digits.`
  },
  (text) => {
    const words = text.match(/(?<![\p{L}\p{N}])[a-zA-Z]{4,}(?![\p{L}\p{N}])/gu) ?? []
    if (words.length < LATIN_WORD_COUNT_MIN) return undefined
    const odd = words.filter((word) => !/[aeiouy]/i.test(word) || /[bcdfghjklmnpqrstvwxz]{5}/i.test(word))
    return odd.length / words.length <= UNPRONOUNCEABLE_SHARE_MAX
      ? undefined
      : 'Looks like random letters: too many of its words could not be pronounced.'
  },
]

/** Gives why a record is not worth training on, in a sentence, or nothing when it is. */
export function findFault(text: string): string | undefined {
  for (const check of CHECKS) {
    const reason = check(text)
    if (reason !== undefined) return reason
  }
  return undefined
}

/** One unbroken run in the alphabet of hexadecimal or base64. */
const isEncodedLike = (word: string): boolean => word.length > WORD_CHARACTERS_MAX && /^[\w+/=-]+$/.test(word)

/** Shannon entropy of the characters' frequencies. */
function entropyBits(text: string): number {
  const counts = new Map<string, number>()
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
  const total = [...text].length
  let bits = 0
  for (const count of counts.values()) bits -= (count / total) * Math.log2(count / total)
  return bits
}

const percent = (share: number): string => `${Math.round(share * 100)} %`
