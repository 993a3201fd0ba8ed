import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import type { Hex } from '@openledger/primitives'
import { DevelopmentKeys } from '@openledger/protocol'
import { Batch, Channel, Deposit, Frame, L1Info, Transaction } from '@openledger/rollup'
import { hexToBytes } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createGenesis } from '../deployment/createGenesis.ts'
import { createRollupConfig, type RollupConfig } from '../deployment/RollupConfig.ts'
import { createEmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import type { Engine } from '../engine/Engine.ts'
import { l1OriginOf } from '../node/L1Origin.ts'
import { silentLogger } from '../node/Logger.ts'
import { createDerivation, type Derivation } from './Derivation.ts'

const START = 1_800_000_000
const L1_GENESIS = 10
const hashOf = (number: bigint, fork = 'aa'): Hex => `0x${number.toString(16).padStart(62, '0')}${fork}`
const directory = mkdtempSync(join(tmpdir(), 'openledger-derivation-'))
let engine: Engine
let rollupConfig: RollupConfig

const sender = DevelopmentKeys.account('caller')

beforeAll(async () => {
  const treasury = DevelopmentKeys.account('treasury').address
  const genesis = createGenesis({
    l2ChainId: 161_200,
    timestamp: START,
    gasLimit: 30_000_000n,
    open: `0x${'0e'.repeat(20)}`,
    treasury,
  })
  engine = await createEmbeddedEngine({ directory, genesis })
  const initial = {
    batcherAddress: `0x${'ba'.repeat(20)}`,
    baseFeeScalar: 1368n,
    blobBaseFeeScalar: 810_949n,
    gasLimit: 30_000_000n,
    eip1559Params: '0x0000000000000000',
    operatorFeeScalar: 0n,
    operatorFeeConstant: 0n,
  } as const
  rollupConfig = createRollupConfig({
    l1ChainId: 31_337,
    l2ChainId: 161_200,
    l2BlockTimeSeconds: 2,
    portal: `0x${'01'.repeat(20)}`,
    systemConfig: `0x${'02'.repeat(20)}`,
    batchInbox: `0x${'03'.repeat(20)}`,
    origin: { number: L1_GENESIS, hash: hashOf(10n), timestamp: START },
    l2GenesisHash: engine.block(0n)!.hash,
    initial,
  })
  // nine blocks, three on each of the L1 blocks 10, 11, 12; the second has a transaction
  const mint = Transaction.encode({
    type: 0x7e,
    sourceHash: Deposit.userSourceHash(hashOf(10n), 0),
    from: sender.address.toLowerCase() as Hex,
    to: sender.address.toLowerCase() as Hex,
    mint: 10n ** 20n,
    value: 0n,
    gas: 100_000n,
    isSystemTx: false,
    data: new Uint8Array(),
  })
  for (let i = 0n; i < 9n; i++) {
    const number = 10n + i / 3n
    const info = L1Info.toDeposit({
      number,
      timestamp: BigInt(START) + 6n * (i / 3n),
      hash: hashOf(number),
      baseFee: 7n,
      blobBaseFee: 1n,
      sequenceNumber: i % 3n,
      ...initial,
    })
    if (i === 1n) {
      const raw = await sender.signTransaction({
        chainId: 161_200,
        nonce: 1,
        to: treasury,
        value: 5n,
        gas: 21_000n,
        maxFeePerGas: 10n ** 10n,
        maxPriorityFeePerGas: 1n,
      })
      await engine.submit(hexToBytes(raw))
    }
    await engine.build({
      timestamp: BigInt(START) + 2n * (i + 1n),
      prevRandao: `0x${'01'.repeat(32)}`,
      feeRecipient: '0x4200000000000000000000000000000000000011',
      parentBeaconBlockRoot: `0x${'02'.repeat(32)}`,
      gasLimit: 30_000_000n,
      eip1559Params: '0x0000000000000000',
      deposits: i === 0n ? [Transaction.encode(info), mint] : [Transaction.encode(info)],
    })
  }
})

afterAll(async () => {
  await engine.close()
  rmSync(directory, { recursive: true, force: true })
})

const batchOf = (number: bigint): Batch.SingularBatch => {
  const block = engine.block(number)!
  const origin = l1OriginOf(block, rollupConfig.genesis.l1)
  return {
    parentHash: block.parentHash,
    epochNumber: origin.number,
    epochHash: origin.hash,
    timestamp: block.timestamp,
    transactions: block.transactions.filter(({ type }) => type !== 0x7e).map(({ raw }) => raw),
  }
}
const range = (from: bigint, to: bigint): bigint[] =>
  Array.from({ length: Number(to - from) + 1 }, (_, i) => from + BigInt(i))
let channels = 0
const framesOf = (batches: readonly Batch.SingularBatch[], frameBytes = 100_000): Uint8Array[] => {
  const id = `0x${(++channels).toString(16).padStart(32, '0')}` as const
  const data = Channel.encode(batches.map(Batch.encodeSingular), deflateSync)
  return Frame.split(id, data, frameBytes).map((frame) => Frame.encode([frame]))
}
const blocks = (from: bigint, to: bigint, frameBytes?: number): Uint8Array[] =>
  framesOf(range(from, to).map(batchOf), frameBytes)

const start = (): Derivation => createDerivation({ engine, rollupConfig, logger: silentLogger })
const feed = (derivation: Derivation, payloads: readonly Uint8Array[], fork?: string): boolean => {
  const number = derivation.next()
  return derivation.feed({ number, hash: hashOf(number, fork), parentHash: hashOf(number - 1n), payloads })
}

describe('a derivation', () => {
  test('reads the chain back from frames in several L1 blocks', () => {
    const derivation = start()
    expect(derivation.next()).toBe(10n)
    const [first, second, third, ...rest] = blocks(1n, 6n, 150)
    feed(derivation, [first!, second!])
    expect(derivation.derived()).toBe(0n)
    feed(derivation, [third!, ...rest])
    expect(derivation.derived()).toBe(6n)
    feed(derivation, [...blocks(7n, 8n), ...blocks(9n, 9n)])
    expect(derivation.derived()).toBe(9n)
    expect(range(9n, 13n).map(derivation.derivedAt)).toEqual([0n, 0n, 6n, 9n, 9n])
  })

  test('passes over what was told before, so that an interrupted batcher may repeat itself', () => {
    const derivation = start()
    feed(derivation, blocks(1n, 4n))
    feed(derivation, blocks(2n, 7n))
    expect(derivation.derived()).toBe(7n)
  })

  test('drops a channel that a newer one interrupts, garbage, and frames out of order', () => {
    const derivation = start()
    const [open] = blocks(1n, 3n, 100)
    const [zero, one, two, ...rest] = blocks(1n, 5n, 120)
    const garbage = Uint8Array.of(0, 1, 2, 3)
    feed(derivation, [open!, garbage, zero!, two!, one!, Uint8Array.of(9), two!, ...rest])
    expect(derivation.derived()).toBe(5n)
  })

  test('drops a channel whose data is not a channel', () => {
    const derivation = start()
    const frame = { channelId: `0x${'77'.repeat(16)}`, number: 0, isLast: true } as const
    feed(derivation, [Frame.encode([{ ...frame, data: Uint8Array.of(1, 2, 3) }]), ...blocks(1n, 1n)])
    expect(derivation.derived()).toBe(1n)
  })

  test('forgets a channel that takes longer than the timeout', () => {
    const derivation = start()
    const [zero, ...rest] = blocks(1n, 5n, 120)
    feed(derivation, [zero!])
    for (let i = 0; i < 51; i++) feed(derivation, [])
    feed(derivation, rest)
    expect(derivation.derived()).toBe(0n)
  })

  test('starts again when L1 changes under it', () => {
    const derivation = start()
    feed(derivation, blocks(1n, 9n))
    expect(feed(derivation, [], 'bb')).toBe(true)
    expect(feed(derivation, [])).toBe(false)
    expect(derivation.next()).toBe(10n)
    expect(derivation.derived()).toBe(0n)
    feed(derivation, blocks(1n, 2n))
    expect(derivation.derived()).toBe(2n)
  })

  test.each([
    ['parent hash', { parentHash: hashOf(1n) }],
    ['timestamp', { timestamp: BigInt(START) + 3n }],
    ['L1 origin', { epochNumber: 11n }],
    ['L1 origin', { epochHash: hashOf(77n) }],
    ['transactions', { transactions: [Uint8Array.of(2, 192)] }],
  ])('stops when L1 tells another %s than was sequenced', (difference, change) => {
    const derivation = start()
    const payloads = framesOf([{ ...batchOf(1n), ...change }])
    expect(() => feed(derivation, payloads)).toThrowError(
      expect.objectContaining({
        code: 'derivation.mismatch',
        context: expect.objectContaining({ difference }),
      }),
    )
    expect(derivation.derived()).toBe(0n)
  })

  test('stops when L1 tells a block that the engine does not have', () => {
    const derivation = start()
    const next = { ...batchOf(9n), parentHash: engine.head().hash, timestamp: engine.head().timestamp + 2n }
    const payloads = framesOf([...range(1n, 9n).map(batchOf), next])
    expect(() => feed(derivation, payloads)).toThrowError(
      expect.objectContaining({ code: 'derivation.ahead' }),
    )
    expect(derivation.derived()).toBe(9n)
  })

  test('stops when the sequencing window has passed', () => {
    const derivation = start()
    for (let i = 0; i < 3_601; i++) feed(derivation, [])
    expect(() => feed(derivation, blocks(1n, 1n))).toThrowError(/sequencing window/)
  })
})
