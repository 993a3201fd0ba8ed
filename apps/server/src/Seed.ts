import { CanonicalJson, Open } from '@openledger/primitives'
import { Abi, DevelopmentKeys, type Http } from '@openledger/protocol'
import { type Client, createClient, signerOf } from '@openledger/sdk'
import { type Account, type Chain, createWalletClient, type Hash, http, type PublicClient } from 'viem'
import type { LocalAccount } from 'viem/accounts'

/** One module of a package, as its own contribution. */
export type Module = {
  readonly name: string
  readonly files: readonly { readonly path: string; readonly text: string }[]
}

export type SeedOptions = {
  readonly serverUrl: string
  readonly publicClient: PublicClient
  readonly chain: Chain
  readonly l2RpcUrl: string
  readonly modules: readonly Module[]
  readonly signal: AbortSignal
  /** Called when a step begins, ends, or has something new to say. */
  readonly onProgress: (step: Http.Seed['steps'][number]) => void
  readonly onError: (error: unknown, step: string) => void
}

export type Seed = {
  readonly status: () => Http.Seed
  /** Resolves when every step is done or one has failed. */
  readonly run: () => Promise<void>
}

export const DATANET_NAME = 'solidity'
export const MODEL_NAME = 'solidity-1'
const SUMMARY = 'Solidity modules of OpenZeppelin Contracts, each contributed by a wallet of its own.'
const PRICE_WEI = Open.parse('0.001')
/**
 * The first model is asked about its Datanet and nothing else, and a base this small cannot keep the rest and say modules
 * well: with the defaults fewer of its answers go on as a module does, and so fewer pay one.
 */
const TRAINING = { epochs: 8, rehearsal: 0, forgettingMax: 100 }
const PREPAID_WEI = Open.parse('20')
const STAKE_WEI = Open.parse('10')

type Step = {
  readonly name: string
  readonly title: string
  run: (say: (detail: string) => void) => Promise<void>
}

/**
 * Fills a fresh development network with what a person expects to find: a Datanet with real contributions, a trained and
 * published model, a caller who can pay and a backer who stakes.
 *
 * It goes in by the front door: the same HTTP routes and wallets that anyone uses. Every step asks first what is already
 * there, so it goes on where a killed server stopped.
 */
export function createSeed(options: SeedOptions): Seed {
  const { serverUrl, modules, signal, onError } = options
  const client = createClient({ url: serverUrl })
  const house = { ...options, client }
  const steps: readonly Step[] = [
    { name: 'datanet', title: `Create the Datanet "${DATANET_NAME}"`, run: () => createDatanet(house) },
    {
      name: 'contributions',
      title: `Contribute ${modules.length} modules`,
      run: (say) => contributeModules(house, say),
    },
    {
      name: 'version',
      title: 'Validate the records and publish a version',
      run: (say) => awaitVersion(house, say),
    },
    { name: 'training', title: `Train the model "${MODEL_NAME}"`, run: (say) => train(house, say) },
    { name: 'publication', title: 'Publish it on chain', run: () => publish(house) },
    { name: 'accounts', title: 'Prepay for the caller, stake for the backer', run: () => fund(house) },
  ]
  const states = new Map<string, Http.Seed['steps'][number]>(
    steps.map(({ name, title }) => [name, { name, title, state: 'waiting', detail: '' }]),
  )
  const set = (step: Step, state: Http.Seed['steps'][number]['state'], detail: string) => {
    const now = { name: step.name, title: step.title, state, detail }
    const before = states.get(step.name)!
    states.set(step.name, now)
    if (before.state !== state || before.detail !== detail) options.onProgress(now)
  }

  return {
    status: () => {
      const list = [...states.values()]
      return { done: list.every((step) => step.state === 'done'), steps: list }
    },
    async run() {
      for (const step of steps) {
        set(step, 'running', '')
        try {
          await step.run((detail) => {
            signal.throwIfAborted()
            set(step, 'running', detail)
          })
          signal.throwIfAborted()
          set(step, 'done', states.get(step.name)!.detail)
        } catch (error) {
          if (signal.aborted) return
          set(step, 'failed', (error as Error).message)
          onError(error, step.name)
          return
        }
      }
    },
  }
}

type House = SeedOptions & { readonly client: Client }

async function createDatanet(house: House): Promise<void> {
  const { client, publicClient } = house
  const { deployment, validator } = await client.network()
  const builder = DevelopmentKeys.account('builder')
  const registry = { address: deployment.l2.datanets, abi: Abi.datanetsAbi } as const
  const events = await publicClient.getContractEvents({
    ...registry,
    eventName: 'DatanetCreated',
    fromBlock: BigInt(deployment.l2StartBlock),
  })
  let created = events.find((event) => event.args.name === DATANET_NAME)
  if (created === undefined) {
    await write(house, builder, {
      ...registry,
      functionName: 'createDatanet',
      args: [DATANET_NAME, CanonicalJson.hash({ summary: SUMMARY }), 'MIT', builder.address],
    })
    const [newest] = await publicClient.getContractEvents({
      ...registry,
      eventName: 'DatanetCreated',
      fromBlock: BigInt(deployment.l2StartBlock),
    })
    created = newest
  }
  const id = created!.args.datanetId!
  const isValidator = await publicClient.readContract({
    ...registry,
    functionName: 'isValidator',
    args: [id, validator],
  })
  if (!isValidator)
    await write(house, builder, { ...registry, functionName: 'addValidator', args: [id, validator] })
  const known = (await client.datanets()).some((datanet) => datanet.name === DATANET_NAME)
  if (!known) await client.registerDatanet({ transactionHash: created!.transactionHash, summary: SUMMARY })
}

