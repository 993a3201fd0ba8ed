import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DevelopmentKeys } from '@openledger/protocol'
import { feePolicyAbi, openAbi, settlementAbi } from '@openledger/protocol/abi/index'
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  getAddress,
  http,
  parseAbi,
  parseEther,
} from 'viem'
import {
  chainConfig,
  getL2TransactionHashes,
  publicActionsL1,
  publicActionsL2,
  walletActionsL1,
  walletActionsL2,
} from 'viem/op-stack'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import * as Jwt from '../engineApi/Jwt.ts'
import { stopDevelopmentL1 } from '../l1/DevelopmentL1.ts'
import { createNode, type Node } from './createNode.ts'
import { l1OriginOf } from './L1Origin.ts'

const directory = mkdtempSync(join(tmpdir(), 'openledger-node-'))
const options = {
  directory,
  l1: { blockTimeSeconds: 1 },
  l2: {
    blockTimeSeconds: 1,
    submissionInterval: 3,
    finalizationPeriodSeconds: 2,
    batchIntervalSeconds: 1,
    admin: { port: 0 },
  },
} as const
let node: Node

beforeAll(async () => {
  node = await createNode(options)
})

afterAll(async () => {
  await node.close()
  await stopDevelopmentL1(directory)
  rmSync(directory, { recursive: true, force: true })
})

function chains() {
  const { l1, l1ChainId, l2ChainId } = node.deployment
  const l1Chain = defineChain({
    id: l1ChainId,
    name: 'L1',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [node.l1RpcUrl] } },
    contracts: { multicall3: { address: l1.multicall3 } },
  })
  const l2Chain = defineChain({
    ...chainConfig,
    id: l2ChainId,
    name: 'L2',
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [node.l2RpcUrl] } },
    sourceId: l1ChainId,
    contracts: {
      ...chainConfig.contracts,
      portal: { [l1ChainId]: { address: l1.portal } },
      l2OutputOracle: { [l1ChainId]: { address: l1.outputOracle } },
    },
  })
  return { l1Chain, l2Chain }
}

const lockedWei = (): Promise<bigint> =>
  node.l1.client.readContract({
    address: node.deployment.l1.open,
    abi: openAbi,
    functionName: 'balanceOf',
    args: [node.deployment.l1.portal],
  })

