import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createApi, createSupply } from '@openledger/api'
import { createDatanets, createPanelKeeper, openZeppelinModules } from '@openledger/datanet'
import { CheckpointFolder } from '@openledger/model'
import { createModelFactory } from '@openledger/modelfactory'
import { createNode } from '@openledger/node'
import { createOpenLora } from '@openledger/openlora'
import { Bytes, type Hex, Open, systemClock } from '@openledger/primitives'
import { createSender, type Http } from '@openledger/protocol'
import { createSettlement } from '@openledger/settlement'
import { createDatabase, createJobs } from '@openledger/store'
import type { Logger } from 'pino'
import { createPublicClient, createWalletClient, http, type LocalAccount } from 'viem'
import { BASE_NAME, type Config, judgeOf } from './Config.ts'
import { chosenNetwork } from './chosenNetwork.ts'
import { createBlobs } from './createBlobs.ts'
import { listen } from './listen.ts'
import { createSeed } from './Seed.ts'
import { servePage } from './servePage.ts'
import { serverChain } from './serverChain.ts'
import { createServingRouter } from './servingRouter.ts'

export type Server = AsyncDisposable & {
  /** Where the page and the API are. */
  readonly url: string
  readonly close: () => Promise<void>
}

const PROGRESS_INTERVAL_MS = 10_000
const PAGE = join(import.meta.dirname, '../../web/dist')

/**
 * Starts everything in order: chain, store, Datanets, factory, serving, settlement, HTTP; and, on a development network, the
 * first start's seed. What fails undoes what was started before it.
 *
 * @throws {KeysMissingError} on an L1 other than the development chain without a network of one's own.
 */
