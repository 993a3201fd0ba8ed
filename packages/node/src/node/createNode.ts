import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BaseError, type Clock, systemClock } from '@openledger/primitives'
import { type Deployment, DevelopmentKeys } from '@openledger/protocol'
import { type Genesis, loadCrypto } from '@openledger/rollup'
import { type Address, createPublicClient, http, type LocalAccount, parseEther } from 'viem'
import { type BatchData, createBatcher } from '../batcher/createBatcher.ts'
import { createChallenger } from '../challenger/createChallenger.ts'
import { createGenesis } from '../deployment/createGenesis.ts'
import { type Beneficiaries, deployL1, GUARDIAN_TIMES, type L1Deployment } from '../deployment/deployL1.ts'
import { deployL2, developmentParameters, type Funding, type L2Parameters } from '../deployment/deployL2.ts'
import { genesisHash } from '../deployment/exportChain.ts'
import { withForkTimes } from '../deployment/ForkTimes.ts'
import { createRollupConfig, type LaterForks, type RollupConfig } from '../deployment/RollupConfig.ts'
import { createEmbeddedEngine, type EmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import type { ChainEngine, Engine } from '../engine/Engine.ts'
import type { HistoryBlocks } from '../engine/WorldHistory.ts'
import { createRemoteEngine, type RemoteEngine } from '../engineApi/createRemoteEngine.ts'
import { createKzgService } from '../l1/Blobs.ts'
import { createDevelopmentL1 } from '../l1/DevelopmentL1.ts'
import { connectL1, type L1 } from '../l1/L1.ts'
import { createL1View } from '../l1/L1View.ts'
import { createProposer } from '../proposer/createProposer.ts'
import type { RateLimit } from '../rpc/RateLimit.ts'
import { createSequencer, type Sequencer } from '../sequencer/Sequencer.ts'
import { derivationConfigOf } from '../verifier/derivationConfig.ts'
import { caughtUp } from './caughtUp.ts'
import { lockDirectory } from './DirectoryLock.ts'
import * as DurableFile from './DurableFile.ts'
import { createExclusive } from './Exclusive.ts'
import { type Logger, silentLogger } from './Logger.ts'
import { type Loop, problemsOf } from './Loop.ts'
import { type AdminOptions, serveAdmin } from './serveAdmin.ts'
import { serveForwardedRpc, serveRpc } from './serveRpc.ts'
import { startVerifier } from './startVerifier.ts'

const DEVELOPMENT_L1_CHAIN_ID = 31_337
const L2_BLOCK_TIME_SECONDS = 2
const L2_GAS_LIMIT = 30_000_000n
/** On a public L1 this is the price of a delay: choose it by what a delay is worth to somebody. */
const CHALLENGE_BOND_WEI = 10n ** 17n
/** Six rounds of bidding. */
const CHALLENGE_BONDS_MAX = 64n

/** The accounts that a node signs with, and those it names in contracts. */
export type NodeKeys = {
  /** Owns the L1 configuration and pays for both deployments. */
  readonly deployer: LocalAccount
  readonly batcher: LocalAccount
  readonly proposer: LocalAccount
  /** Pays bonds and gas against wrong outputs. */
  readonly challenger: LocalAccount
  readonly operator: Address
  readonly treasury: Address
  readonly beneficiaries: Beneficiaries
  /** First deposits of OPEN to L2, out of what the deployer holds on L1. */
  readonly fundings: readonly Funding[]
}

/** Where an execution client's authenticated endpoint is, and the secret that both sides have. */
export type RemoteExecution = { readonly url: string; readonly secret: Uint8Array }

export type NodeOptions = {
  /** Everything that must survive lies here. */
  readonly directory: string
  /** An endpoint that somebody runs, or a development chain that the node runs itself. */
  readonly l1?:
    | {
        readonly rpcUrl: string
        /** For batches in blobs; by default the same address. */
        readonly beaconUrl?: string
        readonly chainId?: number
        readonly confirmationDepth?: bigint
      }
    | { readonly port?: number; readonly blockTimeSeconds?: number }
  readonly l2?: {
    readonly chainId?: number
    /** 0 takes a free one. */
    readonly rpcPort?: number
    readonly rpcHost?: string
    readonly blockTimeSeconds?: number
    /** Threads that answer what takes long, each with what it uses of the state in its own memory; 1 by default, 0 for none. */
    readonly readThreads?: number
    /**
     * Another process that executes and keeps the blocks, by the Engine API, in place of the embedded engine: op-geth, op-reth
     * or another of ours, made from the `genesis.json` that the first start writes.
     */
    readonly engine?: RemoteExecution
    /** How many blocks back states can be asked for; by default a week of blocks of two seconds. */
    readonly historyBlocks?: HistoryBlocks
    /** How much one address may ask of JSON-RPC; by default callers elsewhere get {@link RATE_LIMIT}. */
    readonly rateLimit?: RateLimit
    /** Serves op-node's `admin_` methods on loopback to who has the token's secret. */
    readonly admin?: AdminOptions
    /** An output root every so many blocks. */
    readonly submissionInterval?: number
    readonly finalizationPeriodSeconds?: number
    /** What the first challenge of an output takes, in wei of L1's currency. */
    readonly challengeBondWei?: bigint
    /** Services that run elsewhere, or not at all. */
    readonly without?: readonly ('batcher' | 'proposer' | 'challenger')[]
    /** Time between two batches. */
    readonly batchIntervalSeconds?: number
    /** How blocks are put into batches; `span` by default. */
    readonly batches?: 'span' | 'singular'
    /** When Jovian and Karst begin: 0 for genesis, or a time that lies ahead at any start. Karst comes after Jovian. */
    readonly forks?: LaterForks
    /** Where the files lie that forks after genesis deploy; needed from the start on that names such a time. */
    readonly upgradesDirectory?: string
    /** Where batches go on L1; `calldata` by default. The development L1 forgets blobs when it is started again. */
    readonly batchData?: BatchData
  }
  /** Required on every L1 but the development chain. */
  readonly keys?: NodeKeys
  readonly parameters?: L2Parameters
  readonly clock?: Clock
  readonly logger?: Logger
}

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

  await catchUp({
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

type Execution =
  | { readonly kind: 'embedded'; readonly engine: EmbeddedEngine }
  | { readonly kind: 'remote'; readonly engine: RemoteEngine }

/** Opens the engine of this process, or the one that the options name. */
async function openExecution(options: NodeOptions, genesis: Genesis): Promise<Execution> {
  const { directory, clock = systemClock, logger = silentLogger, l2 = {} } = options
  if (l2.engine === undefined) {
    const engine = await createEmbeddedEngine({
      directory: join(directory, 'l2'),
      genesis,
      clock,
      buildTimeMaxMs: 750 * (l2.blockTimeSeconds ?? L2_BLOCK_TIME_SECONDS),
      ...(l2.historyBlocks === undefined ? {} : { historyBlocks: l2.historyBlocks }),
      warn: logger.warn,
    })
    return { kind: 'embedded', engine }
  }
  try {
    const engine = await createRemoteEngine({
      ...l2.engine,
      chainId: genesis.config.chainId,
      genesisHash: await genesisHash(genesis),
      clock,
      logger,
    })
    return { kind: 'remote', engine }
  } catch (cause) {
    if (cause instanceof BaseError) throw new ExecutionClientError(join(directory, 'genesis.json'), cause)
    throw cause
  }
}

/** For one address elsewhere: a wallet's page loads in one burst, and a busy indexer keeps within the rate. */
export const RATE_LIMIT: RateLimit = { unitsPerSecond: 500, burstUnits: 5_000 }
/** A head so many blocks behind the clock counts as up to date. */
const BEHIND_BLOCKS_MAX = 5
const CATCH_UP_STALL_MS = 60_000
const CATCH_UP_POLL_MS = 100

/**
 * Waits until the slots that were missed while no node ran are filled: before that the chain's time is in the past, and
 * what is signed now may not be valid there yet.
 */
async function catchUp({
  engine,
  clock,
  blockTimeSeconds,
  lastError,
  logger,
}: {
  readonly engine: ChainEngine
  readonly clock: Clock
  readonly blockTimeSeconds: number
  readonly lastError: () => unknown
  readonly logger: Logger
}): Promise<void> {
  const behind = (): number =>
    Math.floor((clock.nowMs() / 1_000 - Number(engine.head().timestamp)) / blockTimeSeconds)
  if (behind() > BEHIND_BLOCKS_MAX) logger.info({ blocks: behind() }, 'filling the slots that were missed')
  let last = engine.head().number
  let movedAt = performance.now()
  while (behind() > BEHIND_BLOCKS_MAX) {
    await delay(CATCH_UP_POLL_MS)
    const { number } = engine.head()
    if (number !== last) movedAt = performance.now()
    last = number
    if (performance.now() - movedAt > CATCH_UP_STALL_MS) throw new NodeStalledError(number, lastError())
  }
}

async function nextBlockOf(engine: ChainEngine, timeoutMs: number): Promise<void> {
  let stop: () => void = () => {}
  const built = new Promise<void>((resolve) => {
    stop = engine.onBlock(() => resolve())
  })
  await Promise.race([built, delay(timeoutMs)])
  stop()
}

/**
 * The keys of the development phrase, and what each account gets on L2.
 * @throws {KeysMissingError} on any other chain: everybody knows these keys.
 */
function developmentKeys(l1ChainId: number): NodeKeys {
  if (l1ChainId !== DEVELOPMENT_L1_CHAIN_ID) throw new KeysMissingError(l1ChainId)
  const { account } = DevelopmentKeys
  const addressOf = (role: DevelopmentKeys.Role): Address => account(role).address.toLowerCase() as Address
  const amounts: Readonly<Record<DevelopmentKeys.Role, string>> = {
    deployer: '100000',
    batcher: '10',
    proposer: '10',
    operator: '10000',
    validator: '10000',
    treasury: '1000',
    builder: '100000',
    caller: '100000',
    agentOwner: '100000',
    agentSession: '10',
    backer: '200000',
    // the quorum is a share of all free OPEN, and the development network has one voter
    voter: '30000000',
    challenger: '10',
  }
  return {
    deployer: account('deployer'),
    batcher: account('batcher'),
    proposer: account('proposer'),
    challenger: account('challenger'),
    operator: addressOf('operator'),
    treasury: addressOf('treasury'),
    beneficiaries: {
      community: addressOf('treasury'),
      ecosystem: addressOf('treasury'),
      investors: addressOf('backer'),
      team: addressOf('builder'),
      liquidity: addressOf('deployer'),
    },
    fundings: Object.entries(amounts).map(([role, amount]) => ({
      account: addressOf(role as DevelopmentKeys.Role),
      amountWei: parseEther(amount),
    })),
  }
}

export class KeysMissingError extends BaseError {
  constructor(l1ChainId: number) {
    super({
      code: 'node.keys_missing',
      message: `Expected keys for L1 chain ${l1ChainId}, got none: the development keys are known to everybody and serve chain ${DEVELOPMENT_L1_CHAIN_ID} only. Make a network of your own with \`openledger create-network\`.`,
      context: { l1ChainId },
    })
  }
}

export class NodeStalledError extends BaseError {
  constructor(number: bigint, cause: unknown) {
    super({
      code: 'node.stalled',
      message: `Expected a block after ${number} within ${CATCH_UP_STALL_MS / 1_000} s, none came: ${cause instanceof Error ? cause.message : 'the L1 makes no blocks'}`,
      context: { number: number.toString() },
      severity: 'retry',
      cause,
    })
  }
}

export class ExecutionClientError extends BaseError {
  constructor(genesisPath: string, cause: BaseError) {
    super({
      code: 'node.execution_client',
      message: `Expected an execution client of this chain, made from ${genesisPath}: ${cause.message}`,
      context: { genesisPath, cause: cause.code },
      severity: cause.severity,
      cause,
    })
  }
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
