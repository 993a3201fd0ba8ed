import { brotliCompressSync, deflateSync } from 'node:zlib'
import { Bytes, type Hex } from '@openledger/primitives'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Batch from '../src/codec/Batch.ts'
import * as Channel from '../src/codec/Channel.ts'
import * as Deposit from '../src/codec/Deposit.ts'
import { InvalidDepositLogError } from '../src/codec/Deposit.ts'
import * as Frame from '../src/codec/Frame.ts'
import * as Rlp from '../src/codec/Rlp.ts'
import * as SystemConfig from '../src/codec/SystemConfig.ts'
import * as Blob from '../src/derivation/Blob.ts'
import { createFrameQueue, prune } from '../src/derivation/FrameQueue.ts'
import { createActions, initial, transaction } from './Actions.ts'

/** Whatever an L1 holds, a node reads it to its end, and every node reads the same. */
const RUNS = 300
const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
const hex = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((value): Hex => Bytes.toHex(value))

const frame = fc
  .record({
    id: fc.integer({ min: 0, max: 2 }),
    number: fc.integer({ min: 0, max: 3 }),
    isLast: fc.boolean(),
  })
  .map(
    ({ id, number, isLast }): Frame.Frame => ({
      channelId: `0x${id.toString().padStart(32, '0')}`,
      number,
      isLast,
      data: Uint8Array.of(id, number),
    }),
  )

/** Compares neighbours until none offends, as op-node does: the slow oracle of `prune`. */
function pruneByNeighbours(input: readonly Frame.Frame[]): Frame.Frame[] {
  const frames = [...input]
  for (let i = 0; i < frames.length - 1; ) {
    const [current, next] = [frames[i]!, frames[i + 1]!]
    if (current.channelId === next.channelId) {
      if (current.isLast || next.number !== current.number + 1) {
        frames.splice(i + 1, 1)
        continue
      }
    } else {
      if (next.number === 0 && !current.isLast) {
        frames.splice(i, 1)
        if (i > 0) i--
        continue
      }
      if (next.number !== 0) {
        frames.splice(i + 1, 1)
        continue
      }
    }
    i++
  }
  return frames
}

