import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { deflateSync } from 'node:zlib'
import { type RollupConfig, rollupConfigSchema } from '@openledger/node'
import { createL1Client } from '@openledger/node/l1/L1'
import * as DurableFile from '@openledger/node/node/DurableFile'
import { Bytes, type Hex } from '@openledger/primitives'
import { DevelopmentKeys } from '@openledger/protocol'
import { Batch, bytesToHex, Channel, Frame, hexToBytes, type Transaction } from '@openledger/rollup'
import fc from 'fast-check'
import { createPublicClient, http } from 'viem'
import { hostileInput } from '../soak/HostileInput.ts'
import type { Sequenced } from './Profiles.ts'

/** Somebody with the batcher's key who means no good. */
export type HostileBatcher = AsyncDisposable & {
  /** L1 transactions sent so far, by what was wrong with them. */
  readonly sent: () => Readonly<Record<string, number>>
}

type Block = { readonly hash: Hex; readonly number: number; readonly timestamp: number }
type Status = {
  readonly safe_l2: Block & { readonly l1origin: { readonly number: number; readonly hash: Hex } }
}

const INTERVAL_MS = 400
const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`

/**
 * Sends to the inbox, beside the real batcher, what op-node and our derivation must read alike: frames and channels at
 * random, copies of what was sent with damage, frames out of order, batches that break each rule, and sound batches that
 * tell another block than the sequencer built.
 */
export async function startHostileBatcher({ files, l1Url, rpcUrl }: Sequenced): Promise<HostileBatcher> {
  const config: RollupConfig = rollupConfigSchema.parse(DurableFile.readJson(files.rollup))
  const inbox = config.batch_inbox_address
  const from = DevelopmentKeys.account('batcher').address
  const l1 = createL1Client(l1Url)
  const l2 = createPublicClient({ transport: http(rpcUrl), cacheTime: 0 })
  const random = await hostileInput()
  const sampled = (kind: 'frames' | 'channel'): Uint8Array => {
    const [question] = fc.sample(random.get(kind)!, 1)
    return hexToBytes((question as { readonly data: Hex }).data)
  }
  const framesOf = (channel: Uint8Array, count = 1): Frame.Frame[] => {
    const size = Math.max(1, Math.ceil(channel.length / count))
    return Frame.split(bytesToHex(randomBytes(16)), channel, size + Frame.OVERHEAD_BYTES)
  }
  const told = (batch: Batch.SingularBatch): Uint8Array =>
    Channel.encode([Batch.encodeSingular(batch)], deflateSync)

  /** The block after the safe one with nothing but its deposits: sound, and most often not what was built. */
  const nextBatch = async (): Promise<Batch.SingularBatch> => {
    const status = (await l2.request({ method: 'optimism_syncStatus' } as never)) as Status
    const { hash, timestamp, l1origin } = status.safe_l2
    return {
      parentHash: hash,
      epochNumber: BigInt(l1origin.number),
      epochHash: l1origin.hash,
      timestamp: BigInt(timestamp + config.block_time),
      transactions: [],
    }
  }
  const wrong = async (change: Partial<Batch.SingularBatch>): Promise<Uint8Array[]> => [
    Frame.encode(framesOf(told({ ...(await nextBatch()), ...change }))),
  ]
  /** What the batcher sent last, if it was a moment ago. */
  const lastSent = async (): Promise<Uint8Array> => {
    const number = await l1.getBlockNumber({ cacheTime: 0 })
    for (let at = number; at > 0n && at > number - 8n; at--) {
      const { transactions } = await l1.getBlock({ blockNumber: at, includeTransactions: true })
      const found = transactions.find(({ to }) => to?.toLowerCase() === inbox.toLowerCase())
      if (found !== undefined) return hexToBytes(found.input)
    }
    return sampled('frames')
  }
  const deposit: Transaction.DepositTransaction['type'] = 0x7e
  const ways: Readonly<Record<string, () => Promise<Uint8Array[]>>> = {
    'frames at random': async () => [sampled('frames')],
    'channels at random': async () => [Frame.encode(framesOf(sampled('channel')))],
    'sent before, a bit flipped': async () => {
      const copy = Uint8Array.from(await lastSent())
      const at = Math.floor(Math.random() * copy.length)
      if (copy.length > 0) copy[at] = copy[at]! ^ 1
      return [copy]
    },
    'sent before, cut': async () => {
      const bytes = await lastSent()
      return [bytes.subarray(0, Math.floor(Math.random() * bytes.length))]
    },
    'sent before, whole': async () => [await lastSent()],
    'frames out of order': async () => {
      const [first, ...others] = framesOf(told(await nextBatch()), 3)
      return [...others, first!].map((frame) => Frame.encode([frame]))
    },
    'a channel that never ends': async () =>
      framesOf(told(await nextBatch()), 3)
        .slice(0, -1)
        .map((frame) => Frame.encode([frame])),
    'another parent': () => wrong({ parentHash: `0x${'66'.repeat(32)}` }),
    'another L1 block': () => wrong({ epochHash: ZERO_HASH }),
    'an L1 block too far': async () => wrong({ epochNumber: (await nextBatch()).epochNumber + 2n }),
    'a block from the future': async () => wrong({ timestamp: (await nextBatch()).timestamp + 600n }),
    'a block from the past': async () => wrong({ timestamp: (await nextBatch()).timestamp - 1n }),
    'a deposit in a batch': () => wrong({ transactions: [Uint8Array.of(deposit, 0xc0)] }),
    'an empty transaction': () => wrong({ transactions: [new Uint8Array()] }),
    'a transaction nobody signed': () =>
      wrong({ transactions: [Bytes.concat(Uint8Array.of(2), hexToBytes(`0xc3${'808080'}`))] }),
    'another block than was built': () => wrong({}),
  }

  const counts: Record<string, number> = {}
  const controller = new AbortController()
  const names = Object.keys(ways)
  async function run(): Promise<void> {
    for (let turn = 0; !controller.signal.aborted; turn++) {
      const name = names[turn % names.length]!
      // the real batcher may take the same nonce first, or the node be on its way back: the next turn is another one
      await ways[name]!()
        .then(async (inputs) => {
          for (const input of inputs) {
            const data = bytesToHex(input)
            await l1.request({ method: 'eth_sendTransaction', params: [{ from, to: inbox, data }] } as never)
            counts[name] = (counts[name] ?? 0) + 1
          }
        })
        .catch(() => {})
      await delay(INTERVAL_MS, undefined, { signal: controller.signal }).catch(() => {})
    }
  }
  const running = run()
  return {
    sent: () => counts,
    async [Symbol.asyncDispose]() {
      controller.abort()
      await running
    },
  }
}
