import { join } from 'node:path'
import { BaseError } from '@openledger/primitives'
import type { Deployment } from '@openledger/protocol'
import { deploymentSchema } from '@openledger/protocol'
import {
  agentIdentityBytecode,
  agentReputationAbi,
  agentReputationBytecode,
  agentValidationAbi,
  agentValidationBytecode,
  agentWalletFactoryAbi,
  agentWalletFactoryBytecode,
  courtAbi,
  courtBytecode,
  datanetsBytecode,
  feePolicyAbi,
  feePolicyBytecode,
  gOpenBytecode,
  modelsAbi,
  modelsBytecode,
  openAbi,
  openGovernorAbi,
  openGovernorBytecode,
  securityStakeAbi,
  securityStakeBytecode,
  settlementAbi,
  settlementBytecode,
  timelockControllerAbi,
  timelockControllerBytecode,
  uptoPaymentsAbi,
  uptoPaymentsBytecode,
  validatorPanelAbi,
  validatorPanelBytecode,
  wopenBytecode,
} from '@openledger/protocol/abi/index'
import {
  type Address,
  encodeDeployData,
  encodeFunctionData,
  type Hex,
  type LocalAccount,
  type PublicClient,
  parseAbi,
  parseAbiItem,
  parseEther,
  zeroAddress,
} from 'viem'
import { z } from 'zod'
import type { L1 } from '../l1/L1.ts'
import * as DurableFile from '../node/DurableFile.ts'
import type { Logger } from '../node/Logger.ts'
import type { L1Deployment } from './deployL1.ts'
import { assertDeployed, createdAt, creationGas, runSteps, type Step } from './Steps.ts'

/** What governance starts with; all of it can be changed by a vote, except the two delays of Settlement. */
export type L2Parameters = {
  readonly split: {
    readonly platformBps: number
    readonly ownerBps: number
    readonly stakersBps: number
    readonly contributorsBps: number
  }
  /** Between a request to withdraw prepaid money and its payment. */
  readonly withdrawalDelaySeconds: number
  /** How long a settled batch can be challenged before its ledger pays. */
  readonly challengeSeconds: number
  /** Between a request to unstake and its payment. */
  readonly unbondingSeconds: number
  /** The same for stake behind validators and agents: longer than any case before the validators' panel. */
  readonly securityUnbondingSeconds: number
  /** To draw, to commit, to reveal and to appeal before the validators' panel. */
  readonly validatorPanelStepSeconds: number
  /** Of a pool, what that panel may slash within seven days before any vote, in hundredths of a per cent. */
  readonly validatorPanelCapBps: number
  /** To answer a demand; to draw, to commit and to reveal before the panel. */
  readonly courtStepSeconds: number
  /** What a convicted operator pays. */
  readonly penaltyWei: bigint
  /** What a challenger stakes. */
  readonly challengeBondWei: bigint
  /** The operator's first bond; a quarter of it bounds the fees of a challenge window. */
  readonly operatorBondWei: bigint
  readonly votingDelaySeconds: number
  readonly votingPeriodSeconds: number
  readonly timelockDelaySeconds: number
  readonly proposalThresholdWei: bigint
  /** Of the OPEN that is free and outside the treasury, in hundredths of a per cent. */
  readonly quorumBps: bigint
}

/** Short enough to see a whole vote within a minute. */
export const developmentParameters: L2Parameters = {
  split: { platformBps: 1_000, ownerBps: 2_000, stakersBps: 2_000, contributorsBps: 5_000 },
  withdrawalDelaySeconds: 10,
  challengeSeconds: 2,
  unbondingSeconds: 10,
  securityUnbondingSeconds: 300,
  validatorPanelStepSeconds: 20,
  validatorPanelCapBps: 2_000,
  courtStepSeconds: 20,
  penaltyWei: parseEther('100'),
  challengeBondWei: parseEther('1'),
  operatorBondWei: parseEther('40000'),
  votingDelaySeconds: 2,
  votingPeriodSeconds: 10,
  timelockDelaySeconds: 2,
  proposalThresholdWei: parseEther('1000'),
  quorumBps: 400n,
}

