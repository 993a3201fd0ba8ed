import { character, choice, type Grammar, literal, type Ranges, repeat } from './Grammar.ts'

const LAST = 0x10ffff
const DIGIT: Ranges = [[0x30, 0x39]]
const WORD: Ranges = [...DIGIT, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]]
const SPACE: Ranges = [
  [0x09, 0x0d],
  ...([0x20, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff].map((code) => [code, code]) as [
    number,
    number,
  ][]),
  [0x2000, 0x200a],
]
const NEWLINE: Ranges = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
]
const CLASSES: Readonly<Record<string, Ranges>> = { d: DIGIT, w: WORD, s: SPACE }
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 }
/** Bounds `{n,m}`, whose states are counted one by one. */
const COUNT_MAX = 1_000
const DEPTH_MAX = 32

/**
 * Texts that match a regular expression, written inside a JSON string without its quotes.
 *
 * Understood: characters, classes, groups, alternatives, `* + ? {n,m}`, `^` at the start and `$` at the end. Where an end is
 * open, any text may stand before or after.
 * @throws {SyntaxError} that names what is not understood.
 */
export function pattern(source: string): Grammar {
  const text = [...source]
  let at = 0
  let depth = 0

  const fail = (what: string): never => {
    throw new SyntaxError(`${what} at character ${at} of ${JSON.stringify(source.slice(0, 100))}`)
  }
  const take = (expected: string): boolean => {
    if (text[at] !== expected) return false
    at++
    return true
  }

  function hex(digits: number): number {
    const taken = text.slice(at, at + digits).join('')
    if (!/^[0-9a-f]+$/i.test(taken) || taken.length !== digits) fail('no code of that many digits')
    at += digits
    return Number.parseInt(taken, 16)
  }

  /** What follows a backslash. */
  function escaped(): Ranges {
    const name = text[at++] ?? fail('nothing after the backslash')
    const known = CLASSES[name.toLowerCase()]
    if (known !== undefined) return name === name.toLowerCase() ? known : inverse(known)
    if (name in CONTROLS) return one(CONTROLS[name]!)
    if (name === 'x') return one(hex(2))
    if (name === 'u' && take('{')) {
      const end = text.indexOf('}', at)
      const code = hex(end - at)
      at++
      return code <= LAST ? one(code) : fail('no code point')
    }
    if (name === 'u') return one(hex(4))
    if (/[a-z0-9]/i.test(name)) fail(`no meaning for \\${name}`)
    return one(name.codePointAt(0)!)
  }

  function characterClass(): Ranges {
    const isInverse = take('^')
    const ranges: (readonly [number, number])[] = []
    while (!take(']')) {
      if (at >= text.length) fail('an open class')
      const low = take('\\') ? escaped() : one(text[at++]!.codePointAt(0)!)
      const isRange = text[at] === '-' && text[at + 1] !== ']' && at + 1 < text.length
      if (!isRange) {
        ranges.push(...low)
        continue
      }
      at++
      const high = take('\\') ? escaped() : one(text[at++]!.codePointAt(0)!)
      if (low.length > 1 || high.length > 1 || low[0]![0] > high[0]![0]) fail('no range')
      ranges.push([low[0]![0], high[0]![0]])
    }
    return isInverse ? inverse(ranges) : ranges
  }

  function atom(): Grammar {
    if (take('(')) {
      if (take('?') && !take(':')) {
        if (text[at] !== '<' || text[at + 1] === '=' || text[at + 1] === '!') fail('looking around')
        at = text.indexOf('>', at) + 1
      }
      if (++depth > DEPTH_MAX) fail(`more than ${DEPTH_MAX} groups in each other`)
      const inner = alternatives()
      depth--
      if (!take(')')) fail('an open group')
      return inner
    }
    if (take('[')) return encoded(characterClass())
    if (take('.')) return encoded(inverse(NEWLINE))
    if (take('\\')) return encoded(escaped())
    if (/[*+?{^$)]/.test(text[at]!)) fail(`no place for ${text[at]}`)
    return encoded(one(text[at++]!.codePointAt(0)!))
  }

  function counted(item: Grammar): Grammar {
    const bounds = /^\{(\d+)(,?)(\d*)\}/.exec(text.slice(at, at + 16).join(''))
    if (bounds === null) return fail('no count')
    at += bounds[0].length
    const min = Number(bounds[1])
    const max = bounds[2] === '' ? min : bounds[3] === '' ? Number.POSITIVE_INFINITY : Number(bounds[3])
    if (min > max || min > COUNT_MAX || (Number.isFinite(max) && max > COUNT_MAX)) {
      fail(`a count that is not from 0 to ${COUNT_MAX}`)
    }
    return repeat(item, min, max)
  }

  function term(): Grammar {
    const item = atom()
    const mark = text[at]
    let found = item
    if (mark === '{') found = counted(item)
    else if (mark === '*' || mark === '+' || mark === '?') {
      at++
      found = repeat(item, mark === '+' ? 1 : 0, mark === '?' ? 1 : Number.POSITIVE_INFINITY)
    } else return item
    // how eagerly it is matched changes nothing about what matches
    take('?')
    return found
  }

  function alternatives(): Grammar {
    const options: Grammar[] = []
    do {
      const isStart = depth === 0 && take('^')
      const terms: Grammar[] = depth > 0 || isStart ? [] : [anything()]
      while (at < text.length && text[at] !== '|' && text[at] !== ')') {
        if (depth === 0 && text[at] === '$') break
        terms.push(term())
      }
      if (depth === 0 && !take('$')) terms.push(anything())
      options.push({ kind: 'sequence', parts: terms })
    } while (take('|'))
    return choice(...options)
  }

  const grammar = alternatives()
  if (at < text.length) fail(`no place for ${text[at]}`)
  return grammar
}

const one = (code: number): Ranges => [[code, code]]

const anything = (): Grammar => repeat(encoded([[0, LAST]]))

function inverse(ranges: Ranges): Ranges {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0])
  const found: (readonly [number, number])[] = []
  let from = 0
  for (const [low, high] of sorted) {
    if (low > from) found.push([from, low - 1])
    from = Math.max(from, high + 1)
  }
  if (from <= LAST) found.push([from, LAST])
  return found
}

/** One character of these ranges as it stands in a JSON string; those that must be escaped are. */
function encoded(ranges: Ranges): Grammar {
  const plain: (readonly [number, number])[] = []
  const escaped: Grammar[] = []
  for (const [low, high] of ranges) {
    for (const code of ESCAPED) {
      if (low <= code && code <= high)
        escaped.push(literal(JSON.stringify(String.fromCharCode(code)).slice(1, -1)))
    }
    for (const [from, to] of UNESCAPED) {
      const [first, last] = [Math.max(low, from), Math.min(high, to)]
      if (first <= last) plain.push([first, last])
    }
  }
  const options = [...(plain.length === 0 ? [] : [character(plain)]), ...escaped]
  if (options.length === 0) throw new SyntaxError('a class without characters')
  return choice(...options)
}

/** Characters that a JSON string must escape. */
const ESCAPED = [...Array.from({ length: 0x20 }, (_, code) => code), 0x22, 0x5c]
const UNESCAPED: Ranges = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, LAST],
]

/** Any characters of a JSON string, so many of them. */
export const characters = (min: number, max: number): Grammar => repeat(encoded([[0, LAST]]), min, max)
