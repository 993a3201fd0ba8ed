/**
 * A language of byte strings, as plain data: what an answer that must have a form is held to. It is over bytes and not over
 * tokens, so that any way to cut the same text into tokens is allowed.
 */
export type Grammar =
  /** One byte; `accepts[byte]` is 1 for those allowed. */
  | { readonly kind: 'byte'; readonly accepts: Uint8Array }
  | { readonly kind: 'sequence'; readonly parts: readonly Grammar[] }
  | { readonly kind: 'choice'; readonly options: readonly Grammar[] }
  | { readonly kind: 'repeat'; readonly item: Grammar; readonly min: number; readonly max: number }
  /** A part that may contain itself. What tokens fit inside of it is worked out once, wherever it stands. */
  | { readonly kind: 'rule'; readonly body: () => Grammar }
  | Machine

/** A deterministic automaton, for what is easier counted than written down. */
export type Machine = {
  readonly kind: 'machine'
  readonly start: string
  /** The state after one more byte; undefined where no end can be reached any more. */
  readonly step: (state: string, byte: number) => string | undefined
  readonly isFinal: (state: string) => boolean
  /** What follows a state instead of further bytes. */
  readonly exit?: (state: string) => Grammar | undefined
}

/** Ranges of Unicode code points, ends included. */
export type Ranges = readonly (readonly [low: number, high: number])[]

export const sequence = (...parts: readonly Grammar[]): Grammar =>
  parts.length === 1 ? parts[0]! : { kind: 'sequence', parts }

export const choice = (...options: readonly Grammar[]): Grammar =>
  options.length === 1 ? options[0]! : { kind: 'choice', options }

export const repeat = (item: Grammar, min = 0, max = Number.POSITIVE_INFINITY): Grammar => ({
  kind: 'repeat',
  item,
  min,
  max,
})

export const optional = (item: Grammar): Grammar => repeat(item, 0, 1)

/** Exactly this text. */
export const literal = (text: string): Grammar =>
  sequence(...Array.from(new TextEncoder().encode(text), (byte) => byteRange(byte, byte)))

export function byteRange(low: number, high: number): Grammar {
  return { kind: 'byte', accepts: new Uint8Array(256).fill(1, low, high + 1) }
}

/** One character of these code points, as UTF-8: no overlong forms, no surrogates. */
export function character(ranges: Ranges): Grammar {
  const ascii = new Uint8Array(256)
  const longer: Grammar[] = []
  for (const [low, high] of ranges) {
    for (let code = low; code <= Math.min(high, 0x7f); code++) ascii[code] = 1
    for (const [from, to] of WIDTHS) {
      const [first, last] = [Math.max(low, from), Math.min(high, to)]
      if (first <= last) longer.push(...byteRanges(encode(first), encode(last)))
    }
  }
  return choice(...(ascii.includes(1) ? [{ kind: 'byte' as const, accepts: ascii }] : []), ...longer)
}

/** Code points beyond ASCII by the bytes they take, without surrogates. */
const WIDTHS: Ranges = [
  [0x80, 0x7ff],
  [0x800, 0xd7ff],
  [0xe000, 0xffff],
  [0x10000, 0x10ffff],
]

const encode = (code: number): readonly number[] => [...new TextEncoder().encode(String.fromCodePoint(code))]

/** Sequences of byte ranges that are the encodings between two of one length. */
function byteRanges(low: readonly number[], high: readonly number[]): Grammar[] {
  const [first, ...lowRest] = low as [number, ...number[]]
  const [last, ...highRest] = high as [number, ...number[]]
  if (low.length === 1) return [byteRange(first, last)]
  const after = (byte: Grammar, rest: readonly Grammar[]): Grammar[] =>
    rest.map((tail) => sequence(byte, tail))
  if (first === last) return after(byteRange(first, last), byteRanges(lowRest, highRest))
  const least = lowRest.map(() => 0x80)
  const most = lowRest.map(() => 0xbf)
  const isWhole = (rest: readonly number[], edge: number): boolean => rest.every((byte) => byte === edge)
  const from = isWhole(lowRest, 0x80) ? first : first + 1
  const to = isWhole(highRest, 0xbf) ? last : last - 1
  return [
    ...(from === first ? [] : after(byteRange(first, first), byteRanges(lowRest, most))),
    ...(from <= to ? after(byteRange(from, to), byteRanges(least, most)) : []),
    ...(to === last ? [] : after(byteRange(last, last), byteRanges(least, highRest))),
  ]
}

/**
 * Any text that does not contain `marker`; where it does, `then` follows the marker to the end.
 *
 * States are how much of the marker the text ends with (Knuth, Morris and Pratt 1977).
 */
export function until(marker: string, then: Grammar): Grammar {
  const bytes = new TextEncoder().encode(marker)
  const matched = (length: number, byte: number): number => {
    const text = [...bytes.subarray(0, length), byte]
    let next = Math.min(text.length, bytes.length)
    while (next > 0 && !text.slice(text.length - next).every((value, i) => value === bytes[i])) next--
    return next
  }
  return {
    kind: 'machine',
    start: '0',
    step: (state, byte) =>
      Number(state) === bytes.length ? undefined : String(matched(Number(state), byte)),
    isFinal: (state) => Number(state) < bytes.length,
    exit: (state) => (Number(state) === bytes.length ? then : undefined),
  }
}