/** Time enough to notice and to object: for a network whose OPEN is worth something. */
export const productionParameters: L2Parameters = {
  split: developmentParameters.split,
  withdrawalDelaySeconds: 3_600,
  challengeSeconds: 86_400,
  unbondingSeconds: 7 * 86_400,
  securityUnbondingSeconds: 7 * 86_400,
  validatorPanelStepSeconds: 12 * 3_600,
  validatorPanelCapBps: 2_000,
  courtStepSeconds: 12 * 3_600,
  penaltyWei: parseEther('1000'),
  challengeBondWei: parseEther('10'),
  operatorBondWei: parseEther('40000'),
  votingDelaySeconds: 86_400,
  votingPeriodSeconds: 5 * 86_400,
  timelockDelaySeconds: 2 * 86_400,
  proposalThresholdWei: parseEther('100000'),
  quorumBps: 400n,
}

/** A first payment of OPEN through the portal. */
export type Funding = { readonly account: Address; readonly amountWei: bigint }

export type L2DeploymentOptions = {
  readonly l1: L1
  readonly l1Deployment: L1Deployment
  readonly l2Client: PublicClient
  readonly l2ChainId: number
  /** Holds OPEN on L1 for all fundings, and signs the deployment on L2. */
  readonly deployer: LocalAccount
  readonly operator: Address
  readonly treasury: Address
  readonly fundings: readonly Funding[]
  readonly parameters: L2Parameters
  /** Where `deployment.json` says that all is done. */
  readonly directory: string
  /** Resolves once there is another L2 block. */
  readonly nextL2Block: () => Promise<void>
  readonly logger: Logger
}

const recordSchema = z.object({ firstNonce: z.number().int(), startBlock: z.number().int() })

const portalAbi = parseAbi([
  'function depositERC20Transaction(address to, uint256 mint, uint256 value, uint64 gasLimit, bool isCreation, bytes data)',
])
const depositedEvent = parseAbiItem(
  'event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData)',
)

/** A plain transfer to an account on L2. */
const DEPOSIT_GAS = 100_000n
const FUNDING_TIMEOUT_MS = 120_000

/** Reads what an earlier run finished, or `undefined`. */
export function readDeployment(directory: string): Deployment | undefined {
  const stored = DurableFile.readJson(join(directory, 'deployment.json'))
  return stored === undefined ? undefined : deploymentSchema.parse(stored)
}

/**
 * Brings OPEN to L2 and deploys the contracts there; interrupted runs go on where they stopped.
 *
 * FeePolicy and Settlement belong to the timelock from their first block: the governor's address is known before it
 * exists, so nobody ever holds them in between.
 */
export async function deployL2(options: L2DeploymentOptions): Promise<Deployment> {
  const { l1, l1Deployment, l2Client, l2ChainId, deployer, directory, logger } = options
  const finished = readDeployment(directory)
  if (finished !== undefined) return finished

  await fund(options)

  const path = join(directory, 'l2-deployment.json')
  const stored = DurableFile.readJson(path)
  const record =
    stored === undefined
      ? {
          firstNonce: await l2Client.getTransactionCount({ address: deployer.address }),
          startBlock: Number(await l2Client.getBlockNumber({ cacheTime: 0 })),
        }
      : recordSchema.parse(stored)
  if (stored === undefined) DurableFile.writeJson(path, record)

  const { steps, addresses } = createPlan(options, record.firstNonce)
  await runSteps({
    client: l2Client,
    chainId: l2ChainId,
    account: deployer,
    firstNonce: record.firstNonce,
    steps,
    nextBlock: options.nextL2Block,
    logger,
  })
  await assertDeployed(l2Client, addresses)

  const [staking, audit, panel] = await Promise.all([
    l2Client.readContract({
      address: addresses.settlement,
      abi: settlementAbi,
      functionName: 'STAKING',
    }),
    l2Client.readContract({ address: addresses.court, abi: courtAbi, functionName: 'AUDIT' }),
    l2Client.readContract({ address: addresses.court, abi: courtAbi, functionName: 'PANEL' }),
  ])
  // the schema keeps what readers need and drops the rest
  const deployment = deploymentSchema.parse({
    l1ChainId: l1.chainId,
    l2ChainId,
    l2StartBlock: record.startBlock,
    l1: l1Deployment,
    l2: { ...addresses, staking, audit, panel },
  })
  DurableFile.writeJson(join(directory, 'deployment.json'), deployment)
  logger.info({ contracts: Object.keys(deployment.l2).length }, 'L2 contracts stand')
  return deployment
}

