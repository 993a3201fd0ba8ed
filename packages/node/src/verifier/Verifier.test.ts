import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, deflateSync } from 'node:zlib'
import type { Hex } from '@openledger/primitives'
import { DevelopmentKeys } from '@openledger/protocol'
import {
  Batch,
  buildAttributes,
  Channel,
  Deposit,
  type DerivationConfig,
  Frame,
  type L1Block,
  type L1Log,
  loadCrypto,
  SpanBatch,
  type SystemConfigValues,
} from '@openledger/rollup'
import { bytesToHex, hexToBytes, keccak256, numberToHex, parseGwei, stringToHex } from 'viem'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { CHAIN_ID, genesisOf } from '../../test/Chain.ts'
import { createEmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import type { BlockRecord, ChainEngine, Engine } from '../engine/Engine.ts'
import { createExecutionNode } from '../engineApi/createExecutionNode.ts'
import { createRemoteEngine } from '../engineApi/createRemoteEngine.ts'
import * as Jwt from '../engineApi/Jwt.ts'
import type { L1Contents, L1Reader } from '../l1/L1Reader.ts'
import { createExclusive } from '../node/Exclusive.ts'
import { l1OriginOf } from '../node/L1Origin.ts'
import { silentLogger } from '../node/Logger.ts'
import { createVerifier, type Mark, type Verifier, type VerifierOptions } from './Verifier.ts'

const BATCHER: Hex = `0x${'ba'.repeat(20)}`
const INBOX: Hex = `0x${'ff'.repeat(20)}`
const PORTAL: Hex = `0x${'0a'.repeat(20)}`
const START = 1000
const alice = DevelopmentKeys.account('caller')
const bob = DevelopmentKeys.account('builder')
const poor = DevelopmentKeys.account('voter')
const genesis = genesisOf({
  [alice.address]: { balance: '1000000000000000000000' },
  [bob.address]: { balance: '1000000000000000000000' },
})
const systemConfig: SystemConfigValues = {
  batcherAddress: BATCHER,
  baseFeeScalar: 0n,
  blobBaseFeeScalar: 0n,
  gasLimit: 30_000_000n,
  eip1559Params: '0x0000000000000000',
  operatorFeeScalar: 0n,
  operatorFeeConstant: 0n,
}

const cleanUp: (() => unknown)[] = []
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo()
})

const openEngine = async (): Promise<Engine> => {
  const directory = mkdtempSync(join(tmpdir(), 'openledger-verifier-'))
  const engine = await createEmbeddedEngine({ directory, genesis })
  cleanUp.push(
    () => rmSync(directory, { recursive: true, force: true }),
    () => engine.close(),
  )
  return engine
}