export async function createServer(config: Config, logger: Logger): Promise<Server> {
  mkdirSync(config.dataDirectory, { recursive: true })
  await using stack = new AsyncDisposableStack()
  const within = (name: string) => join(config.dataDirectory, name)

  const network = chosenNetwork(config)
  const node = await createNode({
    ...network.node,
    directory: within('chain'),
    logger: logger.child({ part: 'node' }),
  })
  stack.use(node)
  const { deployment } = node

  const database = await createDatabase(
    config.databaseUrl === undefined ? { directory: within('database') } : { url: config.databaseUrl },
  )
  stack.defer(database.close)
  const blobs = createBlobs(config)
  const jobs = await createJobs(database, {
    onError: (error, context) =>
      logger.warn({ ...context, reason: (error as Error).message }, 'a job failed and will be tried again'),
  })
  stack.defer(jobs.stop)

  const chain = serverChain(deployment, node.l2RpcUrl)
  const publicClient = createPublicClient({ chain, transport: http(), pollingInterval: 250, cacheTime: 0 })
  const senderOf = (account: LocalAccount) =>
    createSender({ publicClient, walletClient: createWalletClient({ account, chain, transport: http() }) })
  const operator = senderOf(network.operator)
  const validator = senderOf(network.validator)
  const datanets = createDatanets({
    database,
    blobs,
    jobs,
    publicClient,
    deployment,
    relayer: operator,
    validator,
    clock: systemClock,
    answerKey: await answerKeyOf(network.operator),
  })
  const factory = createModelFactory({
    database,
    blobs,
    jobs,
    publicClient,
    deployment,
    sender: operator,
    baseDirectory: config.baseModel,
    baseName: BASE_NAME,
    workers: config.engineThreads,
    clock: systemClock,
    mayTrain: datanets.mayReadAll,
    judge: judgeOf(config),
    limits: { openRunsMax: config.trainingRunsMax, runningMax: config.trainingRunningMax },
    onIndexEvent: (event) => {
      if (event.kind === 'building') logger.debug(event, 'building attribution indexes again')
      else logger.warn(event, `attribution indexes are ${event.kind}`)
    },
  })
  const openlora = await createOpenLora(
    { blobs: { get: factory.file }, lookup: factory.serving, logger: logger.child({ part: 'openlora' }) },
    {
      baseDirectory: config.baseModel,
      baseName: BASE_NAME,
      threads: config.engineThreads,
      precision: config.basePrecision,
      limits: { rows: config.servingRows },
    },
  )
  stack.defer(openlora.close)
  const router = createServingRouter(openlora, config, { blobs, logger })
  stack.defer(async () => router.close())
  const gatherMs = config.gatherSeconds * 1_000
  const settlement = createSettlement(
    {
      database,
      publicClient,
      deployment,
      clock: systemClock,
      sender: operator,
      operator: network.operator,
    },
    { gatherMs, intervalMs: Math.max(2_000, gatherMs), ledgerIntervalMs: config.creditSeconds * 1_000 },
  )
  settlement.settler.start()
  stack.defer(settlement.settler.close)
  settlement.defence.start()
  stack.defer(settlement.defence.close)
  const panelKeeper = createPanelKeeper(
    { publicClient, deployment, sender: operator, datanets },
    {
      ...(config.panelFeeMin !== 'off' && { feeMinWei: Open.parse(config.panelFeeMin) }),
      onStep: (caseId, step) => logger.info({ caseId, step }, 'a case before the panel was carried forward'),
      onError: (error, caseId) =>
        logger.warn({ caseId, reason: (error as Error).message }, 'a case before the panel cannot go on'),
    },
  )
  if (config.panelFeeMin !== 'off') panelKeeper.start()
  stack.defer(panelKeeper.close)
  await datanets.work()
  await factory.work()

  const checkpoint = await CheckpointFolder.read(config.baseModel)
  const seedController = new AbortController()
  stack.defer(() => seedController.abort())
  let seedStatus = () =>
    ({ done: true, steps: [] as never[] }) as ReturnType<ReturnType<typeof createSeed>['status']>
  const l1Client = createPublicClient({ transport: http(node.l1RpcUrl), cacheTime: 0 })
  const api = createApi({
    network: {
      name: network.name,
      development: network.isDevelopment,
      deployment,
      l1RpcUrl: config.publicL1RpcUrl ?? node.l1RpcUrl,
      l2RpcUrl: config.publicL2RpcUrl ?? node.l2RpcUrl,
      operator: lower(operator.account),
      validator: lower(validator.account),
      base: {
        name: BASE_NAME,
        hash: checkpoint.baseHash,
        parameters: countParameters(checkpoint.weights),
        contextTokens: checkpoint.config.contextMax,
      },
      judge: config.judgeModel ?? null,
    },
    database,
    l1Client,
    l2Client: publicClient,
    supply: createSupply({
      l1Client,
      l2Client: publicClient,
      deployment,
      totalBalance: node.engine.totalBalance,
    }),
    datanets,
    modelFactory: factory,
    blobs,
    serving: { ...openlora, generate: router.generate },
    findModel: factory.serving,
    pinPriceWei: Open.parse(config.pinPrice),
    settlement,
    seed: () => seedStatus(),
    panelKeeper,
    chainProblems: node.problems,
    clock: systemClock,
    otlpUrl: config.otlpUrl,
    logger: logger.child({ part: 'api' }),
  })
  stack.defer(api.close)
  api.keepPaid().catch((error: unknown) => {
    logger.warn({ reason: (error as Error).message }, 'adapters that are paid for are not in memory')
  })

  const fetch = existsSync(join(PAGE, 'index.html')) ? servePage(PAGE, api.fetch) : api.fetch
  const listening = await listen(fetch, config)
  stack.defer(listening.close)
  const url = config.publicUrl ?? `http://${config.host}:${listening.port}`
  announce(within('server.json'), { url, pid: process.pid, l1RpcUrl: node.l1RpcUrl, l2RpcUrl: node.l2RpcUrl })

  if (config.seed === 'on' && network.isDevelopment) {
    const seed = createSeed({
      serverUrl: `http://127.0.0.1:${listening.port}`,
      publicClient,
      chain,
      l2RpcUrl: node.l2RpcUrl,
      modules: openZeppelinModules(),
      signal: seedController.signal,
      onProgress: progressLog(logger),
      onError: (error, step) =>
        logger.error({ step, reason: (error as Error).message }, 'the first start did not complete'),
    })
    seedStatus = seed.status
    void seed.run()
  }

  /** Finishes what callers wait for and brings it on chain; what the chain refuses now is settled at the next start. */
  const drain = async (): Promise<void> => {
    const withinMs = config.drainSeconds * 1_000
    await api.drain(withinMs)
    const settled = settlement.settler.settle().catch((error: unknown) => {
      logger.warn({ reason: (error as Error).message }, 'receipts are left to settle at the next start')
    })
    // a chain that does not move must not keep the server from stopping
    await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, withinMs).unref())])
  }
  const services = stack.move()
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= drain().finally(() => services.disposeAsync())
    return closed
  }
  return { url, close, [Symbol.asyncDispose]: close }
}

/** Logs each step of the first start as it begins and ends, and what it says in between a few times a minute. */
function progressLog(logger: Logger): (step: Http.Seed['steps'][number]) => void {
  let title = ''
  let saidAt = Number.NEGATIVE_INFINITY
  return (step) => {
    const isNews = step.title !== title || step.state === 'done'
    if (!isNews && performance.now() - saidAt < PROGRESS_INTERVAL_MS) return
    title = step.title
    saidAt = performance.now()
    const detail = step.detail === '' ? '' : `: ${step.detail}`
    logger.info(`first start: ${step.title}, ${step.state}${detail}`)
  }
}

/** Leaves a note of where the server is for whoever starts it as a program; whole or not at all. */
function announce(path: string, facts: Record<string, string | number>): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(facts, null, 2)}\n`)
  renameSync(`${path}.new`, path)
}

/** Derives a secret that every server of one operator has, from a signature that no other program asks for. */
async function answerKeyOf(operator: LocalAccount): Promise<Uint8Array> {
  const signature = await operator.signMessage({ message: 'OpenLedger: key of the memory of answers' })
  return Bytes.keccak256(Bytes.fromHex(signature))
}

const lower = (address: string): Hex => address.toLowerCase() as Hex

const countParameters = (weights: ReadonlyMap<string, Float32Array>): number =>
  [...weights.values()].reduce((sum, { length }) => sum + length, 0)
