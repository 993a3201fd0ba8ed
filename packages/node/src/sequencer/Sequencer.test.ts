import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { L1Info, Transaction } from '@openledger/rollup'
import { encodeAbiParameters, encodeEventTopics, encodePacked, type Hex, numberToHex, parseAbi } from 'viem'
import { getL2TransactionHash } from 'viem/op-stack'
import { afterEach, expect, test } from 'vitest'
import { createEmbeddedEngine, FinalizedBlockError } from '../engine/EmbeddedEngine.ts'
import type { BlockRecord, Engine, Genesis } from '../engine/Engine.ts'
import type { L1Block, L1Log, L1View, SystemConfig } from './L1View.ts'
import { createSequencer } from './Sequencer.ts'

const genesis: Genesis = {
  config: {
    chainId: 161200,
    optimism: { eip1559Elasticity: 6, eip1559Denominator: 50, eip1559DenominatorCanyon: 250 },
  },
  alloc: {},
  timestamp: 1000,
  gasLimit: 30_000_000,
}
const systemConfig: SystemConfig = {
  batcherAddress: '0x00000000000000000000000000000000000000ba',
  baseFeeScalar: 1368n,
  blobBaseFeeScalar: 810_949n,
  gasLimit: 25_000_000n,
  eip1559Params: '0x0000000000000000',
  operatorFeeScalar: 0n,
  operatorFeeConstant: 0n,
}
const portalAbi = parseAbi([
  'event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData)',
])
const PORTAL = '0x00000000000000000000000000000000000000aa'
const USER = '0x00000000000000000000000000000000000000cc'

const l1Hash = (number: number, branch = 0): Hex => numberToHex((number + 1) * 1000 + branch, { size: 32 })

/** An L1 of which the test says what there is. */
function createScriptedL1(): L1View & {
  blocks: L1Block[]
  deposits: Map<Hex, L1Log[]>
  mine(timestamp: number): void
} {
  const blocks: L1Block[] = []
  const deposits = new Map<Hex, L1Log[]>()
  return {
    blocks,
    deposits,
    mine(timestamp) {
      const number = blocks.length
      blocks.push({
        number: BigInt(number),
        hash: l1Hash(number),
        parentHash: l1Hash(number - 1),
        timestamp: BigInt(timestamp),
        baseFeePerGas: 7n,
        blobBaseFee: 1n,
        prevRandao: numberToHex(number, { size: 32 }),
      })
    },
    head: async () => blocks.at(-1)!,
    block: async (number) => blocks[Number(number)],
    receiptsDeposits: async (hash) => deposits.get(hash) ?? [],
    systemConfig: async () => systemConfig,
  }
}

const depositLog = (mint: bigint, logIndex: number): L1Log => ({
  address: PORTAL,
  topics: encodeEventTopics({
    abi: portalAbi,
    eventName: 'TransactionDeposited',
    args: { from: USER, to: USER, version: 0n },
  }) as Hex[],
  data: encodeAbiParameters(
    [{ type: 'bytes' }],
    [encodePacked(['uint256', 'uint256', 'uint64', 'bool', 'bytes'], [mint, 0n, 100_000n, false, '0x'])],
  ),
  logIndex,
})

const infoOf = (block: BlockRecord) => L1Info.decode(Transaction.decode(block.transactions[0]!.raw).data)

const cleanUp: (() => void)[] = []
afterEach(() => {
  for (const undo of cleanUp.splice(0)) undo()
})

async function createHouse(blockTime = 2) {
  const directory = mkdtempSync(join(tmpdir(), 'sequencer-'))
  cleanUp.push(() => rmSync(directory, { recursive: true, force: true }))
  const l1 = createScriptedL1()
  l1.mine(1000)
  const time = { seconds: 1000 }
  const clock = { nowMs: () => time.seconds * 1000 }
  const open = (): Promise<Engine> => createEmbeddedEngine({ directory, genesis, clock })
  const sequencerOf = (engine: Engine) =>
    createSequencer({
      engine,
      l1,
      clock,
      config: {
        genesis: {
          l1: { number: 0n, hash: l1Hash(0) },
          l2: { number: 0n, hash: engine.block(0n)!.hash },
          timestamp: 1000n,
          systemConfig,
        },
        blockTimeSeconds: BigInt(blockTime),
        sequencingWindowBlocks: 3600n,
        l2ChainId: 161200n,
        batchInbox: '0x00000000000000000000000000000000000000bb',
        portal: PORTAL,
        systemConfigAddress: '0x00000000000000000000000000000000000000dd',
      },
    })
  return { l1, time, open, sequencerOf }
}

test('one block per slot, none too early, timestamps by the rollup specification', async () => {
  const { time, open, sequencerOf } = await createHouse()
  const engine = await open()
  const sequencer = sequencerOf(engine)
  expect(await sequencer.step()).toBeUndefined()
  time.seconds = 1001
  expect(await sequencer.step()).toBeUndefined()
  time.seconds = 1002
  expect((await sequencer.step())?.timestamp).toBe(1002n)
  expect(await sequencer.step()).toBeUndefined()
  // a pause: the missed slots are filled at once
  time.seconds = 1009
  const timestamps: bigint[] = []
  for (let block = await sequencer.step(); block !== undefined; block = await sequencer.step()) {
    timestamps.push(block.timestamp)
  }
  expect(timestamps).toEqual([1004n, 1006n, 1008n])
  await engine.close()
})

