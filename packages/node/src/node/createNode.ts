import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BaseError, systemClock } from '@openledger/primitives'
import type { Deployment } from '@openledger/protocol'
import { type Genesis, loadCrypto } from '@openledger/rollup'
import { type Address, createPublicClient, http } from 'viem'
import { createBatcher } from '../batcher/createBatcher.ts'
import { createChallenger } from '../challenger/createChallenger.ts'
import { createGenesis } from '../deployment/createGenesis.ts'
import { deployL1, GUARDIAN_TIMES, type L1Deployment } from '../deployment/deployL1.ts'
import { deployL2 } from '../deployment/deployL2.ts'
import { genesisHash } from '../deployment/exportChain.ts'
import { withForkTimes } from '../deployment/ForkTimes.ts'
import { developmentParameters } from '../deployment/L2Parameters.ts'
import { createRollupConfig, type LaterForks, type RollupConfig } from '../deployment/RollupConfig.ts'
import type { ChainEngine, Engine } from '../engine/Engine.ts'
import { createKzgService } from '../l1/Blobs.ts'
import { createDevelopmentL1 } from '../l1/DevelopmentL1.ts'
import { connectL1, type L1 } from '../l1/L1.ts'
import { createL1View } from '../l1/L1View.ts'
import { createProposer } from '../proposer/createProposer.ts'
import { createSequencer, type Sequencer } from '../sequencer/Sequencer.ts'
import { derivationConfigOf } from '../verifier/derivationConfig.ts'
import { caughtUp } from './caughtUp.ts'
import { lockDirectory } from './DirectoryLock.ts'
import * as DurableFile from './DurableFile.ts'
import { DEVELOPMENT_L1_CHAIN_ID, developmentKeys } from './developmentKeys.ts'
import { createExclusive } from './Exclusive.ts'
import { silentLogger } from './Logger.ts'
import { type Loop, problemsOf } from './Loop.ts'
import { L2_BLOCK_TIME_SECONDS, type NodeOptions, RATE_LIMIT } from './NodeOptions.ts'
import { openExecution } from './openExecution.ts'
import { serveAdmin } from './serveAdmin.ts'
import { serveForwardedRpc, serveRpc } from './serveRpc.ts'
import { slotsFilled } from './slotsFilled.ts'
import { startVerifier } from './startVerifier.ts'

const L2_GAS_LIMIT = 30_000_000n
/** On a public L1 this is the price of a delay: choose it by what a delay is worth to somebody. */
const CHALLENGE_BOND_WEI = 10n ** 17n
/** Six rounds of bidding. */
const CHALLENGE_BONDS_MAX = 64n

export type Node = AsyncDisposable & {
  readonly deployment: Deployment
  readonly rollupConfig: RollupConfig
  readonly l1RpcUrl: string
  readonly l2RpcUrl: string
  readonly l2WebSocketUrl: string
  /** Where `admin_` methods are, if they are served. */
  readonly adminUrl?: string
  /** The sum of all balances is known of the embedded engine only. */
  readonly engine: ChainEngine & Partial<Pick<Engine, 'totalBalance'>>
  readonly l1: L1
  readonly sequencer: Sequencer
  /** What does not work at the moment, by service; empty when all is well. */
  readonly problems: () => Readonly<Record<string, string>>
  readonly close: () => Promise<void>
}

/**
 * Starts the whole L2: its L1 (or a connection to one), the contracts, the engine, the sequencer, JSON-RPC, the batcher,
 * the proposer and the challenger. Called again in the same directory it goes on with what is there, wherever it was killed.
 *
 * @throws {DirectoryLockedError | KeysMissingError | NodeStalledError} and what the services throw.
 * @example
 * await using node = await createNode({ directory: '.openledger' })
 */
