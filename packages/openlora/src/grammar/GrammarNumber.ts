import type { Machine } from './Grammar.ts'

export type NumberBounds = {
  readonly isInteger: boolean
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly multipleOf?: number
}

/** Digits before the point, so that every number is one that JSON readers keep exactly. */
export const INTEGER_DIGITS_MAX = 15
/** Digits behind it where only bounds ask for some. */
const FRACTION_DIGITS = 10

/**
 * JSON numbers within bounds, without exponents: after each digit it is known whether the number can still be finished.
 *
 * Numbers are counted in whole units of the last digit behind the point, so that bounds and multiples are exact.
 * @returns Undefined where a bound has more digits than can be counted, or no number lies within.
 */
export function numberWithin(bounds: NumberBounds): Machine | undefined {
  const { isInteger, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = bounds
  const given = [minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf].filter(
    (value) => value !== undefined,
  )
  const parsed = given.map(decimalOf)
  if (parsed.some((decimal) => decimal === undefined)) return undefined
  const needed = Math.max(0, ...parsed.map((decimal) => decimal!.places))
  const isFree = !isInteger && multipleOf === undefined
  /** Digits behind the point that a bound is counted in, and those that are written. */
  const places = isFree ? Math.max(needed, FRACTION_DIGITS) : needed
  const written = isInteger ? 0 : places
  const units = (value: number): bigint => {
    const decimal = decimalOf(value)!
    return decimal.digits * 10n ** BigInt(places - decimal.places)
  }
  const one = 10n ** BigInt(places)
  const largest = 10n ** BigInt(INTEGER_DIGITS_MAX) * one - 1n
  const low = highest([
    -largest,
    ...(minimum === undefined ? [] : [units(minimum)]),
    ...(exclusiveMinimum === undefined ? [] : [units(exclusiveMinimum) + 1n]),
  ])
  const high = lowest([
    largest,
    ...(maximum === undefined ? [] : [units(maximum)]),
    ...(exclusiveMaximum === undefined ? [] : [units(exclusiveMaximum) - 1n]),
  ])
  if (multipleOf !== undefined && multipleOf <= 0) return undefined
  const step = multiple(multipleOf === undefined ? 1n : units(multipleOf), isInteger ? one : 1n)

  /** Whether a multiple of the step lies between, both ends included. */
  const holds = (from: bigint, to: bigint): boolean => {
    const start = from > low ? from : low
    const end = to < high ? to : high
    return start <= end && floorDivide(end, step) * step >= start
  }
  /** Whether a number of this sign lies between two magnitudes. */
  const holdsSigned = (isNegative: boolean, from: bigint, to: bigint): boolean =>
    isNegative ? holds(-to, from === 0n ? -1n : -from) : holds(from, to)

  function canFinish(text: string): boolean {
    const [, sign, whole, point, fraction] = /^(-?)(\d*)(\.?)(\d*)$/.exec(text)!
    const isNegative = sign === '-'
    if (whole === '') return isNegative ? holds(-largest, -1n) : holds(-largest, largest)
    const value = BigInt(whole!) * one
    if (point !== '') {
      const left = written - fraction!.length
      const base = value + BigInt(fraction!.padEnd(places, '0'))
      return holdsSigned(isNegative, base, base + 10n ** BigInt(left) - 1n)
    }
    const more = whole === '0' ? 0 : INTEGER_DIGITS_MAX - whole!.length
    for (let digits = 0; digits <= more; digits++) {
      const grown = value * 10n ** BigInt(digits)
      if (holdsSigned(isNegative, grown, grown + one * 10n ** BigInt(digits) - 1n)) return true
    }
    return false
  }

  if (!holds(low, high)) return undefined
  return {
    kind: 'machine',
    start: '',
    step(state, byte) {
      const text = state + String.fromCharCode(byte)
      if (!/^-?(?:0|[1-9]\d*)?(?:(?<=\d)\.\d*)?$/.test(text)) return undefined
      const [whole, fraction] = text.split('.') as [string, string?]
      if (whole.replace('-', '').length > INTEGER_DIGITS_MAX) return undefined
      if (fraction !== undefined && (written === 0 || fraction.length > written)) return undefined
      return canFinish(text) ? text : undefined
    },
    isFinal(state) {
      if (!/\d$/.test(state)) return false
      const { digits, places: own } = decimalOf(state)!
      const value = digits * 10n ** BigInt(places - own)
      // a zero with a sign is no whole number to everyone
      return holds(value, value) && !(value === 0n && state.startsWith('-'))
    },
  }
}

/** Reads a number as whole digits and the places behind the point; undefined beyond what is counted. */
function decimalOf(value: number | string): { readonly digits: bigint; readonly places: number } | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/i.exec(String(value))
  if (match === null) return undefined
  const [, sign, whole, fraction = '', exponent = '0'] = match
  const places = fraction.length - Number(exponent)
  if (places > INTEGER_DIGITS_MAX || places < -INTEGER_DIGITS_MAX) return undefined
  const digits = BigInt(`${sign}${whole}${fraction}`)
  return places >= 0 ? { digits, places } : { digits: digits * 10n ** BigInt(-places), places: 0 }
}

const highest = (values: readonly bigint[]): bigint => values.reduce((a, b) => (a > b ? a : b))
const lowest = (values: readonly bigint[]): bigint => values.reduce((a, b) => (a < b ? a : b))

const floorDivide = (a: bigint, b: bigint): bigint => a / b - (a % b !== 0n && a < 0n ? 1n : 0n)

/** Least common multiple. */
function multiple(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b]
  while (y !== 0n) [x, y] = [y, x % y]
  return (a / x) * b
}