describe('hostile input', () => {
  test('frames are pruned as op-node prunes them', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), (frames) => {
        expect(prune(frames)).toEqual(pruneByNeighbours(frames))
      }),
      { numRuns: 5_000 },
    )
  })

  test('any bytes make frames or none', () => {
    fc.assert(
      fc.property(bytes(400), (data) => {
        const queue = createFrameQueue()
        queue.load(data)
        for (let next = queue.next(); next !== undefined; next = queue.next())
          expect(next.number).toBeLessThan(65_536)
      }),
      { numRuns: RUNS },
    )
  })

  test('any bytes are RLP that is written back to the byte, or refused', () => {
    fc.assert(
      fc.property(bytes(200), (data) => {
        try {
          expect(Rlp.encode(Rlp.decode(data))).toEqual(data)
        } catch (error) {
          expect(error).toBeInstanceOf(Rlp.MalformedRlpError)
        }
      }),
      { numRuns: 3_000 },
    )
  })

  test('damaged channels and batches are read up to the damage, never beyond and never with a crash', () => {
    const actions = createActions()
    for (let i = 1; i < 6; i++) actions.build({ transactions: [transaction(i)] })
    const batches = [1, 2, 3, 4, 5].map((n) => Batch.encodeSingular(actions.batchOf(n)))
    const span = actions.spanOf([1, 2, 3, 4, 5].map(actions.batchOf))
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.nat(),
        fc.nat({ max: 255 }),
        fc.boolean(),
        (isSpan, position, value, isInside) => {
          const whole = isSpan ? [span] : batches
          const encoded = whole.map((batch) => Uint8Array.from(batch))
          if (isInside) encoded[0]![position % encoded[0]!.length] = value
          const data = Channel.encode(encoded, (plain) => deflateSync(plain))
          if (!isInside) data[position % data.length] = value
          actions.l1.splice(1)
          actions.mine({ transactions: [Frame.encode(Frame.split(`0x${'01'.repeat(16)}`, data, 100_000))] })
          const derived = actions.derive()
          expect(actions.derive().map(({ hash }) => hash)).toEqual(derived.map(({ hash }) => hash))
          expect(derived.length).toBeLessThanOrEqual(6)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test('derived in one go or begun again after any L1 block, the chain is the same', () => {
    const piece = fc.oneof(
      fc.record({
        kind: fc.constant('publish' as const),
        from: fc.nat({ max: 30 }),
        count: fc.nat({ max: 6 }),
        isSpan: fc.boolean(),
      }),
      fc.record({ kind: fc.constant('garbage' as const), data: bytes(60) }),
      fc.record({ kind: fc.constant('empty' as const), count: fc.nat({ max: 8 }) }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.nat(), (pieces, cut) => {
        const actions = createActions({ sequencingWindowBlocks: 8n, l1BlockSeconds: 3n })
        let nonce = 1
        for (const step of pieces) {
          for (let i = 0; i < 3; i++) {
            if (actions.chain.length < 60) actions.build({ transactions: [transaction(nonce++ % 100)] })
          }
          if (step.kind === 'garbage')
            actions.mine({ transactions: [step.data, Bytes.concat(Uint8Array.of(0), step.data)] })
          else if (step.kind === 'empty') for (let i = 0; i < step.count; i++) actions.mine()
          else {
            const first = Math.min(1 + step.from, actions.chain.length - 1)
            const numbers = Array.from({ length: step.count + 1 }, (_, i) => first + i).filter(
              (n) => n < actions.chain.length,
            )
            actions.publish(numbers, step.isSpan)
          }
        }
        const whole = actions.derive()
        const told = actions.told()
        const l1Number = cut % told.length
        const resumed = actions.derive(whole.slice(0, told[l1Number]), BigInt(l1Number))
        expect(resumed.map(({ hash }) => hash)).toEqual(whole.map(({ hash }) => hash))
      }),
      { numRuns: 400 },
    )
  })

  test('any log is a deposit or refused; any update leaves a sound configuration', () => {
    const topic = fc.oneof(
      hex(32),
      fc.constantFrom(
        Deposit.TRANSACTION_DEPOSITED_TOPIC,
        SystemConfig.CONFIG_UPDATE_TOPIC,
        `0x${'00'.repeat(32)}` as Hex,
      ),
      fc.nat({ max: 9 }).map((n): Hex => `0x${n.toString().padStart(64, '0')}`),
    )
    const log = fc.record({
      address: hex(20),
      topics: fc.array(topic, { maxLength: 5 }),
      data: fc.oneof(
        bytes(300).map((value): Hex => Bytes.toHex(value)),
        // the shapes that the contracts write, with anything in them
        bytes(96).map(
          (value): Hex =>
            `0x${'20'.padStart(64, '0')}${value.length.toString(16).padStart(64, '0')}${Bytes.toHex(value)
              .slice(2)
              .padEnd(Math.ceil(value.length / 32) * 64, '0')}`,
        ),
      ),
      logIndex: fc.nat(),
    })
    fc.assert(
      fc.property(log, (entry) => {
        try {
          Deposit.fromLog(entry, `0x${'01'.repeat(32)}`)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidDepositLogError)
        }
        const { eip1559Params, gasLimit } = SystemConfig.applyUpdate(initial, entry)
        expect(eip1559Params).toHaveLength(18)
        expect(gasLimit).toBeLessThan(1n << 64n)
      }),
      { numRuns: 3_000 },
    )
  })

  test('brotli channels without a decompressor, and compression of nobody, hold no batches', () => {
    const data = Bytes.concat(Uint8Array.of(1), Uint8Array.from(brotliCompressSync(Uint8Array.of(1, 2))))
    expect(Channel.decode(data)).toEqual([])
    expect(Channel.decode(Uint8Array.of(2, 3))).toEqual([])
  })
})

describe('blobs', () => {
  test('give back what was put into them, and stay below the field’s modulus', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          bytes(2_000),
          fc.constantFrom(0, 1, 27, 28, 127, 123, 130_043, 130_044).map((n) => new Uint8Array(n).fill(0xff)),
        ),
        (data) => {
          const blob = Blob.encode(data)
          for (let at = 0; at < blob.length; at += 32) expect(blob[at]! & 0xc0).toBe(0)
          expect(Blob.decode(blob)).toEqual(data)
        },
      ),
      { numRuns: 100 },
    )
    expect(() => Blob.encode(new Uint8Array(130_045))).toThrowError(Blob.MalformedBlobError)
  })

  test('of anything are data or refused', () => {
    fc.assert(
      fc.property(bytes(200), fc.nat(), (noise, at) => {
        const blob = Blob.encode(new Uint8Array(5_000).fill(7))
        blob.set(noise, at % (blob.length - noise.length))
        try {
          expect(Blob.decode(blob).length).toBeLessThanOrEqual(Blob.DATA_BYTES_MAX)
        } catch (error) {
          expect(error).toBeInstanceOf(Blob.MalformedBlobError)
        }
      }),
      { numRuns: 200 },
    )
  })
})
