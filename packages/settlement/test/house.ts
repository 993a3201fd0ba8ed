import { Bytes, CanonicalJson, type Clock, type Hex, Open, systemClock } from '@openledger/primitives'
import {
  Abi,
  Contribution,
  createSender,
  type Deployment,
  DevelopmentKeys,
  type Sender,
  TypedData,
} from '@openledger/protocol'
import { createDatabase, type Database, schema } from '@openledger/store'
import {
  type Account,
  type Chain,
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeAbiParameters,
  getAbiItem,
  getContractAddress,
  type Hash,
  http,
  keccak256,
  type LocalAccount,
  type PublicClient,
  type Transport,
  type WalletClient,
} from 'viem'
import { startAnvil } from '../../protocol/test/startAnvil.ts'

/** A chain with the contracts that money needs, and a database that knows one Datanet and one model. */
export type House = {
  readonly database: Database
  readonly publicClient: PublicClient
  readonly deployment: Deployment
  readonly clock: Clock
  readonly operator: LocalAccount
  readonly sender: Sender
  readonly modelId: bigint
  readonly contributionIds: readonly Hex[]
  readonly wallet: (role: DevelopmentKeys.Role) => WalletClient<Transport, Chain, Account>
  readonly senderOf: (role: DevelopmentKeys.Role) => Sender
  readonly mined: (hash: Hash) => ReturnType<PublicClient['waitForTransactionReceipt']>
  readonly close: () => Promise<void>
}

export const SPLIT = { platformBps: 1_000, ownerBps: 2_000, stakersBps: 2_000, contributorsBps: 5_000 }
export const WITHDRAWAL_DELAY_SECONDS = 10n
/** None: this chain's time only moves with its blocks. */
export const CHALLENGE_SECONDS = 0n
/** What the court gives the operator to answer. */
export const STEP_SECONDS = 60n
const CHAIN_ID = 161_200
const ZERO: Hex = `0x${'00'.repeat(20)}`
const lower = (value: string): Hex => value.toLowerCase() as Hex

/** Starts a house of its own for one test file. @param contributionCount - Contributions of different wallets. */
export async function startHouse(
  contributionCount = 3,
  challengeSeconds = CHALLENGE_SECONDS,
): Promise<House> {
  const chainProcess = await startAnvil(['--chain-id', String(CHAIN_ID), '--accounts', '64'])
  const chain = defineChain({
    id: CHAIN_ID,
    name: 'test',
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [chainProcess.url] } },
  })
  const publicClient = createPublicClient({
    chain,
    transport: http(),
    pollingInterval: 20,
    cacheTime: 0,
  }) as PublicClient
  const wallet = (role: DevelopmentKeys.Role) =>
    createWalletClient({ account: DevelopmentKeys.account(role), chain, transport: http() })
  const senders = new Map<DevelopmentKeys.Role, Sender>()
  const senderOf = (role: DevelopmentKeys.Role): Sender => {
    const sender = senders.get(role) ?? createSender({ walletClient: wallet(role), publicClient })
    senders.set(role, sender)
    return sender
  }
  const mined = (hash: Hash) => publicClient.waitForTransactionReceipt({ hash })
  const l2 = await deploy(wallet('deployer'), publicClient, challengeSeconds)
  const deployment: Deployment = {
    l1ChainId: 31_337,
    l2ChainId: CHAIN_ID,
    l2StartBlock: 0,
    l1: {
      open: ZERO,
      genesisAllocation: ZERO,
      portal: ZERO,
      systemConfig: ZERO,
      outputOracle: ZERO,
      outputChallenges: ZERO,
      superchainConfig: ZERO,
      bridgeGuardian: ZERO,
      multicall3: ZERO,
    },
    l2,
  }
  const database = await createDatabase({ memory: true })
  const known = { database, publicClient, deployment, senderOf }
  const contributionIds = await contribute(known, contributionCount)
  const modelId = await publishModel(known, 'solidity-1')
  return {
    ...known,
    clock: systemClock,
    operator: DevelopmentKeys.account('operator'),
    sender: senderOf('operator'),
    modelId,
    contributionIds,
    wallet,
    mined,
    async close() {
      await database.close()
      chainProcess.close()
    },
  }
}

