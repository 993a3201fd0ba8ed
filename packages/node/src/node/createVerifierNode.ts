import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BaseError, Bytes, type Clock, type Hex, systemClock } from '@openledger/primitives'
import { type Genesis, loadCrypto } from '@openledger/rollup'
import type { LocalAccount } from 'viem'
import { type BatchData, createBatcher } from '../batcher/createBatcher.ts'
import { createBlockFollower } from '../batcher/createBlockFollower.ts'
import { type Challenger, createChallenger } from '../challenger/createChallenger.ts'
import { openOutputOracle } from '../challenger/OutputOracle.ts'
import type { RollupConfig } from '../deployment/RollupConfig.ts'
import { createEmbeddedEngine } from '../engine/EmbeddedEngine.ts'
import type { Engine } from '../engine/Engine.ts'
import type { HistoryBlocks } from '../engine/WorldHistory.ts'
import { createKzgService } from '../l1/Blobs.ts'
import { connectL1 } from '../l1/L1.ts'
import { createL1View } from '../l1/L1View.ts'
import { createProposer } from '../proposer/createProposer.ts'
import { serverError } from '../rpc/RpcError.ts'
import { createSequencer, type Sequencer } from '../sequencer/Sequencer.ts'
import { derivationConfigOf } from '../verifier/derivationConfig.ts'
import { caughtUp } from './caughtUp.ts'
import { lockDirectory } from './DirectoryLock.ts'
import { createExclusive } from './Exclusive.ts'
import { type Logger, silentLogger } from './Logger.ts'
import { type Loop, problemsOf } from './Loop.ts'
import { type AdminOptions, serveAdmin } from './serveAdmin.ts'
import { serveRpc } from './serveRpc.ts'
import { startVerifier } from './startVerifier.ts'

export type VerifierNodeOptions = {
  /** Empty at first; everything in it can be derived again. */
  readonly directory: string
  readonly l1: {
    readonly rpcUrl: string
    /** Serves `/eth/v1/beacon`; needed only where batches come in blobs. By default the RPC's own address. */
    readonly beaconUrl?: string
  }
  /** The chain's `genesis.json` and `rollup.json`, which whoever began it published. */
  readonly genesis: Genesis
  readonly rollupConfig: RollupConfig
  /** Where the files lie that forks after genesis deploy; needed where `rollup.json` has such forks. */
  readonly upgradesDirectory?: string
  readonly rpc?: { readonly port?: number; readonly host?: string }
  /**
   * How many blocks back receipts, logs and places of transactions are kept; all by default. The services of a network
   * read the events of its contracts from the beginning, so the node that they ask must keep all.
   */
  readonly receiptBlocks?: HistoryBlocks
  /** Where transactions go that are sent to this node; without it they are refused. */
  readonly sequencerRpcUrl?: string
  /** Builds blocks, at once or when it is told to by {@link VerifierNode.sequencer}; transactions sent here go into its pool. */
  readonly sequencer?: {
    readonly starts: 'now' | 'when told'
    /** Where it is told to; without it only by this process. */
    readonly admin?: AdminOptions
  }
  /** Publishes the blocks of a sequencer: this node's own, or another's by its JSON-RPC. */
  readonly batcher?: {
    readonly account: LocalAccount
    readonly sequencerRpcUrl?: string
    readonly intervalSeconds?: number
    readonly batches?: 'span' | 'singular'
    readonly batchData?: BatchData
  }
  /** Proposes the output roots of derived blocks, and answers false challenges up to that bond. */
  readonly proposer?: { readonly account: LocalAccount; readonly bondMaxWei: bigint }
  /** Compares the outputs on L1 with the derived chain; with an account it removes wrong ones. */
  readonly challenger?: { readonly account?: LocalAccount; readonly bondMaxWei: bigint }
  readonly clock?: Clock
  readonly logger?: Logger
}

export type VerifierNode = AsyncDisposable & {
  readonly engine: Engine
  readonly rpcUrl: string
  /** How far L1 was read and what it told. */
  readonly progress: () => {
    readonly l1Block: bigint
    readonly l2Block: bigint
    readonly isCaughtUp: boolean
  }
  readonly challenger?: Challenger
  readonly sequencer?: Sequencer
  readonly adminUrl?: string
  readonly problems: () => Readonly<Record<string, string>>
  readonly close: () => Promise<void>
}

/**
 * Starts a node that believes nobody but L1: it derives the chain from there, executes it, and answers JSON-RPC. Sequencer,
 * batcher, proposer and challenger can run on it, one or several.
 *
 * @throws {GenesisHashError} when genesis and rollup configuration are not of one chain.
 * @throws {DirectoryLockedError | L1UnreachableError | L1ChainMismatchError}
 */
