import { brotliCompressSync, deflateSync } from 'node:zlib'
import { Bytes, type Hex } from '@openledger/primitives'
import { Batch, Deposit, Frame, hexToBytes, Rlp, SpanBatch, SystemConfig } from '@openledger/rollup'
import fc from 'fast-check'
import { privateKeyToAccount } from 'viem/accounts'
import type { Question } from './OpNodeAnswers.ts'
import { CHAIN_ID } from './OurAnswers.ts'

const TO: Hex = `0x${'d0'.repeat(20)}`
/** Blobs, deposits and what comes after a block's execution: op-geth knows them, no batch may hold them. */
const NO_BATCH_TYPES = [3, 0x7d, 0x7e]
const alice = privateKeyToAccount(`0x${'a1'.repeat(32)}`)

/** Signed transactions of every type that a batch may hold. */
async function signedTransactions(): Promise<Uint8Array[]> {
  const common = { nonce: 3, gas: 50_000n, to: TO, value: 5n, data: '0xbeef' as Hex }
  const chainId = Number(CHAIN_ID)
  const accessList = [{ address: TO, storageKeys: [`0x${'01'.repeat(32)}` as Hex] }]
  const fees = { maxFeePerGas: 9n, maxPriorityFeePerGas: 1n }
  const authorization = await alice.signAuthorization({ chainId, address: TO, nonce: 4 })
  const raw = await Promise.all([
    alice.signTransaction({ ...common, type: 'legacy', gasPrice: 7n, chainId }),
    alice.signTransaction({ ...common, type: 'legacy', gasPrice: 7n }),
    alice.signTransaction({ ...common, type: 'eip2930', gasPrice: 7n, chainId, accessList }),
    alice.signTransaction({ ...common, type: 'eip1559', ...fees, chainId, accessList }),
    alice.signTransaction({ nonce: 4, gas: 90_000n, data: '0x00', type: 'eip1559', ...fees, chainId }),
    alice.signTransaction({
      ...common,
      type: 'eip7702',
      ...fees,
      chainId,
      authorizationList: [authorization],
    }),
  ])
  return raw.map(hexToBytes)
}

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })
const word = (value: bigint): string => value.toString(16).padStart(64, '0')

/** Sound bytes with a few of them changed, taken out, put in, or the end cut off. */
function damaged(sound: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    kind: fc.constantFrom('set', 'flip', 'insert', 'remove', 'cut', 'append'),
    at: fc.nat(),
    byte: fc.oneof(fc.constantFrom(0, 1, 0x7d, 0x7f, 0x80, 0xb8, 0xc0, 0xf8, 0xff), fc.nat(255)),
  })
  return fc.tuple(sound, fc.array(change, { maxLength: 3 })).map(([whole, changes]) => {
    let damagedBytes = [...whole]
    for (const { kind, at, byte } of changes) {
      const place = damagedBytes.length === 0 ? 0 : at % damagedBytes.length
      if (kind === 'set') damagedBytes[place] = byte
      else if (kind === 'flip') damagedBytes[place] = (damagedBytes[place] ?? 0) ^ (1 << (byte & 7))
      else if (kind === 'insert') damagedBytes.splice(place, 0, byte)
      else if (kind === 'remove') damagedBytes.splice(place, 1)
      else if (kind === 'cut') damagedBytes = damagedBytes.slice(0, place)
      else damagedBytes.push(byte)
    }
    return Uint8Array.from(damagedBytes)
  })
}

function batches(pool: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const block = fc.record({
    isOriginAdvanced: fc.boolean(),
    transactions: fc.array(fc.constantFrom(...pool), { maxLength: 3 }),
  })
  const small = fc.bigInt({ min: 0n, max: 40n })
  const number = fc.oneof(small, fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }))
  const span = fc
    .record({
      relativeTimestamp: number,
      l1OriginNumber: number,
      parentCheck: fc.constant<Hex>(`0x${'12'.repeat(20)}`),
      l1OriginCheck: fc.constant<Hex>(`0x${'34'.repeat(20)}`),
      blocks: fc.array(block, { minLength: 1, maxLength: 4 }),
    })
    .map(SpanBatch.encode)
  // as a batcher that errs would write them: inside the columns, where bytes are not all of one kind
  const singular = fc
    .record({
      parentHash: fc.constant<Hex>(`0x${'56'.repeat(32)}`),
      epochNumber: number,
      epochHash: fc.constant<Hex>(`0x${'78'.repeat(32)}`),
      timestamp: number,
      transactions: fc.array(fc.oneof(fc.constantFrom(...pool), bytes(4)), { maxLength: 3 }),
    })
    .map((batch) => Batch.encodeSingular(batch).subarray(1))
  const versioned = (version: number, body: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
    body.map((inner) => Bytes.concat(Uint8Array.of(version), inner))
  return fc.oneof(
    versioned(1, span),
    versioned(1, damaged(span)),
    versioned(0, singular),
    versioned(0, damaged(singular)),
    versioned(2, bytes(20)),
  )
}

