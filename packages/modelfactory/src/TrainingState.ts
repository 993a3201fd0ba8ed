import { BaseError, Bytes } from '@openledger/primitives'
import type { Best, TrainingCheckpoint } from './TrainingSteps.ts'

/**
 * Encodes a checkpoint: the length of a JSON head as 4 bytes, little-endian, the head, the bytes of the best that was learned, then the
 * trainer's state.
 */
export function encode({ step, state, best }: TrainingCheckpoint): Uint8Array {
  const learned = best?.learned ?? new Uint8Array(0)
  const measured = best && { ...best, learned: undefined }
  const head = Bytes.fromUtf8(JSON.stringify({ step, measured, learnedBytes: learned.length }))
  const size = new Uint8Array(4)
  new DataView(size.buffer).setUint32(0, head.length, true)
  return Bytes.concat(size, head, learned, state)
}

/** Decodes a checkpoint; the trainer checks the state in it. @throws {TrainingStateError} */
export function decode(bytes: Uint8Array): TrainingCheckpoint {
  const { begin, step, measured, learnedBytes } = readHead(bytes)
  const end = begin + learnedBytes
  const best = measured === undefined ? undefined : { ...measured, learned: bytes.slice(begin, end) }
  return { step, state: bytes.slice(end), best }
}

type Head = {
  readonly step: number
  readonly measured?: Omit<Best, 'learned'>
  readonly learnedBytes: number
}

function readHead(bytes: Uint8Array): Head & { readonly begin: number } {
  try {
    const begin = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
    return { begin, ...(JSON.parse(Bytes.toUtf8(bytes.subarray(4, begin))) as Head) }
  } catch (cause) {
    throw new TrainingStateError(cause)
  }
}

export class TrainingStateError extends BaseError {
  constructor(cause: unknown) {
    super({
      code: 'training.state',
      message:
        'Expected where a training stands, as a checkpoint keeps it, got other bytes. Remove them, and the training begins anew.',
      cause,
    })
  }
}
