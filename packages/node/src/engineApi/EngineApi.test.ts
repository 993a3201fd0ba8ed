import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from '@openledger/primitives'
import { Deposit, Header, Transaction } from '@openledger/rollup'
import { hexToBytes, parseEther } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterEach, describe, expect, test } from 'vitest'
import { attributes, CHAIN_ID, genesisOf } from '../../test/Chain.ts'
import { FinalizedBlockError, PayloadError } from '../engine/EmbeddedEngine.ts'
import type { BlockRecord, ChainEngine, Engine } from '../engine/Engine.ts'
import { createExecutionNode, type ExecutionNode } from './createExecutionNode.ts'
import { createRemoteEngine, RemoteChainIdError } from './createRemoteEngine.ts'
import {
  createEngineApiClient,
  type EngineApiClient,
  EngineApiError,
  EngineApiUnauthorizedError,
  EngineApiUnreachableError,
} from './EngineApiClient.ts'
import * as Jwt from './Jwt.ts'
import * as Payload from './Payload.ts'

const alice = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const BOB = '0x00000000000000000000000000000000000b0b00'
const genesis = genesisOf({ [alice.address.toLowerCase()]: { balance: `${parseEther('100')}` } })
const ZERO: Hex = `0x${'00'.repeat(32)}`
const UNKNOWN: Hex = `0x${'77'.repeat(32)}`

const cleanUp: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo()
})

type Side = { readonly node: ExecutionNode; readonly client: EngineApiClient; readonly secret: Uint8Array }

async function start(): Promise<Side> {
  const directory = mkdtempSync(join(tmpdir(), 'engine-api-'))
  cleanUp.push(() => rmSync(directory, { recursive: true, force: true }))
  const node = await createExecutionNode({ directory, genesis })
  cleanUp.push(node.close)
  const secret = Jwt.readSecret(node.jwtSecretPath)
  return { node, secret, client: createEngineApiClient({ url: node.engineUrl, secret }) }
}

async function transfer(engine: Engine, value: bigint): Promise<Uint8Array> {
  const raw = await alice.signTransaction({
    type: 'eip1559',
    chainId: CHAIN_ID,
    nonce: Number(engine.pending().nonce(alice.address)),
    to: BOB,
    value,
    gas: 21_000n,
    maxFeePerGas: 3_000_000_000n,
    maxPriorityFeePerGas: 1_000_000_000n,
  })
  return hexToBytes(raw)
}

const deposit = (mint: bigint, id = 0): Uint8Array =>
  Transaction.encode({
    type: 0x7e,
    sourceHash: Deposit.userSourceHash(UNKNOWN, id),
    from: BOB,
    to: BOB,
    mint,
    value: 0n,
    gas: 100_000n,
    isSystemTx: false,
    data: new Uint8Array(),
  })

const headerOf = (record: BlockRecord): Header.Header => {
  const { hash: _hash, size: _size, transactions: _transactions, ...header } = record
  return header
}
const payloadOf = (record: BlockRecord): Payload.ExecutionPayload =>
  Payload.fromBlock({
    hash: record.hash,
    header: headerOf(record),
    transactions: record.transactions.map(({ raw }) => raw),
  })
const hand = (to: Side, record: BlockRecord) =>
  to.client.newPayload(payloadOf(record), record.parentBeaconBlockRoot)
const choose = (to: Side, head: Hex, safe = ZERO, finalized = ZERO) =>
  to.client.forkchoiceUpdated({ headBlockHash: head, safeBlockHash: safe, finalizedBlockHash: finalized })
const next = (engine: ChainEngine, deposits: readonly Uint8Array[] = []) =>
  engine.build(attributes(engine.head().timestamp + 2n, deposits))
const codeOf = (call: Promise<unknown>): Promise<number> =>
  call.then(
    () => 0,
    (error: unknown) => (error instanceof EngineApiError ? error.rpcCode : Number.NaN),
  )

