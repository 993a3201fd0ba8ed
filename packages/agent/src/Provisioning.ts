import { BaseError, Bytes, type Hex } from '@openledger/primitives'
import { Abi, type Deployment } from '@openledger/protocol'
import {
  type Account,
  type Chain,
  encodeFunctionData,
  keccak256,
  type PublicClient,
  parseEventLogs,
  type Transport,
  toBytes,
  type WalletClient,
} from 'viem'

/** A wallet client with its account and chain bound in. */
export type Wallet = WalletClient<Transport, Chain, Account>

/** What a session key may do: pay one payee, so much at once and in all, until a time. */
export type SessionLimits = {
  readonly limitPerPaymentWei: bigint
  readonly limitTotalWei: bigint
  /** Unix seconds. */
  readonly expiresAt: bigint
}

/** An agent on chain: its ERC-8004 identity, and the wallet that owns the identity and pays. */
export type ProvisionedAgent = { readonly agentId: bigint; readonly wallet: Hex }

export type ProvisionOptions = {
  readonly publicClient: PublicClient
  /** The person or firm that answers for the agent. */
  readonly owner: Wallet
  readonly deployment: Deployment
  readonly name: string
  readonly description: string
  /** Address of the key that the agent's process holds. */
  readonly sessionKey: Hex
  readonly session: SessionLimits
  /** What the wallet is to hold at least, in wei. */
  readonly fundWei: bigint
  /** Where the agent finds models. */
  readonly serverUrl: string
}

/**
 * Puts an agent on chain: a wallet that only its owner commands, an identity that the wallet holds, money, and a session
 * key that can pay `Settlement` within its limits and do nothing else. Steps already done are not done again.
 *
 * @throws {AgentTransactionError} when a step fails on chain.
 * @see ERC-8004 for the registration file that the identity's URI carries.
 */
export async function provisionAgent(options: ProvisionOptions): Promise<ProvisionedAgent> {
  const { publicClient, owner, deployment, name, sessionKey, session, fundWei } = options
  const { l2 } = deployment
  const salt = keccak256(toBytes(`agent ${name}`))
  const factory = { address: l2.agentWalletFactory, abi: Abi.agentWalletFactoryAbi } as const
  const send = async (what: string, hash: Hex) => {
    const receipt = await publicClient.waitForTransactionReceipt({ hash, pollingInterval: 250 })
    if (receipt.status !== 'success') throw new AgentTransactionError(what, hash)
    return receipt
  }

  const wallet = await publicClient.readContract({
    ...factory,
    functionName: 'walletOf',
    args: [owner.account.address, salt],
  })
  if ((await publicClient.getCode({ address: wallet })) === undefined) {
    const hash = await owner.writeContract({
      ...factory,
      functionName: 'createWallet',
      args: [owner.account.address, salt],
    })
    await send('creating the wallet', hash)
  }

  const heldWei = await publicClient.getBalance({ address: wallet })
  if (heldWei < fundWei) {
    await send('funding the wallet', await owner.sendTransaction({ to: wallet, value: fundWei - heldWei }))
  }

  const agentId = await identityOf(options, wallet, send)
  const granted = await publicClient.readContract({
    address: wallet,
    abi: Abi.agentWalletAbi,
    functionName: 'sessionOf',
    args: [sessionKey],
  })
  const sameLimits =
    granted.limitPerPaymentWei === session.limitPerPaymentWei &&
    granted.limitTotalWei === session.limitTotalWei &&
    granted.expiresAt === session.expiresAt
  if (!sameLimits) {
    const hash = await owner.writeContract({
      address: wallet,
      abi: Abi.agentWalletAbi,
      functionName: 'grantSession',
      args: [sessionKey, l2.settlement, session.limitPerPaymentWei, session.limitTotalWei, session.expiresAt],
    })
    await send('granting the session', hash)
  }
  return { agentId, wallet: wallet.toLowerCase() as Hex }
}

/** Finds the identity that the wallet holds, or has the wallet register one. */
async function identityOf(
  { publicClient, owner, deployment, name, description, serverUrl }: ProvisionOptions,
  wallet: Hex,
  send: (what: string, hash: Hex) => Promise<{ logs: Parameters<typeof parseEventLogs>[0]['logs'] }>,
): Promise<bigint> {
  const registry = { address: deployment.l2.agentIdentity, abi: Abi.agentIdentityAbi } as const
  const [registered] = await publicClient.getContractEvents({
    ...registry,
    eventName: 'Registered',
    args: { owner: wallet },
    fromBlock: BigInt(deployment.l2StartBlock),
  })
  if (registered?.args.agentId !== undefined) return registered.args.agentId
  const uri = registrationUri({ name, description, wallet, serverUrl, chainId: deployment.l2ChainId })
  const data = encodeFunctionData({ abi: Abi.agentIdentityAbi, functionName: 'register', args: [uri] })
  const hash = await owner.writeContract({
    address: wallet,
    abi: Abi.agentWalletAbi,
    functionName: 'execute',
    args: [registry.address, 0n, data],
  })
  const { logs } = await send('registering the identity', hash)
  const [event] = parseEventLogs({ abi: Abi.agentIdentityAbi, eventName: 'Registered', logs })
  if (event === undefined) throw new AgentTransactionError('registering the identity', hash)
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

export class AgentTransactionError extends BaseError {
  constructor(what: string, hash: Hex) {
    super({
      code: 'agent.transaction_failed',
      message: `Expected ${what} to succeed, but transaction ${hash} failed on chain. Nothing after it was done; call again to go on.`,
      context: { what, hash },
    })
  }
}
