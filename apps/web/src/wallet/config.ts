import type { Http } from '@openledger/protocol'
import { defineChain } from 'viem'
import { type Config, createConfig, http } from 'wagmi'

/**
 * Describes the L2 to wallets and builds wagmi's configuration; wallets are found by EIP-6963 alone.
 *
 * On a development network the publicly known accounts are offered as wallets, so that nobody needs an extension.
 */
export async function createWalletConfig(network: Http.Network): Promise<Config> {
  const chain = defineChain({
    id: network.deployment.l2ChainId,
    name: network.name,
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [network.l2RpcUrl] } },
  })
  if (network.development) {
    const { announceDevelopmentWallets } = await import('./developmentWallet.ts')
    announceDevelopmentWallets(chain)
  }
  return createConfig({ chains: [chain], transports: { [chain.id]: http() }, pollingInterval: 500 })
}
