import { join } from 'node:path'
import { BaseError } from '@openledger/primitives'
import {
  bridgeGuardianAbi,
  bridgeGuardianBytecode,
  genesisAllocationAbi,
  genesisAllocationBytecode,
  outputChallengesAbi,
  outputChallengesBytecode,
  timelockControllerAbi,
  timelockControllerBytecode,
} from '@openledger/protocol/abi/index'
import {
  type Address,
  encodeDeployData,
  encodeFunctionData,
  getAddress,
  type Hex,
  type LocalAccount,
  pad,
  parseAbi,
  zeroAddress,
} from 'viem'
import { z } from 'zod'
import type { L1 } from '../l1/L1.ts'
import * as DurableFile from '../node/DurableFile.ts'
import type { Logger } from '../node/Logger.ts'
import type { SystemConfig } from '../sequencer/L1View.ts'
import { artifact, creationOf, preinstalls } from './Bedrock.ts'
import { batchInboxOf } from './RollupConfig.ts'
import { assertDeployed, createdAt, creationGas, runSteps, type Step } from './Steps.ts'

export type L1DeploymentOptions = {
  readonly l1: L1
  /** Where `l1-deployment.json` remembers what was begun. */
  readonly directory: string
  /** Pays, owns the SystemConfig, may pause withdrawals for a time ({@link GuardianTimes}) and announce upgrades. */
  readonly deployer: LocalAccount
  readonly batcher: Address
  readonly proposer: Address
  readonly l2ChainId: number
  readonly l2BlockTimeSeconds: number
  /** An output root is proposed every so many L2 blocks. */
  readonly submissionInterval: number
  /** How long a proven withdrawal and its output wait before they are final. */
  readonly finalizationPeriodSeconds: number
  /** What the first challenge of an output takes, in wei of L1's currency. */
  readonly challengeBondWei: bigint
  readonly guardian: GuardianTimes
  readonly gasLimit: bigint
  readonly beneficiaries: Beneficiaries
  readonly logger: Logger
}

/** What limits those who look after the bridge. */
export type GuardianTimes = {
  /** How long a pause of withdrawals lasts at most. */
  readonly pauseSeconds: number
  /** How long after a pause there is no other. */
  readonly restSeconds: number
  /** How long an upgrade of the bridge's contracts is public before it can be carried out: time to leave. */
  readonly upgradeDelaySeconds: number
}

/** A fortnight to leave before an upgrade; a week's pause at most, and then a month without. */
export const GUARDIAN_TIMES: GuardianTimes = {
  pauseSeconds: 7 * 86_400,
  restSeconds: 30 * 86_400,
  upgradeDelaySeconds: 14 * 86_400,
}

/** Who receives OPEN at genesis and from the vesting vaults. */
export type Beneficiaries = Readonly<
  Record<'community' | 'ecosystem' | 'investors' | 'team' | 'liquidity', Address>
>

export type L1Deployment = {
  readonly open: Address
  readonly genesisAllocation: Address
  readonly portal: Address
  readonly systemConfig: Address
  readonly outputOracle: Address
  /** Deletes outputs at the word of whoever stands behind another with a bond. */
  readonly outputChallenges: Address
  readonly superchainConfig: Address
  readonly bridgeGuardian: Address
  readonly multicall3: Address
  readonly proxyAdmin: Address
  /** Owns the proxies' admin: whatever it does was public for a while. */
  readonly upgradeTimelock: Address
  /** Start of the vesting schedules. */
  readonly genesisTimestamp: number
  readonly batchInbox: Address
  /** The L1 block that the L2's genesis stands on. */
  readonly origin: { readonly number: number; readonly hash: Hex; readonly timestamp: number }
  /** The configuration that holds there. */
  readonly initial: SystemConfig
}

const recordSchema = z.object({
  deployer: z.string(),
  chainId: z.number().int(),
  firstNonce: z.number().int(),
  /** Start of the vesting schedules. */
  genesisTimestamp: z.number().int(),
  origin: z
    .object({
      number: z.number().int(),
      hash: z.string().transform((value) => value as Hex),
      timestamp: z.number().int(),
    })
    .optional(),
})

/** Fee scalars of OP Mainnet since Ecotone. */
const BASE_FEE_SCALAR = 1_368n
const BLOB_BASE_FEE_SCALAR = 810_949n

