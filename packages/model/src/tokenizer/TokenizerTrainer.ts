import { BaseError } from '@openledger/primitives'
import * as ByteLevel from './ByteLevel.ts'

export type TokenizerTrainerOptions = {
  /** Size with special tokens and the 256 bytes. */
  readonly vocabularySize: number
  /** Tokens that text never makes, in order from id 0. */
  readonly specialTokens: readonly string[]
}

/**
 * How text is cut before merging: a word with the one mark or space before it, up to three digits, marks with the line
 * breaks after them, line breaks, other space.
 */
const splitPattern =
  '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

/**
 * Trains byte-level BPE: joins the most frequent pair of neighbours until the vocabulary is full. Equal counts go to the
 * pair with the lower ids, so that equal texts give equal tokenizers.
 *
 * @returns The content of a Hugging Face `tokenizer.json`.
 * @throws {VocabularySizeError} when the size leaves no room for all bytes.
 * @see Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units".
 */
export function trainTokenizer(texts: Iterable<string>, options: TokenizerTrainerOptions): unknown {
  const { vocabularySize, specialTokens } = options
  const alphabet = [...ByteLevel.characters].sort((a, b) => a.charCodeAt(0) - b.charCodeAt(0))
  if (vocabularySize < specialTokens.length + alphabet.length) {
    throw new VocabularySizeError(vocabularySize, specialTokens.length + alphabet.length)
  }
  const tokens = [...specialTokens, ...alphabet]
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const words = countWords(texts, ids)
  const merges: [string, string][] = []
  const pairs = createPairs(words)
  while (tokens.length < vocabularySize) {
    const best = pairs.takeMostFrequent()
    if (!best) break
    const [left, right] = best
    merges.push([tokens[left]!, tokens[right]!])
    tokens.push(tokens[left]! + tokens[right]!)
    pairs.merge(left, right, tokens.length - 1)
  }
  return tokenizerJson(tokens, merges, specialTokens)
}

type Word = { symbols: number[]; readonly count: number }

function countWords(texts: Iterable<string>, ids: ReadonlyMap<string, number>): Word[] {
  const counts = new Map<string, number>()
  const pattern = new RegExp(splitPattern, 'gu')
  for (const text of texts) {
    for (const [word] of text.matchAll(pattern)) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  return [...counts].map(([word, count]) => ({
    symbols: [...ByteLevel.fromText(word)].map((character) => ids.get(character)!),
    count,
  }))
}

/** Counts of neighbours, kept true while words change. A pair is one number, `left * 2^20 + right`. */
function createPairs(words: readonly Word[]) {
  const counts = new Map<number, number>()
  const places = new Map<number, Set<number>>()
  const shift = 2 ** 20

  const change = (word: number, sign: 1 | -1): void => {
    const { symbols, count } = words[word]!
    for (let i = 0; i + 1 < symbols.length; i++) {
      const pair = symbols[i]! * shift + symbols[i + 1]!
      const total = (counts.get(pair) ?? 0) + sign * count
      if (total === 0) counts.delete(pair)
      else counts.set(pair, total)
      if (sign === 1) {
        const known = places.get(pair)
        if (known) known.add(word)
        else places.set(pair, new Set([word]))
      }
    }
  }
  words.forEach((_, word) => {
    change(word, 1)
  })

  return {
    takeMostFrequent: (): [number, number] | undefined => {
      let best = -1
      let bestCount = 1
      for (const [pair, count] of counts) {
        if (count > bestCount || (count === bestCount && best >= 0 && pair < best)) {
          best = pair
          bestCount = count
        }
      }
      return best < 0 ? undefined : [Math.floor(best / shift), best % shift]
    },
    merge: (left: number, right: number, joined: number): void => {
      const pair = left * shift + right
      // a place may be stale: the word has lost the pair since, and is then written back as it was
      for (const place of places.get(pair) ?? []) {
        const word = words[place]!
        change(place, -1)
        const symbols: number[] = []
        for (let i = 0; i < word.symbols.length; i++) {
          if (word.symbols[i] === left && word.symbols[i + 1] === right) {
            symbols.push(joined)
            i++
          } else symbols.push(word.symbols[i]!)
        }
        word.symbols = symbols
        change(place, 1)
      }
      places.delete(pair)
    },
  }
}

function tokenizerJson(
  tokens: readonly string[],
  merges: readonly (readonly [string, string])[],
  specialTokens: readonly string[],
): unknown {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: splitPattern }, behavior: 'Isolated', invert: false },
        byteLevel,
      ],
    },
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  }
}

export class VocabularySizeError extends BaseError {
  constructor(size: number, sizeMin: number) {
    super({
      code: 'tokenizer.vocabulary_size',
      message: `Expected a vocabulary of at least ${sizeMin} tokens, got ${size}. Ask for a larger one.`,
      context: { size, sizeMin },
    })
  }
}