/** An L1 of which the test says what there is, and a sequencer on it that executes for real. */
async function createHouse({ window = 3600n } = {}) {
  const l1: L1Contents[] = []
  let finalized = 0n
  const mine = (payloads: readonly Uint8Array[] = [], logs: readonly L1Log[] = [], salt = ''): L1Block => {
    const number = BigInt(l1.length)
    const block: L1Block = {
      number,
      hash: keccak256(stringToHex(`${number} ${payloads.length} ${salt}`)),
      parentHash: l1.at(-1)?.block.hash ?? `0x${'00'.repeat(32)}`,
      timestamp: BigInt(START) + 12n * number,
      baseFeePerGas: 7n,
      blobBaseFee: 1n,
      prevRandao: numberToHex(number, { size: 32 }),
    }
    const transactions = payloads.map((input) => ({ type: 2, from: BATCHER, to: INBOX, input }))
    l1.push({ block, transactions, logs })
    return block
  }
  mine()
  const engine = await openEngine()
  const config: DerivationConfig = {
    genesis: {
      l1: { number: 0n, hash: l1[0]!.block.hash },
      l2: { number: 0n, hash: engine.block(0n)!.hash },
      timestamp: BigInt(START),
      systemConfig,
    },
    blockTimeSeconds: 1n,
    sequencingWindowBlocks: window,
    l2ChainId: BigInt(CHAIN_ID),
    batchInbox: INBOX,
    portal: PORTAL,
    systemConfigAddress: `0x${'0c'.repeat(20)}`,
  }
  const originOf = (block: BlockRecord) => l1OriginOf(block, { number: 0, hash: config.genesis.l1.hash })
  const build = async (transactions: readonly Hex[] = []): Promise<BlockRecord> => {
    const head = engine.head()
    const parentOrigin = originOf(head)
    const next = l1[Number(parentOrigin.number) + 1]
    const advances = next !== undefined && head.timestamp + 1n >= next.block.timestamp
    const origin = advances ? next : l1[Number(parentOrigin.number)]!
    const { sequenceNumber } = parentOrigin
    return engine.build({
      ...buildAttributes(config, {
        parent: { ...head, origin: parentOrigin, sequenceNumber },
        origin: origin.block,
        systemConfig,
        logs: origin.logs,
      }),
      noTxPool: true,
      transactions: transactions.map((raw) => hexToBytes(raw)),
    })
  }
  const batchOf = (number: bigint): Batch.SingularBatch => {
    const block = engine.block(number)!
    const origin = originOf(block)
    return {
      parentHash: block.parentHash,
      epochNumber: origin.number,
      epochHash: origin.hash,
      timestamp: block.timestamp,
      transactions: block.transactions.filter(({ type }) => type !== 0x7e).map(({ raw }) => raw),
    }
  }
  let channels = 0
  const channelOf = (data: Uint8Array): Uint8Array =>
    Frame.encode(Frame.split(numberToHex(++channels, { size: 16 }), data, 500_000))
  const publish = (batches: readonly Batch.SingularBatch[], kind: 'span' | 'singular' = 'singular') => {
    const encoded =
      kind === 'singular'
        ? batches.map(Batch.encodeSingular)
        : [Batch.encodeSpan(SpanBatch.fromBlocks(batches, 0n, BigInt(START)))]
    return mine([channelOf(Channel.encode(encoded, (bytes) => deflateSync(bytes)))])
  }
  const reader: L1Reader = {
    head: async () => BigInt(l1.length - 1),
    finalized: async () => finalized,
    hashOf: async (number) => l1[Number(number)]?.block.hash,
    read: async (number) => l1[Number(number)],
  }
  const start = async (on: ChainEngine, memory?: VerifierOptions['memory']): Promise<Verifier> => {
    const verifier = createVerifier({
      engine: on,
      l1: reader,
      config,
      defaultEip1559Params: '0x000000fa00000006',
      blobs: async () => new Map(),
      exclusively: createExclusive(),
      crypto: await loadCrypto(),
      ...(memory === undefined ? {} : { memory }),
      logger: silentLogger,
    })
    cleanUp.push(verifier.stop)
    return verifier
  }
  /** Waits until a verifier has read all of L1. */
  const settle = (verifier: Verifier): Promise<void> =>
    vi.waitFor(
      () => {
        if (verifier.lastError() !== undefined) throw verifier.lastError()
        expect(verifier.wanted()).toBe(BigInt(l1.length))
      },
      { timeout: 10_000, interval: 20 },
    )
  return {
    l1,
    engine,
    mine,
    build,
    batchOf,
    channelOf,
    publish,
    start,
    settle,
    finalize: (number: bigint) => {
      finalized = number
    },
    /** Derives into an empty engine. */
    derive: async (): Promise<Engine> => {
      const fresh = await openEngine()
      const verifier = await start(fresh)
      await settle(verifier)
      await verifier.stop()
      return fresh
    },
  }
}

const transfer = (nonce: number, from = alice, extra: object = {}): Promise<Hex> =>
  from.signTransaction({
    chainId: CHAIN_ID,
    nonce,
    to: bob.address,
    value: 5n,
    gas: 21_000n,
    maxFeePerGas: parseGwei('5'),
    maxPriorityFeePerGas: 1n,
    ...extra,
  } as never)
const hashes = (engine: Engine): Hex[] =>
  Array.from({ length: Number(engine.head().number) + 1 }, (_, i) => engine.block(BigInt(i))!.hash)

const depositLog = (amount: bigint): L1Log => {
  const word = (value: bigint): string => value.toString(16).padStart(64, '0')
  const account = `0x${'00'.repeat(12)}${'a1'.repeat(20)}` as Hex
  const opaque = `${word(amount)}${word(amount)}${'00000000000186a0'}00`
  return {
    address: PORTAL,
    topics: [Deposit.TRANSACTION_DEPOSITED_TOPIC, account, account, `0x${word(0n)}`],
    data: `0x${word(32n)}${word(73n)}${opaque.padEnd(192, '0')}`,
    logIndex: 0,
  }
}

