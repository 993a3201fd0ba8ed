import { CanonicalJson, type Hex } from '@openledger/primitives'
import {
  Abi,
  createSender,
  type Deployment,
  DevelopmentKeys,
  type Sender,
  TypedData,
} from '@openledger/protocol'
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  getContractAddress,
  http,
  type LocalAccount,
  type PublicClient,
} from 'viem'
import { startAnvil } from '../../protocol/test/startAnvil.ts'

export const CHAIN_ID = 161_200
/** Between the steps of a case before the validators' panel: longer than the 256 blocks for which a hash is known. */
export const PANEL_STEP_SECONDS = 600n
const ZERO: Hex = `0x${'00'.repeat(20)}`

/** A chain with the registry of Datanets on it, and the panel of validators. */
export type RegistryChain = {
  readonly url: string
  readonly publicClient: PublicClient
  readonly deployment: Deployment
  readonly relayer: Sender
  readonly validator: Sender
  /** Creates a Datanet owned by the builder; the validator is named unless told otherwise. */
  readonly createDatanet: (name: string, summary: string, options?: { isValidated?: boolean }) => Promise<Hex>
  readonly addValidator: (datanetId: bigint) => Promise<void>
  readonly close: () => void
}

/** Starts a chain of its own for one test file. */
export async function startRegistryChain(): Promise<RegistryChain> {
  const anvil = await startAnvil(['--chain-id', String(CHAIN_ID), '--accounts', '64'])
  const clients = connect(anvil.url)
  const { publicClient, wallet, senderOf } = clients
  const deployed = async (sending: Promise<Hex>): Promise<Hex> => {
    const { contractAddress } = await publicClient.waitForTransactionReceipt({ hash: await sending })
    return contractAddress!.toLowerCase() as Hex
  }
  const deployer = wallet('deployer')
  const datanets = await deployed(
    deployer.deployContract({ abi: Abi.datanetsAbi, bytecode: Abi.datanetsBytecode }),
  )
  const nonce = await publicClient.getTransactionCount({ address: deployer.account.address })
  const securityStake = await deployed(
    deployer.deployContract({
      abi: Abi.securityStakeAbi,
      bytecode: Abi.securityStakeBytecode,
      args: [
        deployer.account.address,
        ZERO,
        7n * PANEL_STEP_SECONDS,
        [
          {
            account: getContractAddress({ from: deployer.account.address, nonce: BigInt(nonce) + 1n }),
            capBps: 2_000n,
          },
        ],
      ],
    }),
  )
  const validatorPanel = await deployed(
    deployer.deployContract({
      abi: Abi.validatorPanelAbi,
      bytecode: Abi.validatorPanelBytecode,
      args: [datanets, securityStake, PANEL_STEP_SECONDS],
    }),
  )
  const base = deploymentAt(datanets)
  const deployment = { ...base, l2: { ...base.l2, securityStake, validatorPanel } }
  const registry = { address: deployment.l2.datanets, abi: Abi.datanetsAbi } as const
  const builder = senderOf('builder')
  const addValidator = async (datanetId: bigint): Promise<void> => {
    const args = [datanetId, DevelopmentKeys.account('validator').address] as const
    await builder.send({ ...registry, functionName: 'addValidator', args })
  }
  return {
    url: anvil.url,
    publicClient,
    deployment,
    relayer: senderOf('operator'),
    validator: senderOf('validator'),
    addValidator,
    async createDatanet(name, summary, { isValidated = true } = {}) {
      const commons = DevelopmentKeys.account('treasury').address
      const args = [name, CanonicalJson.hash({ summary }), 'MIT', commons] as const
      const { transactionHash } = await builder.send({ ...registry, functionName: 'createDatanet', args })
      const id = await publicClient.readContract({ ...registry, functionName: 'datanetCount' })
      if (isValidated) await addValidator(id)
      return transactionHash
    },
    close: anvil.close,
  }
}

/** Clients of a chain that is already there. */
export function connect(url: string) {
  const chain = defineChain({
    id: CHAIN_ID,
    name: 'test',
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [url] } },
  })
  const publicClient = createPublicClient({
    chain,
    transport: http(),
    pollingInterval: 20,
    cacheTime: 0,
  }) as PublicClient
  const walletOf = (account: LocalAccount) => createWalletClient({ account, chain, transport: http() })
  const wallet = (role: DevelopmentKeys.Role) => walletOf(DevelopmentKeys.account(role))
  const senderOf = (role: DevelopmentKeys.Role): Sender =>
    createSender({ walletClient: wallet(role), publicClient })
  return { publicClient, walletOf, wallet, senderOf }
}

/** A deployment of which only the registry is there. */
export function deploymentAt(datanets: Hex): Deployment {
  const none = <Key extends string>(...keys: Key[]) =>
    Object.fromEntries(keys.map((key) => [key, ZERO])) as Record<Key, Hex>
  return {
    l1ChainId: 31_337,
    l2ChainId: CHAIN_ID,
    l2StartBlock: 0,
    l1: none(
      'open',
      'genesisAllocation',
      'portal',
      'systemConfig',
      'outputOracle',
      'outputChallenges',
      'superchainConfig',
      'bridgeGuardian',
      'multicall3',
    ),
    l2: {
      ...none('models', 'feePolicy', 'settlement', 'staking', 'wopen', 'gopen', 'governor', 'timelock'),
      ...none(
        'agentIdentity',
        'agentWalletFactory',
        'securityStake',
        'validatorPanel',
        'agentReputation',
        'agentValidation',
        'agentGuarantees',
        'uptoPayments',
        'court',
        'audit',
        'panel',
      ),
      datanets,
    },
  }
}

/** Signs a prepared contribution as its contributor's wallet does. */
export async function signContribution(
  account: LocalAccount,
  message: {
    readonly datanetId: string
    readonly recordsRoot: Hex
    readonly recordCount: number
    readonly contentHash: Hex
    readonly licence: string
    readonly deadline: number
  },
  { deployment, chainId = CHAIN_ID }: { readonly deployment: Deployment; readonly chainId?: number },
): Promise<Hex> {
  return account.signTypedData({
    domain: TypedData.contractDomain('OpenLedger Datanets', chainId, deployment.l2.datanets),
    types: TypedData.contribution,
    primaryType: 'Contribution',
    message: {
      ...message,
      datanetId: BigInt(message.datanetId),
      contributor: account.address,
      deadline: BigInt(message.deadline),
    },
  })
}
