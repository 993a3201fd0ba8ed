import { Bytes, type Hex } from '@openledger/primitives'
import { RLP_BYTES_MAX } from '../codec/Channel.ts'
import type { Frame } from '../codec/Frame.ts'
import { CHANNEL_TIMEOUT_BLOCKS } from './Config.ts'

/** Puts frames together to the one channel that Holocene allows at a time. */
export type ChannelAssembler = {
  /**
   * Takes the next frame.
   * @param l1Number - Of the L1 block that has it.
   * @returns the channel's data when the frame completes it.
   */
  readonly add: (frame: Frame, l1Number: bigint) => Uint8Array | undefined
}

/** What a frame counts for beyond its data. @see OP specs, derivation, "Channel Bank", "Pruning". */
const FRAME_COST_BYTES = 200

type Staged = { readonly id: Hex; readonly openedAt: bigint; readonly frames: Frame[]; sizeBytes: number }

/** @see OP specs, Holocene, derivation, "Channel Bank". */
export function createChannelAssembler(): ChannelAssembler {
  let staged: Staged | undefined
  return {
    add(frame, l1Number) {
      if (staged !== undefined && staged.openedAt + CHANNEL_TIMEOUT_BLOCKS < l1Number) staged = undefined
      if (frame.number === 0) staged = { id: frame.channelId, openedAt: l1Number, frames: [], sizeBytes: 0 }
      if (staged === undefined || staged.id !== frame.channelId || staged.frames.length !== frame.number) {
        return undefined
      }
      staged.frames.push(frame)
      staged.sizeBytes += frame.data.length + FRAME_COST_BYTES
      const { frames, sizeBytes } = staged
      const isTooLarge = sizeBytes > RLP_BYTES_MAX
      if (isTooLarge || frame.isLast) staged = undefined
      return isTooLarge || !frame.isLast ? undefined : Bytes.concat(...frames.map(({ data }) => data))
    },
  }
}
