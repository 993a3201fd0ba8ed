import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Deployment, DevelopmentKeys } from '@openledger/protocol'
import { Batch, Channel, Frame } from '@openledger/rollup'
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  type Hex,
  hexToBytes,
  http,
  parseAbiItem,
  parseEther,
} from 'viem'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { batchInboxOf } from '../deployment/RollupConfig.ts'
import { isRunning } from '../l1/Anvil.ts'
import { stopDevelopmentL1 } from '../l1/DevelopmentL1.ts'

const program = new URL('../../test/startNode.ts', import.meta.url).pathname
const directories: string[] = []
const children: ChildProcess[] = []

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const directory of directories.splice(0)) {
    await stopDevelopmentL1(directory)
    rmSync(directory, { recursive: true, force: true })
  }
})

const temporary = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'openledger-restart-'))
  directories.push(directory)
  return directory
}

type Started = {
  readonly child: ChildProcess
  readonly l1: string
  readonly l2: string
  readonly deployment: Deployment
}

const launch = (directory: string): ChildProcess => {
  const child = spawn(process.execPath, [program, directory], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  return child
}

const ready = (child: ChildProcess): Promise<Started> =>
  new Promise((resolve, reject) => {
    let text = ''
    let errors = ''
    child.stderr!.on('data', (chunk: Buffer) => {
      errors += chunk
    })
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk
      if (text.includes('\n')) resolve({ child, ...JSON.parse(text) })
    })
    child.once('exit', (code) => reject(new Error(`the node ended with ${code}: ${errors}`)))
  })

const kill = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })

function pidOf(directory: string): number | undefined {
  try {
    return Number(readFileSync(join(directory, 'l1.pid'), 'utf8'))
  } catch {
    return undefined
  }
}

const clientOf = (url: string) =>
  createPublicClient({ transport: http(url), pollingInterval: 100, cacheTime: 0 })

/** The time of every L2 block that the batcher put on L1, in the order of L1; each frame is a whole channel here. */
async function publishedTimestamps({ l1, deployment }: Started): Promise<bigint[]> {
  const client = clientOf(l1)
  const timestamps: bigint[] = []
  const head = await client.getBlockNumber()
  for (let blockNumber = 0n; blockNumber <= head; blockNumber++) {
    const { transactions } = await client.getBlock({ blockNumber, includeTransactions: true })
    for (const { to, input } of transactions) {
      if (to !== batchInboxOf(deployment.l2ChainId)) continue
      for (const batch of Channel.decode(Channel.join(Frame.decode(hexToBytes(input))))) {
        const decoded = Batch.decode(batch, BigInt(deployment.l2ChainId))
        if (decoded.version === 0) timestamps.push(decoded.singular.timestamp)
        else {
          // one L2 block a second
          const first = decoded.span.relativeTimestamp
          timestamps.push(...decoded.span.blocks.map((_, i) => first + BigInt(i)))
        }
      }
    }
  }
  return timestamps
}

describe('a node killed with SIGKILL', () => {
  test('at many points of its first start comes up with one deployment, and no account funded twice', async () => {
    const directory = temporary()
    let started: Started | undefined
    let rounds = 0
    for (let waitMs = 500; started === undefined; waitMs = Math.round(waitMs * 1.4)) {
      const child = launch(directory)
      // each try is given a little longer, until one has time to finish
      started = await Promise.race([ready(child), delay(waitMs).then(() => undefined)])
      if (started !== undefined) break
      await kill(child)
      // every other time the machine fails, and the L1 with it
      const l1Pid = ++rounds % 2 === 0 ? pidOf(directory) : undefined
      if (l1Pid !== undefined && isRunning(l1Pid)) process.kill(l1Pid, 'SIGKILL')
    }
    const deposits = await clientOf(started.l1).getLogs({
      address: started.deployment.l1.portal,
      event: parseAbiItem(
        'event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData)',
      ),
      args: { from: DevelopmentKeys.account('deployer').address },
      fromBlock: 0n,
    })
    const recipients = deposits.map(({ args }) => args.to)
    expect(new Set(recipients).size).toBe(recipients.length)
    expect(recipients).toHaveLength(Object.keys(DevelopmentKeys.ROLES).length)
    const l2 = clientOf(started.l2)
    for (const address of Object.values(started.deployment.l2)) {
      expect(await l2.getCode({ address: address as Hex })).toMatch(/^0x60/)
    }
    expect(JSON.parse(readFileSync(join(directory, 'deployment.json'), 'utf8'))).toEqual(started.deployment)
  })

  test('keeps every block and transaction that it acknowledged, and goes on', async () => {
    const directory = temporary()
    const first = await ready(launch(directory))
    const account = DevelopmentKeys.account('caller')
    const chain = defineChain({
      id: first.deployment.l2ChainId,
      name: 'L2',
      nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
      rpcUrls: { default: { http: [first.l2] } },
    })
    const wallet = createWalletClient({ account, chain, transport: http(first.l2) })
    const to = '0x00000000000000000000000000000000000000c1'
    const inBlock = await wallet.sendTransaction({ to, value: parseEther('1') })
    const receipt = await clientOf(first.l2).waitForTransactionReceipt({ hash: inBlock })
    const block = await clientOf(first.l2).getBlock({ blockHash: receipt.blockHash })
    // acknowledged, and in no block yet
    const waiting = await wallet.sendTransaction({ to, value: parseEther('2') })
    await kill(first.child)

    const second = await ready(launch(directory))
    expect(second.deployment).toEqual(first.deployment)
    expect(second.l1).toBe(first.l1)
    const client = clientOf(second.l2)
    expect(await client.getTransactionReceipt({ hash: inBlock })).toEqual(receipt)
    expect(await client.getBlock({ blockNumber: block.number })).toEqual(block)
    await client.waitForTransactionReceipt({ hash: waiting })
    expect(await client.getBalance({ address: to })).toBe(parseEther('3'))
    // L1 keeps what L2 stands on, so safe and finalized heads go on
    const head = await client.getBlockNumber()
    await vi.waitFor(
      async () =>
        expect((await client.getBlock({ blockTag: 'finalized' })).number).toBeGreaterThanOrEqual(head),
      { timeout: 30_000, interval: 250 },
    )
    const told = await publishedTimestamps(second)
    expect(new Set(told).size).toBe(told.length)
    expect(told).toEqual([...told].sort((x, y) => (x < y ? -1 : 1)))
    expect(told.length).toBeGreaterThanOrEqual(Number(head))
  })

  test('refuses to start twice in one directory', async () => {
    const directory = temporary()
    await ready(launch(directory))
    const again = spawn(process.execPath, [program, directory], { stdio: ['ignore', 'ignore', 'pipe'] })
    children.push(again)
    let errors = ''
    again.stderr!.on('data', (chunk: Buffer) => {
      errors += chunk
    })
    const code = await new Promise((resolve) => again.once('exit', resolve))
    expect(code).not.toBe(0)
    expect(errors).toContain('node.directory_locked')
  })
})
