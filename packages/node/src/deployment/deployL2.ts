import { join } from 'node:path'
import type { Deployment } from '@openledger/protocol'
import { deploymentSchema } from '@openledger/protocol'
import {
  agentGuaranteesAbi,
  agentGuaranteesBytecode,
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
import { type Address, encodeDeployData, encodeFunctionData, type Hex, zeroAddress } from 'viem'
import { z } from 'zod'
import * as DurableFile from '../node/DurableFile.ts'
import { type FundingOptions, fundL2 } from './fundL2.ts'
import type { L2Parameters } from './L2Parameters.ts'
import { assertDeployed, createdAt, creationGas, runSteps, type Step } from './Steps.ts'

export type L2DeploymentOptions = FundingOptions & {
  readonly l2ChainId: number
  readonly operator: Address
  readonly treasury: Address
  readonly parameters: L2Parameters
  /** Where `deployment.json` says that all is done. */
  readonly directory: string
}

const recordSchema = z.object({ firstNonce: z.number().int(), startBlock: z.number().int() })

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

  await fundL2(options)

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
  const agentValidation = create(
    'agentValidation',
    encodeDeployData({ abi: agentValidationAbi, bytecode: agentValidationBytecode, args: [agentIdentity] }),
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
        // the next two contracts
        [
          { account: createdAt(from, next() + 1), capBps: BigInt(parameters.validatorPanelCapBps) },
          { account: createdAt(from, next() + 2), capBps: BigInt(parameters.agentGuaranteesCapBps) },
        ],
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
  const agentGuarantees = create(
    'agentGuarantees',
    encodeDeployData({
      abi: agentGuaranteesAbi,
      bytecode: agentGuaranteesBytecode,
      args: [agentValidation, securityStake],
    }),
  )
  const agentReputation = create(
    'agentReputation',
    encodeDeployData({ abi: agentReputationAbi, bytecode: agentReputationBytecode, args: [agentIdentity] }),
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
      agentGuarantees,
      uptoPayments,
    },
  }
}
