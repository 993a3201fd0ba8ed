import { deflateSync } from 'node:zlib'
import { hexToBytes } from '@ethereumjs/util'
import { Bytes, type Hex } from '@openledger/primitives'
import fc from 'fast-check'
import { privateKeyToAccount } from 'viem/accounts'
import { beforeAll, describe, expect, test } from 'vitest'
import * as Batch from './Batch.ts'
import * as Channel from './Channel.ts'
import * as Frame from './Frame.ts'
import * as Rlp from './Rlp.ts'
import * as SpanBatch from './SpanBatch.ts'

const CHAIN_ID = 161200n
const account = privateKeyToAccount(`0x${'31'.repeat(32)}`)
const TO = '0x00000000000000000000000000000000000000aa'
const hash32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Bytes.toHex(bytes))

/** Signed transactions of every type that a batch may carry. */
let pool: Uint8Array[] = []
beforeAll(async () => {
  const chainId = Number(CHAIN_ID)
  const fees = { maxFeePerGas: 9n, maxPriorityFeePerGas: 2n }
  const authorizationList = [await account.signAuthorization({ address: TO, chainId, nonce: 3 })]
  const raws: Hex[] = []
  for (let nonce = 0; nonce < 5; nonce++) {
    const common = {
      nonce,
      gas: 21_000n * BigInt(nonce),
      value: BigInt(nonce),
      data: `0x${'ab'.repeat(nonce)}`,
    } as const
    raws.push(
      await account.signTransaction({ ...common, to: TO, type: 'legacy', gasPrice: 5n, chainId }),
      await account.signTransaction({ ...common, type: 'legacy', gasPrice: 5n }),
      await account.signTransaction({
        ...common,
        to: TO,
        type: 'eip2930',
        gasPrice: 5n,
        chainId,
        accessList: [{ address: TO, storageKeys: [] }],
      }),
      await account.signTransaction({ ...common, type: 'eip1559', ...fees, chainId }),
      await account.signTransaction({
        ...common,
        to: TO,
        type: 'eip7702',
        ...fees,
        chainId,
        authorizationList,
      }),
    )
  }
  pool = raws.map((raw) => hexToBytes(raw))
})

const transactions = () =>
  fc.array(
    fc.nat(pool.length - 1).map((i) => pool[i]!),
    { maxLength: 9 },
  )

describe('a singular batch', () => {
  test('is its version and its five fields, and comes back whole', () => {
    fc.assert(
      fc.property(
        hash32,
        hash32,
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.bigInt(0n, 2n ** 64n - 1n),
        transactions(),
        (parentHash, epochHash, epochNumber, timestamp, txs) => {
          const batch = { parentHash, epochHash, epochNumber, timestamp, transactions: txs }
          const encoded = Batch.encodeSingular(batch)
          expect(encoded[0]).toBe(0)
          expect(Rlp.list(Rlp.decode(encoded.subarray(1)), 'batch')).toHaveLength(5)
          expect(Batch.decode(encoded, CHAIN_ID)).toEqual({ version: 0, singular: batch })
        },
      ),
    )
  })
})

