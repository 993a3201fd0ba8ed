import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DevelopmentKeys } from '@openledger/protocol'
import { bridgeGuardianAbi, genesisAllocationAbi, openAbi } from '@openledger/protocol/abi/index'
import { createWalletClient, getAddress, http, parseAbi, parseEther } from 'viem'
import { foundry } from 'viem/chains'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createDevelopmentL1, type DevelopmentL1, stopDevelopmentL1 } from '../l1/DevelopmentL1.ts'
import type { L1 } from '../l1/L1.ts'
import { createL1View } from '../l1/L1View.ts'
import { silentLogger } from '../node/Logger.ts'
import { deployL1, type L1DeploymentOptions } from './deployL1.ts'

const directory = mkdtempSync(join(tmpdir(), 'openledger-deploy-'))
let l1: DevelopmentL1

const addressOf = (role: DevelopmentKeys.Role) => DevelopmentKeys.account(role).address
const optionsFor = (chain: L1): L1DeploymentOptions => ({
  l1: chain,
  directory,
  deployer: DevelopmentKeys.account('deployer'),
  batcher: addressOf('batcher'),
  proposer: addressOf('proposer'),
  l2ChainId: 161_200,
  l2BlockTimeSeconds: 1,
  submissionInterval: 5,
  finalizationPeriodSeconds: 8,
  challengeBondWei: 10n ** 17n,
  guardian: { pauseSeconds: 60, restSeconds: 600, upgradeDelaySeconds: 3_600 },
  gasLimit: 30_000_000n,
  beneficiaries: {
    community: addressOf('treasury'),
    ecosystem: addressOf('treasury'),
    investors: addressOf('backer'),
    team: addressOf('builder'),
    liquidity: addressOf('deployer'),
  },
  logger: silentLogger,
})

beforeAll(async () => {
  l1 = await createDevelopmentL1({ directory, blockTimeSeconds: 1 })
})

afterAll(async () => {
  await l1.close()
  await stopDevelopmentL1(directory)
  rmSync(directory, { recursive: true, force: true })
})

