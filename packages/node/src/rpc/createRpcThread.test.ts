import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Hex } from '@openledger/primitives'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { attributes, CHAIN_ID, genesisOf } from '../../test/Chain.ts'
import { createEmbeddedEngine, type EmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import { silentLogger } from '../node/Logger.ts'
import type { RpcServer } from './createRpcServer.ts'
import { createRpcThread } from './createRpcThread.ts'

const alice = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const ALICE = alice.address.toLowerCase() as Hex
const BOB = `0x${'b0'.repeat(20)}`
const directory = mkdtempSync(join(tmpdir(), 'rpc-thread-'))
const genesis = genesisOf({ [ALICE]: { balance: '1000000000000000000000' } })

let engine: EmbeddedEngine
let server: RpcServer
/** The first is the one that serves; the others follow the chain for it. */
const workers: Worker[] = []
const remember = (worker: Worker): void => void workers.push(worker)

const ask = async (method: string, ...params: unknown[]): Promise<never> => {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } }
  if (error !== undefined) throw new Error(error.message)
  return result as never
}
const transfer = (nonce: number): Promise<Hex> =>
  alice.signTransaction({
    type: 'eip1559',
    chainId: CHAIN_ID,
    nonce,
    to: BOB as Hex,
    value: 1n,
    gas: 21_000n,
    maxFeePerGas: 10n ** 11n,
  })
const build = () => engine.build(attributes(engine.head().timestamp + 2n))

beforeAll(async () => {
  engine = await createEmbeddedEngine({ directory, genesis })
  process.on('worker', remember)
  server = await createRpcThread({
    engine,
    directory,
    genesis,
    port: 0,
    readThreads: 1,
    logger: silentLogger,
  })
})
afterAll(async () => {
  process.off('worker', remember)
  await server.close()
  await engine.close()
  rmSync(directory, { recursive: true, force: true })
})

describe('JSON-RPC from a thread of its own', () => {
  test('shows every caller what the engine has announced, and nobody an older block after a newer one', async () => {
    const heights: bigint[] = []
    const watch = new AbortController()
    const watching = (async () => {
      while (!watch.signal.aborted) heights.push(BigInt(await ask('eth_blockNumber')))
    })()
    for (let nonce = 0; nonce < 15; nonce++) {
      const hash: Hex = await ask('eth_sendRawTransaction', await transfer(nonce))
      // both are known at the thread that builds alone
      expect(await ask('eth_getTransactionCount', ALICE, 'pending')).toBe(`0x${(nonce + 1).toString(16)}`)
      const announced = new Promise<{ number: bigint; hash: Hex }>((resolve) => {
        const stop = engine.onBlock((block) => {
          stop()
          resolve(block)
        })
      })
      const looking = ask('eth_getTransactionByHash', hash)
      void build()
      const { number, hash: blockHash } = await announced
      expect(await ask('eth_getTransactionReceipt', hash)).toMatchObject({ blockHash, status: '0x1' })
      expect(await looking).toMatchObject({ hash })
      expect(BigInt(await ask('eth_blockNumber'))).toBeGreaterThanOrEqual(number)
      expect(BigInt(await ask('eth_getBalance', BOB, 'latest'))).toBe(BigInt(nonce + 1))
      expect(await ask('eth_call', { to: BOB }, 'latest')).toBe('0x')
    }
    watch.abort()
    await watching
    expect(heights).toEqual([...heights].sort((a, b) => (a < b ? -1 : 1)))
  })

  test('waits for a receipt no longer than until the block that has it', async () => {
    const waiting = ask('eth_sendRawTransactionSync', await transfer(15))
    await vi.waitFor(() => expect(engine.pending().transactions()).toHaveLength(1))
    const { hash } = await build()
    expect(await waiting).toMatchObject({ blockHash: hash })
  })

  test('refuses in the engine’s words what the engine refuses', async () => {
    await expect(ask('eth_sendRawTransaction', await transfer(0))).rejects.toThrow(/nonce/i)
    await expect(ask('eth_sendRawTransaction', '0x02c0')).rejects.toThrow()
  })

  test('goes back with the chain when blocks are taken back', async () => {
    const before = engine.head().number
    const { hash } = await build()
    await ask('eth_getBlockByHash', hash, true)
    await engine.rewind(before - 1n)
    expect(BigInt(await ask('eth_blockNumber'))).toBe(before - 1n)
    expect(await ask('eth_getBlockByHash', hash, true)).toBeNull()
    // the transaction of the block that went with it waits again
    expect(await ask('txpool_status')).toMatchObject({ pending: '0x1' })
    await build()
  })

  test('answers reads while the thread that builds blocks is busy', async () => {
    const answered = new Int32Array(new SharedArrayBuffer(4))
    const reader = new Worker(
      `const { workerData: { url, answered } } = require('node:worker_threads')
       const ask = async (method, params) => {
         const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
         const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
         if ((await answer.json()).result === undefined) throw new Error(method)
         Atomics.add(answered, 0, 1)
         Atomics.notify(answered, 0)
       }
       ;(async () => {
         while (true) {
           await ask('eth_getBalance', ['${ALICE}', 'latest'])
           await ask('eth_getBlockByNumber', ['latest', true])
           await ask('eth_getLogs', [{ fromBlock: 'latest' }])
         }
       })()`,
      { eval: true, workerData: { url: server.url, answered } },
    )
    // nothing else happens on this thread until they are there
    const ends = performance.now() + 20_000
    let count = 0
    while (count < 60 && performance.now() < ends) {
      Atomics.wait(answered, 0, count, 1_000)
      count = Atomics.load(answered, 0)
    }
    await reader.terminate()
    expect(count).toBeGreaterThanOrEqual(60)
  })

  test('is served again at the same port when its thread has ended', async () => {
    await workers[0]!.terminate()
    await vi.waitFor(async () => expect(BigInt(await ask('eth_blockNumber'))).toBe(engine.head().number), {
      timeout: 20_000,
    })
    const { number } = await build()
    expect(BigInt(await ask('eth_blockNumber'))).toBe(number)
  })
})
