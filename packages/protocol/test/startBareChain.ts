import type { Hex } from '@openledger/primitives'
import { type Abi, createPublicClient, createWalletClient, defineChain, http, type PublicClient } from 'viem'
import * as DevelopmentKeys from '../src/DevelopmentKeys.ts'
import { createSender, type Sender } from '../src/Sender.ts'
import { startAnvil } from './startAnvil.ts'

/** A chain with nothing on it but money in every development account, and what puts contracts there. */
export type BareChain = {
  readonly publicClient: PublicClient
  readonly senderOf: (role: DevelopmentKeys.Role) => Sender
  /** Creates a contract as the deployer. */
  readonly deploy: (
    contract: { readonly abi: unknown; readonly bytecode: Hex },
    args?: readonly unknown[],
  ) => Promise<Hex>
  readonly close: () => void
}

/** Starts it for one test file. */
export async function startBareChain(): Promise<BareChain> {
  const anvil = await startAnvil(['--accounts', '64'])
  const chain = defineChain({
    id: 31_337,
    name: 'test',
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [anvil.url] } },
  })
  const publicClient = createPublicClient({
    chain,
    transport: http(),
    pollingInterval: 20,
    cacheTime: 0,
  }) as PublicClient
  const walletOf = (role: DevelopmentKeys.Role) =>
    createWalletClient({ account: DevelopmentKeys.account(role), chain, transport: http() })
  const deployer = walletOf('deployer')
  return {
    publicClient,
    senderOf: (role) => createSender({ walletClient: walletOf(role), publicClient }),
    async deploy({ abi, bytecode }, args = []) {
      const hash = await deployer.deployContract({ abi: abi as Abi, bytecode, args })
      return (await publicClient.waitForTransactionReceipt({ hash })).contractAddress!
    },
    close: anvil.close,
  }
}