async function deploy(
  wallet: WalletClient<Transport, Chain, Account>,
  publicClient: PublicClient,
  challengeSeconds: bigint,
): Promise<Deployment['l2']> {
  const created = async (hash: Hash): Promise<Hex> =>
    lower((await publicClient.waitForTransactionReceipt({ hash })).contractAddress!)
  const owner = wallet.account.address
  const treasury = DevelopmentKeys.account('treasury').address
  const datanets = await created(
    await wallet.deployContract({ abi: Abi.datanetsAbi, bytecode: Abi.datanetsBytecode }),
  )
  const models = await created(
    await wallet.deployContract({ abi: Abi.modelsAbi, bytecode: Abi.modelsBytecode, args: [datanets] }),
  )
  const feePolicy = await created(
    await wallet.deployContract({
      abi: Abi.feePolicyAbi,
      bytecode: Abi.feePolicyBytecode,
      args: [owner, treasury, SPLIT],
    }),
  )
  const wopen = await created(await wallet.deployContract({ abi: Abi.wopenAbi, bytecode: Abi.wopenBytecode }))
  const nonce = await publicClient.getTransactionCount({ address: owner })
  const operator = DevelopmentKeys.account('operator').address
  const settlement = await created(
    await wallet.deployContract({
      abi: Abi.settlementAbi,
      bytecode: Abi.settlementBytecode,
      args: [
        owner,
        operator,
        feePolicy,
        models,
        wopen,
        WITHDRAWAL_DELAY_SECONDS,
        challengeSeconds,
        10n,
        getContractAddress({ from: owner, nonce: BigInt(nonce) + 1n }),
      ],
    }),
  )
  const court = await created(
    await wallet.deployContract({
      abi: Abi.courtAbi,
      bytecode: Abi.courtBytecode,
      args: [owner, settlement, STEP_SECONDS, 100n * 10n ** 18n, 10n ** 18n],
    }),
  )
  await publicClient.waitForTransactionReceipt({
    hash: await wallet.writeContract({
      address: court,
      abi: Abi.courtAbi,
      functionName: 'bondFor',
      args: [operator],
      value: 4_000n * 10n ** 18n,
    }),
  })
  const ofCourt = async (functionName: 'AUDIT' | 'PANEL') =>
    lower(await publicClient.readContract({ address: court, abi: Abi.courtAbi, functionName }))
  const agentWalletFactory = await created(
    await wallet.deployContract({
      abi: Abi.agentWalletFactoryAbi,
      bytecode: Abi.agentWalletFactoryBytecode,
      args: [wopen],
    }),
  )
  const staking = lower(
    await publicClient.readContract({
      address: settlement,
      abi: Abi.settlementAbi,
      functionName: 'STAKING',
    }),
  )
  const agentIdentity = await created(
    await wallet.deployContract({ abi: Abi.agentIdentityAbi, bytecode: Abi.agentIdentityBytecode }),
  )
  return {
    datanets,
    models,
    feePolicy,
    settlement,
    staking,
    wopen,
    agentIdentity,
    agentWalletFactory,
    court,
    audit: await ofCourt('AUDIT'),
    panel: await ofCourt('PANEL'),
    gopen: ZERO,
    governor: ZERO,
    timelock: ZERO,
    securityStake: ZERO,
    // asked who may read texts under closed licences; nobody is drawn here
    validatorPanel: await created(
      await wallet.deployContract({
        abi: Abi.validatorPanelAbi,
        bytecode: Abi.validatorPanelBytecode,
        args: [datanets, ZERO, STEP_SECONDS],
      }),
    ),
    agentReputation: ZERO,
    agentValidation: ZERO,
    agentGuarantees: ZERO,
    uptoPayments: await created(
      await wallet.deployContract({
        abi: Abi.uptoPaymentsAbi,
        bytecode: Abi.uptoPaymentsBytecode,
        args: [settlement, wopen],
      }),
    ),
  }
}

export type Known = Pick<House, 'database' | 'publicClient' | 'deployment' | 'senderOf'>

