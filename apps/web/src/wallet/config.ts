import type { Http } from '@openledger/protocol'
import { createChains } from '@openledger/sdk'
import { type Config, createConfig, http } from 'wagmi'

/**
 * Describes the L2, and the L1 for the bridge, to wallets and builds wagmi's configuration; wallets are found by EIP-6963
 * alone.
 *
 * On a development network the publicly known accounts are offered as wallets, so that nobody needs an extension.
 */
export async function createWalletConfig(network: Http.Network): Promise<Config> {
  const { l1Chain, l2Chain: plain } = createChains(network.deployment, network)
  const l2Chain = { ...plain, name: network.name }
  if (network.development) {
    const { announceDevelopmentWallets } = await import('./developmentWallet.ts')
    announceDevelopmentWallets([l2Chain, l1Chain])
  }
  return createConfig({
    chains: [l2Chain, l1Chain],
    transports: { [l2Chain.id]: http(), [l1Chain.id]: http() },
    pollingInterval: 500,
  })
}
