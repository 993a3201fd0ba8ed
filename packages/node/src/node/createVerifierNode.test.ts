import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DevelopmentKeys } from '@openledger/protocol'
import { createPublicClient, http, parseEther } from 'viem'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { stopDevelopmentL1 } from '../l1/DevelopmentL1.ts'
import { createNode, type Node } from './createNode.ts'
import { createVerifierNode, type VerifierNode } from './createVerifierNode.ts'

const directory = mkdtempSync(join(tmpdir(), 'openledger-sequencer-'))
const copies = mkdtempSync(join(tmpdir(), 'openledger-verifiers-'))
let node: Node

beforeAll(async () => {
  node = await createNode({
    directory,
    l1: { blockTimeSeconds: 1 },
    l2: { blockTimeSeconds: 1, submissionInterval: 3, batchIntervalSeconds: 1 },
  })
})

afterAll(async () => {
  await node.close()
  await stopDevelopmentL1(directory)
  for (const path of [directory, copies]) rmSync(path, { recursive: true, force: true })
})

const start = (name: string, rpc: { sequencerRpcUrl?: string } = {}): Promise<VerifierNode> =>
  createVerifierNode({
    directory: join(copies, name),
    l1: { rpcUrl: node.l1RpcUrl },
    genesis: JSON.parse(readFileSync(join(directory, 'genesis.json'), 'utf8')),
    rollupConfig: node.rollupConfig,
    ...rpc,
  })

/** Compares every block up to what L1 tells now. */
async function expectSameChain(verifier: VerifierNode): Promise<void> {
  const target = node.engine.head().number
  await vi.waitFor(() => expect(verifier.engine.head().number).toBeGreaterThanOrEqual(target), {
    timeout: 40_000,
    interval: 200,
  })
  for (let number = 0n; number <= target; number++) {
    expect(verifier.engine.block(number)!.hash).toBe(node.engine.block(number)!.hash)
  }
}

describe('batches in blobs', () => {
  test('are committed to as anvil checks it, and read back by a verifier that commits to them again', async () => {
    const own = mkdtempSync(join(tmpdir(), 'openledger-blobs-'))
    try {
      await using sequencer = await createNode({
        directory: own,
        l1: { blockTimeSeconds: 1 },
        l2: { blockTimeSeconds: 1, batchIntervalSeconds: 2, batchData: 'blobs' },
      })
      await using verifier = await createVerifierNode({
        directory: join(copies, 'blobs'),
        l1: { rpcUrl: sequencer.l1RpcUrl },
        genesis: JSON.parse(readFileSync(join(own, 'genesis.json'), 'utf8')),
        rollupConfig: sequencer.rollupConfig,
      })
      await vi.waitFor(() => expect(verifier.engine.safe().number).toBeGreaterThan(0n), {
        timeout: 170_000,
        interval: 500,
      })
      const { number, hash } = verifier.engine.safe()
      expect(sequencer.engine.block(number)!.hash).toBe(hash)
    } finally {
      await stopDevelopmentL1(own)
      rmSync(own, { recursive: true, force: true })
    }
  }, 200_000)
})

describe('a verifier', () => {
  test('started empty, with nothing but L1, comes to the sequencer’s hash at every height', async () => {
    await using verifier = await start('one')
    await expectSameChain(verifier)
    expect(verifier.engine.safe().number).toBeGreaterThan(0n)
    expect(verifier.engine.totalBalance()).toBeGreaterThan(0n)
    expect(verifier.problems()).toEqual({})
    await vi.waitFor(() => expect(verifier.engine.finalized().number).toBeGreaterThan(0n), {
      timeout: 20_000,
      interval: 200,
    })
  })

  test('goes on after a restart where it was, and hands transactions to the sequencer', async () => {
    await using verifier = await start('one', { sequencerRpcUrl: node.l2RpcUrl })
    expect(verifier.engine.head().number).toBeGreaterThan(0n)
    const to = '0x00000000000000000000000000000000000000d1'
    const account = DevelopmentKeys.account('caller')
    const client = createPublicClient({
      transport: http(verifier.rpcUrl),
      pollingInterval: 100,
      cacheTime: 0,
    })
    const serializedTransaction = await account.signTransaction({
      chainId: node.deployment.l2ChainId,
      nonce: await client.getTransactionCount({ address: account.address }),
      to,
      value: parseEther('3'),
      gas: 21_000n,
      maxFeePerGas: 10n ** 10n,
      maxPriorityFeePerGas: 1n,
    })
    const hash = await client.sendRawTransaction({ serializedTransaction })
    await client.waitForTransactionReceipt({ hash, timeout: 40_000 })
    expect(await client.getBalance({ address: to })).toBe(parseEther('3'))
    await expectSameChain(verifier)
  })

  test('refuses transactions when it knows no sequencer, and a genesis of another chain', async () => {
    await using verifier = await start('two')
    const client = createPublicClient({ transport: http(verifier.rpcUrl) })
    await expect(client.sendRawTransaction({ serializedTransaction: '0x02c0' })).rejects.toThrow(
      /takes no transactions/,
    )
    const { genesis } = node.rollupConfig
    const other = { ...node.rollupConfig, genesis: { ...genesis, l2: { hash: '0x12', number: 0 } } } as const
    await expect(
      createVerifierNode({
        directory: join(copies, 'three'),
        l1: { rpcUrl: node.l1RpcUrl },
        genesis: JSON.parse(readFileSync(join(directory, 'genesis.json'), 'utf8')),
        rollupConfig: other,
      }),
    ).rejects.toMatchObject({ code: 'node.genesis_hash' })
  })
})
