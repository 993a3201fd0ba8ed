import { BaseError, Bytes } from '@openledger/primitives'
import type { Frame } from './Frame.ts'
import { inflate } from './Inflate.ts'
import * as Rlp from './Rlp.ts'

/** What a channel may hold when decompressed; the rest is cut off. @see OP specs, Fjord. */
export const RLP_BYTES_MAX = 100_000_000

/**
 * Compresses batches into a channel's data.
 * @param batches - As `Batch.encodeSingular` or `Batch.encodeSpan` give them.
 * @param deflate - Compresses to the zlib format (RFC 1950), such as Node's `zlib.deflateSync`.
 */
export const encode = (
  batches: readonly Uint8Array[],
  deflate: (bytes: Uint8Array) => Uint8Array,
): Uint8Array => Uint8Array.from(deflate(Bytes.concat(...batches.map((batch) => Rlp.encode(batch)))))

/** Joins the frames of one complete channel. @throws {IncompleteChannelError} */
export function join(frames: readonly Frame[]): Uint8Array {
  const ordered = [...frames].sort((a, b) => a.number - b.number)
  const isWhole =
    ordered.every((frame, i) => frame.number === i && frame.channelId === ordered[0]!.channelId) &&
    ordered.at(-1)?.isLast === true
  if (!isWhole) throw new IncompleteChannelError(ordered.map((frame) => frame.number))
  return Bytes.concat(...ordered.map((frame) => frame.data))
}

/**
 * Reads the batches of a channel, as far as they can be read: what follows a fault is dropped.
 * @param options.brotli - Decompresses channels of version 1; without it they have no batches.
 * @see OP specs, derivation, "Channel Format"; Fjord, "Brotli channel compression".
 */
export function decode(
  data: Uint8Array,
  options: { readonly brotli?: (bytes: Uint8Array, sizeBytesMax: number) => Uint8Array } = {},
): Uint8Array[] {
  const first = data[0]
  if (first === undefined) return []
  let plain: Uint8Array
  if ((first & 15) === 8 || (first & 15) === 15) plain = inflate(data, RLP_BYTES_MAX)
  else if (first === 1 && options.brotli !== undefined)
    plain = options.brotli(data.subarray(1), RLP_BYTES_MAX)
  else return []
  const batches: Uint8Array[] = []
  let rest = plain
  while (rest.length > 0) {
    try {
      const { item, rest: after } = Rlp.decodeFirst(rest)
      batches.push(Rlp.bytes(item, 'a batch'))
      rest = after
    } catch (error) {
      if (error instanceof Rlp.MalformedRlpError) break
      throw error
    }
  }
  return batches
}

export class IncompleteChannelError extends BaseError {
  constructor(numbers: readonly number[]) {
    super({
      code: 'channel.incomplete',
      message: `Expected all frames of one channel from 0 to the last, got ${numbers.slice(0, 20).join(', ') || 'none'}.`,
      context: { numbers: numbers.slice(0, 20) },
    })
  }
}
