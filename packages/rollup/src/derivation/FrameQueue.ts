import * as Frame from '../codec/Frame.ts'

/** Holds the frames of one batcher transaction, pruned to what may still make a channel. */
export type FrameQueue = {
  /** Takes the data of one batcher transaction; malformed data has no frames. */
  readonly load: (data: Uint8Array) => void
  readonly next: () => Frame.Frame | undefined
}

export function createFrameQueue(): FrameQueue {
  let frames: Frame.Frame[] = []
  return {
    load(data) {
      try {
        frames = prune(Frame.decode(data))
      } catch (error) {
        if (!(error instanceof Frame.MalformedFrameError)) throw error
        frames = []
      }
    },
    next: () => frames.shift(),
  }
}

/**
 * Drops the frames that Holocene does not allow where they stand.
 *
 * Frames of a channel come one after the other; a first frame drops the unfinished channel before it, and what is no
 * first frame cannot open a channel.
 *
 * @see OP specs, Holocene, derivation, "Frame Queue".
 */
export function prune(frames: readonly Frame.Frame[]): Frame.Frame[] {
  const kept: Frame.Frame[] = []
  for (const frame of frames) {
    // a first frame drops all frames of the channel that was left open
    while (kept.length > 0 && opensOver(kept.at(-1)!, frame)) kept.pop()
    const last = kept.at(-1)
    if (last === undefined || continues(last, frame)) kept.push(frame)
  }
  return kept
}

const opensOver = (last: Frame.Frame, frame: Frame.Frame): boolean =>
  frame.number === 0 && !last.isLast && last.channelId !== frame.channelId

const continues = (last: Frame.Frame, frame: Frame.Frame): boolean =>
  last.channelId === frame.channelId ? !last.isLast && frame.number === last.number + 1 : frame.number === 0
