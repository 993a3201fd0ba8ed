import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DevelopmentKeys } from '@openledger/protocol'
import type { Genesis } from '@openledger/rollup'
import { createPublicClient, createWalletClient, defineChain, http, parseEther } from 'viem'
import { afterEach, describe, expect, test } from 'vitest'
import { createExecutionNode } from '../engineApi/createExecutionNode.ts'
import * as Jwt from '../engineApi/Jwt.ts'
import { freePort } from '../l1/Anvil.ts'
import { stopDevelopmentL1 } from '../l1/DevelopmentL1.ts'
import { createNode, type Node } from './createNode.ts'
import type { RemoteExecution } from './NodeOptions.ts'
import { ExecutionClientError } from './openExecution.ts'

const stack: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stack.splice(0).reverse()) await stop()
})

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), 'remote-engine-'))
  stack.push(async () => {
    await stopDevelopmentL1(directory)
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

const start = async (directory: string, engine: RemoteExecution): Promise<Node> => {
  const node = await createNode({
    directory,
    l1: { port: await freePort(), blockTimeSeconds: 1 },
    l2: { blockTimeSeconds: 1, batchIntervalSeconds: 2, engine },
  })
  stack.push(node.close)
  return node
}

/** The first start writes the genesis that the execution client is made from, and says where. */
async function genesisOf(directory: string, engine: RemoteExecution): Promise<Genesis> {
  const failure = await start(directory, engine).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(ExecutionClientError)
  const path = join(directory, 'genesis.json')
  expect((failure as Error).message).toContain(path)
  return JSON.parse(readFileSync(path, 'utf8')) as Genesis
}

/** Deposits, contracts, a transfer, batches: what `npm start` does, over whoever executes. */
async function goRound(node: Node): Promise<void> {
  const chain = defineChain({
    id: node.engine.chainId,
    name: 'L2',
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [node.l2RpcUrl] } },
  })
  const account = DevelopmentKeys.account('builder')
  const wallet = createWalletClient({ account, chain, transport: http() })
  const l2 = createPublicClient({ chain, transport: http(), pollingInterval: 200, cacheTime: 0 })
  const to = '0x00000000000000000000000000000000000000aa'
  const hash = await wallet.sendTransaction({ to, value: parseEther('3') })
  const { status, blockNumber } = await l2.waitForTransactionReceipt({ hash })
  expect(status).toBe('success')
  expect(await l2.getBalance({ address: to })).toBe(parseEther('3'))
  expect((await l2.getCode({ address: node.deployment.l2.settlement }))?.length).toBeGreaterThan(1_000)
  expect((await l2.getBlock({ blockNumber })).hash).toBe(node.engine.block(blockNumber)!.hash)
  // a call that fails keeps its reason and its data on the way
  await expect(l2.call({ to: node.deployment.l2.settlement, data: '0xdeadbeef' })).rejects.toThrow(/reverted/)
  await expect
    .poll(() => node.engine.safe().number, { timeout: 60_000, interval: 200 })
    .toBeGreaterThanOrEqual(blockNumber)
  expect(node.engine.totalBalance).toBeUndefined()
  expect(node.problems()).toEqual({})
}

describe('a node whose blocks another process executes', () => {
  test('goes the whole way over our own engine, and goes on after a restart', {
    timeout: 240_000,
  }, async () => {
    const directory = folder()
    const port = await freePort()
    const jwtSecretPath = join(directory, 'engine.hex')
    const engine = { url: `http://127.0.0.1:${port}`, secret: Jwt.readSecret(jwtSecretPath) }
    const genesis = await genesisOf(directory, engine)

    const other = await createExecutionNode({
      directory: join(directory, 'other'),
      genesis: { ...genesis, timestamp: Number(genesis.timestamp) + 1 },
      enginePort: port,
      jwtSecretPath,
    })
    await expect(start(directory, engine)).rejects.toThrow(
      /Expected block 0 at .* to be 0x.*, got 0x.*genesis\.json/,
    )
    await expect(start(directory, { ...engine, secret: new Uint8Array(32) })).rejects.toThrow(
      /same JWT secret/,
    )
    await other.close()

    const execution = await createExecutionNode({
      directory: join(directory, 'engine'),
      genesis,
      enginePort: port,
      jwtSecretPath,
    })
    stack.push(execution.close)
    const node = await start(directory, engine)
    await goRound(node)
    const before = node.engine.safe()
    await node.close()
    const again = await start(directory, engine)
    expect(again.engine.block(before.number)?.hash).toBe(before.hash)
    // what L1 tells was compared with blocks from before the finalised one
    expect(again.problems()).toEqual({})
    await expect.poll(() => again.engine.head().number, { timeout: 20_000 }).toBeGreaterThan(before.number)
  })

  const vectors = process.env['OPENLEDGER_VECTORS']
  const opGeth = vectors === undefined ? undefined : join(vectors, 'bin/op-geth')
  const isHere = opGeth !== undefined && existsSync(opGeth)
  test.skipIf(!isHere)(
    isHere
      ? 'goes the whole way over op-geth'
      : 'goes the whole way over op-geth (skipped: no bin/op-geth in OPENLEDGER_VECTORS)',
    { timeout: 240_000 },
    async () => {
      const directory = folder()
      const [port, peers] = [await freePort(), await freePort()]
      const jwtSecretPath = join(directory, 'engine.hex')
      const engine = { url: `http://127.0.0.1:${port}`, secret: Jwt.readSecret(jwtSecretPath) }
      await genesisOf(directory, engine)
      const data = join(directory, 'geth')
      const init = ['init', '--datadir', data, '--state.scheme=hash', join(directory, 'genesis.json')]
      execFileSync(opGeth!, init, { stdio: 'ignore' })
      const geth: ChildProcess = spawn(
        opGeth!,
        [
          ...[
            '--datadir',
            data,
            '--state.scheme=hash',
            '--gcmode=archive',
            '--syncmode=full',
            '--ipcdisable',
          ],
          ...[
            '--nodiscover',
            '--maxpeers=0',
            '--nat=none',
            `--port=${peers}`,
            '--rollup.disabletxpoolgossip',
          ],
          ...['--authrpc.addr=127.0.0.1', `--authrpc.port=${port}`, `--authrpc.jwtsecret=${jwtSecretPath}`],
        ],
        { stdio: 'ignore' },
      )
      const ended = new Promise<void>((resolve) => geth.once('exit', () => resolve()))
      stack.push(async () => {
        geth.kill('SIGTERM')
        await ended
      })
      for (let tries = 0; tries < 100; tries++) {
        const isUp = await fetch(engine.url, { method: 'POST' }).then(
          () => true,
          () => false,
        )
        if (isUp) break
        await delay(200)
      }
      await goRound(await start(directory, engine))
    },
  )
})
