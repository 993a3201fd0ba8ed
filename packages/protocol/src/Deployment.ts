import { z } from 'zod'
import { addressSchema } from './Scalars.ts'

/** Where everything lives on one network: written once at deployment, read by every part. */
export const deploymentSchema = z.object({
  l1ChainId: z.number().int(),
  l2ChainId: z.number().int(),
  /** First L2 block that may hold events of the contracts below. */
  l2StartBlock: z.number().int(),
  l1: z.object({
    open: addressSchema,
    genesisAllocation: addressSchema,
    portal: addressSchema,
    systemConfig: addressSchema,
    outputOracle: addressSchema,
    outputChallenges: addressSchema,
    superchainConfig: addressSchema,
    bridgeGuardian: addressSchema,
    multicall3: addressSchema,
  }),
  l2: z.object({
    datanets: addressSchema,
    validatorPanel: addressSchema,
    models: addressSchema,
    feePolicy: addressSchema,
    settlement: addressSchema,
    staking: addressSchema,
    court: addressSchema,
    audit: addressSchema,
    panel: addressSchema,
    wopen: addressSchema,
    gopen: addressSchema,
    governor: addressSchema,
    timelock: addressSchema,
    agentIdentity: addressSchema,
    agentWalletFactory: addressSchema,
    securityStake: addressSchema,
    agentReputation: addressSchema,
    agentValidation: addressSchema,
    agentGuarantees: addressSchema,
    uptoPayments: addressSchema,
  }),
})

export type Deployment = z.infer<typeof deploymentSchema>
