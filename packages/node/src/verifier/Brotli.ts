import { brotliDecompressSync, constants } from 'node:zlib'

/**
 * Decompresses brotli as far as it can be read: what follows a fault, and what goes beyond the bound, is left out.
 *
 * The library gives all or nothing. So the longest beginning of the input that it takes is searched for by halving,
 * which costs some twenty decompressions, and only for a channel that is damaged.
 *
 * @param sizeBytesMax - Of the output.
 */
export function decompressBrotli(bytes: Uint8Array, sizeBytesMax: number): Uint8Array {
  const whole = tryBeginning(bytes, sizeBytesMax)
  if (whole !== undefined) return whole
  let readable = 0
  let faulty = bytes.length
  let output: Uint8Array = new Uint8Array()
  while (faulty - readable > 1) {
    const middle = (readable + faulty) >> 1
    const found = tryBeginning(bytes.subarray(0, middle), sizeBytesMax)
    if (found === undefined) faulty = middle
    else {
      readable = middle
      output = found
    }
  }
  return output
}

function tryBeginning(bytes: Uint8Array, maxOutputLength: number): Uint8Array | undefined {
  try {
    // an input that ends early gives what it has so far
    return brotliDecompressSync(bytes, { maxOutputLength, finishFlush: constants.BROTLI_OPERATION_FLUSH })
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code.startsWith('ERR_') || code === 'Z_BUF_ERROR') return undefined
    throw error
  }
}
