import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNode, type Node } from '@openledger/node'
import { freePort } from '@openledger/node/l1/Anvil'
import { type Hex, Open, systemClock } from '@openledger/primitives'
import { Abi, createSender, DevelopmentKeys } from '@openledger/protocol'
import { createSettlement } from '@openledger/settlement'
import { createDatabase } from '@openledger/store'
import {
  bytesToHex,
  createPublicClient,
  createWalletClient,
  defineChain,
  http,
  type PublicClient,
} from 'viem'
import { expect, test, vi } from 'vitest'
import { startAnvil } from '../../../packages/protocol/test/startAnvil.ts'
import { serve } from '../../../packages/settlement/test/answering.ts'
import { contribute, publishModel } from '../../../packages/settlement/test/house.ts'

const MAIN = new URL('./main.ts', import.meta.url).pathname
const caller = DevelopmentKeys.account('caller').address.toLowerCase() as Hex
const earner = DevelopmentKeys.contributor(0).address.toLowerCase() as Hex
/** Somebody with a little OPEN for gas; the money can only go to the earner. */
const helper = bytesToHex(DevelopmentKeys.account('voter').getHdKey().privateKey!)

const chainOf = (node: Node, rpcUrl: string) =>
  defineChain({
    id: node.deployment.l2ChainId,
    name: 'OpenLedger',
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  })

/** Has two answers sold and settled by an operator, and the operator's database gone after it. */
async function operate(node: Node): Promise<void> {
  const chain = chainOf(node, node.l2RpcUrl)
  const publicClient = createPublicClient({ chain, transport: http(), pollingInterval: 50, cacheTime: 0 })
  const senderOf = (role: DevelopmentKeys.Role) =>
    createSender({
      walletClient: createWalletClient({ account: DevelopmentKeys.account(role), chain, transport: http() }),
      publicClient,
    })
  const { deployment } = node
  const database = await createDatabase({ memory: true })
  const known = { database, publicClient: publicClient as PublicClient, deployment, senderOf }
  const contributionIds = await contribute(known, 2)
  const modelId = await publishModel(known, 'vanishing-1')
  await senderOf('caller').send({
    address: deployment.l2.settlement,
    abi: Abi.settlementAbi,
    functionName: 'deposit',
    args: [caller],
    valueWei: Open.parse('2'),
  })
  const operator = DevelopmentKeys.account('operator')
  const settlement = createSettlement({
    ...known,
    sender: senderOf('operator'),
    operator,
    clock: systemClock,
  })
  const sells = { contributionIds, modelId }
  await serve(sells, settlement, caller, [600_000, 300_000])
  await serve(sells, settlement, caller, [100_000, 800_000])
  await settlement.settler.settle()
  await database.close()
}

test('who earned takes it when the operator is gone, with what L1 tells and a key for the gas', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'openledger-rebuilding-'))
  const [rpcPort, adminPort] = await Promise.all([freePort(), freePort()])
  const rpcUrl = `http://127.0.0.1:${rpcPort}`
  // somebody else's, which stays
  const l1 = await startAnvil(['--block-time', '1', '--accounts', '64', '--slots-in-an-epoch', '1'])
  const node = await createNode({
    directory,
    l1: { rpcUrl: l1.url },
    l2: {
      blockTimeSeconds: 1,
      batchIntervalSeconds: 1,
      rpcPort: 0,
      without: ['proposer', 'challenger'],
    },
  })
  const { settlement } = node.deployment.l2
  const openledger = (...words: string[]) => {
    const child = spawn(process.execPath, ['--no-warnings', MAIN, ...words], {
      // nothing of the operator's is reachable
      env: { ...process.env, OPENLEDGER_URL: 'http://127.0.0.1:1', OPENLEDGER_PRIVATE_KEY: helper },
    })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
    return {
      child,
      said: () => text,
      ended: new Promise<string>((resolve, reject) =>
        child.once('close', (code) => (code === 0 ? resolve(text) : reject(new Error(text)))),
      ),
    }
  }
  let own: ReturnType<typeof openledger> | undefined
  try {
    await operate(node)
    const last = node.engine.head().number
    await vi.waitFor(() => expect(node.engine.safe().number).toBeGreaterThanOrEqual(last), 150_000)
    await node.close()

    const files = ['genesis', 'rollup'].flatMap((name) => [`--${name}`, join(directory, `${name}.json`)])
    const ports = ['--rpc-port', String(rpcPort), '--admin-port', String(adminPort)]
    const folder = ['--directory', join(directory, 'own')]
    own = openledger('sequencer', '--l1', l1.url, ...files, ...folder, ...ports)
    const { said } = own
    own.ended.catch(() => {})
    await vi.waitFor(() => expect(said()).toContain(`JSON-RPC at ${rpcUrl}`), 60_000)
    const l2 = createPublicClient({ chain: chainOf(node, rpcUrl), transport: http(rpcUrl), cacheTime: 0 })
    await vi.waitFor(async () => expect(await l2.getBlockNumber()).toBeGreaterThan(last), {
      timeout: 90_000,
      interval: 500,
    })

    const chainAlone = ['rebuild', '--rpc', rpcUrl, '--settlement', settlement]
    const told = await openledger(...chainAlone).ended
    expect(told).toContain('2 receipts')
    const [, earned] = new RegExp(`${earner}\\s+(\\S+) OPEN`).exec(told)!
    const before = await l2.getBalance({ address: earner })
    expect(await openledger(...chainAlone, '--claim', earner).ended).toContain('Claimed in 0x')
    expect((await l2.getBalance({ address: earner })) - before).toBe(Open.parse(earned!))
    // and no more than once
    expect(await openledger(...chainAlone, '--claim', earner).ended).toContain('There is nothing to claim.')
  } finally {
    own?.child.kill('SIGKILL')
    await node.close()
    l1.close()
    rmSync(directory, { recursive: true, force: true })
  }
}, 400_000)
