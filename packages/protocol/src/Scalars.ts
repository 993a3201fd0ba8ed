import type { Hex } from '@openledger/primitives'
import { z } from 'zod'

/** A 20-byte address; any case comes in, lower case goes on. */
export const addressSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address: 0x and 40 hexadecimal digits')
  .transform((value) => value.toLowerCase() as Hex)

/** A 32-byte hash. */
export const hashSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, 'expected a hash: 0x and 64 hexadecimal digits')
  .transform((value) => value.toLowerCase() as Hex)

/** Any `0x` byte string, at most 8 KiB: signatures and call data. */
export const hexSchema = z
  .string()
  .max(16_386)
  .regex(/^0x([0-9a-fA-F]{2})*$/, 'expected 0x and whole bytes in hexadecimal')
  .transform((value) => value.toLowerCase() as Hex)

/** Wei in a decimal string, because JSON numbers end at 2^53. */
export const weiSchema = z.string().regex(/^\d{1,40}$/, 'expected a whole number of wei in decimal digits')

/** Unix time in whole seconds. */
export const unixSecondsSchema = z.number().int().nonnegative()

/** Names of Datanets and models: what is safe in a URL, a file name and the `model` field of a request. */
export const nameSchema = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9.-]{1,62}$/,
    'expected 2 to 63 of a-z, 0-9, full stop and hyphen, starting with a letter or digit',
  )
