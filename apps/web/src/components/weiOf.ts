import { Open } from '@openledger/primitives'

/** Wei of an amount of OPEN as a person wrote it; undefined while it is none. */
export function weiOf(text: string): bigint | undefined {
  try {
    return Open.parse(text)
  } catch {
    return undefined
  }
}
