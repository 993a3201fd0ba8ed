import type { Http } from '@openledger/protocol'
import { defineChain } from 'viem'
import { type Config, createConfig, http } from 'wagmi'

/** Describes the L2 to wallets and builds wagmi's configuration; wallets are found by EIP-6963 alone. */
export function createWalletConfig(network: Http.Network): Config {
  const chain = defineChain({
    id: network.deployment.l2ChainId,
    name: network.name,
    nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [network.l2RpcUrl] } },
  })
  return createConfig({
    chains: [chain],
    transports: { [chain.id]: http(network.l2RpcUrl) },
  }) as unknown as Config
}
