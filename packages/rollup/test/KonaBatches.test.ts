import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { hexToBytes } from '@ethereumjs/util'
import { describe, expect, test } from 'vitest'
import * as Batch from '../src/codec/Batch.ts'
import * as Channel from '../src/codec/Channel.ts'
import * as Frame from '../src/codec/Frame.ts'
import * as SpanBatch from '../src/codec/SpanBatch.ts'
import * as Transaction from '../src/codec/Transaction.ts'

/** kona's `batch.hex`, `raw_batch.hex` and `raw_batcher_tx.hex`, read from `$OPENLEDGER_VECTORS/kona`. */
const folder = join(process.env['OPENLEDGER_VECTORS'] ?? '', 'kona')
const isPresent = process.env['OPENLEDGER_VECTORS'] !== undefined && existsSync(join(folder, 'batch.hex'))
const OP_MAINNET = 10n
const OP_SEPOLIA = 11155420n

const read = (name: string): Uint8Array => Uint8Array.from(readFileSync(join(folder, name)))

describe.skipIf(!isPresent)('kona’s batch vectors (OPENLEDGER_VECTORS)', () => {
  test('a span batch of op-node is read and written back to the byte', () => {
    const raw = read('raw_batch.hex')
    for (const chainId of [OP_MAINNET, OP_SEPOLIA]) {
      const span = SpanBatch.decode(raw, chainId)
      expect(SpanBatch.encode(span)).toEqual(raw)
    }
  })

  test('a channel of OP Mainnet is read to its last byte, and every transaction has a sender', () => {
    const channel = hexToBytes(`0x${readFileSync(join(folder, 'batch.hex'), 'utf8').trim()}`)
    const batches = Channel.decode(channel)
    expect(batches).toHaveLength(1)
    const batch = Batch.decode(batches[0]!, OP_MAINNET)
    if (batch.version !== 1) throw new Error('expected a span batch')
    const transactions = batch.span.blocks.flatMap((block) => block.transactions)
    expect([batch.span.blocks.length, transactions.length]).toEqual([143, 1766])
    expect(Batch.encodeSpan(batch.span)).toEqual(batches[0])
    for (const raw of transactions.slice(0, 50)) Transaction.sender(Transaction.decode(raw))
    const again = Channel.encode(batches, (bytes) => deflateSync(bytes, { level: 9 }))
    expect(Channel.decode(again)).toEqual(batches)
  })

  test('the frames of a batcher transaction are read and written back to the byte', () => {
    const { data } = Transaction.decode(read('raw_batcher_tx.hex'))
    expect(data).toHaveLength(119_823)
    const frames = Frame.decode(data)
    expect(Frame.encode(frames)).toEqual(data)
  })
})