/** Deposits OPEN for every account that has had no deposit from the deployer yet, and waits until L2 has it. */
async function fund({
  l1,
  l1Deployment,
  l2Client,
  deployer,
  fundings,
  nextL2Block,
  logger,
}: L2DeploymentOptions) {
  const { client, chainId, nextBlock } = l1
  const { portal, open, origin } = l1Deployment
  // what an interrupted run left in the pool must be in a block before the logs can tell what is missing
  const countAt = (blockTag: 'latest' | 'pending') =>
    client.getTransactionCount({ address: deployer.address, blockTag })
  while ((await countAt('pending')) > (await countAt('latest'))) await nextBlock()

  const done = await client.getLogs({
    address: portal,
    event: depositedEvent,
    args: { from: deployer.address },
    fromBlock: BigInt(origin.number),
    toBlock: 'latest',
  })
  const funded = new Set(done.map(({ args }) => args.to?.toLowerCase()))
  const missing = fundings.filter(({ account }) => !funded.has(account.toLowerCase()))
  if (missing.length > 0) {
    const total = missing.reduce((sum, { amountWei }) => sum + amountWei, 0n)
    const approve: Step = {
      name: 'approve the portal',
      to: open,
      data: encodeFunctionData({ abi: openAbi, functionName: 'approve', args: [portal, total] }),
      gas: 100_000n,
    }
    const deposits = missing.map(
      ({ account, amountWei }): Step => ({
        name: `deposit for ${account}`,
        to: portal,
        data: encodeFunctionData({
          abi: portalAbi,
          functionName: 'depositERC20Transaction',
          args: [account, amountWei, amountWei, DEPOSIT_GAS, false, '0x'],
        }),
        gas: 400_000n,
      }),
    )
    await runSteps({
      client,
      chainId,
      account: deployer,
      firstNonce: await countAt('latest'),
      steps: [approve, ...deposits],
      nextBlock,
      logger,
    })
    logger.info({ accounts: missing.length, totalWei: total.toString() }, 'OPEN deposited for L2')
  }
  const deadline = performance.now() + FUNDING_TIMEOUT_MS
  // each deposit raises the deployer's nonce on L2 too: the deployment may only begin after the last one
  while ((await l2Client.getTransactionCount({ address: deployer.address })) < fundings.length) {
    if (performance.now() > deadline) throw new FundingError(deployer.address)
    await nextL2Block()
  }
}