describe('a verifier that executes', () => {
  test('holds every block that L1 tells, however often its disk is full when it does', async () => {
    const house = await createHouse()
    for (let i = 0; i < 8; i++) await house.build([await transfer(i)])
    house.publish([1n, 2n, 3n, 4n].map(house.batchOf), 'span')
    house.publish([5n, 6n, 7n, 8n].map(house.batchOf))
    const fresh = await openEngine()
    let attempts = 0
    const full = new Error('the disk is full')
    const failing: ChainEngine = {
      ...fresh,
      // blocks, and the mark of the safe one, find no room every other time
      build: async (attributes) => {
        if (attempts++ % 2 === 0) throw full
        return fresh.build(attributes)
      },
      setSafe: (number) => {
        if (attempts++ % 3 === 0) throw full
        fresh.setSafe(number)
      },
    }
    const verifier = await house.start(failing)
    await vi.waitFor(() => expect(hashes(fresh)).toEqual(hashes(house.engine)), { timeout: 20_000 })
    await vi.waitFor(() => expect(fresh.safe().number).toBe(8n), { timeout: 5_000 })
    expect(attempts).toBeGreaterThan(16)
    await verifier.stop()
  }, 40_000)

  test.each(['singular', 'span'] as const)(
    'isthmus_setcode_tx_test.go: an account that delegates to code has it after derivation too (%s)',
    async (kind) => {
      const house = await createHouse()
      const target = `0x${'de'.repeat(20)}` as const
      const authorization = await bob.signAuthorization!({ chainId: CHAIN_ID, address: target, nonce: 0 })
      await house.build([
        await transfer(0, alice, { type: 'eip7702', gas: 100_000n, authorizationList: [authorization] }),
      ])
      house.publish([house.batchOf(1n)], kind)
      const derived = await house.derive()
      expect(hashes(derived)).toEqual(hashes(house.engine))
      expect(bytesToHex(derived.code(bob.address, 1n))).toBe(`0xef0100${target.slice(2)}`)
    },
  )

  test('begun again after a final block, it does not take a batch that came too early', async () => {
    const house = await createHouse()
    for (let i = 0; i < 3; i++) await house.build([await transfer(i)])
    const early = { ...house.batchOf(2n), transactions: [] }
    house.publish([early])
    house.publish([house.batchOf(1n)])
    let kept: readonly Mark[] = []
    const memory = {
      read: () => kept,
      write: (marks: readonly Mark[]) => {
        kept = marks
      },
    }
    const engine = await openEngine()
    const first = await house.start(engine, memory)
    await house.settle(first)
    house.finalize(2n)
    await vi.waitFor(() => expect(engine.finalized().number).toBe(1n), { timeout: 5_000 })
    await first.stop()
    const second = await house.start(engine, memory)
    house.publish([2n, 3n].map(house.batchOf))
    await house.settle(second)
    expect(hashes(engine)).toEqual(hashes(house.engine))
  })

  test('derives the sequencer’s chain out of both kinds of batches and both compressions', async () => {
    const house = await createHouse()
    for (let i = 0; i < 6; i++) await house.build([await transfer(i)])
    house.publish([1n, 2n].map(house.batchOf))
    house.publish([3n, 4n].map(house.batchOf), 'span')
    const encoded = Channel.encode(
      [5n, 6n].map((n) => Batch.encodeSingular(house.batchOf(n))),
      (bytes) => Buffer.concat([Uint8Array.of(1), brotliCompressSync(bytes)]),
    )
    house.mine([house.channelOf(encoded)])
    expect(hashes(await house.derive())).toEqual(hashes(house.engine))
  })

  test.each([
    ['BadSignature', async () => (await transfer(1)).replace(/.{128}$/, 'ff'.repeat(64)) as Hex],
    ['NotEnoughBalance', () => transfer(0, poor)],
    ['a nonce that is used', () => transfer(0)],
    ['more gas than the block has', () => transfer(1, alice, { gas: 31_000_000n })],
    ['another chain', () => transfer(1, alice, { chainId: 1 })],
    ['an unknown type', async (): Promise<Hex> => '0x05c0'],
    ['no RLP', async (): Promise<Hex> => '0x02ff'],
  ])('bad_tx_in_batch_test.go: %s leaves the block its deposits, and the chain goes on', async (_, bad) => {
    const house = await createHouse()
    await house.build([await transfer(0)])
    await house.build([await transfer(1)])
    await house.build([])
    const spoilt = { ...house.batchOf(2n), transactions: [hexToBytes(await bad())] }
    house.publish([house.batchOf(1n), spoilt, house.batchOf(3n)])
    const derived = await house.derive()
    expect(derived.head().number).toBe(2n)
    expect(derived.block(1n)!.hash).toBe(house.engine.block(1n)!.hash)
    expect(derived.head().transactions).toHaveLength(1)

    // the sequencer's own node comes to the same, and it stays so after a restart
    for (let round = 0; round < 2; round++) {
      const own = await house.start(house.engine)
      await house.settle(own)
      await own.stop()
      expect(hashes(house.engine)).toEqual(hashes(derived))
    }
    expect(house.engine.safe().number).toBe(2n)
  })

  test('has an engine behind the Engine API hold the same chain, reduced blocks included', async () => {
    const house = await createHouse()
    await house.build([await transfer(0)])
    await house.build([await transfer(1)])
    const spoilt = { ...house.batchOf(2n), transactions: [hexToBytes(await transfer(0))] }
    house.publish([house.batchOf(1n), spoilt])
    const derived = await house.derive()

    const directory = mkdtempSync(join(tmpdir(), 'openledger-remote-'))
    cleanUp.push(() => rmSync(directory, { recursive: true, force: true }))
    const execution = await createExecutionNode({ directory, genesis })
    cleanUp.push(execution.close)
    const secret = Jwt.readSecret(execution.jwtSecretPath)
    const remote = await createRemoteEngine({
      url: execution.engineUrl,
      secret,
      chainId: CHAIN_ID,
      fillTimeMs: 0,
    })
    cleanUp.push(() => remote.close())
    const verifier = await house.start(remote)
    await house.settle(verifier)
    await vi.waitFor(() => expect(hashes(execution.engine)).toEqual(hashes(derived)), { timeout: 10_000 })
    expect(derived.head().number).toBe(2n)
  })

  test('sequence_window_expiry_test.go: deposits come in without a sequencer', async () => {
    const house = await createHouse({ window: 4n })
    house.mine([], [depositLog(77n)])
    for (let i = 0; i < 6; i++) house.mine()
    const derived = await house.derive()
    expect(derived.account(`0x${'a1'.repeat(20)}`).balance).toBe(77n)
    expect(derived.totalBalance()).toBe(house.engine.totalBalance() + 77n)
    // a sequencer that had left the deposit out, unsafe blocks and all, follows
    for (let i = 0; i < 11; i++) await house.build([await transfer(i)])
    const own = await house.start(house.engine)
    await house.settle(own)
    expect(hashes(house.engine)).toEqual(hashes(derived))
    expect(house.engine.pending().transactions()).toHaveLength(11)
  })

  test('an L1 that is replaced takes back what stood on it; what is final stays', async () => {
    const house = await createHouse()
    await house.build([await transfer(0)])
    house.publish([1n].map(house.batchOf))
    house.finalize(1n)
    const fresh = await openEngine()
    const verifier = await house.start(fresh)
    await house.settle(verifier)
    await vi.waitFor(() => expect(fresh.finalized().number).toBe(1n), { timeout: 5_000 })
    await house.build([await transfer(1)])
    house.publish([2n].map(house.batchOf))
    house.mine()
    await house.settle(verifier)
    expect(fresh.safe().number).toBe(2n)

    // the block that told block 2 is gone; later another tells it otherwise
    house.l1.splice(2)
    house.mine([], [], 'other')
    house.mine([], [], 'other')
    await vi.waitFor(() => expect(fresh.safe().number).toBe(1n), { timeout: 5_000 })
    const other = { ...house.batchOf(2n), transactions: [] }
    house.publish([other])
    await house.settle(verifier)
    await vi.waitFor(() => expect(fresh.safe().number).toBe(2n), { timeout: 5_000 })
    expect(fresh.head().transactions).toHaveLength(1)
    expect(fresh.finalized().number).toBe(1n)
  })
})
