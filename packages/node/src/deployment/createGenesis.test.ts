import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DevelopmentKeys } from '@openledger/protocol'
import { l1BlockAbi, uptoPermit2ProxyAbi } from '@openledger/protocol/abi/index'
import { createPublicClient, domainSeparator, getAddress, http, keccak256, parseAbi } from 'viem'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { findAnvil, freePort } from '../l1/Anvil.ts'
import { createGenesis } from './createGenesis.ts'

// anvil is the independent reader of the file: it loads it as a genesis and runs the contracts in it
const CHAIN_ID = 161_200
const open = '0x5fbdb2315678afecb367f032d93f642f64180aa3'
const treasury = DevelopmentKeys.account('treasury').address
const genesis = createGenesis({
  l2ChainId: CHAIN_ID,
  timestamp: 1_800_000_000,
  gasLimit: 30_000_000n,
  open,
  treasury,
})
const directory = mkdtempSync(join(tmpdir(), 'openledger-genesis-'))
let stop: () => void
let client: ReturnType<typeof createPublicClient>

beforeAll(async () => {
  const path = join(directory, 'genesis.json')
  writeFileSync(path, JSON.stringify(genesis))
  const port = await freePort()
  const args = [
    '--quiet',
    '--port',
    String(port),
    '--init',
    path,
    '--chain-id',
    String(CHAIN_ID),
    '--no-mining',
  ]
  const anvil = spawn(findAnvil(), [...args, '--accounts', '0'], { stdio: 'ignore' })
  stop = () => anvil.kill('SIGKILL')
  client = createPublicClient({ transport: http(`http://127.0.0.1:${port}`) })
  await vi.waitFor(() => client.getChainId(), { timeout: 15_000 })
})

afterAll(() => {
  stop()
  rmSync(directory, { recursive: true, force: true })
})

describe('createGenesis', () => {
  test('creates no money', () => {
    expect(Object.values(genesis.alloc).every(({ balance }) => balance === '0x0')).toBe(true)
  })

  test('names OPEN as the gas token', async () => {
    const address = '0x4200000000000000000000000000000000000015'
    const read = (functionName: 'gasPayingToken' | 'gasPayingTokenName' | 'gasPayingTokenSymbol') =>
      client.readContract({ address, abi: l1BlockAbi, functionName })
    expect(await read('gasPayingToken')).toEqual([getAddress(open), 18])
    expect(await read('gasPayingTokenName')).toBe('OpenLedger')
    expect(await read('gasPayingTokenSymbol')).toBe('OPEN')
  })

  test('pays every fee vault out to the treasury on L2', async () => {
    const abi = parseAbi([
      'function RECIPIENT() view returns (address)',
      'function MIN_WITHDRAWAL_AMOUNT() view returns (uint256)',
      'function WITHDRAWAL_NETWORK() view returns (uint8)',
    ])
    for (const last of ['11', '19', '1a', '1b']) {
      const address = `0x42000000000000000000000000000000000000${last}` as const
      expect(await client.readContract({ address, abi, functionName: 'RECIPIENT' })).toBe(treasury)
      expect(await client.readContract({ address, abi, functionName: 'MIN_WITHDRAWAL_AMOUNT' })).toBe(
        10n ** 18n,
      )
      expect(await client.readContract({ address, abi, functionName: 'WITHDRAWAL_NETWORK' })).toBe(1)
    }
  })

  test('lets nobody but a network upgrade change a predeploy', async () => {
    const proxyAdmin = '0x4200000000000000000000000000000000000018'
    const owner = await client.readContract({
      address: proxyAdmin,
      abi: parseAbi(['function owner() view returns (address)']),
      functionName: 'owner',
    })
    expect(owner).toBe('0x0000000000000000000000000000000000000000')
    const slot = '0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103'
    for (const last of ['0f', '11', '15', '16', '18', '19', '1a', '1b']) {
      const address = `0x42000000000000000000000000000000000000${last}` as const
      expect(await client.getStorageAt({ address, slot })).toBe(`0x${proxyAdmin.slice(2).padStart(64, '0')}`)
    }
  })

  test('counts withdrawals from the first message on', async () => {
    const nonce = await client.readContract({
      address: '0x4200000000000000000000000000000000000016',
      abi: parseAbi(['function messageNonce() view returns (uint256)']),
      functionName: 'messageNonce',
    })
    expect(nonce).toBe(1n << 240n)
  })

  test('holds working preinstalled contracts', async () => {
    const chainId = await client.readContract({
      address: '0xcA11bde05977b3631167028862bE2a173976CA11',
      abi: parseAbi(['function getChainId() view returns (uint256)']),
      functionName: 'getChainId',
    })
    expect(chainId).toBe(BigInt(CHAIN_ID))
    const permit2 = '0x000000000022D473030F116dDEE9F6B43aC78BA3'
    const separator = await client.readContract({
      address: permit2,
      abi: parseAbi(['function DOMAIN_SEPARATOR() view returns (bytes32)']),
      functionName: 'DOMAIN_SEPARATOR',
    })
    expect(separator).toBe(
      domainSeparator({ domain: { name: 'Permit2', chainId: CHAIN_ID, verifyingContract: permit2 } }),
    )
    // the spender that clients of x402's scheme `upto` sign for, on every chain
    const spender = await client.readContract({
      address: '0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002',
      abi: uptoPermit2ProxyAbi,
      functionName: 'PERMIT2',
    })
    expect(spender).toBe(permit2)
    // runtime code hash of Multicall3 on Ethereum mainnet
    const code = await client.getCode({ address: '0xcA11bde05977b3631167028862bE2a173976CA11' })
    expect(keccak256(code!)).toBe('0xd5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891')
  })
})
