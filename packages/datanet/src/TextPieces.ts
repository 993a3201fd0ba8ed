/** How large records should become: pieces shorter than `min` are joined while they stay within `max`. */
export type PieceSizes = { readonly min: number; readonly max: number }

/** Cuts a text after every match, so that the pieces joined are the text. @param separator - Global. */
export function splitAfter(text: string, separator: RegExp): string[] {
  const pieces: string[] = []
  let start = 0
  for (const match of text.matchAll(separator)) {
    const end = match.index + match[0].length
    if (end > start) pieces.push(text.slice(start, end))
    start = end
  }
  if (start < text.length) pieces.push(text.slice(start))
  return pieces
}

/** What is shorter than this, such as a closing brace, is no record: it stays with what it ends. */
const TAIL_CHARACTERS = 40

/** Where a text that is too long may be cut, from the place that hurts least to the one that hurts most. */
const CUTS = [/\n[ \t]*\n+/g, /\n+/g, /[.;,]\s+/g, /\s+/g]

/**
 * Makes records of pieces: cuts what is longer than `max`, joins what is shorter than `min` to what follows, and keeps
 * blank pieces with their neighbours. Joined, the records are the pieces joined.
 */
export function pack(pieces: readonly string[], sizes: PieceSizes): string[] {
  const records: string[] = []
  let open = ''
  const max = sizes.max - TAIL_CHARACTERS
  for (const piece of pieces.flatMap((whole) => cut(whole, max, 0))) {
    const belongs = open.length < sizes.min || open.trim() === '' || piece.trim() === ''
    if (open !== '' && (!belongs || open.length + piece.length > max)) {
      records.push(open)
      open = ''
    }
    open += piece
  }
  if (open !== '') records.push(open)
  return joinTails(records)
}

/** Cuts a text into parts of at most `max`, filling each part as far as the places to cut allow. */
function cut(text: string, max: number, level: number): string[] {
  if (text.length <= max) return [text]
  const separator = CUTS[level]
  if (separator === undefined) return cutAnywhere(text, max)
  const parts: string[] = []
  let open = ''
  for (const piece of splitAfter(text, separator).flatMap((long) => cut(long, max, level + 1))) {
    if (open.length + piece.length > max) {
      parts.push(open)
      open = ''
    }
    open += piece
  }
  parts.push(open)
  return parts.filter((part) => part !== '')
}

function cutAnywhere(text: string, max: number): string[] {
  const parts: string[] = []
  for (let start = 0; start < text.length; ) {
    let end = Math.min(start + max, text.length)
    // the two halves of a character beyond the basic plane stay together
    if (end < text.length && /[\ud800-\udbff]/.test(text[end - 1]!)) end--
    parts.push(text.slice(start, end))
    start = end
  }
  return parts
}

/** White space and tails go to the record before, or after where there is none. */
function joinTails(records: readonly string[]): string[] {
  const joined: string[] = []
  for (const record of records) {
    const last = joined.at(-1)
    const isTail = record.length < TAIL_CHARACTERS
    if (last !== undefined && (isTail || record.trim() === '' || last.trim() === ''))
      joined[joined.length - 1] = last + record
    else joined.push(record)
  }
  return joined
}
