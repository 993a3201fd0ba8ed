import { BaseError, type Hex } from '@openledger/primitives'
import { DevelopmentKeys, type Http } from '@openledger/protocol'
import {
  type Bridge,
  type Client,
  createBridge,
  createChains,
  createClient,
  type Governance,
} from '@openledger/sdk'
import { type Chain, createPublicClient, createWalletClient, http, type PublicClient } from 'viem'
import { type LocalAccount, privateKeyToAccount } from 'viem/accounts'

/** A server and the two chains behind it, as the command line sees them. */
export type Connection = {
  readonly url: string
  readonly client: Client
  readonly network: Http.Network
  readonly bridge: Bridge
  readonly l1: PublicClient
  readonly l2: PublicClient
  readonly l1Wallet: (account: LocalAccount) => Governance.Wallet
  readonly l2Wallet: (account: LocalAccount) => Governance.Wallet
}

/**
 * Connects to a server.
 * @throws {UnreachableError} when nothing answers at `url`.
 */
export async function connect(url: string): Promise<Connection> {
  const client = createClient({ url })
  const network = await client.network().catch((error: unknown) => {
    throw error instanceof BaseError ? error : new UnreachableError(url, error)
  })
  const { l1Chain, l2Chain } = createChains(network.deployment, network)
  const clientOf = (of: Chain): PublicClient =>
    createPublicClient({ chain: of, transport: http(), pollingInterval: 500 })
  const walletOf =
    (of: Chain) =>
    (account: LocalAccount): Governance.Wallet =>
      createWalletClient({ account, chain: of, transport: http(), pollingInterval: 500 })
  return {
    url,
    client,
    network,
    bridge: createBridge(network.deployment, network),
    l1: clientOf(l1Chain),
    l2: clientOf(l2Chain),
    l1Wallet: walletOf(l1Chain),
    l2Wallet: walletOf(l2Chain),
  }
}

/**
 * Chooses the account to act with: a private key from the environment, or a development role by name.
 * @param role - `caller`, `builder`, ..., or `contributor-N`.
 * @throws {NoAccountError} when neither is there, or a development role is asked for on another network.
 */
export function accountOf(
  connection: Connection,
  privateKey: string | undefined,
  role: string | undefined,
): LocalAccount {
  if (role === undefined && privateKey !== undefined && /^0x[0-9a-fA-F]{64}$/.test(privateKey)) {
    return privateKeyToAccount(privateKey as Hex)
  }
  if (role === undefined || !connection.network.development) throw new NoAccountError(role)
  const contributor = /^contributor-(\d{1,2})$/.exec(role)?.[1]
  if (contributor !== undefined) return DevelopmentKeys.contributor(Number(contributor))
  if (role in DevelopmentKeys.ROLES) return DevelopmentKeys.account(role as DevelopmentKeys.Role)
  throw new NoAccountError(role)
}

export class UnreachableError extends BaseError {
  constructor(url: string, cause: unknown) {
    super({
      code: 'cli.unreachable',
      message: `Expected an OpenLedger server at ${url}, but nothing answers there. Start one with: npm start`,
      context: { url },
      cause,
    })
  }
}

export class NoAccountError extends BaseError {
  constructor(role: string | undefined) {
    super({
      code: 'cli.no_account',
      message:
        role === undefined
          ? 'Expected an account: set OPENLEDGER_PRIVATE_KEY to 0x and 64 hexadecimal digits, or on a development network name a role with --as caller.'
          : `Expected --as to be one of ${Object.keys(DevelopmentKeys.ROLES).join(', ')} or contributor-0, contributor-1, ... on a development network, got ${role}.`,
      context: { role },
    })
  }
}