/** The portal's market for deposit gas: OP's defaults, as `Constants.DEFAULT_RESOURCE_CONFIG`. */
const resourceConfig = {
  maxResourceLimit: 20_000_000,
  elasticityMultiplier: 10,
  baseFeeMaxChangeDenominator: 8,
  minimumBaseFee: 1_000_000_000,
  systemTxMaxGas: 1_000_000,
  maximumBaseFee: 2n ** 128n - 1n,
} as const

/** Generous: unused gas is not paid. */
const CALL_GAS = 1_000_000n

const getterAbi = parseAbi([
  'function startingTimestamp() view returns (uint256)',
  'function gasPayingToken() view returns (address, uint8)',
  'function l2Oracle() view returns (address)',
  'function proposer() view returns (address)',
  'function challenger() view returns (address)',
])

/**
 * Deploys the rollup's L1 side: OPEN and its allocation, and the OP Stack contracts with OPEN as gas token.
 *
 * Every transaction has a fixed nonce of the deployer, so that all addresses are known before the first is sent and an
 * interrupted run goes on where it stopped. The L2's genesis stands on the block after which the portal knows its token.
 *
 * @throws {L1DeploymentMismatchError} when the directory holds a deployment of another key or chain.
 * @throws {DeploymentStepError} {@link DeploymentIncompleteError} {@link L1DeploymentStateError}
 */
export async function deployL1(options: L1DeploymentOptions): Promise<L1Deployment> {
  const { l1, deployer, logger, directory } = options
  const { client, chainId, nextBlock } = l1
  const path = join(directory, 'l1-deployment.json')
  const address = deployer.address.toLowerCase() as Address
  let record = readRecord(path)
  if (record === undefined) {
    record = {
      deployer: address,
      chainId,
      firstNonce: await client.getTransactionCount({ address }),
      genesisTimestamp: Number((await client.getBlock()).timestamp),
    }
    DurableFile.writeJson(path, record)
  }
  if (record.deployer !== address || record.chainId !== chainId) {
    throw new L1DeploymentMismatchError(directory, record, { deployer: address, chainId })
  }
  const { firstNonce } = record
  const initial: SystemConfig = {
    batcherAddress: options.batcher.toLowerCase() as Address,
    baseFeeScalar: BASE_FEE_SCALAR,
    blobBaseFeeScalar: BLOB_BASE_FEE_SCALAR,
    gasLimit: options.gasLimit,
    eip1559Params: '0x0000000000000000',
    operatorFeeScalar: 0n,
    operatorFeeConstant: 0n,
  }
  const plan = createPlan(options, initial, record)
  const run = (steps: readonly Step[], from: number): Promise<void> =>
    runSteps({ client, chainId, account: deployer, firstNonce: from, steps, nextBlock, logger })

  await run(plan.steps, firstNonce)
  let origin = record.origin
  if (origin === undefined) {
    while ((await l1.durableBlockNumber()) < (await client.getBlockNumber({ cacheTime: 0 })))
      await nextBlock()
    const block = await client.getBlock()
    origin = { number: Number(block.number), hash: block.hash, timestamp: Number(block.timestamp) }
    DurableFile.writeJson(path, { ...record, origin })
  }
  const standing = await client.getBlock({ blockNumber: BigInt(origin.number) }).catch(() => undefined)
  if (standing?.hash !== origin.hash) throw new L1DeploymentStateError(['origin block'])
  await run(plan.oracleSteps(origin.timestamp), firstNonce + plan.steps.length)

  const { proxyAdmin, upgradeTimelock, ...contracts } = plan.addresses
  await assertDeployed(client, plan.addresses)
  await assertInitialised(client, plan.addresses, origin.timestamp, options.proposer)
  logger.info({ contracts: Object.keys(contracts).length }, 'L1 contracts stand')
  return {
    ...contracts,
    proxyAdmin,
    upgradeTimelock,
    genesisTimestamp: record.genesisTimestamp,
    batchInbox: batchInboxOf(options.l2ChainId),
    origin,
    initial,
  }
}