function createPlan(options: L2DeploymentOptions, firstNonce: number) {
  const { parameters, operator, treasury } = options
  const from = options.deployer.address
  const steps: Step[] = []
  const next = (): number => firstNonce + steps.length
  const create = (name: string, data: Hex): Address => {
    const at = createdAt(from, next())
    steps.push({ name: `create ${name}`, data, gas: creationGas(data) })
    return at
  }
  const wopen = create('wopen', wopenBytecode)
  const gopen = create('gopen', gOpenBytecode)
  const governor = createdAt(from, next() + 1)
  const timelock = create(
    'timelock',
    encodeDeployData({
      abi: timelockControllerAbi,
      bytecode: timelockControllerBytecode,
      // what passed a vote may be executed by anyone; nobody administers the timelock but itself
      args: [BigInt(parameters.timelockDelaySeconds), [governor], [zeroAddress], zeroAddress],
    }),
  )
  create(
    'governor',
    encodeDeployData({
      abi: openGovernorAbi,
      bytecode: openGovernorBytecode,
      args: [
        gopen,
        timelock,
        {
          votingDelaySeconds: parameters.votingDelaySeconds,
          votingPeriodSeconds: parameters.votingPeriodSeconds,
          proposalThresholdWei: parameters.proposalThresholdWei,
          quorumBps: parameters.quorumBps,
        },
        BigInt(options.l1Deployment.genesisTimestamp),
        // the next contract
        createdAt(from, next() + 1),
      ],
    }),
  )
  const feePolicy = create(
    'feePolicy',
    encodeDeployData({
      abi: feePolicyAbi,
      bytecode: feePolicyBytecode,
      args: [timelock, treasury, parameters.split],
    }),
  )
  const datanets = create('datanets', datanetsBytecode)
  const models = create(
    'models',
    encodeDeployData({ abi: modelsAbi, bytecode: modelsBytecode, args: [datanets] }),
  )
  const court = createdAt(from, next() + 1)
  const settlement = create(
    'settlement',
    encodeDeployData({
      abi: settlementAbi,
      bytecode: settlementBytecode,
      args: [
        timelock,
        operator,
        feePolicy,
        models,
        wopen,
        BigInt(parameters.withdrawalDelaySeconds),
        BigInt(parameters.challengeSeconds),
        BigInt(parameters.unbondingSeconds),
        court,
      ],
    }),
  )
  create(
    'court',
    encodeDeployData({
      abi: courtAbi,
      bytecode: courtBytecode,
      args: [
        timelock,
        settlement,
        BigInt(parameters.courtStepSeconds),
        parameters.penaltyWei,
        parameters.challengeBondWei,
      ],
    }),
  )
  steps.push({
    name: 'bond the operator',
    to: court,
    data: encodeFunctionData({ abi: courtAbi, functionName: 'bondFor', args: [operator] }),
    value: parameters.operatorBondWei,
    gas: 200_000n,
  })
  const agentIdentity = create('agentIdentity', agentIdentityBytecode)
  const agentWalletFactory = create(
    'agentWalletFactory',
    encodeDeployData({ abi: agentWalletFactoryAbi, bytecode: agentWalletFactoryBytecode, args: [wopen] }),
  )
  const securityStake = create(
    'securityStake',
    encodeDeployData({
      abi: securityStakeAbi,
      bytecode: securityStakeBytecode,
      args: [
        timelock,
        agentIdentity,
        BigInt(parameters.securityUnbondingSeconds),
        // the next contract
        createdAt(from, next() + 1),
        BigInt(parameters.validatorPanelCapBps),
      ],
    }),
  )
  const validatorPanel = create(
    'validatorPanel',
    encodeDeployData({
      abi: validatorPanelAbi,
      bytecode: validatorPanelBytecode,
      args: [datanets, securityStake, BigInt(parameters.validatorPanelStepSeconds)],
    }),
  )
  const agentReputation = create(
    'agentReputation',
    encodeDeployData({ abi: agentReputationAbi, bytecode: agentReputationBytecode, args: [agentIdentity] }),
  )
  const agentValidation = create(
    'agentValidation',
    encodeDeployData({ abi: agentValidationAbi, bytecode: agentValidationBytecode, args: [agentIdentity] }),
  )
  const uptoPayments = create(
    'uptoPayments',
    encodeDeployData({ abi: uptoPaymentsAbi, bytecode: uptoPaymentsBytecode, args: [settlement, wopen] }),
  )
  return {
    steps,
    addresses: {
      wopen,
      gopen,
      timelock,
      governor,
      feePolicy,
      datanets,
      validatorPanel,
      models,
      settlement,
      court,
      agentIdentity,
      agentWalletFactory,
      securityStake,
      agentReputation,
      agentValidation,
      uptoPayments,
    },
  }
}

export class FundingError extends BaseError {
  constructor(account: string) {
    super({
      code: 'deployment.funding',
      message: `Expected the deposit for ${account} to arrive on L2 within ${FUNDING_TIMEOUT_MS / 1000} s, it did not: check that the L2 follows the L1, and start again.`,
      context: { account },
      severity: 'retry',
    })
  }
}
