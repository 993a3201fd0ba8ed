import { BaseError, type Hex } from '@openledger/primitives'
import { getAddress } from 'viem'

/** Reads an address from the command line. @throws {BaseError} when the text is no address, or one with a wrong checksum. */
export function addressOf(text: string): Hex {
  try {
    return getAddress(text)
  } catch (cause) {
    throw new BaseError({
      code: 'cli.not_an_address',
      message: `Expected an address of 0x and 40 hexadecimal digits, got ${text}. Nothing was sent.`,
      context: { text },
      cause,
    })
  }
}