describe('the token', () => {
  test('has the signature of RFC 7515, appendix A.1', () => {
    const key = Buffer.from(
      'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow',
      'base64url',
    )
    const signed =
      'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ'
    const token = `${signed}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk`
    // its signature holds, and only then its claims are looked at
    expect(Jwt.refusalOf(`Bearer ${token}`, key, 0)).toBe('missing issued-at')
    expect(Jwt.refusalOf(`Bearer ${token.slice(0, -2)}AA`, key, 0)).toBe('invalid signature')
  })

  test('is refused when it is missing, foreign, or more than a minute off', () => {
    const secret = new Uint8Array(32).fill(7)
    const token = `Bearer ${Jwt.sign(secret, 1_000)}`
    expect([940, 1_000, 1_060].map((now) => Jwt.refusalOf(token, secret, now))).toEqual(
      Array(3).fill(undefined),
    )
    expect([939, 1_061].map((now) => Jwt.refusalOf(token, secret, now))).toEqual([
      'stale token',
      'stale token',
    ])
    expect(Jwt.refusalOf(token, new Uint8Array(32), 1_000)).toBe('invalid signature')
    expect(Jwt.refusalOf(undefined, secret, 1_000)).toBe('missing token')
    expect(Jwt.refusalOf('Basic x', secret, 1_000)).toBe('malformed token')
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`
    expect(Jwt.refusalOf(`Bearer ${none}`, secret, 1_000)).toBe('invalid signature')
  })

  test('is asked for by the Engine API and not by the wallets’ port', async () => {
    const { node } = await start()
    const stranger = createEngineApiClient({ url: node.engineUrl, secret: new Uint8Array(32) })
    await expect(stranger.clientVersion()).rejects.toThrow(EngineApiUnauthorizedError)
    const late = createEngineApiClient({
      url: node.engineUrl,
      secret: Jwt.readSecret(node.jwtSecretPath),
      clock: { nowMs: () => Date.now() - 61_000 },
    })
    await expect(late.clientVersion()).rejects.toThrow('stale token')
    const open = createEngineApiClient({ url: node.rpcUrl, secret: new Uint8Array(32) })
    expect(await open.request('eth_chainId', [])).toBe(`0x${CHAIN_ID.toString(16)}`)
    expect(await codeOf(open.clientVersion())).toBe(-32_601)
  })
})

describe('a payload of another node', () => {
  test('is executed, waits beside the chain, and becomes the head when it is chosen', async () => {
    const [ours, theirs] = [await start(), await start()]
    const { engine } = theirs.node
    await next(engine, [deposit(5n)])
    const hash = await engine.submit(await transfer(engine, 7n))
    await next(engine)
    for (const number of [1n, 2n]) {
      const record = engine.block(number)!
      expect(await hand(ours, record)).toEqual({
        status: 'VALID',
        latestValidHash: record.hash,
        validationError: null,
      })
    }
    expect(ours.node.engine.head().number).toBe(0n)
    const [first, second] = [engine.block(1n)!, engine.block(2n)!]
    const answer = await choose(ours, second.hash, first.hash, first.hash)
    expect(answer).toEqual({
      payloadStatus: { status: 'VALID', latestValidHash: second.hash, validationError: null },
      payloadId: null,
    })
    expect(ours.node.engine.head()).toEqual(second)
    expect([ours.node.engine.safe().number, ours.node.engine.finalized().number]).toEqual([1n, 1n])
    expect(ours.node.engine.account(BOB).balance).toBe(12n)
    expect(ours.node.engine.receipt(hash)).toEqual(engine.receipt(hash))
    expect(await hand(ours, first)).toMatchObject({ status: 'VALID' })
  })

  test('is invalid when one field of its header is not what execution gives', async () => {
    const [ours, theirs] = [await start(), await start()]
    const { engine } = theirs.node
    await engine.submit(await transfer(engine, 7n))
    const record = await next(engine, [deposit(5n)])
    const header = headerOf(record)
    const other: Hex = `0x${'ab'.repeat(32)}`
    const changes: Partial<Header.Header>[] = [
      { stateRoot: other },
      { receiptsRoot: other },
      { withdrawalsRoot: other },
      { logsBloom: `0x01${'00'.repeat(255)}` },
      { number: 2n },
      { gasUsed: header.gasUsed + 1n },
      { gasLimit: 20_000n },
      { timestamp: 1_000n },
      { extraData: '0x' },
      { extraData: '0x000000000000000000' },
      { extraData: '0x01000000fa00000006' },
      { baseFeePerGas: header.baseFeePerGas + 1n },
      { blobGasUsed: 1n },
      { excessBlobGas: 1n },
    ]
    for (const change of changes) {
      const changed = { ...header, ...change }
      const block = {
        hash: Header.hash(changed),
        header: changed,
        transactions: record.transactions.map(({ raw }) => raw),
      }
      const status = await ours.client.newPayload(Payload.fromBlock(block), record.parentBeaconBlockRoot)
      expect({ change, ...status }).toMatchObject({
        change,
        status: 'INVALID',
        latestValidHash: record.parentHash,
      })
      expect((await choose(ours, block.hash)).payloadStatus.status).toBe('INVALID')
      // and so is whatever stands on it
      const child = { ...changed, parentHash: block.hash, number: changed.number + 1n }
      const orphan = Payload.fromBlock({ hash: Header.hash(child), header: child, transactions: [] })
      expect(await ours.client.newPayload(orphan, record.parentBeaconBlockRoot)).toMatchObject({
        status: 'INVALID',
        latestValidHash: record.parentHash,
      })
    }
    expect(await hand(ours, record)).toMatchObject({ status: 'VALID' })
  })

  test('is invalid with a wrong hash, a wrong transaction, blobs or requests', async () => {
    const [ours, theirs] = [await start(), await start()]
    const record = await next(theirs.node.engine, [deposit(5n)])
    const payload = payloadOf(record)
    const beacon = record.parentBeaconBlockRoot
    expect(await ours.client.newPayload({ ...payload, blockHash: UNKNOWN }, beacon)).toMatchObject({
      status: 'INVALID',
      latestValidHash: null,
    })
    expect(await ours.client.newPayload(payload, ZERO)).toMatchObject({ status: 'INVALID' })
    const mangled = { ...payload, transactions: ['0x7e00' as Hex] }
    expect(await ours.client.newPayload(mangled, beacon)).toMatchObject({ status: 'INVALID' })
    for (const extra of [
      [[UNKNOWN], beacon, []],
      [[], beacon, ['0x00']],
    ]) {
      expect(await ours.client.request('engine_newPayloadV4', [payload, ...extra])).toMatchObject({
        status: 'INVALID',
      })
    }
    expect(await codeOf(ours.client.request('engine_newPayloadV4', [{}, [], beacon, []]))).toBe(-32_602)
    expect(ours.node.engine.head().number).toBe(0n)
  })

  test('is not judged before its parent is known', async () => {
    const [ours, theirs] = [await start(), await start()]
    const first = await next(theirs.node.engine)
    const second = await next(theirs.node.engine)
    expect(await hand(ours, second)).toEqual({
      status: 'SYNCING',
      latestValidHash: null,
      validationError: null,
    })
    expect((await choose(ours, second.hash)).payloadStatus.status).toBe('SYNCING')
    for (const record of [first, second]) expect((await hand(ours, record)).status).toBe('VALID')
    expect((await choose(ours, second.hash)).payloadStatus.status).toBe('VALID')
  })
})

describe('the fork choice', () => {
  test('goes to another branch and back, and never below what is final', async () => {
    const [ours, left, right] = [await start(), await start(), await start()]
    const common = await next(left.node.engine)
    await hand(right, common)
    await choose(right, common.hash)
    const lefts = [await next(left.node.engine, [deposit(1n)]), await next(left.node.engine)]
    const rights = [await next(right.node.engine, [deposit(2n)]), await next(right.node.engine)]
    for (const record of [common, ...lefts, ...rights]) {
      expect((await hand(ours, record)).status).toBe('VALID')
    }
    const { engine } = ours.node
    for (const [branch, balance] of [
      [lefts, 1n],
      [rights, 2n],
      [lefts, 1n],
    ] as const) {
      await choose(ours, branch[1]!.hash, common.hash)
      expect(engine.head()).toEqual(branch[1])
      expect(engine.account(BOB).balance).toBe(balance)
      expect(engine.block(2n)!.hash).toBe(branch[0]!.hash)
    }
    await choose(ours, common.hash, common.hash)
    expect(engine.head().number).toBe(1n)
    await choose(ours, rights[1]!.hash, rights[0]!.hash, rights[0]!.hash)
    expect(await codeOf(choose(ours, lefts[1]!.hash))).toBe(-38_002)
    expect(engine.head()).toEqual(rights[1])
  })

  test('refuses a safe or final block that does not lead to the head, and changes nothing', async () => {
    const side = await start()
    const first = await next(side.node.engine)
    const second = await next(side.node.engine)
    expect(await codeOf(choose(side, first.hash, second.hash))).toBe(-38_002)
    expect(await codeOf(choose(side, second.hash, first.hash, UNKNOWN))).toBe(-38_002)
    expect(await codeOf(choose(side, ZERO))).toBe(-38_002)
    expect(side.node.engine.head()).toEqual(second)
    expect(side.node.engine.safe().number).toBe(0n)
  })

  test('answers attributes and requests of other forks and sizes with the codes of the specification', async () => {
    const { node, client } = await start()
    const block = await next(node.engine)
    const state = { headBlockHash: block.hash, safeBlockHash: ZERO, finalizedBlockHash: ZERO }
    const good = Payload.fromAttributes(attributes(block.timestamp + 2n))
    const refused = async (changed: object) =>
      codeOf(client.request('engine_forkchoiceUpdatedV3', [state, { ...good, ...changed }]))
    for (const changed of [
      { timestamp: `0x${block.timestamp.toString(16)}` },
      { parentBeaconBlockRoot: undefined },
      { withdrawals: undefined },
      { gasLimit: undefined },
      { eip1559Params: undefined },
      { eip1559Params: '0x0000000000000006' },
      { transactions: ['0x7e00'] },
    ]) {
      expect([changed, await refused(changed)]).toEqual([changed, -38_003])
    }
    expect(await codeOf(client.request('engine_forkchoiceUpdatedV2', [state, good]))).toBe(-38_005)
    expect(await codeOf(client.request('engine_forkchoiceUpdatedV2', [state, null]))).toBe(0)
    for (const version of [1, 2, 3]) {
      const payload = payloadOf(block)
      const call = client.request(`engine_newPayloadV${version}`, [payload, [], block.parentBeaconBlockRoot])
      expect(await codeOf(call)).toBe(-38_005)
    }
    expect(await codeOf(client.getPayload('0x0000000000000001'))).toBe(-38_001)
    const hashes = Array(33).fill(block.hash)
    expect(await codeOf(client.request('engine_getPayloadBodiesByHashV1', [hashes]))).toBe(-38_004)
    expect(await client.request('engine_getPayloadBodiesByHashV1', [[block.hash, UNKNOWN]])).toEqual([
      { transactions: [], withdrawals: [] },
      null,
    ])
    expect(await client.exchangeCapabilities(['engine_newPayloadV4'])).toContain('engine_newPayloadV4')
    expect(await client.clientVersion()).toMatchObject([{ name: 'OpenLedger' }])
  })

  test('builds one payload for the same attributes, with the pool, and takes it as the next block', async () => {
    const { node, client } = await start()
    const { engine } = node
    const state = { headBlockHash: engine.head().hash, safeBlockHash: ZERO, finalizedBlockHash: ZERO }
    const wanted = Payload.fromAttributes(attributes(1_002n, [deposit(5n)]))
    const { payloadId } = await client.forkchoiceUpdated(state, wanted)
    expect((await client.forkchoiceUpdated(state, wanted)).payloadId).toBe(payloadId)
    // what comes in while the block is open still gets in
    await engine.submit(await transfer(engine, 7n))
    const { executionPayload, blockValue } = await client.getPayload(payloadId!)
    expect(executionPayload.transactions).toHaveLength(2)
    expect(BigInt(blockValue)).toBe(21_000n * 1_000_000_000n)
    expect(await client.getPayload(payloadId!)).toMatchObject({ executionPayload })
    expect(engine.head().number).toBe(0n)
    const { parentBeaconBlockRoot } = wanted
    expect((await client.newPayload(executionPayload, parentBeaconBlockRoot)).status).toBe('VALID')
    await client.forkchoiceUpdated({ ...state, headBlockHash: executionPayload.blockHash })
    expect(engine.head().hash).toBe(executionPayload.blockHash)
    expect(engine.pending().transactions()).toEqual([])
    expect(engine.account(BOB).balance).toBe(12n)
  })
})

describe('an engine behind the Engine API', () => {
  const connect = ({ node, secret }: Side) =>
    createRemoteEngine({ url: node.engineUrl, secret, chainId: CHAIN_ID, fillTimeMs: 0 })

  test('builds, goes back and shows the same blocks as the one in the process', async () => {
    const side = await start()
    const { engine } = side.node
    const remote = await connect(side)
    const heard: bigint[] = []
    remote.onBlock(({ number }) => void heard.push(number))
    await next(remote, [deposit(5n)])
    await engine.submit(await transfer(engine, 7n))
    const second = await next(remote)
    expect(second.transactions).toHaveLength(1)
    const third = await remote.build({
      ...attributes(second.timestamp + 2n),
      noTxPool: true,
      transactions: [await transfer(engine, 1n)],
    })
    expect(heard).toEqual([1n, 2n, 3n])
    for (const number of [1n, 2n, 3n]) {
      const { transactions: theirs, ...header } = remote.block(number)!
      const { transactions: own, ...expected } = engine.block(number)!
      expect({ ...header, size: remote.block(number)!.size }).toEqual({ ...expected, size: expected.size })
      expect(theirs.map(({ raw, from }) => ({ raw, from }))).toEqual(
        own.map(({ raw, from }) => ({ raw, from })),
      )
      expect(remote.outputRoot(number)).toEqual(engine.outputRoot(number))
    }
    expect(remote.block(third.hash)).toBe(remote.head())
    expect(remote.block(4n)).toBeUndefined()

    await remote.rewind(1n)
    expect(engine.head().number).toBe(1n)
    const again = await next(remote, [deposit(9n, 1)])
    expect(engine.head().hash).toBe(again.hash)
    remote.setSafe(2n)
    remote.setFinalized(1n)
    await remote.close()
    expect([engine.safe().number, engine.finalized().number]).toEqual([2n, 1n])
    await expect(remote.rewind(0n)).rejects.toThrow(FinalizedBlockError)

    const reopened = await connect(side)
    expect([reopened.finalized().number, reopened.safe().number, reopened.head().hash]).toEqual([
      1n,
      2n,
      again.hash,
    ])
  })

  test('says what is wrong: attributes, chain, address', async () => {
    const side = await start()
    const remote = await connect(side)
    await expect(remote.build(attributes(1n))).rejects.toThrow(PayloadError)
    const wrongChain = { url: side.node.engineUrl, secret: side.secret, chainId: 1 }
    await expect(createRemoteEngine(wrongChain)).rejects.toThrow(RemoteChainIdError)
    const nobody = createEngineApiClient({ url: 'http://127.0.0.1:1', secret: side.secret, attemptsMax: 2 })
    await expect(nobody.clientVersion()).rejects.toThrow(EngineApiUnreachableError)
  })
})
