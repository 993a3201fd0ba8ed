import { pack } from './TextPieces.ts'

/** Parts shorter than this, such as a lone event, are read together with the next. */
const PART_CHARACTERS_MIN = 300

/**
 * Splits Solidity: the file's head (licence, path, pragma, imports), then every contract, library, interface and free
 * function; what is too long by its members, each function with the documentation before it.
 */
export function splitSolidity(text: string, max: number): string[] {
  const parts = topLevelParts(text).flatMap((part) => (part.length <= max ? [part] : members(part)))
  return pack(parts, { min: PART_CHARACTERS_MIN, max })
}

/** Ends of the parts of a text: after a `;` or `}` that is in no brace; `import {A} from` goes on after its own. */
function partEnds(text: string): number[] {
  const ends: number[] = []
  let level = 0
  let at = 0
  while (at < text.length) {
    const skipped = skip(text, at)
    if (skipped > at) {
      at = skipped
      continue
    }
    const character = text[at]!
    if (character === '{') level++
    if (character === '}') level--
    at++
    if (level !== 0 || (character !== ';' && character !== '}')) continue
    if (!/^\s*(from\b|;)/.test(text.slice(at, at + 40))) ends.push(endOfLine(text, at))
  }
  return ends
}

/** The rest of a line belongs to what it follows when it is white space or a comment; so do blank lines. */
function endOfLine(text: string, at: number): number {
  const rest = /^[ \t]*(\/\/[^\n]*)?(\n([ \t]*\n)*|$)/.exec(text.slice(at, at + 400))
  return rest === null ? at : at + rest[0].length
}

/** Gives where a comment or string that starts here ends, or `at` itself. */
function skip(text: string, at: number): number {
  if (text.startsWith('//', at)) return orEnd(text, text.indexOf('\n', at), 0)
  if (text.startsWith('/*', at)) return orEnd(text, text.indexOf('*/', at + 2), 2)
  const quote = text[at]
  if (quote !== '"' && quote !== "'") return at
  let end = at + 1
  while (end < text.length && text[end] !== quote && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
  return Math.min(end + 1, text.length)
}

const orEnd = (text: string, found: number, size: number): number => (found < 0 ? text.length : found + size)

const sliceAt = (text: string, ends: readonly number[]): string[] =>
  [...new Set([...ends, text.length])].map((end, i, all) => text.slice(i === 0 ? 0 : all[i - 1]!, end))

/** Statements of the head are one part; every definition is one, with the comments before it. */
function topLevelParts(text: string): string[] {
  const parts: string[] = []
  let isHead = true
  for (const piece of sliceAt(text, partEnds(text))) {
    if (piece === '') continue
    const code = withoutComments(piece)
    const continuesHead: boolean = isHead && /^\s*(pragma|import|using)\b/.test(code)
    if (continuesHead && parts.length > 0) parts[0] += piece
    else parts.push(piece)
    isHead = continuesHead
  }
  return parts
}

/** The opening line with the documentation before it, then each member with its own. */
function members(part: string): string[] {
  const opening = openingEnd(part)
  return [part.slice(0, opening), ...sliceAt(part.slice(opening), partEnds(part.slice(opening)))].filter(
    (piece) => piece !== '',
  )
}

/** End of the line with the first brace outside comments and strings. */
function openingEnd(part: string): number {
  for (let at = 0; at < part.length; ) {
    const skipped = skip(part, at)
    if (skipped > at) at = skipped
    else if (part[at++] === '{') return endOfLine(part, at)
  }
  return 0
}

const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
