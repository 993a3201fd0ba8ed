import { bytesToHex, hexToBytes } from '@ethereumjs/util'
import { BaseError, Bytes, type Hex } from '@openledger/primitives'

/** A piece of a channel. @see OP specs, derivation, "Frame Format". */
export type Frame = {
  /** 16 bytes. */
  readonly channelId: Hex
  /** From 0. */
  readonly number: number
  readonly data: Uint8Array
  readonly isLast: boolean
}

/** Bytes that a frame has besides its data. */
export const OVERHEAD_BYTES = 23
export const DATA_BYTES_MAX = 1_000_000
const FRAMES_MAX = 65_536
/** The version of the data of a batcher transaction. */
const VERSION = 0

/**
 * Cuts a channel's data into frames.
 * @param frameBytesMax - Of one frame with its overhead.
 */
export function split(channelId: Hex, data: Uint8Array, frameBytesMax: number): Frame[] {
  const size = Math.min(frameBytesMax - OVERHEAD_BYTES, DATA_BYTES_MAX)
  const count = Math.max(1, Math.ceil(data.length / size))
  if (!(size > 0) || count > FRAMES_MAX) {
    throw new MalformedFrameError(`at most ${FRAMES_MAX} frames`, `${count} of ${size} bytes`)
  }
  return Array.from({ length: count }, (_, number) => ({
    channelId,
    number,
    data: data.subarray(number * size, (number + 1) * size),
    isLast: number === count - 1,
  }))
}

/** Encodes frames as the data of one batcher transaction: `00` and the frames one after the other. */
export function encode(frames: readonly Frame[]): Uint8Array {
  return Bytes.concat(
    Uint8Array.of(VERSION),
    ...frames.flatMap(({ channelId, number, data, isLast }) => [
      hexToBytes(channelId),
      Bytes.fromUint(BigInt(number), 2),
      Bytes.fromUint(BigInt(data.length), 4),
      data,
      Uint8Array.of(isLast ? 1 : 0),
    ]),
  )
}

/**
 * Reads the frames of a batcher transaction; one malformed frame voids all.
 * @throws {MalformedFrameError}
 */
export function decode(data: Uint8Array): Frame[] {
  if (data[0] !== VERSION) throw new MalformedFrameError('version 0', `${data[0]}`)
  const frames: Frame[] = []
  let at = 1
  while (at < data.length) {
    if (data.length - at < OVERHEAD_BYTES)
      throw new MalformedFrameError('a whole frame', `${data.length - at} bytes`)
    const length = Number(Bytes.toUint(data.subarray(at + 18, at + 22)))
    const end = at + 22 + length
    if (length > DATA_BYTES_MAX || end >= data.length) {
      throw new MalformedFrameError('a whole frame', `${length} bytes of data with ${data.length - at} left`)
    }
    const isLast = data[end]
    if (isLast !== 0 && isLast !== 1) throw new MalformedFrameError('is_last 0 or 1', `${isLast}`)
    frames.push({
      channelId: bytesToHex(data.subarray(at, at + 16)),
      number: Number(Bytes.toUint(data.subarray(at + 16, at + 18))),
      data: data.subarray(at + 22, end),
      isLast: isLast === 1,
    })
    at = end + 1
  }
  if (frames.length === 0) throw new MalformedFrameError('at least one frame', 'none')
  return frames
}

export class MalformedFrameError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'frame.malformed',
      message: `Expected batcher data with ${expected}, got ${got}.`,
      context: { expected, got },
    })
  }
}
