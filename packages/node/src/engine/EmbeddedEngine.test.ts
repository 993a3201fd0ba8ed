import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Hex } from '@openledger/primitives'
import { bytesToHex, Deposit, Transaction, TransactionRejectedError } from '@openledger/rollup'
import {
  type Address,
  decodeAbiParameters,
  encodeDeployData,
  encodeFunctionData,
  hexToBytes,
  keccak256,
  numberToHex,
  pad,
  parseEther,
  toEventSelector,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterEach, describe, expect, test } from 'vitest'
import { attributes, CHAIN_ID, genesisOf } from '../../test/Chain.ts'
import { artifact } from '../deployment/Bedrock.ts'
import { CallRevertedError } from './Calls.ts'
import { createEmbeddedEngine, type EmbeddedEngineOptions, FinalizedBlockError } from './EmbeddedEngine.ts'
import type { Engine } from './Engine.ts'
import { GenesisMismatchError } from './Head.ts'
import { UnknownBlockError } from './Records.ts'

const alice = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const carol = privateKeyToAccount(`0x${'33'.repeat(32)}`)
const ALICE = alice.address.toLowerCase() as Hex
const CAROL = carol.address.toLowerCase() as Hex
const BOB = '0x00000000000000000000000000000000000b0b00'
const RICH = parseEther('100')
const genesis = genesisOf({ [ALICE]: { balance: `${RICH}` }, [CAROL]: { balance: `${RICH}` } })
const weth = artifact('WETH98')