describe('createNode', () => {
  test('brings every OPEN on L2 through the portal', async () => {
    expect(node.engine.totalBalance!()).toBe(await lockedWei())
    expect(node.engine.totalBalance!()).toBeGreaterThan(0n)
    const client = createPublicClient({ transport: http(node.l2RpcUrl) })
    for (const role of Object.keys(DevelopmentKeys.ROLES) as DevelopmentKeys.Role[]) {
      const { address } = DevelopmentKeys.account(role)
      expect(await client.getBalance({ address })).toBeGreaterThan(0n)
    }
    expect(await client.getBalance({ address: DevelopmentKeys.contributor(0).address })).toBe(0n)
  })

  test('gives the fee split and the settlement to the timelock, and the timelock to the governor alone', async () => {
    const client = createPublicClient({ transport: http(node.l2RpcUrl) })
    const { feePolicy, settlement, timelock, governor } = node.deployment.l2
    const owner = {
      abi: parseAbi(['function owner() view returns (address)']),
      functionName: 'owner',
    } as const
    expect(await client.readContract({ address: feePolicy, ...owner })).toBe(getAddress(timelock))
    expect(await client.readContract({ address: settlement, ...owner })).toBe(getAddress(timelock))
    const roles = parseAbi([
      'function hasRole(bytes32, address) view returns (bool)',
      'function PROPOSER_ROLE() view returns (bytes32)',
      'function DEFAULT_ADMIN_ROLE() view returns (bytes32)',
    ])
    const read = { address: timelock, abi: roles } as const
    const proposerRole = await client.readContract({ ...read, functionName: 'PROPOSER_ROLE' })
    const adminRole = await client.readContract({ ...read, functionName: 'DEFAULT_ADMIN_ROLE' })
    const has = (role: `0x${string}`, account: `0x${string}`): Promise<boolean> =>
      client.readContract({ ...read, functionName: 'hasRole', args: [role, account] })
    expect(await has(proposerRole, governor)).toBe(true)
    expect(await has(adminRole, timelock)).toBe(true)
    expect(await has(adminRole, DevelopmentKeys.account('deployer').address)).toBe(false)
    expect(
      await client.readContract({ address: feePolicy, abi: feePolicyAbi, functionName: 'currentVersion' }),
    ).toBe(1)
    const operator = await client.readContract({
      address: settlement,
      abi: settlementAbi,
      functionName: 'operator',
    })
    expect(operator).toBe(DevelopmentKeys.account('operator').address)
  })

  test('takes OPEN to L2 and back with unmodified viem, and what is locked equals what exists to the wei', async () => {
    const { l1Chain, l2Chain } = chains()
    const account = DevelopmentKeys.account('treasury')
    const transport = { pollingInterval: 100, cacheTime: 0 } as const
    const publicL1 = createPublicClient({ chain: l1Chain, transport: http(), ...transport }).extend(
      publicActionsL1(),
    )
    const publicL2 = createPublicClient({ chain: l2Chain, transport: http(), ...transport }).extend(
      publicActionsL2(),
    )
    const walletL1 = createWalletClient({ account, chain: l1Chain, transport: http() }).extend(
      walletActionsL1(),
    )
    const walletL2 = createWalletClient({ account, chain: l2Chain, transport: http() }).extend(
      walletActionsL2(),
    )
    const { open, portal } = node.deployment.l1
    const amount = parseEther('12.345')

    const approve = await walletL1.writeContract({
      address: open,
      abi: openAbi,
      functionName: 'approve',
      args: [portal, amount],
    })
    await publicL1.waitForTransactionReceipt({ hash: approve })
    const before = await publicL2.getBalance({ address: account.address })
    const deposit = await walletL1.writeContract({
      address: portal,
      abi: parseAbi(['function depositERC20Transaction(address,uint256,uint256,uint64,bool,bytes)']),
      functionName: 'depositERC20Transaction',
      args: [account.address, amount, amount, 100_000n, false, '0x'],
    })
    const depositReceipt = await publicL1.waitForTransactionReceipt({ hash: deposit })
    const [l2Hash] = getL2TransactionHashes(depositReceipt)
    const minted = await publicL2.waitForTransactionReceipt({ hash: l2Hash! })
    expect(minted.status).toBe('success')
    expect(await publicL2.getBalance({ address: account.address })).toBe(before + amount)
    expect(node.engine.totalBalance!()).toBe(await lockedWei())

    const withdrawal = await walletL2.initiateWithdrawal({
      request: { gas: 100_000n, to: account.address, value: parseEther('2') },
    })
    const receipt = await publicL2.waitForTransactionReceipt({ hash: withdrawal })
    expect(await publicL1.getWithdrawalStatus({ receipt, targetChain: l2Chain as never })).toBe(
      'waiting-to-prove',
    )
    const ready = await publicL1.waitToProve({ receipt, targetChain: l2Chain as never })
    const proof = await publicL2.buildProveWithdrawal({ output: ready.output, withdrawal: ready.withdrawal })
    const proved = await walletL1.proveWithdrawal({
      ...(proof as object),
      account,
      targetChain: l2Chain,
    } as never)
    expect((await publicL1.waitForTransactionReceipt({ hash: proved })).status).toBe('success')
    const onL1 = (): Promise<bigint> =>
      publicL1.readContract({
        address: open,
        abi: openAbi,
        functionName: 'balanceOf',
        args: [account.address],
      })
    const beforeFinal = await onL1()
    await publicL1.waitToFinalize({
      targetChain: l2Chain as never,
      withdrawalHash: ready.withdrawal.withdrawalHash,
    })
    const finalized = await walletL1.finalizeWithdrawal({
      targetChain: l2Chain,
      withdrawal: ready.withdrawal,
      account,
    } as never)
    expect((await publicL1.waitForTransactionReceipt({ hash: finalized })).status).toBe('success')
    expect((await onL1()) - beforeFinal).toBe(parseEther('2'))

    // the withdrawn OPEN waits in the message passer until anyone burns it
    const passer = '0x4200000000000000000000000000000000000016'
    expect(node.engine.totalBalance!() - (await publicL2.getBalance({ address: passer }))).toBe(
      await lockedWei(),
    )
    const burn = await walletL2.writeContract({
      address: passer,
      abi: parseAbi(['function burn()']),
      functionName: 'burn',
    })
    await publicL2.waitForTransactionReceipt({ hash: burn })
    expect(node.engine.totalBalance!()).toBe(await lockedWei())
  })

  test('goes on when anvil is killed, on the same L1 blocks', async () => {
    const l1Pid = Number(readFileSync(join(directory, 'l1.pid'), 'utf8'))
    const before = node.engine.head()
    const origin = l1OriginOf(before, node.rollupConfig.genesis.l1)
    process.kill(l1Pid, 'SIGKILL')
    await vi.waitFor(() => expect(node.engine.safe().number).toBeGreaterThan(before.number + 2n), {
      timeout: 30_000,
      interval: 200,
    })
    expect(node.engine.block(before.number)).toEqual(before)
    expect((await node.l1.client.getBlock({ blockNumber: origin.number })).hash).toBe(origin.hash)
    await vi.waitFor(() => expect(node.problems()).toEqual({}), 10_000)
  })

  test('hands leadership over to who has the secret, at the block that both agree on', async () => {
    const secret = Jwt.readSecret(join(directory, 'admin.hex'))
    const ask = async (method: string, params: unknown[] = [], withToken = true) => {
      const response = await fetch(node.adminUrl!, {
        method: 'POST',
        headers: withToken ? { authorization: `Bearer ${Jwt.sign(secret, Date.now() / 1_000)}` } : {},
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      })
      if (!response.ok) return response.status
      return (await response.json()) as { result?: unknown; error?: { message: string } }
    }
    expect(await ask('admin_sequencerActive', [], false)).toBe(401)
    expect(await ask('admin_sequencerActive')).toMatchObject({ result: true })
    const stopped = (await ask('admin_stopSequencer')) as { result: string }
    expect(stopped.result).toBe(node.engine.head().hash)
    expect(await ask('admin_stopSequencer')).toMatchObject({ error: { message: 'sequencer not running' } })
    expect(await ask('admin_startSequencer', [`0x${'00'.repeat(32)}`])).toMatchObject({
      error: { message: expect.stringContaining('does not match') },
    })
    expect(node.engine.head().hash).toBe(stopped.result)
    expect(await ask('admin_startSequencer', [stopped.result])).toMatchObject({ result: null })
    const { number } = node.engine.head()
    await vi.waitFor(() => expect(node.engine.head().number).toBeGreaterThan(number), 20_000)
  })

  test('tells rollup nodes what they ask', async () => {
    const ask = async (method: string, params: unknown[] = []) => {
      const response = await fetch(node.l2RpcUrl, {
        method: 'POST',
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      })
      return ((await response.json()) as { result: Record<string, never> }).result
    }
    expect(await ask('optimism_rollupConfig')).toEqual(node.rollupConfig)
    const output = await ask('optimism_outputAtBlock', ['0x3'])
    expect(output).toMatchObject({
      outputRoot: node.engine.outputRoot(3n).outputRoot,
      blockRef: { number: 3, hash: node.engine.block(3n)?.hash },
    })
    await vi.waitFor(async () => {
      const status = (await ask('optimism_syncStatus')) as unknown as Record<string, { number: number }>
      expect(status['finalized_l2']!.number).toBeGreaterThan(0)
      expect(status['safe_l2']!.number).toBeGreaterThanOrEqual(status['finalized_l2']!.number)
      expect(status['unsafe_l2']!.number).toBeGreaterThanOrEqual(status['safe_l2']!.number)
    }, 20_000)
  })
})
