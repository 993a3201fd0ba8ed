import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNode, type Node, stopDevelopmentL1 } from '@openledger/node'
import { DevelopmentKeys } from '@openledger/protocol'
import { openAbi } from '@openledger/protocol/abi/index'
import { createPublicClient, createWalletClient, http, parseEther } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Bridge, createBridge, createChains, type WithdrawalStage } from './bridge.ts'

const directory = mkdtempSync(join(tmpdir(), 'openledger-bridge-'))
let node: Node
let bridge: Bridge

beforeAll(async () => {
  node = await createNode({
    directory,
    l1: { blockTimeSeconds: 1 },
    l2: { blockTimeSeconds: 1, submissionInterval: 3, finalizationPeriodSeconds: 2, batchIntervalSeconds: 1 },
  })
  bridge = createBridge(node.deployment, node)
})

afterAll(async () => {
  await node.close()
  await stopDevelopmentL1(directory)
  rmSync(directory, { recursive: true, force: true })
})

const walletsOf = (account: ReturnType<typeof DevelopmentKeys.account>) => {
  const { l1Chain, l2Chain } = createChains(node.deployment, node)
  return {
    l1: createWalletClient({ account, chain: l1Chain, transport: http() }),
    l2: createWalletClient({ account, chain: l2Chain, transport: http() }),
  }
}
const openOnL1 = (address: `0x${string}`): Promise<bigint> =>
  node.l1.client.readContract({
    address: node.deployment.l1.open,
    abi: openAbi,
    functionName: 'balanceOf',
    args: [address],
  })

describe('createBridge', () => {
  test('deposits to another account, locking what L2 mints', async () => {
    const to = DevelopmentKeys.contributor(0).address
    const locked = await bridge.locked()
    const { l2Receipt } = await bridge.deposit(walletsOf(DevelopmentKeys.account('treasury')).l1, {
      amountWei: parseEther('3'),
      to,
    })
    expect(l2Receipt.status).toBe('success')
    expect(await bridge.locked()).toBe(locked + parseEther('3'))
    expect(node.engine.totalBalance!()).toBe(await bridge.locked())
    const l2 = createPublicClient({ transport: http(node.l2RpcUrl) })
    expect(await l2.getBalance({ address: to })).toBe(parseEther('3'))
  })

  test('withdraws through every stage, and completing it again changes nothing', async () => {
    const account = DevelopmentKeys.account('voter')
    const wallets = walletsOf(account)
    const before = await openOnL1(account.address)
    const stages: WithdrawalStage[] = []
    const receipt = await bridge.withdraw(wallets, { amountWei: parseEther('7') }, ({ stage }) =>
      stages.push(stage),
    )
    expect(stages).toEqual(['initiated', 'ready-to-prove', 'proven', 'ready-to-finalize', 'finalized'])
    expect(await openOnL1(account.address)).toBe(before + parseEther('7'))
    const again: WithdrawalStage[] = []
    await bridge.complete(wallets.l1, receipt, ({ stage }) => again.push(stage))
    expect(again).toEqual(['finalized'])
    expect(await openOnL1(account.address)).toBe(before + parseEther('7'))
  })

  test('refuses more than there is, before any transaction', async () => {
    const account = DevelopmentKeys.contributor(5)
    const wallets = walletsOf(account)
    await expect(bridge.deposit(wallets.l1, { amountWei: 1n })).rejects.toMatchObject({
      code: 'bridge.insufficient_balance',
    })
    await expect(bridge.initiate(wallets.l2, { amountWei: 1n })).rejects.toMatchObject({
      code: 'bridge.insufficient_balance',
    })
  })
})