const cleanUp: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo()
})
const newDirectory = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'engine-'))
  cleanUp.push(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
async function openEngine(options: Partial<EmbeddedEngineOptions> = {}): Promise<Engine> {
  const engine = await createEmbeddedEngine({ directory: newDirectory(), genesis, ...options })
  cleanUp.push(() => engine.close())
  return engine
}

type Draft = {
  readonly to?: Address
  readonly data?: Hex
  readonly value?: bigint
  readonly nonce?: number
  readonly gas?: bigint
  readonly tip?: bigint
  readonly cap?: bigint
  readonly chainId?: number
}
async function sign(engine: Engine, draft: Draft, from = alice): Promise<Uint8Array> {
  const raw = await from.signTransaction({
    type: 'eip1559',
    chainId: draft.chainId ?? CHAIN_ID,
    nonce: draft.nonce ?? Number(engine.pending().nonce(from.address)),
    ...(draft.to === undefined ? {} : { to: draft.to }),
    ...(draft.data === undefined ? {} : { data: draft.data }),
    value: draft.value ?? 0n,
    gas: draft.gas ?? 1_000_000n,
    maxFeePerGas: draft.cap ?? 3_000_000_000n,
    maxPriorityFeePerGas: draft.tip ?? 1_000_000_000n,
  })
  return hexToBytes(raw)
}
const send = async (engine: Engine, draft: Draft, from = alice): Promise<Hex> =>
  engine.submit(await sign(engine, draft, from))
const next = (engine: Engine) => engine.build(attributes(engine.head().timestamp + 2n))

async function deployWeth(engine: Engine): Promise<Address> {
  const hash = await send(engine, {
    data: encodeDeployData({ abi: weth.abi, bytecode: weth.bytecode }),
    gas: 3_000_000n,
  })
  await next(engine)
  return engine.receipt(hash)!.contractAddress!
}
const encode = (functionName: string, args: readonly unknown[] = []): Hex =>
  encodeFunctionData({ abi: weth.abi, functionName, args: args as never })

const mintTo = (to: Hex, mint: bigint, id: number): Uint8Array =>
  Transaction.encode({
    type: 0x7e,
    sourceHash: Deposit.userSourceHash(`0x${'ab'.repeat(32)}`, id),
    from: to,
    to,
    mint,
    value: 0n,
    gas: 100_000n,
    isSystemTx: false,
    data: new Uint8Array(),
  })

describe('blocks', () => {
  test('isthmus_requests_test.go: hold no requests, whatever the contracts of EIP-7002 and EIP-7251 say', async () => {
    const REQUESTS: readonly Hex[] = [
      '0x00000961ef480eb55e80d19ad83579a64c007002',
      '0x0000bbddc7ce488642fb579f8b00f3a590007251',
    ]
    // answers 32 bytes, as a queue that holds something would
    const queues = Object.fromEntries(REQUESTS.map((to) => [to, { balance: '0', code: '0x60205ff3' as Hex }]))
    const engine = await openEngine({
      genesis: genesisOf({ [ALICE]: { balance: `${RICH}` }, ...queues }),
    })
    for (const [nonce, to] of REQUESTS.entries()) await send(engine, { to, nonce, value: 1n })
    const block = await next(engine)
    expect(engine.receipts(block.number).map(({ status }) => status)).toEqual([1, 1])
    // EIP-7685's hash of no requests: SHA-256 of nothing
    expect(block.requestsHash).toBe('0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })

  test('mint deposits, execute transfers, and are there after a restart', async () => {
    const directory = newDirectory()
    const engine = await createEmbeddedEngine({ directory, genesis })
    await engine.build(attributes(1002n, [mintTo(BOB, 10n, 0)]))
    expect(engine.account(BOB)).toMatchObject({ balance: 10n, nonce: 1n })
    const raw = await sign(engine, { to: BOB, value: 5n })
    const hash = await engine.submit(raw)
    const block = await engine.build(attributes(1004n))
    expect(block.transactions.map((transaction) => transaction.hash)).toEqual([hash])
    expect(engine.receipt(hash)).toMatchObject({ status: 1, gasUsed: 21_000n, from: ALICE, to: BOB, type: 2 })
    expect(engine.totalBalance()).toBe(2n * RICH + 10n)
    engine.setSafe(1n)
    await engine.close()

    const reopened = await createEmbeddedEngine({ directory, genesis })
    cleanUp.push(() => reopened.close())
    expect(reopened.head()).toEqual(block)
    expect(reopened.block(block.hash)).toEqual(block)
    expect(reopened.account(BOB).balance).toBe(15n)
    expect([0n, 1n].map((number) => reopened.account(BOB, number).balance)).toEqual([0n, 10n])
    expect(reopened.totalBalance()).toBe(2n * RICH + 10n)
    expect(bytesToHex(reopened.transaction(hash)!.raw)).toBe(bytesToHex(raw))
    expect([reopened.safe().number, reopened.finalized().number]).toEqual([1n, 0n])
  })

  test('of another genesis are refused', async () => {
    const directory = newDirectory()
    await (await createEmbeddedEngine({ directory, genesis })).close()
    await expect(createEmbeddedEngine({ directory, genesis: genesisOf({}) })).rejects.toThrow(
      GenesisMismatchError,
    )
  })

  test('carry a failed deposit: its mint stays, its value does not move, its gas is all used', async () => {
    const engine = await openEngine()
    const raw = Transaction.encode({
      type: 0x7e,
      sourceHash: `0x${'07'.repeat(32)}`,
      from: BOB,
      to: CAROL,
      mint: 7n,
      value: 8n,
      gas: 50_000n,
      isSystemTx: false,
      data: new Uint8Array(),
    })
    const block = await engine.build(attributes(1002n, [raw]))
    const receipt = engine.receipts(block.number)[0]!
    expect(receipt).toMatchObject({
      status: 0,
      gasUsed: 50_000n,
      depositNonce: 0n,
      depositReceiptVersion: 1n,
    })
    expect(engine.account(BOB)).toMatchObject({ balance: 7n, nonce: 1n })
    expect(engine.account(CAROL).balance).toBe(RICH)
  })

  test('hold less when told to, and what does not fit waits in the pool', async () => {
    const engine = await openEngine()
    const noise = bytesToHex(
      Uint8Array.from({ length: 2_000 }, (_, i) => (Math.imul(i, 2_654_435_761) >>> 13) & 255),
    )
    await send(engine, { to: BOB, value: 1n, data: noise, gas: 200_000n })
    await send(engine, { to: BOB, value: 1n, gas: 21_000n }, carol)
    engine.limitData!({ transactionBytes: 500n, blockBytes: 0n })
    const small = await next(engine)
    // the L1 info is no transaction of the pool here
    expect(small.transactions.map(({ from }) => from)).toEqual([CAROL])
    expect(engine.pending().transactions()).toHaveLength(1)

    for (let i = 1; i <= 3; i++) await send(engine, { to: BOB, value: 1n, gas: 21_000n, nonce: i }, carol)
    engine.limitData!({ transactionBytes: 0n, blockBytes: 250n })
    expect((await next(engine)).transactions).toHaveLength(2)
    engine.limitData!({ transactionBytes: 0n, blockBytes: 0n })
    expect((await next(engine)).transactions).toHaveLength(2)
    expect(engine.pending().transactions()).toHaveLength(0)
  })

  test('take required transactions in order, and fail as a whole when one is invalid', async () => {
    const engine = await openEngine()
    const [first, second] = [
      await sign(engine, { to: BOB, nonce: 0 }),
      await sign(engine, { to: BOB, nonce: 1 }),
    ]
    const wrong = { ...attributes(1002n), transactions: [second, first], noTxPool: true }
    await expect(engine.build(wrong)).rejects.toThrow('nonce too high')
    expect(engine.head().number).toBe(0n)
    const block = await engine.build({ ...wrong, transactions: [first, second] })
    expect(block.transactions).toHaveLength(2)
  })

  test('leave to the next what has no room, and keep what went before it', async () => {
    const engine = await openEngine()
    await send(engine, { to: BOB, value: 5n })
    await send(engine, { to: BOB, value: 7n, gas: 29_990_000n })
    expect((await next(engine)).transactions).toHaveLength(1)
    expect(engine.account(ALICE)).toMatchObject({ nonce: 1n })
    expect(engine.account(BOB)).toMatchObject({ balance: 5n })
    expect((await next(engine)).transactions).toHaveLength(1)
    expect(engine.account(BOB)).toMatchObject({ balance: 12n })
  })

  test('sum to the same wei before and after fees', async () => {
    const engine = await openEngine()
    for (let i = 0; i < 5; i++) {
      await send(engine, { to: BOB, value: BigInt(i) })
      await send(engine, { to: ALICE, value: 3n }, carol)
      await next(engine)
    }
    const parties: Hex[] = [
      ALICE,
      CAROL,
      BOB,
      '0x4200000000000000000000000000000000000011',
      '0x4200000000000000000000000000000000000019',
    ]
    const sum = parties.reduce((total, address) => total + engine.account(address).balance, 0n)
    expect(sum).toBe(2n * RICH)
    expect(engine.totalBalance()).toBe(2n * RICH)
  })
})

describe('trouble', () => {
  test('that keeps a block from being written leaves the head where it was, and the next try succeeds', async () => {
    const directory = newDirectory()
    const engine = await createEmbeddedEngine({ directory, genesis })
    cleanUp.push(() => engine.close())
    const hash = await send(engine, { to: BOB, value: 1n })
    const head = engine.head()
    const intruder = new DatabaseSync(join(directory, 'chain.sqlite'))
    intruder.exec('BEGIN IMMEDIATE')
    await expect(next(engine)).rejects.toThrow('locked')
    intruder.exec('ROLLBACK')
    intruder.close()
    expect(engine.head()).toBe(head)
    expect(engine.account(BOB).balance).toBe(0n)
    expect(engine.pending().transactions()).toHaveLength(1)
    expect((await next(engine)).transactions.map((transaction) => transaction.hash)).toEqual([hash])
    expect(engine.account(BOB).balance).toBe(1n)
  })

  test('in a listener does not reach the chain', async () => {
    const warned: string[] = []
    const engine = await openEngine({ warn: (_, message) => warned.push(message) })
    engine.onBlock(() => {
      throw new Error('mine')
    })
    expect((await next(engine)).number).toBe(1n)
    expect(warned).toEqual(['a listener of the engine failed'])
  })

  test('does not come from calls between the transactions of a block', async () => {
    const transactions: Uint8Array[] = []
    const heads: Hex[] = []
    for (const isBusy of [false, true]) {
      // a clock that leaps makes the build give way after every transaction
      const time = { ms: 0 }
      const clock = {
        nowMs: () => {
          if (isBusy) time.ms += 30
          return time.ms
        },
      }
      const engine = await openEngine({ clock, buildTimeMaxMs: 10 ** 9 })
      const address = await deployWeth(engine)
      for (let i = 0; i < 30; i++) {
        const raw =
          transactions[i] ?? (await sign(engine, { to: address, data: encode('deposit'), value: BigInt(i) }))
        transactions[i] = raw
        await engine.submit(raw)
      }
      let isBuilt = false
      const built = next(engine).finally(() => {
        isBuilt = true
      })
      let calls = 0
      while (isBusy && !isBuilt) {
        const call = { from: ALICE, to: address, data: encode('deposit'), value: 1n }
        expect((await engine.call(call)).reverted).toBe(false)
        calls++
        await new Promise(setImmediate)
      }
      if (isBusy) expect(calls).toBeGreaterThan(5)
      heads.push((await built).stateRoot)
    }
    expect(heads[0]).toBe(heads[1])
  })
})

describe('rewinding', () => {
  test('gives the state, logs and answers of before, durably, and the transactions to the pool', async () => {
    const directory = newDirectory()
    const engine = await createEmbeddedEngine({ directory, genesis })
    const address = await deployWeth(engine)
    await send(engine, { to: address, data: encode('deposit'), value: 5n })
    const kept = await next(engine)
    const total = engine.totalBalance()
    const balances = [ALICE, CAROL, address].map((account) => engine.account(account))
    const hashes: Hex[] = []
    for (let i = 0; i < 70; i++) {
      hashes.push(await send(engine, { to: address, data: encode('transfer', [BOB, 0n]), gas: 60_000n }))
      if (i === 3) await deployWeth(engine)
      await engine.build(attributes(engine.head().timestamp + 2n, [mintTo(BOB, 1n, i)]))
    }
    const gone = engine.head()
    expect(await engine.rewind(kept.number)).toEqual(kept)
    const check = (asked: Engine): void => {
      expect(asked.head()).toEqual(kept)
      expect(asked.block(gone.number)).toBeUndefined()
      expect(asked.block(gone.hash)).toBeUndefined()
      expect([ALICE, CAROL, address].map((account) => asked.account(account))).toEqual(balances)
      expect(asked.totalBalance()).toBe(total)
      expect(asked.logs({ fromBlock: 0n, toBlock: 1000n })).toHaveLength(1)
      expect(hashes.map((hash) => asked.receipt(hash))).toEqual(hashes.map(() => undefined))
      expect(
        asked
          .pending()
          .transactions()
          .map(({ hash }) => hash),
      ).toEqual(expect.arrayContaining(hashes))
    }
    check(engine)
    await engine.close()
    const reopened = await createEmbeddedEngine({ directory, genesis })
    cleanUp.push(() => reopened.close())
    check(reopened)
    const block = await next(reopened)
    expect(block.transactions).toHaveLength(71)
    expect(reopened.receipt(hashes[69]!)?.status).toBe(1)
    expect(reopened.account(ALICE, kept.number)).toEqual(balances[0])
  })

  test('stops at what is finalised', async () => {
    const engine = await openEngine()
    for (let i = 0; i < 3; i++) await next(engine)
    engine.setFinalized(2n)
    await expect(engine.rewind(1n)).rejects.toThrow(FinalizedBlockError)
    await expect(engine.rewind(9n)).rejects.toThrow(UnknownBlockError)
    expect((await engine.rewind(2n)).number).toBe(2n)
  })
})

describe('contracts', () => {
  test('are deployed, called, log, and revert with their reason', async () => {
    const engine = await openEngine()
    const address = await deployWeth(engine)
    expect(keccak256(engine.code(address))).toBe(keccak256(weth.deployedBytecode))
    const deposit = await send(engine, { to: address, data: encode('deposit'), value: 100n })
    const transfer = await send(engine, { to: address, data: encode('transfer', [BOB, 30n]) })
    const failing = await send(engine, { to: address, data: encode('transfer', [BOB, 1000n]), gas: 90_000n })
    await next(engine)
    expect([deposit, transfer, failing].map((hash) => engine.receipt(hash)!.status)).toEqual([1, 1, 0])
    const balance = await engine.call({ to: address, data: encode('balanceOf', [BOB]) })
    expect(BigInt(balance.returnData)).toBe(30n)
    const symbol = await engine.call({ to: address, data: encode('name') })
    expect(decodeAbiParameters([{ type: 'string' }], symbol.returnData)[0]).toBe('Wrapped Ether')
    const refused = await engine.call({ from: ALICE, to: address, data: encode('transfer', [BOB, 1000n]) })
    expect(refused).toMatchObject({ reverted: true, error: 'execution reverted' })
    await expect(
      engine.estimateGas({ from: ALICE, to: address, data: encode('transfer', [BOB, 1000n]) }),
    ).rejects.toThrow(CallRevertedError)
  })

  test('estimates are enough, and hardly more', async () => {
    const engine = await openEngine()
    const address = await deployWeth(engine)
    const call = { from: ALICE, to: address, data: encode('deposit'), value: 1n }
    const estimate = await engine.estimateGas(call)
    const hash = await send(engine, { to: address, data: encode('deposit'), value: 1n, gas: estimate })
    await next(engine)
    const receipt = engine.receipt(hash)!
    expect(receipt.status).toBe(1)
    expect(Number(estimate)).toBeLessThan(Number(receipt.gasUsed) * 1.05)
    expect(await engine.estimateGas({ from: ALICE, to: BOB, value: 1n })).toBe(21_000n)
  })

  test('answer about any block, and under overrides', async () => {
    const engine = await openEngine()
    const address = await deployWeth(engine)
    const deployed = engine.head().number
    await send(engine, { to: address, data: encode('deposit'), value: 5n })
    await next(engine)
    const ask = { to: address, data: encode('balanceOf', [ALICE]) }
    expect(BigInt((await engine.call(ask)).returnData)).toBe(5n)
    expect(BigInt((await engine.call(ask, deployed)).returnData)).toBe(0n)
    expect((await engine.call(ask, deployed - 1n)).returnData).toBe('0x')
    await expect(engine.call(ask, 99n)).rejects.toThrow(UnknownBlockError)
    const elsewhere = await engine.call({ ...ask, to: BOB }, undefined, {
      [BOB]: { code: weth.deployedBytecode, balance: 1n },
    })
    expect(BigInt(elsewhere.returnData)).toBe(0n)
    const slot = keccak256(`0x${pad(ALICE, { size: 32 }).slice(2)}${pad('0x0', { size: 32 }).slice(2)}`)
    expect(BigInt(engine.storage(address, slot))).toBe(5n)
    expect(BigInt(engine.storage(address, slot, deployed))).toBe(0n)
    const overridden = await engine.call(ask, undefined, {
      [address]: { stateDiff: { [slot]: numberToHex(77, { size: 32 }) } },
    })
    expect(BigInt(overridden.returnData)).toBe(77n)
    expect(engine.account(address).balance).toBe(5n)
  })

  test('logs are found by address, by topic at its place, and by range', async () => {
    const engine = await openEngine()
    const address = await deployWeth(engine)
    const other = await deployWeth(engine)
    for (const target of [address, other, address]) {
      await send(engine, { to: target, data: encode('deposit'), value: 9n })
      await send(engine, { to: target, data: encode('transfer', [BOB, 2n]) })
      await next(engine)
    }
    const head = engine.head().number
    const all = { fromBlock: 0n, toBlock: head }
    const transferTopic = toEventSelector('Transfer(address,address,uint256)')
    expect(engine.logs(all)).toHaveLength(6)
    expect(engine.logs({ ...all, addresses: [address] })).toHaveLength(4)
    expect(engine.logs({ ...all, topics: [[transferTopic]] })).toHaveLength(3)
    expect(engine.logs({ ...all, topics: [null, [pad(ALICE, { size: 32 })]] })).toHaveLength(6)
    expect(engine.logs({ ...all, topics: [null, null, [pad(BOB, { size: 32 })]] })).toHaveLength(3)
    expect(
      engine.logs({ ...all, addresses: [other], topics: [[transferTopic], [pad(BOB, { size: 32 })]] }),
    ).toEqual([])
    expect(engine.logs({ fromBlock: head, toBlock: head })).toHaveLength(2)
    const log = engine.logs({ ...all, addresses: [other], topics: [[transferTopic]] })[0]!
    expect(engine.receipt(log.transactionHash)!.logs).toContainEqual(log)
    expect(BigInt(log.data)).toBe(2n)
  })
})

describe('the pool', () => {
  test('says in words that libraries know why it refuses', async () => {
    const engine = await openEngine()
    await send(engine, { to: BOB })
    await next(engine)
    const refusals: [string, Draft][] = [
      ['nonce too low', { to: BOB, nonce: 0 }],
      ['insufficient funds for gas * price + value', { to: BOB, value: RICH }],
      ['invalid chain id', { to: BOB, chainId: 1 }],
      ['intrinsic gas too low', { to: BOB, gas: 20_999n }],
      ['exceeds block gas limit', { to: BOB, gas: 30_000_001n }],
      ['underpriced|less than block base fee', { to: BOB, tip: 0n, cap: 0n }],
      ['account limit exceeded', { to: BOB, nonce: 5000 }],
    ]
    for (const [words, draft] of refusals) {
      const refused = send(engine, draft)
      await expect(refused).rejects.toThrow(new RegExp(words.replaceAll('*', '\\*').replaceAll('+', '\\+')))
      await expect(refused).rejects.toBeInstanceOf(TransactionRejectedError)
    }
    await expect(engine.submit(mintTo(ALICE, 10n ** 18n, 1))).rejects.toThrow(
      'transaction type not supported',
    )
    await expect(engine.submit(Uint8Array.of(1, 2, 3))).rejects.toThrow(Transaction.MalformedTransactionError)
    const raw = await sign(engine, { to: BOB })
    await engine.submit(raw)
    await expect(engine.submit(raw)).rejects.toThrow('already known')
    expect(engine.pending().transactions()).toHaveLength(1)
  })

  test('replaces for a tenth more, and not for less', async () => {
    const engine = await openEngine()
    await send(engine, { to: BOB, nonce: 0, value: 1n })
    await expect(
      send(engine, { to: BOB, nonce: 0, value: 2n, tip: 1_050_000_000n, cap: 3_200_000_000n }),
    ).rejects.toThrow('replacement transaction underpriced')
    const hash = await send(engine, {
      to: BOB,
      nonce: 0,
      value: 3n,
      tip: 1_100_000_000n,
      cap: 3_300_000_000n,
    })
    const block = await next(engine)
    expect(block.transactions.map((transaction) => transaction.hash)).toEqual([hash])
    expect(engine.account(BOB).balance).toBe(3n)
  })

  test('orders by tip across senders and by nonce within one, and waits for gaps', async () => {
    const engine = await openEngine()
    const cheap = await send(engine, { to: BOB, tip: 1n })
    const dear = await send(engine, { to: BOB, tip: 2_000_000_000n })
    const between = await send(engine, { to: BOB, tip: 1_000n }, carol)
    const gapped = await send(engine, { to: BOB, nonce: 3, tip: 2_000_000_000n })
    expect(engine.pending().nonce(ALICE)).toBe(2n)
    expect(engine.transaction(gapped)).toMatchObject({ blockHash: null, from: ALICE })
    const block = await next(engine)
    expect(block.transactions.map((transaction) => transaction.hash)).toEqual([between, cheap, dear])
    const filler = await send(engine, { to: BOB, nonce: 2 })
    expect((await next(engine)).transactions.map((transaction) => transaction.hash)).toEqual([filler, gapped])
  })

  test('keeps what a block took when the next transaction does not fit into it', async () => {
    const engine = await openEngine()
    const taken = await send(engine, { to: BOB, value: 5n, gas: 20_000_000n, tip: 2_000_000_000n })
    const waiting = await send(engine, { to: BOB, value: 7n, gas: 29_999_999n }, carol)
    const block = await next(engine)
    expect(block.transactions.map(({ hash }) => hash)).toEqual([taken])
    // a refused transaction once undid the one before it, whose receipt stayed
    expect(engine.account(BOB).balance).toBe(5n)
    expect(engine.account(ALICE).nonce).toBe(1n)
    expect((await next(engine)).transactions.map(({ hash }) => hash)).toEqual([waiting])
    expect(engine.account(BOB).balance).toBe(12n)
  })

  test('survives a restart', async () => {
    const directory = newDirectory()
    const engine = await createEmbeddedEngine({ directory, genesis })
    const hash = await send(engine, { to: BOB, value: 1n })
    await engine.close()
    const reopened = await createEmbeddedEngine({ directory, genesis })
    cleanUp.push(() => reopened.close())
    expect(
      reopened
        .pending()
        .transactions()
        .map((transaction) => transaction.hash),
    ).toEqual([hash])
    expect((await next(reopened)).transactions.map((transaction) => transaction.hash)).toEqual([hash])
  })

  test('gives the place of the cheapest to a better one when it is full', async () => {
    const limits = { transactionsMax: 2, perSenderMax: 10, transactionBytesMax: 1000, lifetimeMs: 10_000 }
    const engine = await openEngine({ poolLimits: limits })
    await send(engine, { to: BOB, tip: 5n })
    const loser = await send(engine, { to: BOB, tip: 3n }, carol)
    await expect(send(engine, { to: BOB, tip: 2n })).rejects.toThrow('txpool is full')
    await send(engine, { to: BOB, tip: 4n })
    expect(engine.transaction(loser)).toBeUndefined()
    await expect(send(engine, { to: BOB, data: `0x${'00'.repeat(1001)}` })).rejects.toThrow('oversized')
  })

  test('forgets what has waited too long', async () => {
    const time = { ms: 0 }
    const limits = { transactionsMax: 10, perSenderMax: 10, transactionBytesMax: 1000, lifetimeMs: 10_000 }
    const engine = await openEngine({ clock: { nowMs: () => time.ms }, poolLimits: limits })
    const hash = await send(engine, { to: BOB, nonce: 4 })
    time.ms = 10_000
    await next(engine)
    expect(engine.transaction(hash)).toBeDefined()
    time.ms = 10_001
    await next(engine)
    expect(engine.transaction(hash)).toBeUndefined()
  })
})

test('listeners hear of pending transactions and of durable blocks until they stop', async () => {
  const engine = await openEngine()
  const heard: string[] = []
  const stopPending = engine.onPending((hash) => heard.push(hash))
  const stopBlocks = engine.onBlock((block) => heard.push(`block ${block.number}`))
  const hash = await send(engine, { to: BOB })
  await next(engine)
  stopPending()
  stopBlocks()
  await send(engine, { to: BOB })
  await next(engine)
  expect(heard).toEqual([hash, 'block 1'])
})

test('a call that does not end is stopped by its gas', async () => {
  const engine = await openEngine({ callLimits: { gasMax: 500_000n, concurrencyMax: 2, queueMax: 10 } })
  const loop: Hex = '0x5b600056'
  const results = await Promise.all(
    Array.from({ length: 5 }, () =>
      engine.call({ to: BOB, gas: 10n ** 9n }, undefined, { [BOB]: { code: loop } }),
    ),
  )
  for (const result of results)
    expect(result).toMatchObject({ reverted: true, error: 'out of gas', gasUsed: 500_000n })
})