/** Creates Datanet 1, one contribution of two records for each contributor, and its version 1. */
export async function contribute({ database, deployment, senderOf }: Known, count: number): Promise<Hex[]> {
  const { datanets } = deployment.l2
  const registry = { address: datanets, abi: Abi.datanetsAbi } as const
  const builder = senderOf('builder')
  const { transactionHash } = await builder.send({
    ...registry,
    functionName: 'createDatanet',
    args: ['solidity', CanonicalJson.hash({ summary: 'test' }), 'MIT', builder.account],
  })
  await database.orm.insert(schema.datanets).values({
    id: 1n,
    name: 'solidity',
    summary: 'test',
    licence: 'MIT',
    owner: builder.account,
    commons: builder.account,
    transactionHash,
  })
  const one = async (i: number): Promise<Hex> => {
    const account = DevelopmentKeys.contributor(i)
    const contributor = lower(account.address)
    const records = [`contract Module${i} {}`, `library Module${i}Lib {}`]
    const content = Contribution.fromRecords(records)
    const deadline = 4_000_000_000n
    const { recordsRoot, recordCount, contentHash } = content
    const input = { datanetId: 1n, recordsRoot, recordCount, contentHash, licence: 'MIT' }
    const signature = await account.signTypedData({
      domain: TypedData.contractDomain('OpenLedger Datanets', CHAIN_ID, datanets),
      types: TypedData.contribution,
      primaryType: 'Contribution',
      message: { ...input, contributor, deadline },
    })
    const receipt = await senderOf('operator').send({
      ...registry,
      functionName: 'contribute',
      args: [input, contributor, deadline, signature],
    })
    const id = Contribution.id(1n, recordsRoot)
    await database.orm.insert(schema.contributions).values({
      id,
      datanetId: 1n,
      title: `module ${i}`,
      contributor,
      beneficiary: contributor,
      licence: 'MIT',
      cid: `bafkrei${i}`,
      recordsRoot,
      recordCount,
      acceptedCount: 2,
      status: 'versioned',
      signature,
      deadline: Number(deadline),
      transactionHash: receipt.transactionHash,
    })
    await database.orm.insert(schema.records).values(
      records.map((text, index) => ({
        contributionId: id,
        index,
        id: Bytes.toHex(Bytes.keccak256(Bytes.fromUtf8(text))),
        text,
        verdict: 'accepted' as const,
      })),
    )
    return id
  }
  // together, so that a chain with slow blocks takes many into each
  const ids = await Promise.all(Array.from({ length: count }, (_, i) => one(i)))
  const root = keccak256('0x01')
  const version = await builder.send({
    ...registry,
    functionName: 'publishVersion',
    args: [1n, root, count * 2, 0, root],
  })
  await database.orm.insert(schema.datanetVersions).values({
    datanetId: 1n,
    version: 1,
    recordsRoot: root,
    recordCount: count * 2,
    manifestCid: 'bafkreim',
    transactionHash: version.transactionHash,
  })
  return ids
}

export const INPUT_PRICE_WEI = Open.parse('0.001')
export const OUTPUT_PRICE_WEI = Open.parse('0.003')

/** Publishes a model of the builder on chain and in the database. */
export async function publishModel({ database, deployment, senderOf }: Known, name: string): Promise<bigint> {
  const hash = keccak256('0x02')
  const input = {
    name,
    baseHash: hash,
    adapterHash: hash,
    configHash: hash,
    metricsHash: hash,
    attributionRoot: hash,
    datanetIds: [1n],
    datanetVersions: [1],
    inputPriceWei: INPUT_PRICE_WEI,
    outputPriceWei: OUTPUT_PRICE_WEI,
    influenceBps: 5_000,
    spansBps: 5_000,
    agreementPpm: 0,
  }
  const owner = DevelopmentKeys.account('builder')
  const deadline = 4_000_000_000n
  const [modelInput] = getAbiItem({ abi: Abi.modelsAbi, name: 'publishModel' }).inputs
  const signature = await owner.signTypedData({
    domain: TypedData.contractDomain('OpenLedger Models', CHAIN_ID, deployment.l2.models),
    types: TypedData.publication,
    primaryType: 'Publication',
    message: {
      modelHash: keccak256(encodeAbiParameters([modelInput], [input])),
      owner: owner.address,
      deadline,
    },
  })
  const receipt = await senderOf('operator').send({
    address: deployment.l2.models,
    abi: Abi.modelsAbi,
    functionName: 'publishModel',
    args: [input, owner.address, deadline, signature],
  })
  const id = BigInt(await database.orm.$count(schema.models)) + 1n
  await database.orm.insert(schema.trainingRuns).values({
    id: `run-${id}`,
    modelName: name,
    owner: lower(owner.address),
    config: {},
    influenceBps: 5_000,
    datanets: [{ datanetId: '1', version: 1 }],
    status: 'published',
    adapterCid: 'bafkreia',
    inputPriceWei: INPUT_PRICE_WEI,
    outputPriceWei: OUTPUT_PRICE_WEI,
    adapterHash: hash,
    trainingLoss: 1,
    testLoss: 1,
    baseTestLoss: 2,
    attributionRoot: hash,
  })
  await database.orm.insert(schema.models).values({
    id,
    name,
    owner: lower(owner.address),
    trainingRunId: `run-${id}`,
    influenceBps: 5_000,
    inputPriceWei: INPUT_PRICE_WEI,
    outputPriceWei: OUTPUT_PRICE_WEI,
    spansBps: 5_000,
    transactionHash: receipt.transactionHash,
  })
  return id
}
