import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import type { Deployment, Sender } from '@openledger/protocol'
import { agentIdentityAbi } from '@openledger/protocol/abi/agentIdentity'
import { agentWalletAbi } from '@openledger/protocol/abi/agentWallet'
import { agentWalletFactoryAbi } from '@openledger/protocol/abi/agentWalletFactory'
import { encodeFunctionData, keccak256, type PublicClient, parseEventLogs, toBytes } from 'viem'
import { grantSession, type SessionLimits } from './WalletCalls.ts'

/** An agent on chain: its ERC-8004 identity, and the wallet that owns the identity and pays. */
export type ProvisionedAgent = { readonly agentId: bigint; readonly wallet: Hex }

/** What putting an agent on chain consists of, in order. */
export type ProvisionStep = 'wallet' | 'identity' | 'session'

export type ProvisionOptions = {
  readonly publicClient: PublicClient
  /** Sends for the person or firm that answers for the agent. */
  readonly owner: Pick<Sender, 'account' | 'send'>
  readonly deployment: Deployment
  /** An owner has one agent of a name. */
  readonly name: string
  readonly description: string
  /** Address of the key that the agent's process holds. */
  readonly sessionKey: Hex
  readonly session: SessionLimits
  /** What a new wallet is given, in wei. */
  readonly fundWei: bigint
  /** Where the agent finds models. */
  readonly serverUrl: string
  /** Told before each step that is not done yet. */
  readonly onStep?: (step: ProvisionStep) => void
}

/**
 * Puts an agent on chain: a wallet that only its owner commands, an identity that the wallet holds, money, and a session
 * key that can pay `Settlement` within its limits and do nothing else. Steps already done are not done again.
 *
 * @throws what `owner.send` throws when a step fails on chain; nothing after it was done, and calling again goes on.
 * @see ERC-8004 for the registration file that the identity's URI carries.
 */
export async function provisionAgent(options: ProvisionOptions): Promise<ProvisionedAgent> {
  const { publicClient, owner, deployment, name, sessionKey, session, onStep = () => {} } = options
  const { l2 } = deployment
  const salt = keccak256(toBytes(`agent ${name}`))
  const factory = {
    address: l2.agentWalletFactory,
    abi: agentWalletFactoryAbi,
    args: [owner.account, salt],
  } as const
  const wallet = await publicClient.readContract({ ...factory, functionName: 'walletOf' })
  if ((await publicClient.getCode({ address: wallet })) === undefined) {
    onStep('wallet')
    await owner.send({ ...factory, functionName: 'createWallet' })
  }
  const agentId = await identityOf(options, wallet)
  const granted = await publicClient.readContract({
    address: wallet,
    abi: agentWalletAbi,
    functionName: 'sessionOf',
    args: [sessionKey],
  })
  const isGranted =
    granted.limitPerPaymentWei === session.limitPerPaymentWei &&
    granted.limitTotalWei === session.limitTotalWei &&
    granted.expiresAt === session.expiresAt
  if (!isGranted) {
    onStep('session')
    await owner.send(grantSession(wallet, l2.settlement, sessionKey, session))
  }
  return { agentId, wallet: wallet.toLowerCase() as Hex }
}

/** Finds the identity that the wallet holds, or has the wallet register one; the money comes with the registration. */
async function identityOf(
  { publicClient, owner, deployment, name, description, fundWei, serverUrl, onStep }: ProvisionOptions,
  wallet: Hex,
): Promise<bigint> {
  const registry = { address: deployment.l2.agentIdentity, abi: agentIdentityAbi } as const
  const [registered] = await publicClient.getContractEvents({
    ...registry,
    eventName: 'Registered',
    args: { owner: wallet },
    fromBlock: BigInt(deployment.l2StartBlock),
  })
  if (registered?.args.agentId !== undefined) return registered.args.agentId
  onStep?.('identity')
  const uri = registrationUri({ name, description, wallet, serverUrl, chainId: deployment.l2ChainId })
  const data = encodeFunctionData({ abi: agentIdentityAbi, functionName: 'register', args: [uri] })
  const { logs, transactionHash } = await owner.send({
    address: wallet,
    abi: agentWalletAbi,
    functionName: 'execute',
    args: [registry.address, 0n, data],
    valueWei: fundWei,
  })
  const [event] = parseEventLogs({ abi: agentIdentityAbi, eventName: 'Registered', logs })
  if (event === undefined) throw new AgentUnregisteredError(wallet, transactionHash)
  return event.args.agentId
}

/** Writes the ERC-8004 registration file as a `data:` URI: it is small, and then no host has to keep it. */
function registrationUri(agent: {
  name: string
  description: string
  wallet: Hex
  serverUrl: string
  chainId: number
}): string {
  const file = {
    type: 'https://eips.ethereum.org/EIPS/eip-8004#registration-v1',
    name: agent.name,
    description: agent.description,
    services: [
      { name: 'MCP', endpoint: `${agent.serverUrl}/mcp` },
      { name: 'agentWallet', endpoint: `eip155:${agent.chainId}:${agent.wallet}` },
    ],
    x402Support: true,
    active: true,
  }
  let binary = ''
  for (const byte of Bytes.fromUtf8(JSON.stringify(file))) binary += String.fromCharCode(byte)
  return `data:application/json;base64,${btoa(binary)}`
}

export class AgentUnregisteredError extends BaseError {
  constructor(wallet: Hex, transactionHash: Hex) {
    super({
      code: 'agent.unregistered',
      message: `Expected ${wallet} to be registered as an agent by transaction ${transactionHash}, but it says nothing of it: the deployment names another registry than the chain has.`,
      context: { wallet, transactionHash },
    })
  }
}
