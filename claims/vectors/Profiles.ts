import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type ChainEngine,
  connectL1,
  createBatcher,
  createDevelopmentL1,
  createEmbeddedEngine,
  createExecutionNode,
  createGenesis,
  createL1View,
  createNode,
  createRemoteEngine,
  createRollupConfig,
  createSequencer,
  deployL1,
  deployL2,
  derivationConfigOf,
  developmentParameters,
  GUARDIAN_TIMES,
  genesisHash,
  Jwt,
  type L1Deployment,
  type LaterForks,
  type RollupConfig,
  silentLogger,
  stopDevelopmentL1,
} from '@openledger/node'
import { createKzgService } from '@openledger/node/l1/Blobs'
import { createExclusive } from '@openledger/node/node/Exclusive'
import { serveRpc } from '@openledger/node/node/serveRpc'
import { startVerifier } from '@openledger/node/node/startVerifier'
import { DevelopmentKeys } from '@openledger/protocol'
import { type Genesis, loadCrypto } from '@openledger/rollup'
import { createPublicClient, createWalletClient, defineChain, http, parseEther } from 'viem'
import {
  type Execution,
  exportFiles,
  type Files,
  goOn,
  type Programs,
  startGeth,
  startOpBatcher,
  startOpNode,
  type Teller,
  tellerAt,
  until,
} from './OpStack.ts'

const L2_CHAIN_ID = 161_200
const BLOCK_TIME_SECONDS = 1
const MESSAGE_PASSER = '0x4200000000000000000000000000000000000016'

/** A chain that somebody sequences, and how to reach it. */
export type Sequenced = {
  readonly files: Files
  readonly l1Url: string
  /** Where wallets send transactions. */
  readonly rpcUrl: string
  readonly teller: Teller
  /** L1 may tell other blocks than were built, and what was sent is then refused for a while. */
  readonly mayGoBack?: true
}

const { account } = DevelopmentKeys
const address = (role: DevelopmentKeys.Role) => account(role).address

/** Everything ours: the chain of `npm start`, with forks that begin later if wanted. */
export async function sequenceAlone(
  stack: AsyncDisposableStack,
  folder: string,
  later: { readonly forks?: LaterForks; readonly upgradesDirectory?: string } = {},
): Promise<Sequenced> {
  const directory = join(folder, 'node')
  stack.defer(async () => void (await stopDevelopmentL1(directory)))
  const node = await createNode({
    directory,
    l1: { blockTimeSeconds: BLOCK_TIME_SECONDS },
    l2: { blockTimeSeconds: BLOCK_TIME_SECONDS, batchIntervalSeconds: 2, ...later },
  })
  stack.use(node)
  return {
    files: await exportFiles(directory, folder),
    l1Url: node.l1RpcUrl,
    rpcUrl: node.l2RpcUrl,
    teller: tellerAt('ours', node.l2RpcUrl),
  }
}

/** Our sequencer, batcher and derivation over op-geth. */
export async function sequenceOverGeth(
  stack: AsyncDisposableStack,
  folder: string,
  programs: Programs,
): Promise<Sequenced> {
  const begun = await begin(stack, folder)
  const { files, l1Url, rollupConfig, jwtPath } = begun
  const geth = await startGeth(programs, files, jwtPath, 'op-geth')
  stack.defer(geth.stop)
  const secret = Jwt.readSecret(jwtPath)
  const engine = await createRemoteEngine({ url: geth.engineUrl, secret, chainId: L2_CHAIN_ID })
  const services = await sequence(stack, begun, engine)
  const batcher = createBatcher({
    ...services,
    rollupConfig,
    account: account('batcher'),
    intervalSeconds: 2,
  })
  stack.defer(batcher.stop)
  await deploy(begun, geth.rpcUrl)
  return { files, l1Url, rpcUrl: geth.rpcUrl, teller: tellerOf('ours over op-geth', engine) }
}

/** Our sequencer and engine, whose blocks op-batcher reads and publishes. */
export async function sequenceForOpBatcher(
  stack: AsyncDisposableStack,
  folder: string,
  programs: Programs,
): Promise<Sequenced> {
  const begun = await begin(stack, folder)
  const { files, l1Url, rollupConfig, genesis } = begun
  const engine = await createEmbeddedEngine({ directory: join(folder, 'engine'), genesis })
  stack.defer(() => engine.close())
  const { l1 } = await sequence(stack, begun, engine)
  const rpc = await serveRpc({
    engine,
    directory: join(folder, 'engine'),
    l1,
    genesis,
    rollupConfig,
    logger: silentLogger,
  })
  stack.use(rpc)
  const urls = { l1Url, l2Url: rpc.url, rollupUrl: rpc.url }
  const batcher = await startOpBatcher(programs, files, { ...urls, privateKey: batcherKey() })
  stack.defer(batcher.stop)
  await deploy(begun, rpc.url)
  return { files, l1Url, rpcUrl: rpc.url, teller: tellerAt('ours with op-batcher', rpc.url) }
}

