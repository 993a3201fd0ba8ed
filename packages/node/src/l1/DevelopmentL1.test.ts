import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DevelopmentKeys } from '@openledger/protocol'
import { createWalletClient, http, parseEther } from 'viem'
import { foundry } from 'viem/chains'
import { afterEach, describe, expect, test } from 'vitest'
import { createDevelopmentL1, stopDevelopmentL1 } from './DevelopmentL1.ts'

const directories: string[] = []
const temporary = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'openledger-l1-'))
  directories.push(directory)
  return directory
}

afterEach(async () => {
  for (const directory of directories.splice(0)) {
    await stopDevelopmentL1(directory)
    rmSync(directory, { recursive: true, force: true })
  }
})

// emits one log, then stores 1 at slot 0; the deployed code is empty
const LOGGER_CREATION = '0x6001600055600160005260206000a060006000f3' as const

const wallet = (rpcUrl: string) =>
  createWalletClient({
    account: DevelopmentKeys.account('deployer'),
    chain: foundry,
    transport: http(rpcUrl),
  })

describe('createDevelopmentL1', () => {
  test('keeps blocks, transactions, receipts and logs over a clean stop', async () => {
    const directory = temporary()
    const first = await createDevelopmentL1({ directory, blockTimeSeconds: 1 })
    const hash = await wallet(first.rpcUrl).sendTransaction({ data: LOGGER_CREATION, gas: 200_000n })
    const receipt = await first.client.waitForTransactionReceipt({ hash })
    const block = await first.client.getBlock({ blockHash: receipt.blockHash, includeTransactions: true })
    const logs = await first.client.getLogs({ fromBlock: 0n, toBlock: 'latest' })
    await first.close()
    await expect(first.client.getBlockNumber()).rejects.toThrow()

    await using second = await createDevelopmentL1({ directory, blockTimeSeconds: 1 })
    expect(second.adopted).toBe(false)
    expect(second.rpcUrl).toBe(first.rpcUrl)
    expect(second.genesisHash).toBe(first.genesisHash)
    expect(await second.client.getTransactionReceipt({ hash })).toEqual(receipt)
    expect(await second.client.getBlock({ blockHash: receipt.blockHash, includeTransactions: true })).toEqual(
      block,
    )
    expect(await second.client.getLogs({ fromBlock: 0n, toBlock: 'latest' })).toEqual(logs)
    expect(logs).toHaveLength(1)
    // the chain goes on from the stored head
    const before = await second.client.getBlock()
    await second.nextBlock()
    expect((await second.client.getBlock()).parentHash).toBe(before.hash)
  })

  test('keeps one genesis however often it is killed and loaded', async () => {
    const directory = temporary()
    const hashes = new Set<string>()
    for (let round = 0; round < 5; round++) {
      const l1 = await createDevelopmentL1({ directory, blockTimeSeconds: 3600 })
      await l1.nextBlock()
      const genesis = await l1.client.getBlock({ blockNumber: 0n })
      const first = await l1.client.getBlock({ blockNumber: 1n })
      expect(first.parentHash).toBe(genesis.hash)
      hashes.add(genesis.hash)
      // the next genesis that anvil makes by itself must be another one
      await delay(1_050)
      if (round % 2 === 0) await l1.close()
      else process.kill(l1.pid, 'SIGKILL')
    }
    expect(hashes.size).toBe(1)
  })

  test('takes over a running chain, transactions waiting in its pool included', async () => {
    const directory = temporary()
    const first = await createDevelopmentL1({ directory, blockTimeSeconds: 3600 })
    const to = '0x00000000000000000000000000000000000000aa'
    const hash = await wallet(first.rpcUrl).sendTransaction({ to, value: parseEther('1'), gas: 21_000n })
    await using second = await createDevelopmentL1({ directory, blockTimeSeconds: 3600 })
    expect(second.adopted).toBe(true)
    expect(second.pid).toBe(first.pid)
    await second.nextBlock()
    expect((await second.client.getTransactionReceipt({ hash })).status).toBe('success')
    expect(await second.client.getBalance({ address: to })).toBe(parseEther('1'))
  })

  test('starts a killed anvil again from the last dump, never below the durable block', async () => {
    const directory = temporary()
    await using l1 = await createDevelopmentL1({ directory, blockTimeSeconds: 1 })
    await l1.nextBlock()
    const durable = await l1.durableBlockNumber()
    const kept = await l1.client.getBlock({ blockNumber: durable })
    process.kill(l1.pid, 'SIGKILL')
    await expect
      .poll(() => l1.client.getBlockNumber({ cacheTime: 0 }).catch(() => -1n), { timeout: 20_000 })
      .toBeGreaterThan(durable)
    expect(await l1.client.getBlock({ blockNumber: durable })).toEqual(kept)
  })

  test('tells what is wrong when something else holds the port', async () => {
    await using other = await createDevelopmentL1({ directory: temporary() })
    const port = Number(new URL(other.rpcUrl).port)
    await expect(createDevelopmentL1({ directory: temporary(), port })).rejects.toMatchObject({
      code: 'l1.port_taken',
    })
  })

  test('gives every development key money and moves the finalized head', async () => {
    await using l1 = await createDevelopmentL1({ directory: temporary(), blockTimeSeconds: 1 })
    const last = DevelopmentKeys.contributor(
      DevelopmentKeys.ACCOUNT_COUNT - DevelopmentKeys.CONTRIBUTOR_START - 1,
    )
    expect(await l1.client.getBalance({ address: last.address })).toBe(parseEther('10000'))
    for (let i = 0; i < 4; i++) await l1.nextBlock()
    const head = await l1.client.getBlockNumber({ cacheTime: 0 })
    const finalized = await l1.client.getBlock({ blockTag: 'finalized' })
    expect(head - finalized.number).toBeLessThanOrEqual(3n)
    expect(finalized.number).toBeGreaterThan(0n)
  })
})