export async function createNode(options: NodeOptions): Promise<Node> {
  const { directory, clock = systemClock, logger = silentLogger, l1: l1Options = {}, l2 = {} } = options
  const l2ChainId = l2.chainId ?? 161_200
  const l2BlockTimeSeconds = l2.blockTimeSeconds ?? L2_BLOCK_TIME_SECONDS
  mkdirSync(directory, { recursive: true })
  await using stack = new AsyncDisposableStack()
  const lock = lockDirectory(directory)
  stack.defer(lock.release)

  const l1 =
    'rpcUrl' in l1Options
      ? await connectL1(l1Options)
      : await createDevelopmentL1({ directory, chainId: DEVELOPMENT_L1_CHAIN_ID, ...l1Options, logger })
  stack.use(l1)
  const keys = options.keys ?? developmentKeys(l1.chainId)

  const l1Deployment = await deployL1({
    l1,
    directory,
    deployer: keys.deployer,
    batcher: keys.batcher.address,
    proposer: keys.proposer.address,
    l2ChainId,
    l2BlockTimeSeconds,
    submissionInterval: l2.submissionInterval ?? 5,
    finalizationPeriodSeconds: l2.finalizationPeriodSeconds ?? 8,
    challengeBondWei: l2.challengeBondWei ?? CHALLENGE_BOND_WEI,
    guardian: GUARDIAN_TIMES,
    gasLimit: L2_GAS_LIMIT,
    beneficiaries: keys.beneficiaries,
    logger,
  })
  const genesis = readOrMakeGenesis(
    directory,
    l2ChainId,
    l1Deployment,
    keys.treasury,
    l2.forks ?? {},
    Math.floor(clock.nowMs() / 1_000),
  )
  const execution = await openExecution(options, genesis)
  const { engine } = execution
  stack.defer(() => engine.close())
  const rollupConfig = createRollupConfig({
    l1ChainId: l1.chainId,
    l2ChainId,
    l2BlockTimeSeconds,
    portal: l1Deployment.portal,
    systemConfig: l1Deployment.systemConfig,
    batchInbox: l1Deployment.batchInbox,
    origin: l1Deployment.origin,
    l2GenesisHash: await genesisHash(genesis),
    initial: l1Deployment.initial,
    forks: genesis.config as LaterForks,
  })
  DurableFile.writeJson(join(directory, 'rollup.json'), rollupConfig)

  const rpcOptions = {
    l1,
    rollupConfig,
    port: l2.rpcPort ?? 0,
    ...(l2.rpcHost === undefined ? {} : { host: l2.rpcHost }),
    rateLimit: l2.rateLimit ?? RATE_LIMIT,
    logger,
  }
  const rpc =
    execution.kind === 'remote'
      ? await serveForwardedRpc({ ...rpcOptions, engine: execution.engine })
      : await serveRpc({
          ...rpcOptions,
          engine: execution.engine,
          directory: join(directory, 'l2'),
          genesis,
          ...(l2.readThreads === undefined ? {} : { readThreads: l2.readThreads }),
        })
  stack.use(rpc)

  const config = derivationConfigOf(rollupConfig, l2.upgradesDirectory)
  const exclusively = createExclusive()
  const kzg = createKzgService()
  stack.defer(kzg.close)
  const verifier = startVerifier({
    directory,
    engine,
    l1,
    ...('beaconUrl' in l1Options ? { beaconUrl: l1Options.beaconUrl } : {}),
    rollupConfig,
    ...(l2.upgradesDirectory === undefined ? {} : { upgradesDirectory: l2.upgradesDirectory }),
    exclusively,
    crypto: await loadCrypto(),
    kzg,
    logger,
  })
  stack.defer(verifier.stop)
  // what L1 tells already comes before anything new
  await caughtUp(verifier, logger)
  const sequencer = createSequencer({
    engine,
    l1: createL1View({
      l1,
      portal: l1Deployment.portal,
      systemConfig: l1Deployment.systemConfig,
      genesis: { number: BigInt(l1Deployment.origin.number), systemConfig: l1Deployment.initial },
      ...('confirmationDepth' in l1Options ? { confirmationDepth: l1Options.confirmationDepth } : {}),
    }),
    config,
    exclusively,
    clock,
    logger,
  })
  sequencer.start()
  stack.defer(() => sequencer.stop())
  let adminUrl: string | undefined
  if (l2.admin !== undefined) {
    const { admin } = l2
    if (execution.kind === 'remote') throw new AdminOverRemoteError()
    const crypto = await loadCrypto()
    const served = await serveAdmin({
      admin,
      directory,
      engine: execution.engine,
      sequencer,
      exclusively,
      crypto,
      clock,
      logger,
    })
    stack.use(served)
    adminUrl = served.url
  }
  const runs = (service: 'batcher' | 'proposer' | 'challenger'): boolean =>
    l2.without?.includes(service) !== true
  const services: Record<string, Pick<Loop, 'lastError'>> = { sequencer, verifier }
  const run = (name: string, service: Loop): void => {
    services[name] = service
    stack.defer(service.stop)
  }
  if (runs('batcher')) {
    run(
      'batcher',
      createBatcher({
        engine,
        l1,
        verifier,
        rollupConfig,
        account: keys.batcher,
        intervalSeconds: l2.batchIntervalSeconds ?? 4,
        batches: l2.batches ?? 'span',
        batchData: l2.batchData ?? 'calldata',
        kzg,
        logger,
      }),
    )
  }
  const { outputOracle, portal } = l1Deployment
  const bondMaxWei = CHALLENGE_BONDS_MAX * (l2.challengeBondWei ?? CHALLENGE_BOND_WEI)
  if (runs('proposer')) {
    run(
      'proposer',
      createProposer({
        engine,
        l1,
        outputOracle,
        account: keys.proposer,
        defence: { portal, bondMaxWei },
        logger,
      }),
    )
  }
  if (runs('challenger')) {
    run(
      'challenger',
      createChallenger({
        engine,
        verifier,
        l1,
        portal,
        account: keys.challenger,
        bondMaxWei,
        logger,
      }),
    )
  }

  const deployment = await deployL2({
    l1,
    l1Deployment,
    l2Client: createPublicClient({ transport: http(rpc.url), pollingInterval: 100, cacheTime: 0 }),
    l2ChainId,
    deployer: keys.deployer,
    operator: keys.operator,
    treasury: keys.treasury,
    fundings: keys.fundings,
    parameters: options.parameters ?? developmentParameters,
    directory,
    nextL2Block: () => nextBlockOf(engine, 1_000 * l2BlockTimeSeconds),
    logger,
  })

  await slotsFilled({
    engine,
    clock,
    blockTimeSeconds: l2BlockTimeSeconds,
    lastError: sequencer.lastError,
    logger,
  })
  const started = stack.move()
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= started.disposeAsync()
    return closed
  }
  return {
    deployment,
    rollupConfig,
    l1RpcUrl: l1.rpcUrl,
    l2RpcUrl: rpc.url,
    l2WebSocketUrl: rpc.webSocketUrl,
    ...(adminUrl === undefined ? {} : { adminUrl }),
    engine,
    l1,
    sequencer,
    problems: () => problemsOf(services),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * The genesis is made once: a later release may bring other contracts, but not another block 0. Forks that lie ahead may be
 * set at any start.
 */
function readOrMakeGenesis(
  directory: string,
  l2ChainId: number,
  { open, origin, initial }: L1Deployment,
  treasury: Address,
  forks: LaterForks,
  nowSeconds: number,
): Genesis {
  const path = join(directory, 'genesis.json')
  const stored = DurableFile.readJson(path)
  if (stored !== undefined) {
    const known = stored as Genesis
    const timed = withForkTimes(known, forks, nowSeconds)
    if (JSON.stringify(timed) !== JSON.stringify(known)) DurableFile.writeJson(path, timed)
    return timed
  }
  const genesis = createGenesis({
    l2ChainId,
    timestamp: origin.timestamp,
    gasLimit: initial.gasLimit,
    open,
    treasury,
    forks,
  })
  DurableFile.writeJson(path, genesis)
  return genesis
}

async function nextBlockOf(engine: ChainEngine, timeoutMs: number): Promise<void> {
  let stop: () => void = () => {}
  const built = new Promise<void>((resolve) => {
    stop = engine.onBlock(() => resolve())
  })
  await Promise.race([built, delay(timeoutMs)])
  stop()
}

export class AdminOverRemoteError extends BaseError {
  constructor() {
    super({
      code: 'node.admin_over_remote',
      message:
        'Expected no port for handing the sequencer over, because the blocks are executed by another process: its own consensus client hands over. Leave the port out, or use the embedded engine.',
    })
  }
}
