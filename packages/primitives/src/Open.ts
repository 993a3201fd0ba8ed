import { BaseError } from './BaseError.ts'

/** OPEN has 18 decimals; inside the system every amount is a whole number of wei. */
export const DECIMALS = 18
export const ONE = 10n ** 18n
/** The fixed supply: one billion OPEN, in wei. */
export const SUPPLY_WEI = 1_000_000_000n * ONE

/**
 * Formats wei as OPEN with a full stop and no trailing zeros.
 * @example
 * format(1_500_000_000_000_000_000n) // '1.5'
 */
export function format(wei: bigint): string {
  const sign = wei < 0n ? '-' : ''
  const digits = (wei < 0n ? -wei : wei).toString().padStart(DECIMALS + 1, '0')
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, '')
  return `${sign}${digits.slice(0, -DECIMALS)}${fraction === '' ? '' : `.${fraction}`}`
}

/**
 * Parses an amount of OPEN into wei.
 * @throws {InvalidAmountError} when it is not a plain decimal number of at most 18 decimals.
 * @example
 * parse('0.25') // 250000000000000000n
 */
export function parse(open: string): bigint {
  const match = /^(\d{1,30})(?:\.(\d{1,18}))?$/.exec(open.trim())
  if (match === null) throw new InvalidAmountError(open)
  return BigInt(match[1]!) * ONE + BigInt((match[2] ?? '').padEnd(DECIMALS, '0'))
}

export class InvalidAmountError extends BaseError {
  constructor(value: string) {
    super({
      code: 'open.invalid_amount',
      message: `Expected an amount of OPEN such as 12 or 0.25 (at most 18 decimals), got ${JSON.stringify(value.slice(0, 40))}.`,
      context: { value: value.slice(0, 40) },
    })
  }
}