test('the origin advances by one epoch at most, and carries its deposits on sequence number 0', async () => {
  const { l1, time, open, sequencerOf } = await createHouse()
  l1.mine(1003)
  l1.mine(1004)
  l1.mine(1030)
  const log = depositLog(5n * 10n ** 18n, 3)
  l1.deposits.set(l1Hash(1), [log])
  const engine = await open()
  const sequencer = sequencerOf(engine)
  time.seconds = 1010
  const blocks: BlockRecord[] = []
  for (let block = await sequencer.step(); block !== undefined; block = await sequencer.step())
    blocks.push(block)
  const origins = blocks.map((block) => {
    const { number, sequenceNumber } = infoOf(block)
    return [Number(block.timestamp), Number(number), Number(sequenceNumber), block.transactions.length]
  })
  expect(origins).toEqual([
    [1002, 0, 1, 1],
    [1004, 1, 0, 2],
    [1006, 2, 0, 1],
    [1008, 2, 1, 1],
    [1010, 2, 2, 1],
  ])
  const deposit = blocks[1]!.transactions[1]!
  expect(deposit.hash).toBe(
    getL2TransactionHash({
      log: {
        ...log,
        blockHash: l1Hash(1),
        eventName: 'TransactionDeposited',
        args: {
          from: USER,
          to: USER,
          version: 0n,
          opaqueData: `0x${log.data.slice(130, 130 + 73 * 2)}`,
        },
      } as never,
    }),
  )
  expect(engine.account(USER).balance).toBe(5n * 10n ** 18n)
  expect(engine.head().gasLimit).toBe(25_000_000n)
  expect(engine.head().mixHash).toBe(numberToHex(2, { size: 32 }))
  await engine.close()
})

test('past the sequencer drift: nothing without a next origin, empty blocks until the L1 has caught up', async () => {
  const { l1, time, open, sequencerOf } = await createHouse(600)
  const engine = await open()
  const sequencer = sequencerOf(engine)
  time.seconds = 100_000
  for (let i = 0; i < 3; i++) await sequencer.step()
  expect(engine.head().timestamp).toBe(2800n)
  expect(await sequencer.step()).toBeUndefined()
  l1.mine(5000)
  expect((await sequencer.step())?.timestamp).toBe(3400n)
  await engine.close()
})

test('a restart goes on where the last durable block stopped', async () => {
  const { l1, time, open, sequencerOf } = await createHouse()
  l1.mine(1002)
  time.seconds = 1004
  const engine = await open()
  const before = sequencerOf(engine)
  await before.step()
  await before.step()
  await engine.close()
  time.seconds = 1006
  const reopened = await open()
  const block = await sequencerOf(reopened).step()
  expect([block?.number, infoOf(block!).number, infoOf(block!).sequenceNumber]).toEqual([3n, 1n, 2n])
  await reopened.close()
})

test('an L1 that reorganised takes back the L2 blocks above it, and what they carried is built again', async () => {
  const { l1, time, open, sequencerOf } = await createHouse()
  l1.mine(1002)
  l1.deposits.set(l1Hash(1), [depositLog(5n, 0)])
  l1.mine(1004)
  const engine = await open()
  const sequencer = sequencerOf(engine)
  for (time.seconds = 1002; time.seconds <= 1006; time.seconds += 2) await sequencer.step()
  expect([engine.head().number, engine.account(USER).balance]).toEqual([3n, 5n])

  // another block 1, which brings another deposit, and another block 2 on it
  l1.blocks[1] = { ...l1.blocks[1]!, hash: l1Hash(1, 7) }
  l1.blocks[2] = { ...l1.blocks[2]!, hash: l1Hash(2, 7), parentHash: l1Hash(1, 7) }
  l1.deposits.set(l1Hash(1, 7), [depositLog(9n, 0)])
  time.seconds = 1008
  expect(await sequencer.step()).toBeUndefined()
  expect([engine.head().number, engine.account(USER).balance, engine.totalBalance()]).toEqual([0n, 0n, 0n])
  const blocks: BlockRecord[] = []
  for (let block = await sequencer.step(); block !== undefined; block = await sequencer.step())
    blocks.push(block)
  expect(blocks.map((block) => infoOf(block).hash)).toEqual([
    l1Hash(1, 7),
    l1Hash(2, 7),
    l1Hash(2, 7),
    l1Hash(2, 7),
  ])
  expect(engine.account(USER).balance).toBe(9n)
  await engine.close()
})

test('an L1 that lost what was finalised stops the sequencer with a reason', async () => {
  const { l1, time, open, sequencerOf } = await createHouse()
  l1.mine(1002)
  const engine = await open()
  const sequencer = sequencerOf(engine)
  time.seconds = 1002
  await sequencer.step()
  engine.setFinalized(1n)
  l1.blocks[1] = { ...l1.blocks[1]!, hash: l1Hash(1, 7) }
  time.seconds = 1004
  await expect(sequencerOf(engine).step()).rejects.toBeInstanceOf(FinalizedBlockError)
  expect(engine.head().number).toBe(1n)
  await engine.close()
})

test('start and stop run the slots by themselves', async () => {
  const { time, open, sequencerOf } = await createHouse()
  const engine = await open()
  const sequencer = sequencerOf(engine)
  time.seconds = 1004
  const second = new Promise<void>((resolve) => {
    engine.onBlock((block) => {
      if (block.number === 2n) resolve()
    })
  })
  sequencer.start()
  await second
  await sequencer.stop()
  expect(sequencer.isActive()).toBe(false)
  expect(engine.head().number).toBe(2n)
  await engine.close()
})
