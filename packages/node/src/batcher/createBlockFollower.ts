import { BaseError } from '@openledger/primitives'
import { bytesToHex, Header, hexToBytes, Rlp, Transaction } from '@openledger/rollup'
import { createPublicClient, type Hex, http, numberToHex } from 'viem'
import type { DataLimits } from '../engine/Engine.ts'
import type { Logger } from '../node/Logger.ts'
import { createLoop, type Loop } from '../node/Loop.ts'
import type { BatchBlock, BlockSource } from './createBatcher.ts'

const INTERVAL_MS = 250

export type BlockFollowerOptions = {
  /** JSON-RPC of a sequencer that answers `debug_getRawBlock`: ours, or op-geth with that namespace. */
  readonly url: string
  /** The newest block that L1 tells; nothing before it is needed. */
  readonly derived: () => { readonly number: bigint; readonly hash: Hex }
  readonly logger: Logger
}

/** Follows the blocks of a sequencer elsewhere, from the newest that L1 tells to its head. */
export async function createBlockFollower(options: BlockFollowerOptions): Promise<BlockSource & Loop> {
  const client = createPublicClient({ transport: http(options.url), cacheTime: 0 })
  let blocks = new Map<bigint, BatchBlock>()
  let head: BatchBlock | undefined

  async function read(number: bigint): Promise<BatchBlock> {
    const raw = (await client.request({
      method: 'debug_getRawBlock',
      params: [numberToHex(number)],
    } as never)) as Hex
    return blockOf(hexToBytes(raw))
  }

  async function round(signal: AbortSignal): Promise<void> {
    const from = options.derived()
    for (const number of blocks.keys()) if (number < from.number) blocks.delete(number)
    const newest = await client.getBlockNumber({ cacheTime: 0 })
    // what the sequencer took back is read again
    let number = head === undefined || head.number > newest ? newest : head.number
    while (number > from.number) {
      const known = blocks.get(number)
      if (known !== undefined && (await read(number)).hash === known.hash) break
      blocks.delete(number)
      number--
    }
    const start = number > from.number ? number + 1n : from.number
    for (let next = start; next <= newest && !signal.aborted; next++) {
      const block = await read(next)
      const before = blocks.get(next - 1n)
      if (before !== undefined && before.hash !== block.parentHash) {
        // it reorganised meanwhile; from L1's newest block on, next time
        blocks = new Map()
        head = undefined
        return
      }
      blocks.set(next, block)
      head = block
    }
  }

  await round(new AbortController().signal)
  const loop = createLoop({ name: 'block follower', intervalMs: INTERVAL_MS, logger: options.logger, round })
  return {
    ...loop,
    head() {
      if (head === undefined) throw new SequencerUnreadError(options.url)
      return head
    },
    block: (number) => blocks.get(number),
    limitData: ({ transactionBytes, blockBytes }: DataLimits): void => {
      const params = [numberToHex(transactionBytes), numberToHex(blockBytes)]
      // only a sequencer that lets this client slow it down takes it
      client.request({ method: 'miner_setMaxDASize', params } as never).catch((error: unknown) => {
        options.logger.debug({ reason: String(error) }, 'the sequencer does not take limits from here')
      })
    },
  }
}

function blockOf(raw: Uint8Array): BatchBlock {
  const [header, transactions] = Rlp.list(Rlp.decode(raw), 'a block')
  const decoded = Header.decode(Rlp.encode(header!))
  const { number, parentHash, timestamp } = decoded
  return {
    number,
    hash: Header.hash(decoded),
    parentHash,
    timestamp,
    size: BigInt(raw.length),
    transactions: Rlp.list(transactions, 'transactions').map((item) => {
      const raw = item instanceof Uint8Array ? item : Rlp.encode(item)
      const { type, data } = Transaction.decode(raw)
      return { raw, type, input: bytesToHex(data) }
    }),
  }
}

export class SequencerUnreadError extends BaseError {
  constructor(url: string) {
    super({
      code: 'batcher.sequencer_unread',
      message: `Expected blocks of the sequencer at ${url}, none were read yet.`,
      context: { url },
      severity: 'retry',
    })
  }
}