describe('a span batch', () => {
  const blocks = () =>
    fc.array(fc.record({ isOriginAdvanced: fc.boolean(), transactions: transactions() }), {
      minLength: 1,
      maxLength: 20,
    })

  test('gives back every block and every transaction to the byte', () => {
    fc.assert(
      fc.property(blocks(), fc.bigInt(0n, 2n ** 50n), (list, number) => {
        const span: SpanBatch.SpanBatch = {
          relativeTimestamp: number,
          l1OriginNumber: number + 1n,
          parentCheck: `0x${'12'.repeat(20)}`,
          l1OriginCheck: `0x${'34'.repeat(20)}`,
          blocks: list,
        }
        const decoded = Batch.decode(Batch.encodeSpan(span), CHAIN_ID)
        expect(decoded).toEqual({ version: 1, span })
      }),
    )
  })

  test('is made of consecutive blocks and their origins', () => {
    const block = (timestamp: bigint, epochNumber: bigint) => ({
      parentHash: `0x${'aa'.repeat(32)}` as const,
      epochHash: `0x${'bb'.repeat(32)}` as const,
      timestamp,
      epochNumber,
      transactions: [],
    })
    const span = SpanBatch.fromBlocks([block(110n, 7n), block(112n, 8n), block(114n, 8n)], 7n, 100n)
    expect(span).toEqual({
      relativeTimestamp: 10n,
      l1OriginNumber: 8n,
      parentCheck: `0x${'aa'.repeat(20)}`,
      l1OriginCheck: `0x${'bb'.repeat(20)}`,
      blocks: [false, true, false].map((isOriginAdvanced) => ({ isOriginAdvanced, transactions: [] })),
    })
  })

  test('of any bytes is read or refused, never more', () => {
    const seed = SpanBatch.encode({
      relativeTimestamp: 1n,
      l1OriginNumber: 2n,
      parentCheck: `0x${'12'.repeat(20)}`,
      l1OriginCheck: `0x${'34'.repeat(20)}`,
      blocks: [{ isOriginAdvanced: true, transactions: pool.slice(0, 5) }],
    })
    fc.assert(
      fc.property(fc.nat(seed.length - 1), fc.nat(255), fc.nat(seed.length), (at, byte, cut) => {
        const damaged = Uint8Array.from(seed)
        damaged[at] = byte
        for (const bytes of [damaged, seed.subarray(0, cut)]) {
          try {
            SpanBatch.decode(bytes, CHAIN_ID)
          } catch (error) {
            expect(error).toHaveProperty('code')
          }
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a channel', () => {
  const channelId: Hex = `0x${'c4'.repeat(16)}`
  const batches = (): Uint8Array[] =>
    pool.map((raw, i) =>
      Batch.encodeSingular({
        parentHash: `0x${'01'.repeat(32)}`,
        epochHash: `0x${'02'.repeat(32)}`,
        epochNumber: BigInt(i),
        timestamp: BigInt(2 * i),
        transactions: [raw],
      }),
    )

  test('goes through frames in any order and comes back', () => {
    const data = Channel.encode(batches(), (bytes) => deflateSync(bytes))
    const frames = Frame.split(channelId, data, 300)
    expect(frames.length).toBeGreaterThan(3)
    const received = frames
      .map((frame) => Frame.encode([frame]))
      .reverse()
      .flatMap((bytes) => Frame.decode(bytes))
    expect(Channel.decode(Channel.join(received))).toEqual(batches())
    expect(() => Channel.join(received.slice(1))).toThrow(Channel.IncompleteChannelError)
  })

  test('of which the end is missing gives the batches that are whole', () => {
    const data = Channel.encode(batches(), (bytes) => deflateSync(bytes, { level: 0 }))
    const part = Channel.decode(data.subarray(0, data.length >> 1))
    expect(part.length).toBeGreaterThan(3)
    expect(part).toEqual(batches().slice(0, part.length))
  })

  test('with one malformed frame in a transaction loses all frames of it', () => {
    const [first, second] = Frame.split(channelId, new Uint8Array(100), 80)
    const good = Frame.encode([first!, second!])
    expect(Frame.decode(good)).toHaveLength(2)
    const bad = Uint8Array.from(good)
    bad[bad.length - 1] = 2
    expect(() => Frame.decode(bad)).toThrow(Frame.MalformedFrameError)
    expect(() => Frame.decode(good.subarray(0, -1))).toThrow(Frame.MalformedFrameError)
    expect(() => Frame.decode(Uint8Array.of(0))).toThrow(Frame.MalformedFrameError)
    expect(() => Frame.decode(Uint8Array.of(1, ...good.subarray(1)))).toThrow(Frame.MalformedFrameError)
  })
})