export async function createVerifierNode(options: VerifierNodeOptions): Promise<VerifierNode> {
  const { directory, genesis, rollupConfig, clock = systemClock, logger = silentLogger } = options
  mkdirSync(directory, { recursive: true })
  await using stack = new AsyncDisposableStack()
  const lock = lockDirectory(directory)
  stack.defer(lock.release)
  const l1 = await connectL1({ rpcUrl: options.l1.rpcUrl, chainId: rollupConfig.l1_chain_id })
  stack.use(l1)
  const engine = await createEmbeddedEngine({
    directory: join(directory, 'l2'),
    genesis,
    clock,
    ...(options.receiptBlocks === undefined ? {} : { receiptBlocks: options.receiptBlocks }),
    warn: logger.warn,
  })
  stack.defer(() => engine.close())
  const { hash } = engine.block(0n)!
  if (hash !== rollupConfig.genesis.l2.hash) throw new GenesisHashError(rollupConfig.genesis.l2.hash, hash)

  const exclusively = createExclusive()
  const kzg = createKzgService()
  stack.defer(kzg.close)
  const verifier = startVerifier({
    directory,
    engine,
    l1,
    ...(options.l1.beaconUrl === undefined ? {} : { beaconUrl: options.l1.beaconUrl }),
    rollupConfig,
    ...(options.upgradesDirectory === undefined ? {} : { upgradesDirectory: options.upgradesDirectory }),
    exclusively,
    crypto: await loadCrypto(),
    kzg,
    logger,
  })
  stack.defer(verifier.stop)
  const services: Record<string, Pick<Loop, 'lastError'>> = { verifier }
  const challenger =
    options.challenger === undefined
      ? undefined
      : createChallenger({
          engine,
          verifier,
          l1,
          portal: rollupConfig.deposit_contract_address,
          ...options.challenger,
          logger,
        })
  if (challenger !== undefined) {
    services['challenger'] = challenger
    stack.defer(challenger.stop)
  }
  const portal = rollupConfig.deposit_contract_address
  const config = derivationConfigOf(rollupConfig, options.upgradesDirectory)
  let sequencer: Sequencer | undefined
  let adminUrl: string | undefined
  if (options.sequencer !== undefined) {
    sequencer = createSequencer({
      engine,
      l1: createL1View({
        l1,
        portal,
        systemConfig: rollupConfig.l1_system_config_address,
        genesis: { number: config.genesis.l1.number, systemConfig: config.genesis.systemConfig },
      }),
      config,
      exclusively,
      clock,
      logger,
    })
    services['sequencer'] = sequencer
    stack.defer(sequencer.stop)
    const { admin } = options.sequencer
    if (admin !== undefined) {
      const crypto = await loadCrypto()
      const served = await serveAdmin({
        admin,
        directory,
        engine,
        sequencer,
        exclusively,
        crypto,
        clock,
        logger,
      })
      stack.use(served)
      adminUrl = served.url
    }
    if (options.sequencer.starts === 'now') {
      // what L1 tells already comes before anything new
      await caughtUp(verifier, logger)
      sequencer.start()
    }
  }
  if (options.batcher !== undefined) {
    const { sequencerRpcUrl, intervalSeconds = 4, ...batcherOptions } = options.batcher
    const blocks =
      sequencerRpcUrl === undefined
        ? engine
        : await createBlockFollower({ url: sequencerRpcUrl, derived: engine.safe, logger })
    if ('stop' in blocks) {
      services['follower'] = blocks
      stack.defer(blocks.stop)
    }
    const batcher = createBatcher({
      engine: blocks,
      l1,
      verifier,
      rollupConfig,
      intervalSeconds,
      kzg,
      logger,
      ...batcherOptions,
    })
    services['batcher'] = batcher
    stack.defer(batcher.stop)
  }
  if (options.proposer !== undefined) {
    const { account, bondMaxWei } = options.proposer
    const { oracle } = await openOutputOracle(l1, portal)
    const proposer = createProposer({
      engine,
      l1,
      outputOracle: oracle,
      account,
      defence: { portal, bondMaxWei },
      logger,
    })
    services['proposer'] = proposer
    stack.defer(proposer.stop)
  }
  const rpc = await serveRpc({
    engine,
    directory: join(directory, 'l2'),
    l1,
    genesis,
    rollupConfig,
    ...options.rpc,
    ...(sequencer === undefined
      ? { submit: (raw: Uint8Array) => forward(options.sequencerRpcUrl, raw) }
      : {}),
    logger,
  })
  stack.use(rpc)

  const started = stack.move()
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= started.disposeAsync()
    return closed
  }
  return {
    engine,
    rpcUrl: rpc.url,
    progress: () => ({
      l1Block: verifier.wanted() - 1n,
      l2Block: verifier.derived(),
      isCaughtUp: verifier.isCaughtUp(),
    }),
    ...(challenger === undefined ? {} : { challenger }),
    ...(sequencer === undefined ? {} : { sequencer }),
    ...(adminUrl === undefined ? {} : { adminUrl }),
    problems: () => problemsOf(services),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Hands a transaction to the sequencer, and its answer back. */
async function forward(url: string | undefined, raw: Uint8Array): Promise<Hex> {
  if (url === undefined) {
    throw serverError('this node verifies and takes no transactions: send them to the sequencer')
  }
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'eth_sendRawTransaction',
      params: [Bytes.toHex(raw)],
    }),
  })
  const answer = (await response.json()) as {
    readonly result?: Hex
    readonly error?: { readonly message?: string }
  }
  if (answer.error !== undefined) throw serverError(answer.error.message ?? 'the sequencer refused')
  if (answer.result === undefined) throw serverError('the sequencer answered neither a hash nor an error')
  return answer.result
}

export class GenesisHashError extends BaseError {
  constructor(expected: string, got: string) {
    super({
      code: 'node.genesis_hash',
      message: `Expected genesis.json to make block 0 with hash ${expected}, as rollup.json says, it makes ${got}: take both files from one chain.`,
      context: { expected, got },
    })
  }
}