async function contributeModules({ client, modules }: House, say: (detail: string) => void): Promise<void> {
  const datanet = await theDatanet(client)
  const titles = new Set((await client.contributions({ datanetId: datanet.id })).map(({ title }) => title))
  for (const [index, module] of modules.entries()) {
    say(`${index + 1} of ${modules.length}: ${module.name}`)
    if (titles.has(module.name)) continue
    const files = module.files.map(({ path, text }) => ({ name: path, text }))
    const contributor = signerOf(DevelopmentKeys.contributor(index))
    await client.contribute({ datanetId: datanet.id, licence: 'MIT', files, title: module.name }, contributor)
  }
}

async function awaitVersion(
  { client, modules, signal }: House,
  say: (detail: string) => void,
): Promise<void> {
  for (;;) {
    const datanet = await theDatanet(client)
    const contributions = await client.contributions({ datanetId: datanet.id })
    const versioned = contributions.filter(({ status }) => status === 'versioned').length
    say(`${versioned} of ${contributions.length} contributions, ${datanet.recordCount} records`)
    if (versioned >= modules.length) return
    await pause(500, signal)
  }
}

async function train({ client, signal }: House, say: (detail: string) => void): Promise<void> {
  const datanet = await theDatanet(client)
  const builder = signerOf(DevelopmentKeys.account('builder'))
  const runs = await client.trainingRuns()
  const usable = (run: Http.TrainingRun) =>
    run.modelName === MODEL_NAME && run.status !== 'failed' && run.status !== 'cancelled'
  const run =
    runs.find(usable) ??
    (await client.createTrainingRun(
      {
        modelName: MODEL_NAME,
        datanets: [{ datanetId: datanet.id, version: datanet.version }],
        config: TRAINING,
        inputPriceWei: PRICE_WEI.toString(),
        outputPriceWei: PRICE_WEI.toString(),
        influenceBps: 5_000,
      },
      builder,
    ))
  for (;;) {
    const now = await client.trainingRun(run.id)
    say(
      now.status === 'indexing'
        ? 'computing what every record contributed'
        : `step ${now.step} of ${now.stepCount}${now.trainingLoss === null ? '' : `, loss ${now.trainingLoss.toFixed(3)}`}`,
    )
    if (now.status === 'trained' || now.status === 'published') return
    if (now.status === 'failed' || now.status === 'cancelled')
      throw new Error(now.failure ?? `the run was ${now.status}`)
    await pause(500, signal)
  }
}

async function publish({ client }: House): Promise<void> {
  if ((await client.models()).some((model) => model.name === MODEL_NAME)) return
  const run = (await client.trainingRuns()).find(
    (each) => each.modelName === MODEL_NAME && each.status === 'trained',
  )
  await client.publish(run!.id, signerOf(DevelopmentKeys.account('builder')))
}

async function fund(house: House): Promise<void> {
  const { client, publicClient } = house
  const { deployment } = await client.network()
  const caller = DevelopmentKeys.account('caller')
  const { prepaidWei, heldWei } = await client.account(caller.address)
  if (BigInt(prepaidWei) + BigInt(heldWei) === 0n) {
    await write(house, caller, {
      address: deployment.l2.settlement,
      abi: Abi.settlementAbi,
      functionName: 'deposit',
      args: [caller.address],
      value: PREPAID_WEI,
    })
  }
  const model = await client.model(MODEL_NAME)
  const staking = { address: deployment.l2.staking, abi: Abi.stakingAbi } as const
  const staked = await publicClient.readContract({
    ...staking,
    functionName: 'totalStakeOf',
    args: [BigInt(model.id)],
  })
  if (staked === 0n) {
    const backer = DevelopmentKeys.account('backer')
    await write(house, backer, {
      ...staking,
      functionName: 'stake',
      args: [BigInt(model.id)],
      value: STAKE_WEI,
    })
  }
}

type Write = Parameters<ReturnType<typeof createWalletClient>['writeContract']>[0]

/** Sends one call and waits for it; a refusal is thrown before anything is sent. */
async function write(
  { publicClient, chain, l2RpcUrl }: House,
  account: LocalAccount,
  call: Omit<Write, 'account' | 'chain' | 'value'> & { value?: bigint },
): Promise<Hash> {
  const wallet = createWalletClient<ReturnType<typeof http>, Chain, Account>({
    account,
    chain,
    transport: http(l2RpcUrl),
  })
  const request = { ...call, account, chain } as unknown as Write
  await publicClient.simulateContract(request as Parameters<typeof publicClient.simulateContract>[0])
  const hash = await wallet.writeContract(request as Parameters<typeof wallet.writeContract>[0])
  await publicClient.waitForTransactionReceipt({ hash, pollingInterval: 250 })
  return hash
}

async function theDatanet(client: Client): Promise<Http.Datanet> {
  const datanet = (await client.datanets()).find((each) => each.name === DATANET_NAME)
  if (datanet === undefined) throw new Error(`Expected the Datanet ${DATANET_NAME}, but it is not there.`)
  return datanet
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason)
    })
  })
}