/** Our derivation and sequencer on an engine, wherever it runs. */
async function sequence(
  stack: AsyncDisposableStack,
  { l1Url, rollupConfig, l1Deployment, directory }: Begun,
  engine: ChainEngine,
) {
  const l1 = await connectL1({ rpcUrl: l1Url })
  const exclusively = createExclusive()
  const kzg = createKzgService()
  stack.defer(kzg.close)
  const shared = { engine, l1, kzg, logger: silentLogger }
  const verifier = startVerifier({
    ...shared,
    directory,
    rollupConfig,
    exclusively,
    crypto: await loadCrypto(),
  })
  stack.defer(verifier.stop)
  const { portal, systemConfig, origin, initial } = l1Deployment
  const genesis = { number: BigInt(origin.number), systemConfig: initial }
  const sequencer = createSequencer({
    engine,
    l1: createL1View({ l1, portal, systemConfig, genesis }),
    config: derivationConfigOf(rollupConfig),
    exclusively,
  })
  sequencer.start()
  stack.defer(() => sequencer.stop())
  return { ...shared, verifier }
}

const batcherKey = (): string => `0x${Buffer.from(account('batcher').getHdKey().privateKey!).toString('hex')}`

/** Nothing ours but the genesis: op-node, op-geth and op-batcher. */
export async function sequenceWithoutUs(
  stack: AsyncDisposableStack,
  folder: string,
  programs: Programs,
): Promise<Sequenced> {
  const begun = await begin(stack, folder)
  const geth = await startGeth(programs, begun.files, begun.jwtPath, 'op-geth')
  stack.defer(geth.stop)
  return sequenceWithOpNode(stack, begun, programs, geth)
}

/** Our engine alone, driven by op-node, published by op-batcher. */
export async function sequenceOverOurEngine(
  stack: AsyncDisposableStack,
  folder: string,
  programs: Programs,
): Promise<Sequenced> {
  const begun = await begin(stack, folder)
  const { genesis, jwtPath: jwtSecretPath } = begun
  const directory = join(folder, 'engine')
  const engine = await createExecutionNode({ directory, genesis, jwtSecretPath })
  stack.use(engine)
  return sequenceWithOpNode(stack, begun, programs, engine)
}

async function sequenceWithOpNode(
  stack: AsyncDisposableStack,
  begun: Begun,
  programs: Programs,
  { engineUrl, rpcUrl }: Pick<Execution, 'engineUrl' | 'rpcUrl'>,
): Promise<Sequenced> {
  const { files, l1Url, jwtPath } = begun
  const name = 'op-node-sequencer'
  const options = { name, l1Url, engineUrl, jwtPath, isSequencer: true }
  const node = await startOpNode(programs, files, options)
  stack.defer(node.stop)
  const urls = { l1Url, l2Url: rpcUrl, rollupUrl: node.rpcUrl }
  const batcher = await startOpBatcher(programs, files, { ...urls, privateKey: batcherKey() })
  stack.defer(batcher.stop)
  await deploy(begun, rpcUrl)
  return { files, l1Url, rpcUrl, teller: tellerAt('op-node', node.rpcUrl) }
}

type Begun = {
  readonly files: Files
  readonly l1Url: string
  readonly rollupConfig: RollupConfig
  readonly l1Deployment: L1Deployment
  readonly genesis: Genesis
  readonly jwtPath: string
  readonly directory: string
}

