import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DevelopmentKeys } from '@openledger/protocol'
import { createPublicClient, type Hex, http, parseEther } from 'viem'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import * as Jwt from '../engineApi/Jwt.ts'
import { stopDevelopmentL1 } from '../l1/DevelopmentL1.ts'
import { createNode, type Node } from './createNode.ts'
import { createVerifierNode } from './createVerifierNode.ts'

const directory = mkdtempSync(join(tmpdir(), 'openledger-hand-over-'))
const copies = mkdtempSync(join(tmpdir(), 'openledger-hand-over-copies-'))
let node: Node

beforeAll(async () => {
  node = await createNode({
    directory,
    l1: { blockTimeSeconds: 1 },
    l2: {
      blockTimeSeconds: 1,
      submissionInterval: 3,
      batchIntervalSeconds: 1,
      without: ['batcher', 'proposer', 'challenger'],
    },
  })
})

afterAll(async () => {
  await node.close()
  await stopDevelopmentL1(directory)
  for (const path of [directory, copies]) rmSync(path, { recursive: true, force: true })
})

const rolesOf = (name: string, roles: Partial<Parameters<typeof createVerifierNode>[0]>) =>
  createVerifierNode({
    directory: join(copies, name),
    l1: { rpcUrl: node.l1RpcUrl },
    genesis: JSON.parse(readFileSync(join(directory, 'genesis.json'), 'utf8')),
    rollupConfig: node.rollupConfig,
    ...roles,
  })
const until = (check: () => unknown, timeout = 60_000): Promise<unknown> =>
  vi.waitFor(check, { timeout, interval: 200 })

async function transfer(url: string): Promise<Hex> {
  const account = DevelopmentKeys.account('caller')
  const client = createPublicClient({ transport: http(url), pollingInterval: 100, cacheTime: 0 })
  const hash = await client.sendRawTransaction({
    serializedTransaction: await account.signTransaction({
      chainId: node.deployment.l2ChainId,
      nonce: await client.getTransactionCount({ address: account.address }),
      to: '0x00000000000000000000000000000000000000d2',
      value: parseEther('1'),
      gas: 21_000n,
      maxFeePerGas: 10n ** 10n,
      maxPriorityFeePerGas: 1n,
    }),
  })
  return (await client.waitForTransactionReceipt({ hash, timeout: 40_000 })).blockHash
}

test('batcher and proposer run in processes of their own, and a second sequencer takes over every block of the first', async () => {
  await using batcher = await rolesOf('batcher', {
    batcher: {
      account: DevelopmentKeys.account('batcher'),
      sequencerRpcUrl: node.l2RpcUrl,
      intervalSeconds: 1,
    },
  })
  await using proposer = await rolesOf('proposer', {
    proposer: { account: DevelopmentKeys.account('proposer'), bondMaxWei: parseEther('1') },
  })
  await using second = await rolesOf('second', { sequencer: { starts: 'when told', admin: { port: 0 } } })
  const acknowledged = [await transfer(node.l2RpcUrl)]
  await until(() => expect(second.engine.safe().number).toBeGreaterThan(0n))
  acknowledged.push(await transfer(node.l2RpcUrl))

  // 1. the first stops, and its batcher publishes what is left
  await node.sequencer.stop()
  const last = node.engine.head()
  await until(() => expect(node.engine.safe().hash).toBe(last.hash))
  // 2. the second has derived the same
  await until(() => expect(second.engine.head().hash).toBe(last.hash))
  expect(second.engine.outputRoot(last.number)).toEqual(node.engine.outputRoot(last.number))
  // 3. it goes on; its batcher is another
  await batcher.close()
  await using newBatcher = await rolesOf('batcher two', {
    batcher: {
      account: DevelopmentKeys.account('batcher'),
      sequencerRpcUrl: second.rpcUrl,
      intervalSeconds: 1,
    },
  })
  const admin = async (method: string, params: readonly unknown[] = []) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const token = Jwt.sign(Jwt.readSecret(join(copies, 'second', 'admin.hex')), Date.now() / 1_000)
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
    const response = await fetch(second.adminUrl!, { method: 'POST', headers, body })
    return (await response.json()) as {
      readonly result?: unknown
      readonly error?: { readonly message: string }
    }
  }
  expect(await admin('admin_sequencerActive')).toMatchObject({ result: false })
  expect((await admin('admin_startSequencer', [`0x${'ab'.repeat(32)}`])).error?.message).toContain(
    'block hash does not match',
  )
  expect(await admin('admin_startSequencer', [last.hash])).toMatchObject({ result: null })
  expect(await admin('admin_sequencerActive')).toMatchObject({ result: true })
  const after = await transfer(second.rpcUrl)

  // the first follows from L1, and nothing that it acknowledged is gone
  await until(() => expect(node.engine.block(after)).toBeDefined())
  for (const hash of acknowledged) {
    const { number } = node.engine.block(hash)!
    expect(number).toBeLessThanOrEqual(last.number)
    expect(second.engine.block(number)!.hash).toBe(hash)
  }
  for (let number = 0n; number <= node.engine.safe().number; number++) {
    expect(second.engine.block(number)!.hash).toBe(node.engine.block(number)!.hash)
  }
  for (const one of [proposer, second, newBatcher]) expect(one.problems()).toEqual({})
  expect(node.problems()).toEqual({})
}, 240_000)