describe('deployL1', () => {
  test('goes on where it was interrupted, and does nothing once done', async () => {
    let blocks = 0
    const dying: L1 = {
      ...l1,
      nextBlock: async () => {
        if (++blocks > 1) throw new Error('killed')
        await l1.nextBlock()
      },
    }
    await expect(deployL1(optionsFor(dying))).rejects.toThrow('killed')
    const deployer = addressOf('deployer')
    const begun = await l1.client.getTransactionCount({ address: deployer })
    expect(begun).toBeGreaterThan(0)

    const first = await deployL1(optionsFor(l1))
    const done = await l1.client.getTransactionCount({ address: deployer })
    expect(done).toBeGreaterThan(begun)
    expect(await deployL1(optionsFor(l1))).toEqual(first)
    expect(await l1.client.getTransactionCount({ address: deployer, blockTag: 'pending' })).toBe(done)
  })

  test('gives the whole supply to the vaults and the float', async () => {
    const { open, genesisAllocation } = await deployL1(optionsFor(l1))
    const held = (holder: `0x${string}`): Promise<bigint> =>
      l1.client.readContract({ address: open, abi: openAbi, functionName: 'balanceOf', args: [holder] })
    const vaults = await Promise.all(
      (['COMMUNITY_VAULT', 'ECOSYSTEM_VAULT', 'INVESTORS_VAULT', 'TEAM_VAULT'] as const).map((functionName) =>
        l1.client.readContract({ address: genesisAllocation, abi: genesisAllocationAbi, functionName }),
      ),
    )
    const holders = [...vaults, addressOf('treasury'), addressOf('deployer')]
    const balances = await Promise.all(holders.map(held))
    expect(balances.reduce((sum, balance) => sum + balance, 0n)).toBe(parseEther('1000000000'))
    expect(await held(addressOf('deployer'))).toBe(parseEther('50000000'))
  })

  test('leaves the proxies to their admin, so that nobody initialises or upgrades them', async () => {
    const deployment = await deployL1(optionsFor(l1))
    for (const proxy of [deployment.portal, deployment.systemConfig, deployment.outputOracle]) {
      const slot = '0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103'
      const admin = await l1.client.getStorageAt({ address: proxy, slot })
      expect(admin?.endsWith(deployment.proxyAdmin.slice(2))).toBe(true)
    }
  })

  test('lets nobody upgrade the bridge without the delay, and its guardian pause it for a time only', async () => {
    const { proxyAdmin, upgradeTimelock, superchainConfig, bridgeGuardian, portal } = await deployL1(
      optionsFor(l1),
    )
    const read = (address: `0x${string}`, signature: string) =>
      l1.client.readContract({
        address,
        abi: parseAbi([signature]),
        functionName: /(\w+)\(/.exec(signature)![1]!,
      })
    expect(await read(proxyAdmin, 'function owner() view returns (address)')).toBe(
      getAddress(upgradeTimelock),
    )
    expect(await read(upgradeTimelock, 'function getMinDelay() view returns (uint256)')).toBe(3_600n)
    expect(await read(superchainConfig, 'function guardian() view returns (address)')).toBe(
      getAddress(bridgeGuardian),
    )

    const guardian = createWalletClient({
      account: DevelopmentKeys.account('deployer'),
      chain: foundry,
      transport: http(l1.rpcUrl),
    })
    const call = async (functionName: 'pause' | 'unpause') =>
      l1.client.waitForTransactionReceipt({
        hash: await guardian.writeContract({ address: bridgeGuardian, abi: bridgeGuardianAbi, functionName }),
      })
    await call('pause')
    expect(await read(portal, 'function paused() view returns (bool)')).toBe(true)
    const stranger = addressOf('caller')
    const early = { address: bridgeGuardian, abi: bridgeGuardianAbi, account: stranger } as const
    await expect(l1.client.simulateContract({ ...early, functionName: 'unpause' })).rejects.toThrow(
      /BridgeGuardianStillPaused/,
    )
    await call('unpause')
    expect(await read(portal, 'function paused() view returns (bool)')).toBe(false)
    const again = { ...early, account: addressOf('deployer') } as const
    await expect(l1.client.simulateContract({ ...again, functionName: 'pause' })).rejects.toThrow(
      /BridgeGuardianResting/,
    )
  })

  test('refuses a directory that holds the deployment of another key', async () => {
    const options = { ...optionsFor(l1), deployer: DevelopmentKeys.account('caller') }
    await expect(deployL1(options)).rejects.toMatchObject({ code: 'deployment.l1_mismatch' })
  })
})

describe('createL1View', () => {
  test('follows the system configuration through its updates', async () => {
    const { portal, systemConfig, origin, initial } = await deployL1(optionsFor(l1))
    const view = createL1View({
      l1,
      portal,
      systemConfig,
      genesis: { number: BigInt(origin.number), systemConfig: initial },
    })
    const before = await view.head()
    expect(await view.systemConfig(before)).toEqual(initial)

    const wallet = createWalletClient({
      account: DevelopmentKeys.account('deployer'),
      chain: foundry,
      transport: http(l1.rpcUrl),
    })
    const abi = parseAbi([
      'function setGasLimit(uint64)',
      'function setGasConfigEcotone(uint32,uint32)',
      'function setBatcherHash(bytes32)',
    ])
    const nonce = await l1.client.getTransactionCount({ address: wallet.account.address })
    const common = { address: systemConfig, abi, gas: 200_000n } as const
    await wallet.writeContract({ ...common, functionName: 'setGasLimit', args: [40_000_000n], nonce })
    await wallet.writeContract({
      ...common,
      functionName: 'setGasConfigEcotone',
      args: [7, 9],
      nonce: nonce + 1,
    })
    const batcher = addressOf('voter').toLowerCase() as `0x${string}`
    await wallet.writeContract({
      ...common,
      functionName: 'setBatcherHash',
      args: [`0x${batcher.slice(2).padStart(64, '0')}`],
      nonce: nonce + 2,
    })
    await l1.nextBlock()
    // the view may call an answer of a moment ago the present
    const after = await vi.waitFor(async () => {
      const head = await view.head()
      expect(head.number).toBeGreaterThan(before.number)
      return head
    })
    expect(await view.systemConfig(after)).toEqual({
      ...initial,
      gasLimit: 40_000_000n,
      baseFeeScalar: 7n,
      blobBaseFeeScalar: 9n,
      batcherAddress: batcher,
    })
    // an older block keeps its own configuration
    expect(await view.systemConfig(before)).toEqual(initial)
  })

  test('answers no block for a height that does not exist, and the exact block for one that does', async () => {
    const { portal, systemConfig, origin, initial } = await deployL1(optionsFor(l1))
    const genesis = { number: BigInt(origin.number), systemConfig: initial }
    const view = createL1View({ l1, portal, systemConfig, genesis })
    expect(await view.block(10_000_000n)).toBeUndefined()
    const block = await view.block(BigInt(origin.number))
    expect(block).toMatchObject({ hash: origin.hash, timestamp: BigInt(origin.timestamp), blobBaseFee: 1n })
  })
})
