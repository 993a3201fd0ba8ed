import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findAnvil, freePort } from '@openledger/node/l1/Anvil'
import { Open } from '@openledger/primitives'
import { Abi } from '@openledger/protocol'
import { createTestClient, http, parseEther } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openledger, succeed } from './CommandLine.ts'
import { type House, newDirectory, startHouse, waitFor } from './House.ts'
import { type Visit, visit } from './People.ts'

const L1_CHAIN_ID = 777
const L2_CHAIN_ID = 161_777

/** An L1 that the house neither starts nor stops, keys that nobody else knows, and nothing put in place beforehand. */
describe('a network of one’s own on an L1 that somebody else runs', () => {
  const directory = newDirectory()
  const folder = join(directory, 'network')
  const ownerKey = generatePrivateKey()
  const owner = privateKeyToAccount(ownerKey)
  let anvil: ChildProcess
  let environment: Record<string, string>
  let give: (address: string) => Promise<void>
  let house: House | undefined
  let network: Visit

  const asOwner = (...words: string[]) =>
    succeed(words, { OPENLEDGER_URL: house!.url, OPENLEDGER_PRIVATE_KEY: ownerKey })

  beforeAll(async () => {
    const port = await freePort()
    const l1RpcUrl = `http://127.0.0.1:${port}`
    const words = `--port ${port} --chain-id ${L1_CHAIN_ID} --block-time 1 --accounts 0 --slots-in-an-epoch 1`
    anvil = spawn(findAnvil(), words.split(' '), { stdio: 'ignore' })
    const l1 = createTestClient({ mode: 'anvil', transport: http(l1RpcUrl) })
    give = (address) => l1.setBalance({ address: address as `0x${string}`, value: parseEther('10') })
    await waitFor('anvil to answer', 20_000, () =>
      l1.request({ method: 'anvil_getAutomine' }).catch(() => undefined),
    )
    environment = { OPENLEDGER_NETWORK: folder, OPENLEDGER_L1_RPC_URL: l1RpcUrl }
  })

  afterAll(async () => {
    await house?.stop()
    anvil.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })

  test('begins with keys of its own, which are made once and closed to others', async () => {
    const words = ['create-network', folder, '--owner', owner.address, '--chain-id', String(L2_CHAIN_ID)]
    expect(await succeed(words)).toContain('OPENLEDGER_NETWORK')
    const keys = readFileSync(join(folder, 'keys.json'), 'utf8')
    expect((await openledger(words)).output).toContain('Keys are never overwritten')
    expect(readFileSync(join(folder, 'keys.json'), 'utf8')).toBe(keys)

    chmodSync(join(folder, 'keys.json'), 0o644)
    await expect(startHouse(directory, environment)).rejects.toThrow(/chmod 600/)
    chmodSync(join(folder, 'keys.json'), 0o600)
  })

  test('says whom to send gas before it sends anything', async () => {
    // a test has no week to wait for a withdrawal
    const path = join(folder, 'network.json')
    const file = JSON.parse(readFileSync(path, 'utf8'))
    writeFileSync(
      path,
      JSON.stringify({ ...file, confirmationDepth: 1, submissionInterval: 3, finalizationPeriodSeconds: 2 }),
    )
    const keys: Record<string, `0x${string}`> = JSON.parse(readFileSync(join(folder, 'keys.json'), 'utf8'))
    const addressOf = (role: string) => privateKeyToAccount(keys[role]!).address
    await expect(startHouse(directory, environment)).rejects.toThrow(
      `Expected the deployer ${addressOf('deployer')} to hold at least`,
    )
    for (const role of ['deployer', 'batcher', 'proposer', 'challenger']) await give(addressOf(role))
    await give(owner.address)
  })

  test('starts, and knows no development account', async () => {
    house = await startHouse(directory, environment)
    network = await visit(house.url)
    expect(network.network).toMatchObject({ name: 'OpenLedger', development: false })
    expect(network.deployment).toMatchObject({ l1ChainId: L1_CHAIN_ID, l2ChainId: L2_CHAIN_ID })
    const refused = await openledger(['--as', 'caller', 'deposit', '1'], { OPENLEDGER_URL: house.url })
    expect(refused.status).toBe(1)
    expect(await network.client.datanets()).toEqual([])
  })

  test('takes the owner’s OPEN to L2, a contribution onto the chain, and OPEN back to L1', async () => {
    const { l1, l2, deployment, client } = network
    const onL1 = () =>
      l1.readContract({
        address: deployment.l1.open,
        abi: Abi.openAbi,
        functionName: 'balanceOf',
        args: [owner.address],
      })
    expect(await onL1()).toBe(Open.parse('165500000'))
    await asOwner('deposit', '20')
    expect(await l2.getBalance({ address: owner.address })).toBe(Open.parse('20'))

    await asOwner('create-datanet', 'own-texts', '--summary', 'Texts of this network', '--licence', 'MIT')
    const text = join(directory, 'text.md')
    const sentences = Array.from(
      { length: 12 },
      (_, i) => `Sentence ${i} of a text that nobody else has sent yet.`,
    )
    writeFileSync(text, `# A text\n\n${sentences.join(' ')}\n`)
    await asOwner('contribute', '1', text, '--title', 'A text')
    const version = await waitFor(
      'the first version',
      60_000,
      async () => (await client.datanetVersions('1'))[0],
    )
    expect(version).toMatchObject({ version: 1 })

    const before = await onL1()
    expect(await asOwner('withdraw', '3')).toContain('unlocked on L1')
    expect(await onL1()).toBe(before + Open.parse('3'))
    const { supply, heads } = await client.network()
    expect(supply.lockedOnL1Wei).toBe(supply.onL2Wei)
    expect(heads.safe).toBeGreaterThan(0)
  })

  test('goes on after kill -9 with the chain that it had', async () => {
    const tip = await network.l2.getBlock({ blockTag: 'safe' })
    await house!.kill()
    house = await startHouse(directory, environment)
    network = await visit(house.url)
    expect((await network.l2.getBlock({ blockNumber: tip.number })).hash).toBe(tip.hash)
    const health = await (await fetch(`${house.url}/health`)).json()
    expect(health).toMatchObject({ status: 'ok', chain: {} })
  })
})