/** A development L1 with the rollup's contracts, and the files of a chain that nobody sequences yet. */
async function begin(stack: AsyncDisposableStack, folder: string): Promise<Begun> {
  const directory = join(folder, 'l1')
  mkdirSync(directory, { recursive: true })
  stack.defer(async () => void (await stopDevelopmentL1(directory)))
  const l1 = await createDevelopmentL1({ directory, blockTimeSeconds: BLOCK_TIME_SECONDS })
  stack.use(l1)
  const l1Deployment = await deployL1({
    l1,
    directory,
    deployer: account('deployer'),
    batcher: address('batcher'),
    proposer: address('proposer'),
    l2ChainId: L2_CHAIN_ID,
    l2BlockTimeSeconds: BLOCK_TIME_SECONDS,
    submissionInterval: 5,
    finalizationPeriodSeconds: 8,
    challengeBondWei: 10n ** 17n,
    guardian: GUARDIAN_TIMES,
    gasLimit: 30_000_000n,
    beneficiaries: {
      community: address('treasury'),
      ecosystem: address('treasury'),
      investors: address('backer'),
      team: address('builder'),
      liquidity: address('deployer'),
    },
    logger: silentLogger,
  })
  const { origin, initial, open } = l1Deployment
  const genesis = createGenesis({
    l2ChainId: L2_CHAIN_ID,
    timestamp: origin.timestamp,
    gasLimit: initial.gasLimit,
    open,
    treasury: address('treasury'),
  })
  const rollupConfig = createRollupConfig({
    l1ChainId: l1.chainId,
    l2ChainId: L2_CHAIN_ID,
    l2BlockTimeSeconds: BLOCK_TIME_SECONDS,
    portal: l1Deployment.portal,
    systemConfig: l1Deployment.systemConfig,
    batchInbox: l1Deployment.batchInbox,
    origin,
    l2GenesisHash: await genesisHash(genesis),
    initial,
  })
  for (const [name, value] of [
    ['genesis', genesis],
    ['rollup', rollupConfig],
  ] as const) {
    writeFileSync(join(directory, `${name}.json`), JSON.stringify(value))
  }
  const jwtPath = join(folder, 'jwt.hex')
  Jwt.readSecret(jwtPath)
  const files = await exportFiles(directory, folder)
  return { files, l1Url: l1.rpcUrl, rollupConfig, l1Deployment, genesis, jwtPath, directory }
}

/** Our contracts through whatever JSON-RPC there is: deposits, creations and calls. */
async function deploy({ l1Url, l1Deployment, directory }: Begun, rpcUrl: string): Promise<void> {
  const roles = ['deployer', 'operator', 'caller'] as const
  await deployL2({
    l1: await connectL1({ rpcUrl: l1Url }),
    l1Deployment,
    l2Client: createPublicClient({ transport: http(rpcUrl), pollingInterval: 100, cacheTime: 0 }),
    l2ChainId: L2_CHAIN_ID,
    deployer: account('deployer'),
    operator: address('operator'),
    treasury: address('treasury'),
    fundings: roles.map((role) => ({ account: address(role), amountWei: parseEther('50000') })),
    parameters: developmentParameters,
    directory,
    nextL2Block: () => delay(1_000 * BLOCK_TIME_SECONDS),
    logger: silentLogger,
  })
}

const tellerOf = (name: string, engine: ChainEngine): Teller => ({
  name,
  safe: async () => Number(engine.safe().number),
  async outputAt(number) {
    const { outputRoot, blockHash } = engine.outputRoot(BigInt(number))
    return { outputRoot, hash: blockHash }
  },
})

/** Sends transfers and withdrawals, a few in each block, until the chain has so many blocks. */
export async function load(
  { rpcUrl, mayGoBack }: Pick<Sequenced, 'rpcUrl' | 'mayGoBack'>,
  untilBlock: number,
): Promise<number> {
  const chain = defineChain({
    id: L2_CHAIN_ID,
    name: 'OpenLedger',
    nativeCurrency: { name: 'OpenLedger', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  })
  const reader = createPublicClient({ chain, transport: http(), cacheTime: 0 })
  const wallet = createWalletClient({ chain, transport: http(), account: account('caller') })
  await until('the caller to be funded', 60_000, async () => {
    const balance = await reader.getBalance({ address: address('caller') })
    return balance > 0n ? balance : undefined
  })
  const nextNonce = () => reader.getTransactionCount({ address: address('caller') })
  let nonce = await nextNonce()
  let sent = 0
  for (; Number(await reader.getBlockNumber()) < untilBlock; await delay(500)) {
    goOn()
    for (let i = 0; i < 4; i++) {
      const to =
        i === 0 ? MESSAGE_PASSER : (`0x${(0xb0b0000 + sent).toString(16).padStart(40, '0')}` as const)
      const sending = wallet.sendTransaction({ to, value: 1n, nonce, gas: i === 0 ? 400_000n : 21_000n })
      const isTaken = await sending.then(
        () => true,
        (error: unknown) => {
          if (mayGoBack !== true) throw error
          return false
        },
      )
      nonce = isTaken ? nonce + 1 : await nextNonce()
      if (isTaken) sent++
    }
  }
  return sent
}
