import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Hex } from '@openledger/primitives'
import {
  type Address,
  createPublicClient,
  encodeDeployData,
  encodeFunctionData,
  getContractAddress,
  hexToBytes,
  http,
  type PublicClient,
  parseEther,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attributes, genesisOf } from '../../test/Chain.ts'
import { artifact } from '../deployment/Bedrock.ts'
import { findAnvil, freePort } from '../l1/Anvil.ts'
import { createEmbeddedEngine } from './EmbeddedEngine.ts'
import type { Engine } from './Engine.ts'

const alice = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const carol = privateKeyToAccount(`0x${'33'.repeat(32)}`)
const weth = artifact('WETH98')
const CHAIN_ID = 161200
const RICH = parseEther('1000')

let anvil: ChildProcess
let client: PublicClient
let engine: Engine
let directory: string

/** Another EVM, written by others in another language, executes the same transactions from the same accounts. */
beforeAll(async () => {
  const port = await freePort()
  anvil = spawn(
    findAnvil(),
    [
      '--port',
      `${port}`,
      '--chain-id',
      `${CHAIN_ID}`,
      '--hardfork',
      'prague',
      '--no-mining',
      '--accounts',
      '0',
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  await new Promise<void>((resolve) => {
    createInterface({ input: anvil.stdout! }).on('line', (line) => {
      if (line.startsWith('Listening on')) resolve()
    })
  })
  client = createPublicClient({ transport: http(`http://127.0.0.1:${port}`) })
  directory = mkdtempSync(join(tmpdir(), 'differential-'))
  const genesis = genesisOf(
    Object.fromEntries([alice, carol].map(({ address }) => [address, { balance: `${RICH}` }])),
  )
  engine = await createEmbeddedEngine({ directory, genesis })
  for (const { address } of [alice, carol]) {
    await client.request({
      method: 'anvil_setBalance' as never,
      params: [address, `0x${RICH.toString(16)}`] as never,
    })
  }
})
afterAll(async () => {
  anvil.kill()
  await engine.close()
  rmSync(directory, { recursive: true, force: true })
})

type Step = {
  readonly from?: typeof alice
  readonly to?: Address
  readonly data?: Hex
  readonly value?: bigint
  readonly gas?: bigint
  readonly delegate?: Address
}

async function runOnBoth(steps: readonly Step[]): Promise<{ hashes: Hex[] }> {
  const nonces = new Map<Address, number>()
  for (const { address } of [alice, carol]) nonces.set(address, Number(engine.account(address).nonce))
  const hashes: Hex[] = []
  for (const { from = alice, to, data, value = 0n, gas = 2_000_000n, delegate } of steps) {
    const nonce = nonces.get(from.address)!
    nonces.set(from.address, nonce + 1)
    const common = {
      chainId: CHAIN_ID,
      nonce,
      gas,
      value,
      maxFeePerGas: 10n ** 10n,
      maxPriorityFeePerGas: 10n ** 9n,
      ...(to === undefined ? {} : { to }),
      ...(data === undefined ? {} : { data }),
    }
    const raw =
      delegate === undefined
        ? await from.signTransaction({ ...common, type: 'eip1559' })
        : await from.signTransaction({
            ...common,
            type: 'eip7702',
            authorizationList: [
              await carol.signAuthorization({
                address: delegate,
                chainId: CHAIN_ID,
                nonce: nonces.get(carol.address)!,
              }),
            ],
          })
    if (delegate !== undefined) nonces.set(carol.address, nonces.get(carol.address)! + 1)
    await client.request({ method: 'eth_sendRawTransaction', params: [raw] })
    hashes.push(await engine.submit(hexToBytes(raw)))
  }
  await client.request({ method: 'evm_mine' as never })
  await engine.build(attributes(engine.head().timestamp + 2n))
  return { hashes }
}

async function expectSame(hashes: readonly Hex[], accounts: readonly Address[]): Promise<void> {
  for (const hash of hashes) {
    const theirs = await client.getTransactionReceipt({ hash })
    const ours = engine.receipt(hash)!
    expect({
      status: ours.status === 1 ? 'success' : 'reverted',
      gasUsed: ours.gasUsed,
      logs: ours.logs.map(({ address, topics, data }) => ({ address, topics, data })),
      contractAddress: ours.contractAddress,
      logsBloom: ours.logsBloom,
    }).toEqual({
      status: theirs.status,
      gasUsed: theirs.gasUsed,
      logs: theirs.logs.map(({ address, topics, data }) => ({ address, topics, data })),
      contractAddress: theirs.contractAddress ?? null,
      logsBloom: theirs.logsBloom,
    })
  }
  for (const address of accounts) {
    const theirs = await client.getProof({ address, storageKeys: [] })
    const ours = engine.proof(address, [], engine.head().number)
    expect([ours.nonce, ours.codeHash, ours.storageHash]).toEqual([
      BigInt(theirs.nonce),
      theirs.codeHash,
      theirs.storageHash,
    ])
  }
}

const encode = (functionName: string, args: readonly unknown[] = []): Hex =>
  encodeFunctionData({ abi: weth.abi, functionName, args: args as never })
const BOB = '0x00000000000000000000000000000000000b0b00'

describe('the same transactions as on anvil (revm)', () => {
  test('of a token: receipts, logs, gas to the unit, storage roots', async () => {
    const token = getContractAddress({
      from: alice.address,
      nonce: BigInt(engine.account(alice.address).nonce),
    })
    const { hashes } = await runOnBoth([
      { data: encodeDeployData({ abi: weth.abi, bytecode: weth.bytecode }), gas: 3_000_000n },
      { to: token, data: encode('deposit'), value: 10n ** 18n },
      { to: token, data: encode('deposit'), value: 5n, from: carol },
      { to: token, data: encode('transfer', [BOB, 123n]) },
      { to: token, data: encode('approve', [carol.address, 2n ** 256n - 1n]) },
      { to: token, data: encode('transferFrom', [alice.address, BOB, 77n]), from: carol },
      { to: token, data: encode('transfer', [BOB, 10n ** 30n]), gas: 100_000n },
      { to: token, data: encode('withdraw', [10n ** 18n - 200n]) },
      { to: token, value: 3n },
      { to: token, data: encode('transfer', [BOB, 1n]), gas: 30_000n },
    ])
    await expectSame(hashes, [token, alice.address, carol.address, BOB])
  })

  test('of delegated accounts, creations in creations, self-destruction, precompiles and refunds', async () => {
    const token = getContractAddress({ from: alice.address, nonce: 0n })
    // creates a contract that destroys itself in its constructor, then calls ecrecover, sha256, identity and modexp
    const busy: Hex =
      '0x6133ff600052600260 1e6000f0506020600060206000600160fff150602060006020600060025afa5060206000602060006004 5afa50602060006020600060055afa5060016000556000600055600160015560006001555b00'.replaceAll(
        ' ',
        '',
      ) as Hex
    const keccakLoop: Hex = '0x60645b60206000206000526001900380600257600051600055600060015500'
    const create2: Hex = '0x6960016000556000600155600052600a60166000f5600a60166001600052f55000'
    const { hashes } = await runOnBoth([
      { delegate: token, to: BOB, value: 1n },
      { to: carol.address, data: encode('deposit'), value: 9n },
      { to: carol.address, data: encode('balanceOf', [alice.address]) },
      { data: busy },
      { data: keccakLoop },
      { data: create2 },
      { data: '0xfe', gas: 60_000n },
      { data: '0x60fe60005360016000f3' },
      { data: '0x60ef60005360016000f3' },
      { to: '0x0000000000000000000000000000000000000001', data: `0x${'11'.repeat(128)}` },
      { to: BOB, data: `0x${'00ff'.repeat(500)}` },
    ])
    const accounts = [alice.address, carol.address, BOB] as const
    await expectSame(hashes, accounts)
  })
})
