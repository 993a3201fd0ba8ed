import * as Bytes from './Bytes.ts'

/** Any value that JSON can carry, with integers beyond 2^53 as decimal strings. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined }

/**
 * Serialises a value so that equal values give equal bytes: keys sorted by code unit, no spaces, `undefined` dropped.
 *
 * @see RFC 8785; numbers are written as ECMAScript does, which that document takes over.
 * @throws {TypeError} for a number that JSON cannot carry (`NaN`, infinities).
 */
export function stringify(value: Json): string {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new TypeError(`Expected a finite number, got ${value}.`)
  }
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(stringify).join(',')}]`
  const object = value as { readonly [key: string]: Json | undefined }
  const entries = Object.keys(object)
    .filter((key) => object[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${stringify(object[key] as Json)}`)
  return `{${entries.join(',')}}`
}

/** Hashes the canonical form: `keccak256(utf8(stringify(value)))`, as `0x` hexadecimal. */
export const hash = (value: Json): Bytes.Hex => Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(stringify(value))))