function createPlan(
  options: L1DeploymentOptions,
  initial: SystemConfig,
  { firstNonce, genesisTimestamp }: { readonly firstNonce: number; readonly genesisTimestamp: number },
) {
  const owner = options.deployer.address
  const bedrock = {
    proxy: artifact('Proxy'),
    proxyAdmin: artifact('ProxyAdmin'),
    superchainConfig: artifact('SuperchainConfig'),
    systemConfig: artifact('SystemConfig'),
    portal: artifact('OptimismPortal'),
    outputOracle: artifact('L2OutputOracle'),
  }
  const steps: Step[] = []
  const create = (name: string, data: Hex): Address => {
    steps.push({ name: `create ${name}`, data, gas: creationGas(data) })
    return createdAt(owner, firstNonce + steps.length - 1)
  }
  const createBedrock = (name: keyof typeof bedrock, args: readonly unknown[] = []): Address => {
    const { abi, bytecode } = bedrock[name]
    return create(name, encodeDeployData({ abi, bytecode, args }))
  }
  const proxyOf = (name: string): Address =>
    create(
      `proxy of ${name}`,
      encodeDeployData({ abi: bedrock.proxy.abi, bytecode: bedrock.proxy.bytecode, args: [owner] }),
    )
  const proxyCall = (name: string, to: Address, functionName: string, args: readonly unknown[]): Step => ({
    name,
    to,
    data: encodeFunctionData({ abi: bedrock.proxy.abi, functionName, args }),
    gas: CALL_GAS,
  })
  const initialise = (
    name: keyof typeof bedrock,
    proxy: Address,
    implementation: Address,
    args: readonly unknown[],
  ): Step =>
    proxyCall(`initialise ${name}`, proxy, 'upgradeToAndCall', [
      implementation,
      encodeFunctionData({ abi: bedrock[name].abi, functionName: 'initialize', args }),
    ])

  const genesisAllocation = create(
    'genesisAllocation',
    encodeDeployData({
      abi: genesisAllocationAbi,
      bytecode: genesisAllocationBytecode,
      args: [options.beneficiaries, BigInt(genesisTimestamp)],
    }),
  )
  // the allocation's first act is to create the token
  const open = createdAt(genesisAllocation, 1)
  const upgradeTimelock = create(
    'upgradeTimelock',
    encodeDeployData({
      abi: timelockControllerAbi,
      bytecode: timelockControllerBytecode,
      // nobody administers it but itself; what was announced may be carried out by anyone
      args: [BigInt(options.guardian.upgradeDelaySeconds), [owner], [zeroAddress], zeroAddress],
    }),
  )
  const proxyAdmin = createBedrock('proxyAdmin', [upgradeTimelock])
  const superchainConfig = proxyOf('superchainConfig')
  const systemConfig = proxyOf('systemConfig')
  const portal = proxyOf('portal')
  const outputOracle = proxyOf('outputOracle')
  const bridgeGuardian = create(
    'bridgeGuardian',
    encodeDeployData({
      abi: bridgeGuardianAbi,
      bytecode: bridgeGuardianBytecode,
      args: [
        superchainConfig,
        owner,
        BigInt(options.guardian.pauseSeconds),
        BigInt(options.guardian.restSeconds),
      ],
    }),
  )
  const implementations = {
    superchainConfig: createBedrock('superchainConfig'),
    systemConfig: createBedrock('systemConfig'),
    portal: createBedrock('portal'),
    outputOracle: createBedrock('outputOracle'),
  }
  const outputChallenges = create(
    'outputChallenges',
    encodeDeployData({
      abi: outputChallengesAbi,
      bytecode: outputChallengesBytecode,
      args: [outputOracle, options.challengeBondWei],
    }),
  )
  const multicall3Code = preinstalls(options.l1.chainId).find((one) => one.name === 'MultiCall3')!.code
  const multicall3 = create('multicall3', creationOf(multicall3Code))
  steps.push(
    initialise('superchainConfig', superchainConfig, implementations.superchainConfig, [
      bridgeGuardian,
      false,
    ]),
    initialise('portal', portal, implementations.portal, [outputOracle, systemConfig, superchainConfig]),
    initialise('systemConfig', systemConfig, implementations.systemConfig, [
      owner,
      Number(initial.baseFeeScalar),
      Number(initial.blobBaseFeeScalar),
      pad(initial.batcherAddress, { size: 32 }),
      initial.gasLimit,
      // blocks are not gossiped, so nobody signs them
      zeroAddress,
      resourceConfig,
      getAddress(batchInboxOf(options.l2ChainId)),
      {
        l1CrossDomainMessenger: zeroAddress,
        l1ERC721Bridge: zeroAddress,
        l1StandardBridge: zeroAddress,
        disputeGameFactory: zeroAddress,
        optimismPortal: portal,
        optimismMintableERC20Factory: zeroAddress,
        gasPayingToken: open,
      },
    ]),
    ...Object.entries({ superchainConfig, portal, systemConfig }).map(([name, proxy]) =>
      proxyCall(`hand over ${name}`, proxy, 'changeAdmin', [proxyAdmin]),
    ),
  )
  const oracleSteps = (startingTimestamp: number): Step[] => [
    initialise('outputOracle', outputOracle, implementations.outputOracle, [
      BigInt(options.submissionInterval),
      BigInt(options.l2BlockTimeSeconds),
      0n,
      BigInt(startingTimestamp),
      options.proposer,
      outputChallenges,
      BigInt(options.finalizationPeriodSeconds),
    ]),
    proxyCall('hand over outputOracle', outputOracle, 'changeAdmin', [proxyAdmin]),
  ]
  return {
    steps,
    oracleSteps,
    addresses: {
      open,
      genesisAllocation,
      portal,
      systemConfig,
      outputOracle,
      outputChallenges,
      superchainConfig,
      bridgeGuardian,
      multicall3,
      proxyAdmin,
      upgradeTimelock,
    },
  }
}

