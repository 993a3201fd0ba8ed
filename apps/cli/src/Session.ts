import { createSender, type Sender } from '@openledger/protocol'
import { datanetsAbi } from '@openledger/protocol/abi/datanets'
import type { LocalAccount } from 'viem/accounts'
import { accountOf, type Connection, connect } from './Connection.ts'

/** Where a command goes and for whom it acts. */
export type Session = {
  /** The secret of the key that pays for answers. */
  readonly apiKey: string | undefined
  /** The key to act with where no server says which development account is meant. */
  readonly privateKey: string | undefined
  /** Whether the person said for whom to act. */
  readonly isNamed: () => boolean
  readonly url: () => string
  readonly connect: () => Promise<Connection>
  /** Connects and chooses the acting account. @param role - Taken when the person named neither role nor key. */
  readonly acting: (role?: string) => Promise<{ connection: Connection; account: LocalAccount }>
}

/** What sends an account's transactions on L2; a contract's refusal comes back in words. */
export const senderOf = ({ l2, l2Wallet }: Connection, account: LocalAccount): Sender =>
  createSender({ walletClient: l2Wallet(account), publicClient: l2 })

/** The acting account, with the contract of the Datanets and what sends to it. */
export async function actingOnDatanets(session: Session) {
  const { connection, account } = await session.acting()
  return {
    connection,
    account,
    registry: { address: connection.network.deployment.l2.datanets, abi: datanetsAbi } as const,
    sender: senderOf(connection, account),
  }
}

/** @param options - Read at each call: the command line is parsed after the commands are declared. */
export function createSession(
  options: () => { readonly url: string; readonly as?: string },
  { privateKey, apiKey }: { readonly privateKey: string | undefined; readonly apiKey: string | undefined },
): Session {
  const url = () => options().url
  return {
    apiKey,
    privateKey,
    isNamed: () => options().as !== undefined || privateKey !== undefined,
    url,
    connect: () => connect(url()),
    acting: async (role) => {
      const connection = await connect(url())
      const named = options().as ?? (privateKey === undefined ? role : undefined)
      return { connection, account: accountOf(connection, privateKey, named) }
    },
  }
}