/** Compressed whole, compressed damaged inside, and damaged after compression. */
function channels(pool: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const inner = fc
    .array(batches(pool), { minLength: 1, maxLength: 4 })
    .map((encoded) => Bytes.concat(...encoded.map((batch) => Rlp.encode(batch))))
  const deflated = (plain: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
    plain.map((content) => Uint8Array.from(deflateSync(content)))
  return fc.oneof(
    { weight: 4, arbitrary: deflated(inner) },
    { weight: 3, arbitrary: deflated(damaged(inner)) },
    { weight: 2, arbitrary: damaged(deflated(inner)) },
    {
      weight: 1,
      arbitrary: inner.map((content) =>
        Bytes.concat(Uint8Array.of(1), Uint8Array.from(brotliCompressSync(content))),
      ),
    },
    { weight: 1, arbitrary: bytes(60) },
  )
}

function frames(): fc.Arbitrary<Uint8Array> {
  const frame = fc.record({
    channelId: fc.constantFrom<Hex>(`0x${'01'.repeat(16)}`, `0x${'02'.repeat(16)}`),
    number: fc.integer({ min: 0, max: 65_535 }),
    data: bytes(40),
    isLast: fc.boolean(),
  })
  return damaged(fc.array(frame, { maxLength: 4 }).map((list) => Frame.encode(list)))
}

const topic = (first: Hex): fc.Arbitrary<Hex> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(first) },
    { weight: 1, arbitrary: fc.constant<Hex>(`0x${word(0n)}`) },
    {
      weight: 1,
      arbitrary: bytes(32).map((value): Hex => `0x${Bytes.toHex(value).slice(2).padStart(64, 'f')}`),
    },
  )

/** Data as Solidity writes one `bytes`, then damaged. */
const abiBytes = (content: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  damaged(
    content.map((value) =>
      Bytes.fromHex(
        `0x${word(32n)}${word(BigInt(value.length))}${Bytes.toHex(value)
          .slice(2)
          .padEnd(64 * Math.ceil(value.length / 32), '0')}`,
      ),
    ),
  )

function deposits(): fc.Arbitrary<Question> {
  const opaque = fc
    .tuple(fc.uint8Array({ minLength: 72, maxLength: 72 }), fc.constantFrom(0, 0, 1, 1, 2), bytes(70))
    .map(([fixed, isCreation, data]) => Bytes.concat(fixed, Uint8Array.of(isCreation), data))
  const address = topic(`0x${word(BigInt(TO))}`)
  return fc
    .record({
      event: topic(Deposit.TRANSACTION_DEPOSITED_TOPIC),
      from: address,
      to: address,
      version: topic(`0x${word(0n)}`),
      count: fc.constantFrom(4, 4, 4, 4, 3, 1),
      data: abiBytes(opaque),
    })
    .map(({ event, from, to, version, count, data }) => ({
      kind: 'deposit',
      address: TO,
      topics: [event, from, to, version].slice(0, count),
      data: Bytes.toHex(data),
    }))
}

function updates(): fc.Arbitrary<Question> {
  const value = fc.oneof(
    fc.uint8Array({ minLength: 32, maxLength: 32 }),
    fc.bigInt({ min: 0n, max: 1n << 70n }).map((number) => Bytes.fromUint(number, 32)),
  )
  // minimum base fee and footprint scalar (6 and 7) are told by the rollup's own scenarios
  const kind = fc.constantFrom(0n, 1n, 2n, 3n, 4n, 5n, 8n, 255n)
  return fc
    .tuple(
      topic(SystemConfig.CONFIG_UPDATE_TOPIC),
      topic(`0x${word(0n)}`),
      kind,
      fc.array(value, { minLength: 1, maxLength: 2 }),
      fc.constantFrom(3, 3, 3, 3, 2),
    )
    .chain(([event, version, type, words, count]) =>
      abiBytes(fc.constant(Bytes.concat(...words))).map(
        (data): Question => ({
          kind: 'update',
          address: `0x${'0c'.repeat(20)}`,
          topics: ([event, version, `0x${word(type)}`] as const).slice(0, count),
          data: Bytes.toHex(data),
        }),
      ),
    )
}

function items(): fc.Arbitrary<Uint8Array> {
  const { item } = fc.letrec<{ item: Rlp.RlpInput }>((tie) => ({
    item: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      bytes(70),
      fc.array(tie('item'), { maxLength: 4 }),
    ),
  }))
  return damaged(item.map((value) => Rlp.encode(value)))
}

/** Hostile input of every kind that a rollup node reads from L1. */
export async function hostileInput(): Promise<ReadonlyMap<Question['kind'], fc.Arbitrary<Question>>> {
  const pool = await signedTransactions()
  const asked = (kind: Question['kind'], data: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Question> =>
    data.map((value) => ({ kind, data: Bytes.toHex(value) }))
  return new Map([
    ['frames', asked('frames', frames())],
    ['channel', asked('channel', channels(pool))],
    ['deposit', deposits()],
    ['update', updates()],
    [
      'transaction',
      asked(
        'transaction',
        damaged(fc.constantFrom(...pool)).filter(([type]) => !NO_BATCH_TYPES.includes(type ?? 0)),
      ),
    ],
    ['rlp', asked('rlp', items())],
  ])
}