async function assertInitialised(
  client: L1['client'],
  contracts: {
    readonly open: Address
    readonly portal: Address
    readonly systemConfig: Address
    readonly outputOracle: Address
    readonly outputChallenges: Address
  },
  startingTimestamp: number,
  proposer: Address,
): Promise<void> {
  const [start, token, oracle, proposes, challenges] = await Promise.all([
    client.readContract({
      address: contracts.outputOracle,
      abi: getterAbi,
      functionName: 'startingTimestamp',
    }),
    client.readContract({ address: contracts.systemConfig, abi: getterAbi, functionName: 'gasPayingToken' }),
    client.readContract({ address: contracts.portal, abi: getterAbi, functionName: 'l2Oracle' }),
    client.readContract({ address: contracts.outputOracle, abi: getterAbi, functionName: 'proposer' }),
    client.readContract({
      address: contracts.outputOracle,
      abi: getterAbi,
      functionName: 'challenger',
    }),
  ])
  const wrong = [
    start !== BigInt(startingTimestamp) && 'outputOracle.startingTimestamp',
    getAddress(token[0]) !== getAddress(contracts.open) && 'systemConfig.gasPayingToken',
    getAddress(oracle) !== getAddress(contracts.outputOracle) && 'portal.l2Oracle',
    getAddress(proposes) !== getAddress(proposer) && 'outputOracle.proposer',
    getAddress(challenges) !== getAddress(contracts.outputChallenges) && 'outputOracle.challenger',
  ].filter((name) => name !== false)
  if (wrong.length > 0) throw new L1DeploymentStateError(wrong)
}

function readRecord(path: string): z.infer<typeof recordSchema> | undefined {
  const stored = DurableFile.readJson(path)
  return stored === undefined ? undefined : recordSchema.parse(stored)
}

export class L1DeploymentMismatchError extends BaseError {
  constructor(
    directory: string,
    stored: { readonly deployer: string; readonly chainId: number },
    wanted: { readonly deployer: string; readonly chainId: number },
  ) {
    super({
      code: 'deployment.l1_mismatch',
      message: `Expected a deployment by ${wanted.deployer} on chain ${wanted.chainId}, the directory holds one by ${stored.deployer} on chain ${stored.chainId}: use another directory.`,
      context: { directory, stored, wanted },
    })
  }
}

export class L1DeploymentStateError extends BaseError {
  constructor(wrong: readonly string[]) {
    super({
      code: 'deployment.l1_state',
      message: `Expected the L1 contracts to hold what they were initialised with, these do not: ${wrong.join(', ')}. Another deployment may stand at the same addresses; use a fresh key or directory.`,
      context: { wrong },
    })
  }
}
